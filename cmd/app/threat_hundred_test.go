package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/task"
)

// Five at once, and again: two people approve the same proposal in the same moment,
// every review is delivered twice, and the server is killed somewhere between the
// approval and the end of the deployment and started again. That is five times,
// or as many as TEST_REPETITIONS says: make soak has a hundred.
func TestThreat51ManyTimesTwoApprovalsARestartAndARedelivery(t *testing.T) {
	t.Parallel()
	const atOnce = 5
	rounds := 1
	if text := os.Getenv("TEST_REPETITIONS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < atOnce {
			t.Fatalf("TEST_REPETITIONS=%q: want a number of at least %d", text, atOnce)
		}
		rounds = n / atOnce
	}
	w := newStoppedWorld(t, withExtra(looksOften))
	if _, err := w.hub.CreateUser(zoe, emulator.UserOptions{Name: "Zoe"}); err != nil {
		t.Fatal(err)
	}
	if err := w.hub.AddCollaborator(sampleRepo, zoe, "write"); err != nil {
		t.Fatal(err)
	}
	w.manifests("zoe.yaml", binding("zoe-too", w.subject(zoe), "environment-admin", "environment/staging"))
	w.start()
	db := w.db()
	seed := time.Now().UnixNano()
	t.Logf("moments of the kills are drawn with seed %d", seed)
	moments := rand.New(rand.NewPCG(uint64(seed), 51)) //nolint:gosec // when to kill is no secret
	for range rounds {
		var issues []int
		for range atOnce {
			issues = append(issues, w.run(maria).Number)
		}
		proposed := w.allIn(db, issues, task.Proposed)
		var acts sync.WaitGroup
		for _, p := range proposed {
			for _, login := range []string{tom, zoe} {
				acts.Go(func() { w.approve(login, p.PullRequest, "/coderflow deploy publish") })
			}
		}
		acts.Go(func() {
			time.Sleep(time.Duration(moments.Int64N(int64(4 * time.Second))))
			w.server.kill()
			w.start()
		})
		acts.Wait()
		w.redeliverReviews()
		for _, done := range w.allIn(db, issues, task.Done) {
			w.landedByOne(done)
		}
	}
	if n := len(w.hub.Deployments(sampleRepo)); n != rounds*atOnce {
		t.Errorf("%d deployments at the forge for %d approved tasks", n, rounds*atOnce)
	}
	if n := len(w.containers("deploy")); n != rounds*atOnce {
		t.Errorf("%d deployment containers for %d approved tasks", n, rounds*atOnce)
	}
}

// allIn waits until the newest task of every issue is in the state.
func (w *world) allIn(db *store.Store, issues []int, state task.State) []task.Task {
	w.t.Helper()
	var found []task.Task
	err := until(w.t.Context(), longEnough, fmt.Sprintf("%d tasks in %s", len(issues), state), func(ctx context.Context) (bool, error) {
		tasks, err := db.Tasks(ctx, store.TaskFilter{Limit: 200})
		found = slices.DeleteFunc(tasks, func(t task.Task) bool { return !slices.Contains(issues, t.Issue) || t.State != state })
		return len(found) >= len(issues), err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if len(found) != len(issues) {
		w.t.Fatalf("%d tasks for %d issues", len(found), len(issues))
	}
	return found
}

// redeliverReviews sends every review again that the server heard of, or did not.
func (w *world) redeliverReviews() {
	w.t.Helper()
	for _, d := range w.hub.Deliveries() {
		if d.Event != "pull_request_review" || d.Redelivery {
			continue
		}
		if err := w.hub.Redeliver(d.GUID); err != nil {
			w.t.Fatal(err)
		}
	}
}

// landedByOne proves that one of the two approvals landed the task, once.
func (w *world) landedByOne(done task.Task) {
	w.t.Helper()
	commit, err := w.commit(w.t.Context(), done.LandedCommit)
	if err != nil {
		w.t.Fatal(err)
	}
	author := commit.Author.Email
	if author != w.mailOf(tom) && author != w.mailOf(zoe) {
		w.t.Errorf("task %s: author %q is no approver", done.ID, author)
	}
	if pushed := w.branchPushes(done.ID); len(pushed) != 2 || pushed[1] != done.LandedCommit {
		w.t.Errorf("task %s: pushes %q, want the carrier and %s", done.ID, pushed, done.LandedCommit)
	}
	w.auditHas(done.ID, map[audit.Action]int{
		audit.ApprovalRecorded: 1, audit.PushIntent: 1, audit.PushDone: 1,
		audit.DeployIntent: 1, audit.DeployStarted: 1, audit.DeployEnded: 1,
	})
}
