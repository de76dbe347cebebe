package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
	"github.com/coderflow/coderflow/internal/task"
)

// deployment stores a run of a task that was approved.
func deployment(t *testing.T, s *store.Store, v task.Task, approval string, run deploy.Run) deploy.Run {
	t.Helper()
	run.Task, run.ApprovalID, run.ArmedBy, run.Repository = v.ID, approval, ben, repository
	if run.State == "" {
		run.State = deploy.Pending
	}
	inTx(t, s, func(ctx context.Context, tx *store.Tx) error {
		fresh, err := tx.InsertRun(ctx, run)
		if err == nil && !fresh {
			err = fmt.Errorf("deployment %s is not fresh", run.ID)
		}
		return err
	})
	return run
}

func approvedTask(t *testing.T, s *store.Store) (task.Task, string) {
	t.Helper()
	v, p := proposed(t, s)
	record := newApproval(p, "review")
	if _, err := insertApproval(t, s, record); err != nil {
		t.Fatal(err)
	}
	return v, record.ID
}

func claim(t *testing.T, s *store.Store, id string) deploy.Turn {
	t.Helper()
	var turn deploy.Turn
	inTx(t, s, func(ctx context.Context, tx *store.Tx) (err error) {
		turn, err = tx.ClaimTurn(ctx, id)
		return err
	})
	return turn
}

func end(t *testing.T, s *store.Store, run deploy.Run, state deploy.RunState) {
	t.Helper()
	run.State = state
	inTx(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.SaveRun(ctx, run) })
}

// Many runs of one environment, many processes at once: one is under way at a time,
// in the order in which they came, and each gets its turn.
func TestOneDeploymentOfAnEnvironmentIsUnderWayAtATime(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		const runs = 24
		v, approval := approvedTask(t, s)
		for i := range runs {
			deployment(t, s, v, approval, deploy.Run{ID: fmt.Sprintf("run-%02d", i), Environment: "staging", Profile: fmt.Sprint("p", i%3)})
		}
		took := takeTurns(t, s, runs, func(i int) (deploy.Run, error) {
			return deploy.Run{ID: fmt.Sprintf("run-%02d", i), Environment: "staging"}, nil
		})
		if len(took) != runs || !slices.IsSorted(took) {
			t.Errorf("turns were taken in the order %q", took)
		}
	})
}

// The same while runs come in whose servers' clocks are behind, so that they are
// first in the queue at once.
func TestARunThatComesFirstByItsClockWaitsForTheOneThatHasItsTurn(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		const runs = 24
		v, approval := approvedTask(t, s)
		now := time.Now()
		first := deployment(t, s, v, approval, deploy.Run{ID: "first", Environment: "staging", CreatedAt: now})
		if !claim(t, s, first.ID).Own {
			t.Fatal("no turn")
		}
		earlier := deployment(t, s, v, approval, deploy.Run{ID: "earlier", Environment: "staging", CreatedAt: now.Add(-100 * time.Hour)})
		if turn := claim(t, s, earlier.ID); turn.Own || turn.Behind != first.ID || turn.Queued {
			t.Errorf("the one that came later: %+v", turn)
		}
		end(t, s, first, deploy.Succeeded)
		end(t, s, earlier, deploy.Withheld)
		took := takeTurns(t, s, runs, func(i int) (deploy.Run, error) {
			run := deploy.Run{
				ID: fmt.Sprint("run-", i), Environment: "staging", Task: v.ID, ApprovalID: approval, ArmedBy: ben, State: deploy.Pending,
				CreatedAt: now.Add(-time.Duration(i) * time.Hour),
			}
			return run, s.InTx(t.Context(), func(tx *store.Tx) error {
				_, err := tx.InsertRun(t.Context(), run)
				return err
			})
		})
		if len(took) != runs {
			t.Errorf("%d of %d had their turn", len(took), runs)
		}
	})
}

// Two servers that decide at the same moment do not both let a run begin.
func TestClaimsOfOneEnvironmentComeOneAfterTheOther(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		v, approval := approvedTask(t, s)
		now := time.Now()
		deployment(t, s, v, approval, deploy.Run{ID: "one", Environment: "staging", CreatedAt: now})
		other := make(chan deploy.Turn, 1)
		inTx(t, s, func(ctx context.Context, tx *store.Tx) error {
			turn, err := tx.ClaimTurn(ctx, "one")
			if !turn.Own {
				t.Errorf("no turn: %+v", turn)
			}
			go func() {
				var turn deploy.Turn
				err := s.InTx(t.Context(), func(tx *store.Tx) (err error) {
					run := deploy.Run{
						ID: "two", Environment: "staging", Task: v.ID, ApprovalID: approval, ArmedBy: ben, State: deploy.Pending,
						CreatedAt: now.Add(-time.Hour),
					}
					if _, err := tx.InsertRun(t.Context(), run); err != nil {
						return err
					}
					turn, err = tx.ClaimTurn(t.Context(), run.ID)
					return err
				})
				if err != nil {
					t.Error(err)
				}
				other <- turn
			}()
			select { // it has to wait for the end of this transaction: nothing else ends this
			case turn := <-other:
				other <- turn
			case <-time.After(time.Second):
			}
			return err
		})
		if turn := <-other; turn.Own || turn.Behind != "one" {
			t.Errorf("the other: %+v", turn)
		}
	})
}

func TestTheSameRequestManyTimesAtOnceIsOneRun(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		v, approval := approvedTask(t, s)
		run := deploy.Run{
			ID: deploy.RequestID(ben.Subject, "pipeline-1"), Environment: "staging", Task: v.ID, ApprovalID: approval, ArmedBy: ben,
			RequestedBy: ben, Key: "pipeline-1", Trigger: deploy.ByRequest, State: deploy.Pending,
		}
		fresh, errs := together(t, 20, func(int) (fresh bool, err error) {
			err = s.InTx(t.Context(), func(tx *store.Tx) (err error) {
				fresh, err = tx.InsertRun(t.Context(), run)
				return err
			})
			return fresh, err
		})
		if fresh != 1 || len(errs) > 0 {
			t.Errorf("%d were the first: %v", fresh, errors.Join(errs...))
		}
	})
}

// takeTurns has n runs take their turns at once, each until it had one, and returns
// them in that order. Two of them never have one at the same time.
func takeTurns(t *testing.T, s *store.Store, n int, enter func(i int) (deploy.Run, error)) []string {
	t.Helper()
	var underWay atomic.Int32
	order := make(chan string, n)
	save := func(run deploy.Run, state deploy.RunState) error {
		run.State = state
		return s.InTx(t.Context(), func(tx *store.Tx) error { return tx.SaveRun(t.Context(), run) })
	}
	_, errs := together(t, n, func(i int) (bool, error) {
		run, err := enter(i)
		for err == nil && t.Context().Err() == nil {
			var turn deploy.Turn
			err = s.InTx(t.Context(), func(tx *store.Tx) (err error) {
				turn, err = tx.ClaimTurn(t.Context(), run.ID)
				return err
			})
			if err != nil || !turn.Own {
				if turn.Behind == run.ID || err == nil && (turn.Behind == "" || turn.Task == "") {
					return false, fmt.Errorf("%s waits for %+v", run.ID, turn)
				}
				time.Sleep(time.Millisecond)
				continue
			}
			if n := underWay.Add(1); n != 1 {
				return false, fmt.Errorf("%d runs have a turn at once", n)
			}
			order <- run.ID
			err = save(run, deploy.Created)
			time.Sleep(time.Millisecond)
			underWay.Add(-1)
			return true, errors.Join(err, save(run, deploy.Succeeded))
		}
		return false, err
	})
	if len(errs) > 0 {
		t.Fatal(errors.Join(errs...))
	}
	close(order)
	var ids []string
	for id := range order {
		ids = append(ids, id)
	}
	return ids
}

func TestWhichDeploymentsExcludeEachOther(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		for i, row := range []struct {
			first, second deploy.Concurrency
			sameProfile   bool
			sameEnv       bool
			beside        bool
		}{
			{deploy.PerEnvironment, deploy.PerEnvironment, false, true, false},
			{"", "", false, true, false}, // what says nothing is the strictest
			{deploy.PerEnvironment, deploy.PerEnvironment, true, false, true},
			{deploy.PerEnvironment, deploy.Unlimited, false, true, false},
			{deploy.Unlimited, deploy.PerEnvironment, false, true, false},
			{deploy.PerProfile, deploy.PerProfile, true, true, false},
			{deploy.PerProfile, deploy.PerProfile, false, true, true},
			{deploy.PerProfile, deploy.Unlimited, true, true, false},
			{deploy.Unlimited, deploy.Unlimited, true, true, true},
		} {
			v, approval := approvedTask(t, s)
			environment, profile := fmt.Sprint("e", i), "p"
			first := deployment(t, s, v, approval, deploy.Run{ID: fmt.Sprint("a", i), Environment: environment, Profile: profile, Concurrency: row.first})
			if !row.sameEnv {
				environment += "x"
			}
			if !row.sameProfile {
				profile = "q"
			}
			second := deployment(t, s, v, approval, deploy.Run{ID: fmt.Sprint("b", i), Environment: environment, Profile: profile, Concurrency: row.second})
			if early := claim(t, s, second.ID); early.Own != row.beside || early.Own == (early.Behind != "") || early.Queued == early.Own {
				t.Errorf("%+v: the second came to its turn before the first: %+v", row, early)
			}
			if !claim(t, s, first.ID).Own {
				t.Errorf("%+v: the first has no turn", row)
			}
			turn := claim(t, s, second.ID)
			if turn.Own != row.beside || turn.Queued || !turn.Own && turn.Behind != first.ID {
				t.Errorf("%+v: the second: %+v", row, turn)
			}
			if got, err := s.Deployment(t.Context(), second.ID); err != nil || got.Detail != turn.String() {
				t.Errorf("%+v: it says %q, want %q (%v)", row, got.Detail, turn, err)
			}
			end(t, s, first, deploy.Unknown) // such as one whose container is gone
			if !claim(t, s, second.ID).Own {
				t.Errorf("%+v: the end of the first left the second waiting", row)
			}
		}
	})
}

func TestARunThatCannotBePreparedLetsOthersGoFirst(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		v, approval := approvedTask(t, s)
		first := deployment(t, s, v, approval, deploy.Run{ID: "first", Environment: "staging"})
		second := deployment(t, s, v, approval, deploy.Run{ID: "second", Environment: "staging"})
		if err := try(t, s, func(ctx context.Context, tx *store.Tx) error {
			run := first
			run.State = deploy.Created
			return tx.SaveRun(ctx, run)
		}); err == nil {
			t.Error("a container was recorded for a run without a turn")
		}
		if !claim(t, s, first.ID).Own {
			t.Fatal("no turn")
		}
		release := func(ctx context.Context, tx *store.Tx) error {
			return tx.ReleaseTurn(ctx, first.ID, "the image is away")
		}
		inTx(t, s, release)
		if turn := claim(t, s, first.ID); turn.Own || turn.Behind != second.ID || !turn.Queued {
			t.Errorf("it is not behind the other: %+v", turn)
		}
		if !claim(t, s, second.ID).Own {
			t.Error("the other still waits")
		}
		end(t, s, second, deploy.Succeeded)
		if !claim(t, s, first.ID).Own {
			t.Error("it waits for nobody")
		}
		end(t, s, first, deploy.Created)
		inTx(t, s, release)
		if got, err := s.Deployment(t.Context(), first.ID); err != nil || got.ClaimedAt.IsZero() {
			t.Errorf("a run with a container lost its turn: %v", err)
		}
	})
}

// What one review armed stays in its order in the queue, so that the second does not
// wait for the first while the first waits for the second.
func TestARunThatCannotBePreparedTakesThoseAfterItAlong(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		v, approval := approvedTask(t, s)
		deployment(t, s, v, approval, deploy.Run{ID: "before", Environment: "production", Trigger: deploy.ByReview})
		deployment(t, s, v, approval, deploy.Run{ID: "first", Environment: "staging", Trigger: deploy.ByReview})
		deployment(t, s, v, approval, deploy.Run{ID: "second", Environment: "staging", Trigger: deploy.ByReview})
		deployment(t, s, v, approval, deploy.Run{ID: "always", Environment: "staging", Trigger: deploy.OnApproval})
		for range 2 { // the second time there is somebody before it
			if claim(t, s, "first").Own {
				inTx(t, s, func(ctx context.Context, tx *store.Tx) error {
					return tx.ReleaseTurn(ctx, "first", "the image\x00is away")
				})
			}
		}
		if turn := claim(t, s, "second"); turn.Behind != "always" {
			t.Errorf("the second waits for %+v", turn)
		}
		if turn := claim(t, s, "first"); turn.Behind != "always" {
			t.Errorf("the first waits for %+v", turn)
		}
		if !claim(t, s, "always").Own || !claim(t, s, "before").Own {
			t.Error("others wait")
		}
	})
}

// When a run could not be prepared first is known, however often that happens, and
// is no start.
func TestARunThatCannotBePreparedRemembersSinceWhen(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		v, approval := approvedTask(t, s)
		run := deployment(t, s, v, approval, deploy.Run{ID: "one", Environment: "staging"})
		var since time.Time
		for _, why := range []string{"the image is away", "the forge is away"} {
			claim(t, s, run.ID)
			inTx(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.ReleaseTurn(ctx, run.ID, why) })
			got, err := s.Deployment(t.Context(), run.ID)
			if err != nil || got.Detail != why || !got.StartedAt.IsZero() || got.TriedAt.IsZero() {
				t.Fatalf("%+v, %v", got, err)
			}
			if since.IsZero() {
				since = got.TriedAt
			}
			if !got.TriedAt.Equal(since) {
				t.Errorf("tried since %s, first %s", got.TriedAt, since)
			}
		}
		end(t, s, run, deploy.Failed)
		if got, err := s.Deployment(t.Context(), run.ID); err != nil || !got.StartedAt.IsZero() || !got.TriedAt.IsZero() {
			t.Errorf("ended: %+v, %v", got, err)
		}
	})
}

func TestARunGetsItsCommitOnceByTheMerge(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		v, approval := approvedTask(t, s)
		deployment(t, s, v, approval, deploy.Run{ID: "armed", Environment: "staging", State: deploy.Armed, Covers: deploy.CoversMerge})
		for _, state := range []deploy.RunState{deploy.Pending, deploy.Created, deploy.Running} {
			if err := try(t, s, func(ctx context.Context, tx *store.Tx) error {
				return tx.SaveRun(ctx, deploy.Run{ID: "armed", State: state})
			}); err == nil {
				t.Errorf("it went to %s without a merge", state)
			}
		}
		if ids, err := s.TasksToMerge(t.Context()); err != nil || !slices.Equal(ids, []task.ID{v.ID}) {
			t.Errorf("waiting for the merge: %q, %v", ids, err)
		}
		if ids, err := s.TasksToDeploy(t.Context()); err != nil || len(ids) != 0 {
			t.Errorf("can go on: %q, %v", ids, err)
		}
		for i, commit := range []string{"merge", "another"} {
			inTx(t, s, func(ctx context.Context, tx *store.Tx) error {
				fresh, err := tx.Merged(ctx, "armed", commit, deploy.CoversMerge)
				if fresh != (i == 0) {
					t.Errorf("commit %s: fresh %t", commit, fresh)
				}
				return err
			})
		}
		if got, err := s.Deployment(t.Context(), "armed"); err != nil || got.Commit != "merge" || got.State != deploy.Pending {
			t.Errorf("%+v, %v", got, err)
		}
		if ids, err := s.TasksToDeploy(t.Context()); err != nil || !slices.Equal(ids, []task.ID{v.ID}) {
			t.Errorf("can go on: %q, %v", ids, err)
		}
	})
}

func TestDeploymentsAreListedByPage(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		v, approval := approvedTask(t, s)
		for i := range 7 {
			environment := []string{"staging", "production"}[i%2]
			deployment(t, s, v, approval, deploy.Run{ID: fmt.Sprint("r", i), Environment: environment, Profile: "publish", Commit: fmt.Sprint("c", i)})
		}
		page := func(f deploy.Filter) string {
			var ids []string
			for {
				list, next, err := s.Deployments(t.Context(), f)
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range list {
					ids = append(ids, r.ID)
				}
				if next == "" {
					return strings.Join(ids, " ")
				}
				f.Before = next
			}
		}
		staging := []string{"staging"}
		for want, f := range map[string]deploy.Filter{
			"r6 r5 r4 r3 r2 r1 r0": {Limit: 2},
			"r6 r4 r2 r0":          {Environments: staging, Limit: 3},
			"r5 r3 r1":             {Environment: "production", Limit: 1},
			"r2":                   {Commit: "c2", Profile: "publish", Task: v.ID, State: string(deploy.Pending)},
			"":                     {Environments: []string{}},
			"r4 r2 r0":             {Environments: staging, Before: "r6"},
		} {
			if got := page(f); got != want {
				t.Errorf("%+v: %q, want %q", f, got, want)
			}
		}
		for name, f := range map[string]deploy.Filter{
			"an environment that may not be seen": {Environments: staging, Environment: "production"},
			"a cursor of such an environment":     {Environments: staging, Before: "r5"},
			"no such cursor":                      {Before: "none"},
		} {
			if got := page(f); got != "" {
				t.Errorf("%s: %q", name, got)
			}
		}
		if _, err := s.Deployment(t.Context(), "none"); !errors.Is(err, task.ErrNotFound) {
			t.Errorf("a deployment that is not there: %v", err)
		}
	})
}

func TestOldDeploymentsAreRemovedAndTheirIdsStayKnown(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		v, approval := approvedTask(t, s)
		for i, row := range []struct {
			profile string
			state   deploy.RunState
		}{
			{"publish", deploy.Succeeded}, {"notify", deploy.Succeeded}, {"publish", deploy.Succeeded},
			{"publish", deploy.Failed}, {"publish", deploy.Running}, {"publish", deploy.Withheld}, {"publish", deploy.Failed},
		} {
			run := deployment(t, s, v, approval, deploy.Run{ID: fmt.Sprint("r", i), Environment: "staging", Profile: row.profile, Concurrency: deploy.Unlimited})
			if err := s.AppendLog(t.Context(), "deploy/"+run.ID, 0, []byte("output")); err != nil {
				t.Fatal(err)
			}
			claim(t, s, run.ID)
			end(t, s, run, row.state)
		}
		deployment(t, s, v, approval, deploy.Run{ID: "other", Environment: "production"})
		if names, err := s.RunEnvironments(t.Context()); err != nil || !slices.Equal(names, []string{"production", "staging"}) {
			t.Errorf("runs in %q, %v", names, err)
		}
		surplus, err := s.SurplusRuns(t.Context(), "staging", 2, 10)
		if err != nil || len(surplus) != 2 || surplus[0].ID != "r0" || surplus[1].ID != "r3" {
			t.Fatalf("not kept: %+v, %v", surplus, err)
		}
		running, err := s.Deployment(t.Context(), "r4")
		if err != nil {
			t.Fatal(err)
		}
		inTx(t, s, func(ctx context.Context, tx *store.Tx) error {
			return errors.Join(tx.RemoveRun(ctx, surplus[0]), tx.RemoveRun(ctx, surplus[0]), tx.RemoveRun(ctx, running))
		})
		if _, err := s.Deployment(t.Context(), "r4"); err != nil {
			t.Errorf("a run that has not ended was removed: %v", err)
		}
		if _, err := s.Deployment(t.Context(), "r0"); !errors.Is(err, task.ErrNotFound) {
			t.Errorf("the record is still there: %v", err)
		}
		if output, err := s.ReadLog(t.Context(), "deploy/r0", 0, 10); len(output) > 0 {
			t.Errorf("the output is still there: %q, %v", output, err)
		}
		if output, err := s.ReadLog(t.Context(), "deploy/r3", 0, 10); err != nil || string(output) != "output" {
			t.Errorf("another one's output: %q, %v", output, err)
		}
		if owner, err := s.Owner(t.Context(), "r0"); err != nil || owner.ID != v.ID {
			t.Errorf("whose container it was is not known: %v", err)
		}
		again := surplus[0]
		again.State = deploy.Pending
		inTx(t, s, func(ctx context.Context, tx *store.Tx) error {
			fresh, err := tx.InsertRun(ctx, again)
			if fresh {
				t.Error("the same run was stored a second time after its record was removed")
			}
			return err
		})
	})
}

func TestApprovalsAreFoundByTheCommitsThatTheyCover(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		v, _ := approvedTask(t, s)
		v, err := s.Task(t.Context(), v.ID)
		if err != nil {
			t.Fatal(err)
		}
		v.LandedCommit, v.PullRequest = "landed", 8
		for _, state := range []task.State{task.Approved, task.Landing, task.Landed} {
			if landed, _, err := s.Covering(t.Context(), "landed"); err != nil || len(landed) != 0 {
				t.Errorf("before it landed: %v, %v", landed, err)
			}
			v.State = state
			inTx(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.SaveTask(ctx, &v) })
		}
		if landed, merged, err := s.Covering(t.Context(), "landed"); err != nil || len(landed) != 1 || len(merged) != 0 || landed[0].ID != v.ID {
			t.Errorf("by what landed: %v %v, %v", landed, merged, err)
		}
		if open, err := s.Unmerged(t.Context(), repository.Key(), 5); err != nil || len(open) != 1 {
			t.Errorf("not merged: %v, %v", open, err)
		}
		inTx(t, s, func(ctx context.Context, tx *store.Tx) error {
			return errors.Join(tx.SaveMerge(ctx, v, "merge"), tx.SaveMerge(ctx, v, "merge"))
		})
		if landed, merged, err := s.Covering(t.Context(), "merge"); err != nil || len(landed) != 0 || len(merged) != 1 || merged[0].ID != v.ID {
			t.Errorf("by the merge: %v %v, %v", landed, merged, err)
		}
		if open, err := s.Unmerged(t.Context(), repository.Key(), 5); err != nil || len(open) != 0 {
			t.Errorf("not merged: %v, %v", open, err)
		}
		for _, commit := range []string{"", "other"} {
			if landed, merged, err := s.Covering(t.Context(), commit); err != nil || len(landed)+len(merged) != 0 {
				t.Errorf("%q: %v %v, %v", commit, landed, merged, err)
			}
		}
	})
}
