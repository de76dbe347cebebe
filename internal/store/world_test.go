package store_test

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
	"github.com/coderflow/coderflow/internal/task"
)

func TestMain(m *testing.M) {
	if mode := os.Getenv(victimEnv); mode != "" {
		os.Exit(victim(mode))
	}
	os.Exit(storetest.Main(m))
}

var (
	repository = forge.RepositoryRef{Host: forge.GitHub, ID: "1296269", Owner: "octo", Name: "hello"}
	ann        = forge.User{Subject: forge.Subject{Host: forge.GitHub, ID: "1"}, Login: "ann", Kind: forge.Person}
	ben        = forge.User{Subject: forge.Subject{Host: forge.GitHub, ID: "2"}, Login: "ben", Kind: forge.Person}
)

func newTask() task.Task {
	id := task.NewID()
	return task.Task{
		ID: id, State: task.Queued, Environment: "staging", Repository: repository, Issue: 7, BaseBranch: "main",
		Requester: ann, TriggerKey: "comment:" + string(id), Snapshot: task.Snapshot{Title: "Broken"},
	}
}

func newProposal(id task.ID, revision int) task.Proposal {
	p := task.Proposal{
		Task: id, Revision: revision, Repository: repository, BaseBranch: "main", BaseCommit: "b0", Tree: "t0",
		Diff: []byte("diff"), Message: "Repair it",
	}
	p.Digest = p.ComputeDigest()
	return p
}

func newApproval(p task.Proposal, review string) approval.Record {
	return approval.Record{
		ID: "approval-" + string(p.Task) + "-" + review, Task: p.Task, Revision: p.Revision, Digest: p.Digest,
		Environment: "staging", Repository: repository, PullRequest: 8, ReviewID: review, Approver: ben, Requester: ann,
		Reviews: []approval.Reviewed{{ID: "0", URL: "https://forge.example/0", Author: ann}, {ID: review, Author: ben}},
		Target:  "release/1.2", NewTarget: true, NoPush: true, // never together; here to see that each is kept
		Message: "Repair it\n", Decision: policy.Decision{Allowed: true}, At: time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC),
	}
}

// inTx runs f in a transaction and fails the test on an error.
func inTx(t *testing.T, s *store.Store, f func(context.Context, *store.Tx) error) {
	t.Helper()
	if err := s.InTx(t.Context(), func(tx *store.Tx) error { return f(t.Context(), tx) }); err != nil {
		t.Fatal(err)
	}
}

// try runs f in a transaction of its own and returns its error.
func try(t *testing.T, s *store.Store, f func(context.Context, *store.Tx) error) error {
	t.Helper()
	return s.InTx(t.Context(), func(tx *store.Tx) error { return f(t.Context(), tx) })
}

func insertTask(t *testing.T, s *store.Store, v task.Task) task.Task {
	t.Helper()
	return storetest.TaskIn(t, s, v, task.Queued)
}

// proposed stores a task that waits for an approval of its proposal.
func proposed(t *testing.T, s *store.Store) (task.Task, task.Proposal) {
	t.Helper()
	v := storetest.TaskIn(t, s, newTask(), task.Proposed)
	p := newProposal(v.ID, 1)
	inTx(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.InsertProposal(ctx, p) })
	return v, p
}

// together runs f n times at once and counts how often it reported true.
func together(t *testing.T, n int, f func(i int) (bool, error)) (yes int, errs []error) {
	t.Helper()
	var wg sync.WaitGroup
	var mu sync.Mutex
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			ok, err := f(i)
			mu.Lock()
			defer mu.Unlock()
			if ok && err == nil {
				yes++
			}
			if err != nil {
				errs = append(errs, err)
			}
		})
	}
	close(start)
	wg.Wait()
	return yes, errs
}

func entry(t *testing.T, action audit.Action, id task.ID) audit.Entry {
	t.Helper()
	e, err := audit.New(time.Now(), audit.System, action, map[string]any{"why": "a test"})
	if err != nil {
		t.Fatal(err)
	}
	e.Task = string(id)
	return e
}

var errAbort = errors.New("abort")

// clock is a time that a test sets.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) jump(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// eachAt is storetest.Each with a clock that the test sets.
func eachAt(t *testing.T, test func(t *testing.T, s *store.Store, c *clock)) {
	t.Helper()
	storetest.EachOptions(t, func(t *testing.T, o store.Options) {
		c := newClock()
		o.Clock = c.Now
		test(t, storetest.Open(t, o), c)
	})
}
