package github_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
)

func TestTheStateIsOneLabelAndOthersAreLeftAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, emulator.RepositoryOptions{})
	number := w.issue("Broken", "bug", "coderflow", "coderflow: ideas")
	ours := []string{"coderflow: working", "coderflow: review"}
	label := func(name string, want ...string) {
		t.Helper()
		w.must(w.adapter.SetStateLabel(t.Context(), w.ref, number, forge.Label{Name: name, Color: "1d76db", Description: "by CoderFlow"}, ours))
		issue, err := w.adapter.Issue(t.Context(), w.ref, forge.IssueTopic(number))
		w.must(err)
		slices.Sort(issue.Labels)
		want = append([]string{"bug", "coderflow", "coderflow: ideas"}, want...)
		if slices.Sort(want); !slices.Equal(issue.Labels, want) {
			t.Errorf("after %q the issue has %q", name, strings.Join(issue.Labels, ", "))
		}
	}
	label("coderflow: working", "coderflow: working")
	label("coderflow: working", "coderflow: working")
	label("coderflow: review", "coderflow: review")
	label("coderflow: working", "coderflow: working") // which exists already
	label("")
	made, _, err := w.as("anna").Issues.GetLabel(t.Context(), "acme", "shop", "coderflow: working")
	if err != nil || made.GetColor() != "1d76db" || made.GetDescription() != "by CoderFlow" {
		t.Errorf("the label is %v, %v", made, err)
	}
	if n := w.ledger.count("POST", "/repos/acme/shop/labels"); n != 2 {
		t.Errorf("%d labels were made, want 2", n)
	}
}
