package store_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/node"
	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
	"github.com/coderflow/coderflow/internal/task"
)

func runner(id string) node.Node {
	return node.Node{ID: id, Name: "runner", Slots: 2, Labels: []string{"gpu"}, Version: "v1", StartedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
}

func beat(t *testing.T, s *store.Store, n node.Node) node.Node {
	t.Helper()
	before, err := s.Beat(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	return before
}

func only(t *testing.T, s *store.Store) node.Node {
	t.Helper()
	all, err := s.Nodes(t.Context())
	if err != nil || len(all) != 1 {
		t.Fatalf("nodes %+v, %v", all, err)
	}
	return all[0]
}

func TestANodeIsThereFromItsFirstSignOfLife(t *testing.T) {
	t.Parallel()
	eachAt(t, func(t *testing.T, s *store.Store, c *clock) {
		want := runner("aaaaaaaaaaaa")
		if _, err := s.Beat(t.Context(), want); !errors.Is(err, task.ErrNotFound) {
			t.Errorf("before there was one: %v", err)
		}
		n := only(t, s)
		if n.Name != want.Name || n.Slots != 2 || !slices.Equal(n.Labels, want.Labels) || !n.StartedAt.Equal(want.StartedAt) || n.SeenAt.IsZero() || n.State() != node.Ready {
			t.Errorf("%+v", n)
		}
		c.jump(time.Minute)
		want.Slots, want.Serves, want.Version = 3, true, "v2"
		if before := beat(t, s, want); before.Slots != 2 || before.Version != "v1" {
			t.Errorf("before: %+v", before)
		}
		if now := only(t, s); now.Slots != 3 || !now.Serves || now.Version != "v2" || now.SeenAt.Sub(n.SeenAt) != time.Minute {
			t.Errorf("now: %+v", now)
		}
	})
}

func TestANodeStaysDrainedUntilItIsResumed(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		n := runner("aaaaaaaaaaaa")
		_, _ = s.Beat(t.Context(), n) // the first one
		drain := func(since time.Time) (changed bool) {
			err := try(t, s, func(ctx context.Context, tx *store.Tx) (err error) {
				changed, err = tx.Drain(ctx, n.ID, since)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			return changed
		}
		if !drain(time.Now()) || drain(time.Now()) {
			t.Error("it was not drained once")
		}
		if before := beat(t, s, n); before.State() != node.Draining || only(t, s).State() != node.Draining {
			t.Error("a sign of life ended it")
		}
		if !drain(time.Time{}) || drain(time.Time{}) || only(t, s).State() != node.Ready {
			t.Error("it was not resumed once")
		}
		err := try(t, s, func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.Drain(ctx, "nobody", time.Now())
			return err
		})
		if !errors.Is(err, task.ErrNotFound) {
			t.Errorf("one that is not there: %v", err)
		}
	})
}

// A node that is taken for dead has no lease and no job of its own any more; one that gave
// a sign of life since was not looked at closely enough.
func TestFault28ALostNodeHasNothingAnyMore(t *testing.T) {
	t.Parallel()
	eachAt(t, func(t *testing.T, s *store.Store, c *clock) {
		n := runner("aaaaaaaaaaaa")
		_, _ = s.Beat(t.Context(), n) // the first one
		v := insertTask(t, s, newTask())
		if _, err := s.Lease(t.Context(), v.ID, n.ID+"/7", ttl); err != nil {
			t.Fatal(err)
		}
		enqueued := queue.Job{Kind: queue.Advance, Key: string(v.ID), Queue: queue.NodeQueue(n.ID)}
		if err := try(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.Enqueue(ctx, enqueued) }); err != nil {
			t.Fatal(err)
		}
		seen := only(t, s).SeenAt
		lose := func(seen time.Time) (lost bool) {
			err := try(t, s, func(ctx context.Context, tx *store.Tx) (err error) {
				lost, err = tx.LoseNode(ctx, n.ID, seen)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			return lost
		}
		if lose(seen.Add(-time.Second)) {
			t.Error("one that gave a sign of life since is lost")
		}
		if !lose(seen) || lose(seen) || only(t, s).State() != node.Lost {
			t.Error("it was not lost once")
		}
		if _, err := s.Lease(t.Context(), v.ID, "other", ttl); err != nil {
			t.Errorf("its lease stands: %v", err)
		}
		if got := queuesOf(t, s); !slices.Equal(got, []string{queue.Workers}) {
			t.Errorf("its jobs are in %v", got)
		}
		c.jump(time.Minute)
		if before := beat(t, s, n); before.State() != node.Lost || only(t, s).State() != node.Ready {
			t.Error("a sign of life did not end it")
		}
		forget := func() error {
			return try(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.ForgetNode(ctx, n.ID) })
		}
		if err := forget(); !errors.Is(err, task.ErrNotFound) {
			t.Errorf("one that lives was forgotten: %v", err)
		}
		if !lose(only(t, s).SeenAt) || forget() != nil {
			t.Error("a lost one was not forgotten")
		}
	})
}

func queuesOf(t *testing.T, s *store.Store) []string {
	t.Helper()
	counts, err := queue.Counts(t.Context(), s.DB())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range counts {
		names = append(names, c.Queue)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// A step is sent to whoever can do it: the task's node, any worker while it is on none or on
// one that is lost, everybody where the node is of a version that knows no queues.
func TestStepsAreSentToTheNodeOfTheirTask(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		on   string
		lost bool
		want string
	}{
		"on none":                  {"", false, queue.Workers},
		"on a node":                {"aaaaaaaaaaaa", false, queue.NodeQueue("aaaaaaaaaaaa")},
		"on a lost one":            {"aaaaaaaaaaaa", true, queue.Workers},
		"on one without an engine": {"cccccccccccc", false, queue.Workers},
		"on an old one":            {"bbbbbbbbbbbb", false, queue.Anybody},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, s *store.Store) {
				without := runner("cccccccccccc")
				without.Slots = 0
				for _, n := range []node.Node{runner("aaaaaaaaaaaa"), without} {
					_, _ = s.Beat(t.Context(), n) // the first one
				}
				v := insertTask(t, s, newTask())
				err := try(t, s, func(ctx context.Context, tx *store.Tx) error {
					v.Run.Node = tt.on
					if err := tx.SaveTask(ctx, &v); err != nil {
						return err
					}
					if tt.lost {
						if _, err := tx.LoseNode(ctx, "aaaaaaaaaaaa", seenAt(t, s, "aaaaaaaaaaaa")); err != nil {
							return err
						}
					}
					return tx.Enqueue(ctx, queue.Job{Kind: queue.Advance, Key: string(v.ID)})
				})
				if err != nil {
					t.Fatal(err)
				}
				if got := queuesOf(t, s); !slices.Equal(got, []string{tt.want}) {
					t.Errorf("it is in %v, want %s", got, tt.want)
				}
			})
		})
	}
}

func seenAt(t *testing.T, s *store.Store, id string) time.Time {
	t.Helper()
	all, err := s.Nodes(t.Context())
	n, known := node.Find(all, id)
	if err != nil || known != 1 {
		t.Fatalf("node %s: %+v, %v", id, all, err)
	}
	return n.SeenAt
}

// What is asked of a task later would wait for ever for a node that nobody knows any more.
func TestTheTasksOfAForgottenNodeAreOnNone(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		_, _ = s.Beat(t.Context(), runner("aaaaaaaaaaaa")) // the first one
		its, other := insertTask(t, s, newTask()), insertTask(t, s, newTask())
		run := task.Run{Node: "aaaaaaaaaaaa", Volume: "v", Start: "s", Tree: "t", Container: "c", Image: "sha256:1", LogFrom: 7}
		err := try(t, s, func(ctx context.Context, tx *store.Tx) error {
			its.Run, other.Run = run, run
			other.Run.Node = "bbbbbbbbbbbb"
			_, err := tx.LoseNode(ctx, run.Node, seenAt(t, s, run.Node))
			return errors.Join(tx.SaveTask(ctx, &its), tx.SaveTask(ctx, &other), err)
		})
		if err != nil {
			t.Fatal(err)
		}
		stale := its
		if err := try(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.ForgetNode(ctx, run.Node) }); err != nil {
			t.Fatal(err)
		}
		for _, want := range []struct {
			id  task.ID
			run task.Run
		}{{its.ID, task.Run{Container: "c", Image: "sha256:1", LogFrom: 7}}, {other.ID, other.Run}} {
			if now, err := s.Task(t.Context(), want.id); err != nil || now.Run != want.run {
				t.Errorf("%+v, want %+v, %v", now.Run, want.run, err)
			}
		}
		if err := try(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.SaveTask(ctx, &stale) }); !errors.Is(err, task.ErrStale) {
			t.Errorf("a step from before brings the node back: %v", err)
		}
	})
}

func TestTheLineIsWhoWaitsAndWhoHasAPlace(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		first, second := insertTask(t, s, newTask()), insertTask(t, s, newTask())
		var locked []task.Place
		err := try(t, s, func(ctx context.Context, tx *store.Tx) (err error) {
			first.State, first.Run.Node = task.Preparing, "a"
			if err := tx.SaveTask(ctx, &first); err != nil {
				return err
			}
			if err := tx.RequestCancel(ctx, second.ID); err != nil {
				return err
			}
			locked, err = tx.LockLine(ctx)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		want := []task.Place{
			{Task: first.ID, Environment: first.Environment, State: task.Preparing, Node: "a"},
			{Task: second.ID, Environment: second.Environment, State: task.Queued, Unwanted: true},
		}
		line, err := s.Line(t.Context())
		if err != nil || !slices.Equal(line, want) || !slices.Equal(locked, want) {
			t.Errorf("%+v, %+v, %v", line, locked, err)
		}
	})
}
