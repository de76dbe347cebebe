package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
	"github.com/coderflow/coderflow/internal/task"
)

func TestADeploymentRunOnlyMovesForward(t *testing.T) {
	t.Parallel()
	order := map[deploy.RunState]int{
		deploy.Pending: 0, deploy.Created: 1, deploy.Running: 2,
		deploy.Succeeded: 3, deploy.Failed: 3, deploy.Unknown: 3, deploy.Withheld: 3,
	}
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		v, p := proposed(t, s)
		record := newApproval(p, "review")
		if _, err := insertApproval(t, s, record); err != nil {
			t.Fatal(err)
		}
		for from := range order {
			for to := range order {
				run := deploy.Run{ID: fmt.Sprint(from, "-", to), Environment: fmt.Sprint(from, "-", to), Task: v.ID, ApprovalID: record.ID, State: deploy.Pending, ArmedBy: ben}
				save := func(state deploy.RunState) error {
					run.State = state
					return try(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.SaveRun(ctx, run) })
				}
				inTx(t, s, func(ctx context.Context, tx *store.Tx) error {
					first, err := tx.InsertRun(ctx, run)
					second, again := tx.InsertRun(ctx, run)
					if !first || second {
						t.Errorf("fresh: first %t, second %t", first, second)
					}
					return errors.Join(err, again)
				})
				inTx(t, s, func(ctx context.Context, tx *store.Tx) error {
					_, err := tx.ClaimTurn(ctx, run.ID)
					return err
				})
				if err := save(from); err != nil {
					t.Fatal(err)
				}
				err := save(to)
				var refused *store.RunStateError
				if forward := from == to || order[to] > order[from]; forward != (err == nil) || (!forward && !errors.As(err, &refused)) {
					t.Errorf("%s → %s: %v", from, to, err)
				}
			}
		}
		err := try(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.SaveRun(ctx, deploy.Run{ID: "x"}) })
		if !errors.Is(err, task.ErrNotFound) {
			t.Errorf("an unknown run: %v", err)
		}
	})
}

func TestDeliveriesWithoutAnOutcomeAreFoundByTheirAge(t *testing.T) {
	t.Parallel()
	eachAt(t, func(t *testing.T, s *store.Store, c *clock) {
		insert := func(id string) {
			inTx(t, s, func(ctx context.Context, tx *store.Tx) error {
				_, err := insertDelivery(ctx, tx, forge.Delivery{ID: id})
				return err
			})
		}
		finish := func(id, outcome string) error {
			return try(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.FinishDeliveries(ctx, []string{id}, outcome) })
		}
		insert("old")
		insert("done")
		c.jump(time.Minute)
		insert("new")
		if err := errors.Join(finish("done", "created a task"), finish("done", "again")); err != nil {
			t.Fatal(err)
		}
		got, err := s.UnhandledDeliveries(t.Context(), 30*time.Second)
		if fmt.Sprint(result(t, got, err)) != "[old]" {
			t.Errorf("unhandled: %v", got)
		}
		d, err := s.Delivery(t.Context(), "done")
		if result(t, d, err).Outcome != "created a task" {
			t.Errorf("the outcome is %q", d.Outcome)
		}
		if err := finish("unknown", "x"); !errors.Is(err, task.ErrNotFound) {
			t.Errorf("finishing an unknown delivery: %v", err)
		}
	})
}

// A reader of container output starts again anywhere; what is stored is what
// the container wrote, once.
func TestALogIsWhatWasWrittenHoweverOftenItIsSent(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		streams := 0
		rapid.Check(t, func(r *rapid.T) {
			ctx := context.Background()
			output := rapid.SliceOfN(rapid.Byte(), 1, 300).Draw(r, "output")
			streams++
			stream := fmt.Sprint("container-", streams)
			for {
				size, err := s.LogSize(ctx, stream)
				if err != nil {
					r.Fatal(err)
				}
				if size == int64(len(output)) {
					break
				}
				from := rapid.IntRange(0, int(size)).Draw(r, "from")
				to := rapid.IntRange(from, len(output)).Draw(r, "to")
				if err := s.AppendLog(ctx, stream, int64(from), output[from:to]); err != nil {
					r.Fatal(err)
				}
			}
			from := rapid.IntRange(0, len(output)+10).Draw(r, "read from")
			limit := rapid.IntRange(0, len(output)+10).Draw(r, "limit")
			got, err := s.ReadLog(ctx, stream, int64(from), limit)
			if err != nil {
				r.Fatal(err)
			}
			start := min(from, len(output))
			if want := output[start:min(start+limit, len(output))]; string(got) != string(want) {
				r.Fatalf("read %q, want %q", got, want)
			}
		})
	})
}

func TestALogRefusesAGap(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		if err := s.AppendLog(t.Context(), "c", 0, []byte("abc")); err != nil {
			t.Fatal(err)
		}
		var gap *store.LogGapError
		if err := s.AppendLog(t.Context(), "c", 4, []byte("e")); !errors.As(err, &gap) || gap.Size != 3 {
			t.Errorf("a gap: %v", err)
		}
	})
}

func TestManyReadersOfOneContainerStoreItsOutputOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		_, errs := together(t, 20, func(int) (bool, error) {
			return true, s.AppendLog(t.Context(), "c", 0, []byte("hello"))
		})
		got, err := s.ReadLog(t.Context(), "c", 0, 100)
		if string(result(t, got, err)) != "hello" || len(errs) > 0 {
			t.Errorf("stored %q, errors %v", got, errs)
		}
	})
}

func TestCursorsHoldTheirLastTime(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		none, err := s.Cursor(t.Context(), "comments")
		if !result(t, none, err).IsZero() {
			t.Errorf("an unset cursor is %s", none)
		}
		when := time.Date(2026, 5, 6, 7, 8, 9, 123456789, time.FixedZone("", 3600))
		for _, at := range []time.Time{when.Add(time.Hour), when} {
			inTx(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.SetCursor(ctx, "comments", at) })
		}
		got, err := s.Cursor(t.Context(), "comments")
		if !result(t, got, err).Equal(when.Truncate(time.Microsecond)) {
			t.Errorf("%s came back as %s", when, got)
		}
	})
}

func TestACursorIsInsertedOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		when := time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)
		for i, want := range []bool{true, false} {
			inTx(t, s, func(ctx context.Context, tx *store.Tx) error {
				fresh, err := tx.InsertCursor(ctx, "handled:x", when.AddDate(0, 0, i))
				if fresh != want {
					t.Errorf("insert %d: fresh %v", i, fresh)
				}
				return err
			})
		}
		if got, err := s.Cursor(t.Context(), "handled:x"); !result(t, got, err).Equal(when) {
			t.Errorf("the first time came back as %s", got)
		}
	})
}

func TestTheManifestAppliedLastIsActiveAndEachVersionHasOneContent(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		apply := func(version, content string) (fresh bool, err error) {
			err = try(t, s, func(ctx context.Context, tx *store.Tx) error {
				fresh, err = tx.InsertManifest(ctx, store.Manifest{Version: version, Content: []byte(content), AppliedBy: audit.System})
				return err
			})
			return fresh, err
		}
		for i, c := range []struct {
			version string
			fresh   bool
		}{{"v1", true}, {"v1", false}, {"v2", true}, {"v1", true}} {
			if fresh, err := apply(c.version, "content of "+c.version); err != nil || fresh != c.fresh {
				t.Errorf("application %d of %s: fresh %t, %v", i, c.version, fresh, err)
			}
		}
		var conflict *store.ManifestConflictError
		if _, err := apply("v2", "other content"); !errors.As(err, &conflict) {
			t.Errorf("a version with other content: %v", err)
		}
		active, err := s.ActiveManifest(t.Context())
		if result(t, active, err); active.Version != "v1" || string(active.Content) != "content of v1" || active.Seq != 3 || active.AppliedAt.IsZero() {
			t.Errorf("active is %+v", active)
		}
		second, err := s.ManifestVersion(t.Context(), "v2")
		if string(result(t, second, err).Content) != "content of v2" {
			t.Errorf("version 2 is %+v", second)
		}
		history, err := s.ManifestHistory(t.Context(), 10)
		if len(result(t, history, err)) != 3 || history[0].Seq != 3 || history[0].Content != nil {
			t.Errorf("the history is %+v", history)
		}
	})
}

func TestAManifestReplacesTheOneItWasMadeFor(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		replace := func(seq int64, version string) error {
			return try(t, s, func(ctx context.Context, tx *store.Tx) error {
				_, err := tx.ReplaceManifest(ctx, seq, store.Manifest{Version: version, Content: []byte(version), AppliedBy: audit.System})
				return err
			})
		}
		var stale *store.ManifestStaleError
		if err := replace(1, "v0"); !errors.As(err, &stale) || stale.Version != "" {
			t.Errorf("nothing is in force: %v", err)
		}
		if err := errors.Join(replace(0, "v1"), replace(1, "v2")); err != nil {
			t.Fatal(err)
		}
		if err := replace(1, "v3"); !errors.As(err, &stale) || stale.Version != "v2" || stale.Seq != 2 {
			t.Errorf("another one is in force: %v", err)
		}
		active, err := s.ActiveManifest(t.Context())
		if result(t, active, err).Version != "v2" {
			t.Errorf("in force is %+v", active)
		}
	})
}

func TestOfTwoChangesOfTheSameManifestOneIsMade(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		together(t, 5, func(i int) (bool, error) {
			var fresh bool
			err := s.InTx(t.Context(), func(tx *store.Tx) (err error) {
				version := string(rune('a' + i))
				fresh, err = tx.ReplaceManifest(t.Context(), 0, store.Manifest{Version: version, AppliedBy: audit.System})
				return err
			})
			if stale := (*store.ManifestStaleError)(nil); errors.As(err, &stale) || errors.Is(err, task.ErrStale) {
				return false, nil
			}
			return fresh, err
		})
		history, err := s.ManifestHistory(t.Context(), 10)
		if len(result(t, history, err)) != 1 {
			t.Errorf("applied %d times", len(history))
		}
	})
}

func TestFirstManifestsAppliedAtOnceMakeOneActive(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		together(t, 5, func(int) (bool, error) {
			var fresh bool
			err := s.InTx(t.Context(), func(tx *store.Tx) (err error) {
				fresh, err = tx.InsertManifest(t.Context(), store.Manifest{Version: "v1", AppliedBy: audit.System})
				return err
			})
			return fresh, err
		})
		history, err := s.ManifestHistory(t.Context(), 10)
		if len(result(t, history, err)) != 1 {
			t.Errorf("applied %d times", len(history))
		}
	})
}
