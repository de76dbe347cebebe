package receipt_test

import (
	"encoding/json"
	"slices"
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
	ordered := func(places ...int) func([]audit.Entry) {
		return func(entries []audit.Entry) {
			old := slices.Clone(entries)
			for to, from := range places {
				number := old[to].Seq
				entries[to], entries[to].Seq = old[from], number
			}
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
		"another commit started":     replace(5, w.Commit, other),
		"another profile started":    replace(5, `"publish"`, `"wipe"`),
		"another environment":        replace(5, `"environment":"production"`, `"environment":"staging"`),
		"another version started":    replace(5, `"profileVersion":"3"`, `"profileVersion":"2"`),
		"another's request started":  replace(5, `"requestedBy":"github:2"`, `"requestedBy":"github:3"`),
		"approved in the end":        ordered(0, 1, 3, 4, 5, 6, 2),
		"approved after the push":    ordered(0, 1, 3, 4, 2, 5, 6),
		"deployed before approved":   ordered(0, 1, 5, 2, 3, 4, 6),
		"approved, then proposed":    ordered(0, 2, 1, 3, 4, 5, 6),
		"proposed, then asked for":   ordered(1, 0, 2, 3, 4, 5, 6),
		"pushed, then intended":      ordered(0, 1, 2, 4, 3, 5, 6),
		"another date approved":      replace(2, "05:06:07", "05:06:08"),
		"another committer approved": replace(2, `"name":"CoderFlow"`, `"name":"Linus"`),
		"another message approved":   replace(2, `"message":"sha256:`, `"message":"sha256:0`),
		"an approval of no commit":   replace(2, `"landing"`, `"landed"`),
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
