package main

import (
	"context"
	"testing"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
	"github.com/coderflow/coderflow/internal/task"
)

// The whole way through the real binary, on both databases and both forges: comment, container,
// draft pull request, approval, commit, push, deployment.
func TestIssueBecomesACommitAndADeploymentOnlyByApproval(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]func(t *testing.T) worldOption{
		"sqlite":      func(*testing.T) worldOption { return withExtra("") },
		"postgres":    func(t *testing.T) worldOption { return withExtra("database: " + storetest.PostgresOptions(t).DSN) },
		"azuredevops": func(*testing.T) worldOption { return onAzure },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, at(t))
			issue := w.run(maria)
			proposed := w.taskOf(issue.Number, task.Proposed)
			carrier := w.head(proposed.PullRequest)
			w.approve(tom, proposed.PullRequest, "Count every item\n\n/coderflow deploy publish channel=stable")
			done := w.taskOf(issue.Number, task.Done)
			landed := w.head(proposed.PullRequest)
			if landed != done.LandedCommit || landed == carrier {
				t.Errorf("the branch is at %s, the task landed %s, the carrier was %s", landed, done.LandedCommit, carrier)
			}
			w.landedExactly(done)
			w.waitSaid(issue.Topic(), "channel stable")
			w.auditHas(done.ID, map[audit.Action]int{
				audit.TaskCreated: 1, audit.ApprovalRecorded: 1, audit.PushIntent: 1, audit.PushDone: 1,
				audit.DeployIntent: 1, audit.DeployStarted: 1, audit.DeployEnded: 1,
			})
			w.entriesSayEnough(audit.ManifestsApplied, audit.DeliveryAccepted, audit.TaskMoved, audit.ProposalPublished, audit.PushDone, audit.DeployEnded)
			w.nothingMentioned()
		})
	}
}

// landedTree proves that what landed is the newest proposal's tree on its base.
func (w *world) landedTree(done task.Task) (task.Proposal, commitAtForge) {
	w.t.Helper()
	p, err := w.db().Proposal(w.t.Context(), done.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	commit, err := w.commit(w.t.Context(), done.LandedCommit)
	if err != nil {
		w.t.Fatal(err)
	}
	if len(commit.Parents) != 1 || commit.Parents[0] != p.BaseCommit || commit.Tree != p.Tree {
		w.t.Errorf("landed commit %s has tree %s and %d parents, want tree %s on %s", commit.SHA,
			commit.Tree, len(commit.Parents), p.Tree, p.BaseCommit)
	}
	return p, commit
}

// landedExactly proves invariant 2: the landed commit has the pinned tree and
// parent, the approver as author, and nothing was pushed but carrier and commit.
func (w *world) landedExactly(done task.Task) {
	w.t.Helper()
	p, commit := w.landedTree(done)
	if got := commit.Author.Email; got != w.mailOf(tom) {
		w.t.Errorf("author %q is not the approver", got)
	}
	var seen []string
	for _, push := range w.hub.Pushes(sampleRepo) {
		if push.Ref == "refs/heads/"+done.ID.Branch() {
			seen = append(seen, push.New)
		}
	}
	if len(seen) != 2 || seen[0] != p.Carrier || seen[1] != done.LandedCommit {
		w.t.Errorf("pushes to the branch: %q, want carrier %s and commit %s", seen, p.Carrier, done.LandedCommit)
	}
}

// noCommit proves that the branch holds the carrier and nothing was landed.
func (w *world) noCommit(proposed task.Task) {
	w.t.Helper()
	p, err := w.db().Proposal(w.t.Context(), proposed.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, push := range w.hub.Pushes(sampleRepo) {
		if push.Ref == "refs/heads/"+proposed.ID.Branch() && push.New != p.Carrier && push.Actor == w.ownLogin() {
			w.t.Errorf("CoderFlow pushed %s without a valid approval", push.New)
		}
	}
	w.auditHas(proposed.ID, map[audit.Action]int{audit.ApprovalRecorded: 0, audit.PushIntent: 0, audit.PushDone: 0, audit.DeployStarted: 0})
}

func (w *world) auditHas(id task.ID, want map[audit.Action]int) {
	w.t.Helper()
	entries, err := w.db().AuditEntries(context.Background(), store.AuditFilter{Task: string(id), Limit: 1000})
	if err != nil {
		w.t.Fatal(err)
	}
	count := map[audit.Action]int{}
	for _, e := range entries {
		count[e.Action]++
	}
	for action, n := range want {
		if count[action] != n {
			w.t.Errorf("%d audit entries %s, want %d", count[action], action, n)
		}
	}
}

// nothingMentioned proves that no text of CoderFlow notified anybody or closes anything.
func (w *world) nothingMentioned() {
	w.t.Helper()
	if n := w.hub.Notifications(); len(n) > 0 {
		w.t.Errorf("generated text had effects: %+v", n)
	}
}
