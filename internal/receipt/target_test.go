package receipt_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/receipt"
	"github.com/coderflow/coderflow/internal/receipt/receipttest"
)

func TestWhatIsVerifiedAboutACommit(t *testing.T) {
	t.Parallel()
	w := receipttest.New(t, 1)
	tree := func(of string) string { return w.In("rev-parse", of+"^{tree}") }
	commit := func(tree, message string, parents ...string) string {
		text := "tree " + tree + "\n"
		for _, p := range parents {
			text += "parent " + p + "\n"
		}
		return w.Write("commit", []byte(text+"author x <x@example.com> 1 +0000\ncommitter x <x@example.com> 1 +0000\n\n"+message))
	}
	base, landed := w.Proposal.BaseCommit, w.Commit
	message := w.In("log", "-1", "--format=%B", landed)
	squash := commit(tree(landed), message, base)
	other := commit(tree(base), "x\n", base)
	evil := w.Git("100755 blob "+w.Write("blob", []byte("#!/bin/sh\n"))+"\tinstall.sh\n", "-C", w.Dir, "mktree")
	for name, c := range map[string]struct {
		asked, verified string
		valid, claimed  bool // claimed: also with --if-claimed
		first           string
	}{
		"the commit":                      {landed, landed, true, true, "commit"},
		"a merge of it":                   {commit(tree(landed), "Merge\n", base, landed), landed, true, true, "merge"},
		"a merge with others":             {commit(tree(base), "Merge\n", other, landed), landed, false, true, "merge"},
		"a merge of it with another tree": {commit(evil, "Merge\n", base, landed), landed, false, true, "merge"},
		"a merge into it":                 {commit(tree(landed), "Merge\n", landed, other), "", false, true, "commit"},
		"another tree merged into it":     {commit(evil, "Merge\n", landed, other), "", false, true, "commit"},
		"a merge of a squash":             {commit(tree(landed), "Merge\n", base, squash), squash, false, false, "merge"},
		"a merge of both":                 {commit(tree(landed), "Merge\n", base, landed, squash), "", false, false, "commit"},
		"a merge of a squash onto it":     {commit(tree(landed), "Merge\n", landed, squash), squash, false, false, "merge"},
		"a merge that repeats the words":  {commit(tree(landed), message, base, landed), "", false, false, "commit"},
		"a squash of it":                  {squash, squash, false, false, "commit"},
		"one trailer, spelt otherwise":    {commit(tree(landed), "x\n\nCODERFLOW-task : y\n", base), "", false, false, "commit"},
		"nobody's":                        {other, "", false, true, "commit"},
		"a merge of nobody's":             {commit(tree(base), "Merge\n", base, other), "", false, true, "commit"},
		"the parent's own":                {base, "", false, true, "commit"},
		"none":                            {strings.Repeat("0", 40), "", false, false, "commit"},
	} {
		fetch := func(_ context.Context, commit string) (receipt.Evidence, error) {
			if commit != landed && commit != squash {
				return receipt.Evidence{}, errors.New("there is no receipt")
			}
			return receipt.Evidence{Envelope: w.Seal(w.Statement()), Key: w.Key.Public()}, nil
		}
		for ifClaimed, want := range map[bool]bool{false: c.valid, true: c.claimed} {
			v := receipt.Verify(t.Context(), w.Clone(), c.asked, ifClaimed, fetch)
			if v.Valid != want || v.Asked != c.asked || c.verified != "" && (v.Commit != c.verified || v.Links[0].Name != c.first) {
				t.Errorf("%s (if claimed: %t): %s", name, ifClaimed, fmt.Sprintf("%+v", v))
			}
			if partial := c.verified == landed && !c.valid; v.Partial != partial {
				t.Errorf("%s: partial is %t", name, v.Partial)
			}
			if !v.Valid && !slices.ContainsFunc(v.Links, func(l receipt.Link) bool { return l.State == receipt.Fails }) {
				t.Errorf("%s: no link says why", name)
			}
		}
	}
}
