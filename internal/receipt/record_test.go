package receipt_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/receipt"
	"github.com/coderflow/coderflow/internal/receipt/receipttest"
)

// What the entries say of one thing they must all say.
func TestEntriesThatContradictEachOtherMakeNoReceipt(t *testing.T) {
	t.Parallel()
	w := receipttest.New(t, 0)
	build := func(change func(entries []audit.Entry)) error {
		var entries []audit.Entry
		for _, e := range w.Entries {
			e.Detail = append(json.RawMessage{}, e.Detail...)
			entries = append(entries, e)
		}
		change(entries)
		_, err := receipt.Build(receipt.Source{
			Approval: w.Approval, Proposal: w.Proposal, Committer: receipttest.Bot, Entries: entries, Checkpoint: w.Sign(),
			Prove: func(int64) (audit.Inclusion, error) { return audit.Inclusion{}, nil },
		})
		return err
	}
	replace := func(i int, from, to string) func([]audit.Entry) {
		return func(entries []audit.Entry) {
			changed := strings.ReplaceAll(string(entries[i].Detail), from, to)
			if changed == string(entries[i].Detail) {
				t.Errorf("there is no %q in %s", from, changed)
			}
			entries[i].Detail = json.RawMessage(changed)
		}
	}
	other := strings.Repeat("d", 40)
	for name, change := range map[string]func([]audit.Entry){
		"another commit intended":    replace(3, w.Commit, other),
		"another tree intended":      replace(3, w.Proposal.Tree, other),
		"another parent intended":    replace(3, w.Proposal.BaseCommit, other),
		"another ref intended":       replace(3, "refs/heads/", "refs/heads/x"),
		"another commit pushed":      replace(4, w.Commit, other),
		"no commit pushed":           replace(4, w.Commit, ""),
		"another commit deployed":    replace(6, w.Commit, other),
		"another tree proposed":      replace(1, w.Proposal.Tree, other),
		"another proposal approved":  replace(2, w.Proposal.Digest, "sha256:0"),
		"another proposal recorded":  replace(1, w.Proposal.Digest, "sha256:0"),
		"another approval's push":    replace(4, w.Approval.ID, "x"),
		"an approver who is nobody":  replace(2, `"subject":"github:3"`, `"subject":""`),
		"an approver who is another": replace(2, "github:3", "github:2"),
		"an actor who did not":       func(e []audit.Entry) { e[2].Actor = "github:9" },
		"another review":             func(e []audit.Entry) { replace(2, `"review":"https://forge`, `"review":"https://other`)(e) },
		"of another task":            func(e []audit.Entry) { e[4].Task = "bbbbbbbbbbbb" },
		"of no task":                 func(e []audit.Entry) { e[0].Task = "" },
		"in another order":           func(e []audit.Entry) { e[5], e[6] = e[6], e[5] },
		"what cannot be read":        func(e []audit.Entry) { e[4].Detail = json.RawMessage("[]") },
		"no intent":                  func(e []audit.Entry) { e[3].Action = audit.ContainerEnded },
	} {
		if err := build(change); err == nil {
			t.Errorf("%s: there is a receipt", name)
		}
	}
	if err := build(func([]audit.Entry) {}); err != nil {
		t.Errorf("the entries as they are: %v", err)
	}
}
