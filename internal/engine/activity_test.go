package engine

import (
	"strings"
	"testing"
)

func TestTheFeedKeepsItsEndInWholeLines(t *testing.T) {
	t.Parallel()
	feed := &lastBytes{most: 20}
	for _, line := range []string{"first", " ", "second", "third", "fourth"} {
		feed.add(line)
	}
	if got := feed.String(); got != "second\nthird\nfourth" {
		t.Errorf("%q", got)
	}
	feed.add(strings.Repeat("x", 50))
	if got := feed.String(); got != strings.Repeat("x", 50) {
		t.Errorf("a long line: %q", got)
	}
}
