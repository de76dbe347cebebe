package present

import (
	"strings"
	"testing"
)

func TestTheApprovalChainIsALink(t *testing.T) {
	t.Parallel()
	if got := Chain("https://coderflow.example.com/tasks/t/chain"); !strings.Contains(got, "[The approval chain](<https://coderflow.example.com/tasks/t/chain>)") {
		t.Error(got)
	}
	if got := Chain(""); got != "" {
		t.Error(got)
	}
}
