package present

import (
	"strings"
	"testing"
)

func TestTheReceiptIsALink(t *testing.T) {
	t.Parallel()
	got := Receipt("https://coderflow.example.com/approvals/a1/receipt", "4b825dc")
	if !strings.Contains(got, "[The receipt](<https://coderflow.example.com/approvals/a1/receipt>)") || !strings.Contains(got, "`coderflow verify 4b825dc --receipt FILE --key FILE`") {
		t.Error(got)
	}
	if got := Receipt("", "4b825dc"); got != "" {
		t.Error(got)
	}
}
