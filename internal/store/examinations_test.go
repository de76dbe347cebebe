package store_test

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
	"github.com/coderflow/coderflow/internal/task"
)

func examinationOf(t *testing.T, s *store.Store) task.Examination {
	x := filled[task.Examination]()
	x.ID, x.Task, x.Revision, x.Kind, x.Attempt, x.State = task.NewExaminationID(), insertTask(t, s, newTask()).ID, 1, task.Check, 1, task.ExaminationQueued
	return x
}

func insertExamination(t *testing.T, s *store.Store, x task.Examination) (fresh bool) {
	t.Helper()
	inTx(t, s, func(ctx context.Context, tx *store.Tx) (err error) {
		fresh, err = tx.InsertExamination(ctx, x)
		return err
	})
	return fresh
}

func TestAnExaminationIsKeptWholeAndOnceForEachAttempt(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		x := examinationOf(t, s)
		same := x
		same.ID = task.NewExaminationID()
		again := x
		again.ID, again.Attempt = task.NewExaminationID(), 2
		if !insertExamination(t, s, x) || insertExamination(t, s, same) || !insertExamination(t, s, again) {
			t.Error("an attempt is stored twice, or the next one is not")
		}
		got, err := s.Examination(t.Context(), x.ID)
		if err != nil || !reflect.DeepEqual(got, x) {
			t.Errorf("stored\n%+v\nread\n%+v\n%v", x, got, err)
		}
		list, err := s.Examinations(t.Context(), x.Task)
		if err != nil || len(list) != 2 || list[0].ID != x.ID || list[1].ID != again.ID {
			t.Errorf("%+v: %v", list, err)
		}
		open, err := s.OpenExaminations(t.Context())
		if err != nil || len(open) != 2 {
			t.Errorf("%d have not ended: %v", len(open), err)
		}
		if owner, err := s.Owner(t.Context(), x.ID); err != nil || owner.ID != x.Task {
			t.Errorf("the examination belongs to task %q: %v", owner.ID, err)
		}
		if _, err := s.Examination(t.Context(), same.ID); !errors.Is(err, task.ErrNotFound) {
			t.Errorf("an unknown one: %v", err)
		}
	})
}

func TestAnExaminationOnlyMovesForwardAndWhatItIsOfStays(t *testing.T) {
	t.Parallel()
	order := map[task.ExaminationState]int{task.ExaminationQueued: 0, task.ExaminationRunning: 1}
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		base := examinationOf(t, s)
		save := func(x task.Examination) error {
			return try(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.SaveExamination(ctx, x) })
		}
		for i, from := range task.ExaminationStates() {
			for j, to := range task.ExaminationStates() {
				x := base
				x.ID, x.Attempt = task.NewExaminationID(), 1+i*10+j
				insertExamination(t, s, x)
				x.State = from
				if err := save(x); err != nil {
					t.Fatal(err)
				}
				x.State = to
				err := save(x)
				at, open := order[from]
				forward := open && (to.Ended() || order[to] >= at)
				refused := (*task.ExaminationStateError)(nil)
				if from == task.ExaminationRunning && to == task.ExaminationQueued {
					forward = false
				}
				if forward != (err == nil) || !forward && !errors.As(err, &refused) {
					t.Errorf("%s → %s: %v", from, to, err)
				}
			}
		}
		x := base
		x.Attempt, x.ID = 99, task.NewExaminationID()
		insertExamination(t, s, x)
		changed := x
		changed.Digest, changed.Definition, changed.Name, changed.State = "sha256:other", "sha256:other", "other", task.ExaminationPassed
		changed.FinishedAt = time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
		if err := save(changed); err != nil {
			t.Fatal(err)
		}
		got, err := s.Examination(t.Context(), x.ID)
		if err != nil || got.Digest != x.Digest || got.Definition != x.Definition || got.Name != x.Name || got.State != task.ExaminationPassed {
			t.Errorf("%+v: %v", got, err)
		}
	})
}

// The output of examinations goes with the task's, and not without it.
func TestTheOutputOfExaminationsIsRemovedWithTheTasks(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		x := examinationOf(t, s)
		insertExamination(t, s, x)
		if err := s.AppendLog(t.Context(), x.LogStream(), 0, []byte("ok 1\n")); err != nil {
			t.Fatal(err)
		}
		inTx(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.RemoveLogs(ctx, x.Task) })
		if text, err := s.ReadLog(t.Context(), x.LogStream(), 0, 100); err != nil || len(text) > 0 {
			t.Errorf("%q is still there: %v", text, err)
		}
	})
}
