package present

import (
	"strings"
	"testing"
)

// A task whose server is gone would otherwise wait without a word.
func TestAStatusNamesTheServerThatTheTaskWaitsFor(t *testing.T) {
	t.Parallel()
	v := sampleStatus()
	if text := Status(v); strings.Contains(text, "another server") {
		t.Error(text)
	}
	v.Server = "k3j2h1g0f9d8"
	if text := Status(v); !strings.Contains(text, "Its work is on another server, `k3j2h1g0f9d8`, and goes on only while that runs.") {
		t.Error(text)
	}
}
