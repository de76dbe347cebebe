package approval_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/task"
)

// newTargetWorld has a branch at the proposal's base, which reviews may name.
func newTargetWorld(d approval.Directives) *world {
	w := newWorld()
	w.text = d
	w.branches = map[string]string{"release/1": w.proposal.BaseCommit}
	staging := w.policy.Environments["staging"]
	staging.Targets = []string{"release/*"}
	w.policy.Environments["staging"] = staging
	return w
}

func TestGrantForAnotherBranchNamesItAndWhereItMustBe(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		said approval.Directives
		ref  string
		old  func(*world) string
		make bool
	}{
		"existing": {approval.Directives{Target: "release/1"}, "refs/heads/release/1", func(w *world) string { return w.proposal.BaseCommit }, false},
		"new":      {approval.Directives{Target: "release/2", NewTarget: true}, "refs/heads/release/2", func(*world) string { return "" }, true},
		"none":     {approval.Directives{}, "refs/heads/coderflow/aaaaaaaaaaaa", func(*world) string { return carrier }, false},
	} {
		w := newTargetWorld(c.said)
		r := recorded(t, w)
		g, err := w.gate().Redeem(t.Context(), r.ID, policy.ToLand)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if g.Ref() != c.ref || g.ExpectedOld() != c.old(w) || g.NewRef() != c.make || !g.Push() || g.Base() != w.proposal.BaseCommit || g.Tree() != w.proposal.Tree {
			t.Errorf("%s: %s from %q, new %v", name, g.Ref(), g.ExpectedOld(), g.NewRef())
		}
		if r.OnOtherBranch() != (c.said.Target != "") {
			t.Errorf("%s: on another branch: %v", name, r.OnOtherBranch())
		}
	}
}

func TestWhereItLandsIsPartOfTheApproval(t *testing.T) {
	t.Parallel()
	ids := map[string]string{}
	for name, said := range map[string]approval.Directives{
		"own": {}, "release/1": {Target: "release/1"}, "release/2": {Target: "release/2", NewTarget: true}, "kept": {NoPush: true},
	} {
		id := recorded(t, newTargetWorld(said)).ID
		if again := recorded(t, newTargetWorld(said)).ID; again != id {
			t.Errorf("%s: %s, then %s", name, id, again)
		}
		if other, known := ids[id]; known {
			t.Errorf("%s and %s are the same approval", name, other)
		}
		ids[id] = name
	}
}

// Rows 46, 48 and 50, and fault 15: what takes away an approval of another branch
// between the review and the push.
func TestThreat46And48RedeemLooksAtTheTargetAgain(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*world){
		"its tip moved":  func(w *world) { w.branches["release/1"] = strings.Repeat("9", 40) },
		"it was deleted": func(w *world) { delete(w.branches, "release/1") },
		"it may not be named any more": func(w *world) {
			w.policy.Environments["staging"] = policy.Environment{Name: "staging", Repositories: []string{repo.Key()}}
		},
		"the forge does not answer":                        func(w *world) { w.broken["BranchHead"] = errors.New("502") },
		"the pull request was retarget":                    func(w *world) { w.pr.Base.Branch = "release/1" },
		"somebody pushed and restored the proposal branch": func(w *world) { w.changes = []forge.HeadChange{{Actor: ada}} },
		"the review was dismissed":                         func(w *world) { w.reviews[0].State = forge.ReviewDismissed },
		"the role was revoked":                             func(w *world) { w.policy.Bindings = nil },
		"the patch was merged":                             func(w *world) { w.pr.Open, w.pr.Merged = false, true },
		"the history does not answer": func(w *world) {
			w.task.LandedCommit, w.branches["release/1"], w.broken["Contains"] = strings.Repeat("e", 40), strings.Repeat("9", 40), errors.New("no mirror")
		},
	} {
		w := newTargetWorld(approval.Directives{Target: "release/1"})
		r := recorded(t, w)
		change(w)
		if g, err := w.gate().Redeem(t.Context(), r.ID, policy.ToLand); err == nil || g.Check() == nil {
			t.Errorf("%s: redeemed", name)
		}
	}
}

// Fault 14: the push is seen on the branch, at its tip or below it.
func TestFault14AMovedTargetThatHasTheCommitIsTheLanding(t *testing.T) {
	t.Parallel()
	landed := strings.Repeat("e", 40)
	for name, c := range map[string]struct {
		tip string
		has bool
		ok  bool
	}{
		"at the tip":                {landed, false, true},
		"below it":                  {strings.Repeat("9", 40), true, true},
		"not there":                 {strings.Repeat("9", 40), false, false},
		"not yet":                   {strings.Repeat("b", 40), false, true},
		"not looked up for nothing": {strings.Repeat("b", 40), true, true},
	} {
		w := newTargetWorld(approval.Directives{Target: "release/1"})
		r := recorded(t, w)
		w.task.State, w.task.LandedCommit = task.Landing, landed
		w.branches["release/1"], w.contains = c.tip, map[string]bool{landed: c.has}
		_, err := w.gate().Redeem(t.Context(), r.ID, policy.ToLand)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
		var refused *approval.RefusedError
		if !c.ok && (!errors.As(err, &refused) || refused.Target.Tip != c.tip) {
			t.Errorf("%s: what the forge showed is not told: %v", name, err)
		}
	}
	// The approval fell after the push: the refusal says that the commit is there.
	w := newTargetWorld(approval.Directives{Target: "release/1"})
	r := recorded(t, w)
	w.task.State, w.task.LandedCommit, w.branches["release/1"] = task.Landing, landed, landed
	w.policy.Bindings = nil
	var refused *approval.RefusedError
	if _, err := w.gate().Redeem(t.Context(), r.ID, policy.ToLand); !errors.As(err, &refused) || !refused.Target.HasLanded {
		t.Errorf("%v", err)
	}
}

func TestWithoutHistoryOnlyATipIsTheLanding(t *testing.T) {
	t.Parallel()
	w := newTargetWorld(approval.Directives{Target: "release/1"})
	r := recorded(t, w)
	landed := strings.Repeat("e", 40)
	w.task.State, w.task.LandedCommit, w.contains = task.Landing, landed, map[string]bool{landed: true}
	w.branches["release/1"] = strings.Repeat("9", 40)
	g := w.gate()
	g.History = nil
	if _, err := g.Redeem(t.Context(), r.ID, policy.ToLand); err == nil {
		t.Error("redeemed without knowing")
	}
}

func TestContradictionsAreRefusedWhoeverReadTheText(t *testing.T) {
	t.Parallel()
	for name, said := range map[string]approval.Directives{
		"no-push and deploy":   {NoPush: true, Deploy: []approval.Arming{{Profile: "notify"}}},
		"no-push and target":   {NoPush: true, Target: "release/1"},
		"no-deploy and deploy": {NoDeploy: true, Deploy: []approval.Arming{{Profile: "notify"}}},
	} {
		w := newTargetWorld(said)
		_, err := w.gate().Record(t.Context(), w.task.ID, "10")
		var refused *approval.RefusedError
		if !errors.As(err, &refused) || !strings.Contains(refused.Decision.Reason.String(), "contradict") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAnApprovalThatPushesNothingGivesNoCredential(t *testing.T) {
	t.Parallel()
	w := newTargetWorld(approval.Directives{NoPush: true})
	r := recorded(t, w)
	g, err := w.gate().Redeem(t.Context(), r.ID, policy.ToLand)
	if err != nil || g.Check() != nil || g.Push() {
		t.Fatalf("push %v: %v", g.Push(), err)
	}
	if _, err := g.Credential(t.Context(), w); !errors.Is(err, approval.ErrNoGrant) {
		t.Errorf("a credential: %v", err)
	}
	if (approval.Grant{}).Push() {
		t.Error("the zero grant pushes")
	}
}

// Row 45: editing the text of a review that was used up makes no approval of it.
func TestThreat45AReviewIsUsedUpOnce(t *testing.T) {
	t.Parallel()
	w := newTargetWorld(approval.Directives{NoPush: true})
	first := recorded(t, w)
	w.task.State, w.task.ApprovalID = task.Proposed, ""
	w.task.Judged = []task.Judgement{{Review: "10", Allowed: true, Kept: strings.Repeat("e", 40)}}
	w.text = approval.Directives{} // the line is taken out
	var refused *approval.RefusedError
	if r, err := w.gate().Record(t.Context(), w.task.ID, "10"); !errors.As(err, &refused) {
		t.Errorf("recorded %s after %s: %v", r.ID, first.ID, err)
	}
	w.reviews = append(w.reviews, forge.Review{ID: "11", Author: grace, State: forge.ReviewApproved, Commit: carrier, URL: "https://forge/review/11"})
	if _, err := w.gate().Record(t.Context(), w.task.ID, "11"); err != nil {
		t.Errorf("a new review: %v", err)
	}
}

var _ approval.Forge = (forge.Forge)(nil)
