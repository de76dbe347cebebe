package policy_test

import (
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
)

const (
	base     = "3333333333333333333333333333333333333333"
	stranger = "4444444444444444444444444444444444444444"
)

func targetRules(patterns ...string) *policy.Policy {
	p := rules()
	staging := p.Environments["staging"]
	staging.Targets = patterns
	p.Environments["staging"] = staging
	return p
}

// targeted is an approval that names a branch; each test spoils it.
func targeted(purpose policy.Purpose, t policy.Target) policy.ApprovalFacts {
	f := approved()
	t.Base = base
	f.Purpose, f.Target = purpose, t
	if purpose != policy.ToRecord {
		f.LandedHead = landed
	}
	return f
}

func TestTargetMustBeWhereTheProposalWasMade(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		purpose policy.Purpose
		target  policy.Target
		want    bool
		says    string
	}{
		"at the base":                    {policy.ToRecord, policy.Target{Branch: "release/1", Tip: base}, true, ""},
		"at the base, to land":           {policy.ToLand, policy.Target{Branch: "release/1", Tip: base}, true, ""},
		"moved":                          {policy.ToRecord, policy.Target{Branch: "release/1", Tip: stranger}, false, "run it again with that branch as its base"},
		"moved after the approval":       {policy.ToLand, policy.Target{Branch: "release/1", Tip: stranger}, false, "is at 444444444444"},
		"missing":                        {policy.ToRecord, policy.Target{Branch: "release/1"}, false, "/coderflow target --new release/1"},
		"new":                            {policy.ToRecord, policy.Target{Branch: "release/1", New: true}, true, ""},
		"new, but it exists":             {policy.ToRecord, policy.Target{Branch: "release/1", New: true, Tip: base}, false, "exists already"},
		"pushed, and the answer is lost": {policy.ToLand, policy.Target{Branch: "release/1", Tip: landed, HasLanded: true}, true, ""},
		"the same, new":                  {policy.ToLand, policy.Target{Branch: "release/1", New: true, Tip: landed, HasLanded: true}, true, ""},
		"nothing landed yet":             {policy.ToRecord, policy.Target{Branch: "release/1", Tip: stranger, HasLanded: true}, false, ""},
		"not a branch that may be named": {policy.ToRecord, policy.Target{Branch: "main", Tip: base}, false, "only release/*"},
		"another task's":                 {policy.ToRecord, policy.Target{Branch: "coderflow/bbbbbbbbbbbb", Tip: base}, false, "CoderFlow's own"},
		"the same in capitals":           {policy.ToRecord, policy.Target{Branch: "CoderFlow/bbbbbbbbbbbb", Tip: base}, false, "CoderFlow's own"},
	} {
		d := targetRules("release/*").DecideApproval(targeted(c.purpose, c.target))
		if d.Allowed != c.want || !strings.Contains(d.Reason.String(), c.says) {
			t.Errorf("%s: allowed %v, want %v and %q:\n%s", name, d.Allowed, c.want, c.says, d.Reason)
		}
	}
}

func TestThreat46NoBranchMayBeNamedUnlessAnAdminSaysSo(t *testing.T) {
	t.Parallel()
	for name, patterns := range map[string][]string{
		"none": nil, "another": {"releases/*"}, "unreadable": {"rel[ease/1"}, "one of ours": {"coderflow/**"}, "a path": {"/release/1"}, "case": {"Release/1"},
	} {
		d := targetRules(patterns...).DecideApproval(targeted(policy.ToRecord, policy.Target{Branch: "release/1", Tip: base}))
		if d.Allowed || !strings.Contains(d.Reason.String(), "/coderflow target") {
			t.Errorf("%s:\n%s", name, d.Reason)
		}
	}
	e := policy.Environment{Targets: []string{"**"}}
	for branch, want := range map[string]bool{"main": true, "a/b/c": true, "coderflow/x": false, "CODERFLOW/x": false, "coderflow": true, "": false} {
		if e.AllowsTarget(branch) != want {
			t.Errorf("** and %q: %v", branch, !want)
		}
	}
}

func TestWhatLandedElsewhereIsDeployedOnlyWhileItIsThere(t *testing.T) {
	t.Parallel()
	closed := func(f policy.ApprovalFacts) policy.ApprovalFacts {
		f.PullRequest.Open = false
		return f
	}
	there := policy.Target{Branch: "release/1", Tip: landed, HasLanded: true}
	for name, c := range map[string]struct {
		facts policy.ApprovalFacts
		want  bool
	}{
		"closed by us, at the tip": {closed(targeted(policy.ToDeploy, there)), true},
		"not closed yet":           {targeted(policy.ToDeploy, there), true},
		"others pushed on top":     {closed(targeted(policy.ToDeploy, policy.Target{Branch: "release/1", Tip: stranger, HasLanded: true})), true},
		"somebody took it off":     {closed(targeted(policy.ToDeploy, policy.Target{Branch: "release/1", Tip: stranger})), false},
		"the branch is gone":       {closed(targeted(policy.ToDeploy, policy.Target{Branch: "release/1"})), false},
		"back at the base":         {closed(targeted(policy.ToDeploy, policy.Target{Branch: "release/1", Tip: base})), false},
	} {
		// What may be named now is no question any more.
		if d := targetRules().DecideApproval(c.facts); d.Allowed != c.want {
			t.Errorf("%s: allowed %v:\n%s", name, d.Allowed, d.Reason)
		}
	}
	merged := closed(targeted(policy.ToDeploy, there))
	merged.PullRequest.Merged = true
	if d := targetRules().DecideApproval(merged); d.Allowed {
		t.Errorf("the patch was merged:\n%s", d.Reason)
	}
	moved := closed(targeted(policy.ToDeploy, there))
	moved.PullRequest.Head.Commit = stranger
	if d := targetRules().DecideApproval(moved); d.Allowed {
		t.Errorf("the head moved:\n%s", d.Reason)
	}
	// A closed pull request withdraws what lands by it.
	own := closed(approved())
	own.Purpose, own.LandedHead, own.PullRequest.Head.Commit = policy.ToDeploy, landed, landed
	if d := rules().DecideApproval(own); d.Allowed {
		t.Errorf("closed without a target:\n%s", d.Reason)
	}
}

// Row 44: only the forge's own dismissal, by exactly the landed commit, and only
// for a deployment, withdraws nothing.
func TestThreat44OnlyTheLandingsOwnDismissalIsNone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		purpose policy.Purpose
		by      string
		landed  string
		want    bool
	}{
		"by the landing":             {policy.ToDeploy, landed, landed, true},
		"by a person":                {policy.ToDeploy, "", landed, false},
		"by another commit":          {policy.ToDeploy, stranger, landed, false},
		"nothing landed":             {policy.ToDeploy, "", "", false},
		"to land":                    {policy.ToLand, landed, landed, false},
		"to record":                  {policy.ToRecord, landed, landed, false},
		"nobody knows what landed":   {policy.ToDeploy, landed, "", false},
		"by the proposal's own push": {policy.ToDeploy, carrier, landed, false},
	} {
		f := approved()
		f.Purpose, f.LandedHead = c.purpose, c.landed
		if c.purpose == policy.ToDeploy {
			f.PullRequest.Head.Commit = c.landed
		}
		f.Review.State, f.Review.DismissedByCommit = forge.ReviewDismissed, c.by
		f.Others = []forge.Review{f.Review}
		if d := rules().DecideApproval(f); d.Allowed != c.want {
			t.Errorf("%s: allowed %v:\n%s", name, d.Allowed, d.Reason)
		}
	}
}

// Without a landed commit, a dismissal that names none is not the landing's.
func TestThreat44NoCommitIsNotTheLandingsDismissal(t *testing.T) {
	t.Parallel()
	f := targeted(policy.ToDeploy, policy.Target{Branch: "release/1", Tip: landed, HasLanded: true})
	f.LandedHead, f.Review.State = "", forge.ReviewDismissed
	f.Others = []forge.Review{f.Review}
	if d := targetRules().DecideApproval(f); d.Allowed {
		t.Errorf("allowed:\n%s", d.Reason)
	}
}

// The landing dismisses each approval of a quorum; none of them is an objection
// to another. A person's dismissal of one still is.
func TestThreat44TheLandingDismissesAWholeQuorum(t *testing.T) {
	t.Parallel()
	for by, want := range map[string]bool{landed: true, "": false, stranger: false} {
		f := approved()
		f.Purpose, f.LandedHead, f.PullRequest.Head.Commit = policy.ToDeploy, landed, landed
		f.Review.State, f.Review.DismissedByCommit = forge.ReviewDismissed, landed
		later := forge.Review{ID: "11", Author: linus, State: forge.ReviewDismissed, Commit: carrier, DismissedByCommit: by}
		f.Others = []forge.Review{f.Review, later}
		if d := rules().DecideApproval(f); d.Allowed != want {
			t.Errorf("dismissed by %q: allowed %v:\n%s", by, d.Allowed, d.Reason)
		}
	}
}
