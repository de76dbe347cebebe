package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/task"
)

// withTargets lets reviews name main and the release branches.
func withTargets() worldOption {
	return func(_ *emulator.Options, s *settings) { s.Spec = `landing: {targets: [main, "release/*"]}` }
}

// branch makes a branch of where main is.
func (w *world) branch(name string) {
	w.t.Helper()
	w.pushAs(tom, "main", func(git func(...string) string) { git("push", "-q", "origin", "HEAD:refs/heads/"+name) })
}

// tip is where a branch is at the forge; empty if it does not exist.
func (w *world) tip(branch string) string {
	w.t.Helper()
	refs, err := w.hub.Refs(sampleRepo)
	if err != nil {
		w.t.Fatal(err)
	}
	return refs["refs/heads/"+branch]
}

// ownPushes are the commits that CoderFlow pushed anywhere, but for carriers.
func (w *world) ownPushes() []string {
	w.t.Helper()
	var pushed []string
	for _, push := range w.hub.Pushes(sampleRepo) {
		if push.Actor == w.ownLogin() && push.Kind != "branch_creation" || !strings.Contains(push.Ref, task.BranchPrefix) && push.Actor == w.ownLogin() {
			pushed = append(pushed, push.Ref+" "+push.New)
		}
	}
	return pushed
}

// landedOn proves that the approved commit is on the branch that the review named,
// that nothing else was pushed, and that the pull request is closed and says so.
func (w *world) landedOn(done task.Task, branch string) {
	w.t.Helper()
	p, err := w.db().Proposal(w.t.Context(), done.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	commit, err := w.commit(w.t.Context(), done.LandedCommit)
	if err != nil {
		w.t.Fatal(err)
	}
	if len(commit.Parents) != 1 || commit.Parents[0] != p.BaseCommit || commit.Tree != p.Tree ||
		commit.Author.Email != w.mailOf(tom) {
		w.t.Errorf("landed commit %+v, want tree %s on %s by tom", commit, p.Tree, p.BaseCommit)
	}
	if pushes := w.branchPushes(done.ID); !slices.Equal(pushes, []string{p.Carrier}) {
		w.t.Errorf("pushes to the proposal branch: %q, want the carrier alone", pushes)
	}
	pr, err := w.pullRequest(w.t.Context(), done.PullRequest)
	if err != nil {
		w.t.Fatal(err)
	}
	if pr.Open || pr.Merged || !strings.Contains(pr.Body, branch) || strings.Contains(pr.Body, "How to approve") {
		w.t.Errorf("the pull request is open: %v, merged: %v, and says\n%s", pr.Open, pr.Merged, pr.Body)
	}
	w.waitSaid(forge.PullTopic(done.PullRequest), "on branch `"+branch+"`")
	w.waitSaid(forge.IssueTopic(done.Issue), "landed on `"+branch+"`")
	w.wait("the checks", func(context.Context) (bool, error) {
		patch, landed := w.hub.CheckRuns(sampleRepo, p.Carrier), w.hub.CheckRuns(sampleRepo, done.LandedCommit)
		ended := len(landed) == 1 && landed[0].Conclusion == "success" || w.onAzure() // statuses are of pull requests there
		return len(patch) == 1 && patch[0].Conclusion == "cancelled" && ended, nil
	})
	w.auditHas(done.ID, map[audit.Action]int{audit.ApprovalRecorded: 1, audit.PushIntent: 1, audit.PushDone: 1, audit.ApprovalVoid: 0})
}

func (w *world) deployedOnce(id task.ID) {
	w.t.Helper()
	runs, err := w.db().DeployRuns(w.t.Context(), id)
	if err != nil || len(runs) != 1 || runs[0].State != deploy.Succeeded {
		w.t.Errorf("deployments %+v: %v", runs, err)
	}
}

// A review can name the branch to land on: one that an admin listed and that is at
// the proposal's base, or a new one. Everything else is refused, with what to do.
func TestAnApprovalLandsOnTheBranchThatItNames(t *testing.T) {
	onBoth(t, func(t *testing.T, at worldOption) {
		w := newWorld(t, at, withTargets())
		w.branch("release/1")
		before := w.tip("main")
		w.step("an existing branch, with a deployment", func() {
			proposed := w.proposed()
			w.approve(tom, proposed.PullRequest, "Count every item\n\n/coderflow target release/1\n/coderflow deploy publish channel=stable")
			done := w.taskOf(proposed.Issue, task.Done)
			w.landedOn(done, "release/1")
			w.deployedOnce(done.ID)
			if w.tip("release/1") != done.LandedCommit || w.tip("main") != before {
				w.t.Errorf("release/1 is at %s and main at %s", w.tip("release/1"), w.tip("main"))
			}
		})
		w.step("a new branch", func() {
			proposed := w.proposed()
			w.approve(tom, proposed.PullRequest, "/coderflow target --new release/2")
			done := w.taskOf(proposed.Issue, task.Done)
			w.landedOn(done, "release/2")
			if w.tip("release/2") != done.LandedCommit {
				w.t.Errorf("release/2 is at %s", w.tip("release/2"))
			}
		})
		w.step("Threat46And50NamesThatAreRefused, then the branch of the pull request", w.namesRefused)
		w.nothingMentioned()
	})
}

func (w *world) namesRefused() {
	w.t.Helper()
	proposed, pushed := w.proposed(), w.ownPushes()
	for text, says := range map[string]string{
		"target develop":                           "only main, release/",
		"target release/9":                         "target --new release/9",
		"target --new release/1":                   "exists already",
		"target release/1":                         "run it again with that branch as its base", // it has moved on
		"target " + proposed.ID.Branch():           "CoderFlow's own",
		"target refs/heads/main":                   "name the branch alone",
		"target main\n/coderflow no-push":          "contradict",
		"deploy publish\n/coderflow no-push":       "contradict",
		"target main\n/coderflow target release/3": "said twice",
		"target 'main\u2028evil'":                  "",
	} {
		w.refusedReview(proposed, "/coderflow "+text, says)
	}
	w.noCommit(proposed)
	if now := w.ownPushes(); !slices.Equal(now, pushed) {
		w.t.Errorf("pushed %q", now[len(pushed):])
	}
	w.approve(tom, proposed.PullRequest, "/coderflow target main")
	done := w.taskOf(proposed.Issue, task.Done)
	if w.tip("main") != done.LandedCommit {
		w.t.Errorf("main is at %s, %s landed", w.tip("main"), done.LandedCommit)
	}
	pr, err := w.pullRequest(w.t.Context(), done.PullRequest)
	if err != nil || pr.Merged || pr.Open {
		w.t.Errorf("the pull request is open: %v, merged: %v: %v", pr.Open, pr.Merged, err)
	}
}

// refusedReview waits until this very review was answered with a refusal.
func (w *world) refusedReview(proposed task.Task, text, says string) {
	w.t.Helper()
	review := w.approve(tom, proposed.PullRequest, text)
	marker := fmt.Sprintf("<!-- coderflow:review=%s -->", review.ID)
	w.wait(fmt.Sprintf("the answer to %q with %q", text, says), func(ctx context.Context) (bool, error) {
		comments, err := w.comments(ctx, forge.PullTopic(proposed.PullRequest))
		return slices.ContainsFunc(comments, func(c forge.Comment) bool {
			return strings.HasPrefix(c.Body, marker) && strings.Contains(c.Body, "does not count") && strings.Contains(strings.ReplaceAll(c.Body, "`", ""), says)
		}), err
	})
}

// The commit alone: made, kept, and pushed only by another approval.
func TestACommitThatIsKeptIsPushedOnlyByAnotherApproval(t *testing.T) {
	onBoth(t, func(t *testing.T, at worldOption) {
		w := newWorld(t, at, withExtra(looksOften))
		proposed := w.proposed()
		w.approve(tom, proposed.PullRequest, "Keep it\n\n/coderflow no-push")
		w.waitSaid(forge.PullTopic(proposed.PullRequest), "was made and kept in CoderFlow, and nothing was pushed")
		waiting := w.taskOf(proposed.Issue, task.Proposed)
		kept := w.onlyCommit()
		if !strings.Contains(waiting.Failure, kept) || waiting.ApprovalID != "" || waiting.LandedCommit != "" {
			t.Errorf("the task is %+v", waiting)
		}
		d := &desk{t: t, dir: w.dir, config: w.in.config}
		if out := d.must("tasks", "show", string(proposed.ID), "-c", w.in.config); !strings.Contains(out, "approve again without /coderflow no-push") {
			t.Errorf("tasks show does not say what to do:\n%s", out)
		}
		w.wait("the gate's check", func(context.Context) (bool, error) {
			runs := w.hub.CheckRuns(sampleRepo, w.head(proposed.PullRequest))
			return len(runs) == 1 && w.asksForAction(runs[0]) && strings.Contains(w.says(proposed, runs[0]), kept), nil
		})
		mirrors, err := filepath.Glob(filepath.Join(w.dir, "data", "git", "mirrors", "*.git"))
		if err != nil || len(mirrors) != 1 {
			t.Fatalf("%q: %v", mirrors, err)
		}
		auditor := newSeat(t, "http://"+w.address, firstOf(w.token(maria)))
		if out := auditor.must("verify", kept, "--context", "work", "--repo", mirrors[0]); !strings.Contains(out, "✓ VERIFIED  "+kept) {
			t.Errorf("of the kept commit:\n%s", out)
		}
		w.server.kill() // the used-up review is not taken again, whoever looks
		w.start()
		w.redeliverAll()
		if pushed := w.ownPushes(); len(pushed) != 0 {
			t.Errorf("pushed %q", pushed)
		}
		w.auditHas(proposed.ID, map[audit.Action]int{audit.ApprovalRecorded: 1, audit.CommitKept: 1, audit.PushIntent: 0, audit.DeployStarted: 0})

		w.approve(tom, proposed.PullRequest, "Push it")
		done := w.taskOf(proposed.Issue, task.Done)
		w.landedExactly(done)
		commit, err := w.commit(t.Context(), done.LandedCommit)
		if err != nil || !strings.HasPrefix(commit.Message, "Push it\n") || done.LandedCommit == kept {
			t.Errorf("landed %s %q, kept %s: %v", done.LandedCommit, commit.Message, kept, err)
		}
		w.auditHas(done.ID, map[audit.Action]int{audit.ApprovalRecorded: 2, audit.CommitKept: 1, audit.PushIntent: 1, audit.PushDone: 1, audit.ApprovalVoid: 0})
	})
}
