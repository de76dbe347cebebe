package store_test

import (
	"context"
	"errors"
	"testing"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/engine"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
	"github.com/coderflow/coderflow/internal/task"
)

func TestAKeptCommitLeadsToItsApproval(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		_, p := proposed(t, s)
		record := newApproval(p, "review-1")
		if _, err := insertApproval(t, s, record); err != nil {
			t.Fatal(err)
		}
		for action, commit := range map[audit.Action]string{audit.CommitKept: "kept", audit.PushDone: "pushed"} {
			e, err := audit.New(record.At, audit.System, action, map[string]any{"approval": record.ID, "commit": commit, "outcome": "other"})
			if err != nil {
				t.Fatal(err)
			}
			inTx(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.Audit(ctx, e) })
		}
		if got, err := s.KeptUnder(t.Context(), "kept"); err != nil || len(got) != 1 || got[0].ID != record.ID {
			t.Errorf("%+v, %v", got, err)
		}
		for _, commit := range []string{"pushed", "other", "", "kep", `kept","x":"`} {
			if got, err := s.KeptUnder(t.Context(), commit); err != nil || len(got) != 0 {
				t.Errorf("%q: %+v, %v", commit, got, err)
			}
		}
	})
}

func TestAReceiptIsKeptOnceAndNeverChanged(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		_, p := proposed(t, s)
		record := newApproval(p, "review-1")
		if _, err := insertApproval(t, s, record); err != nil {
			t.Fatal(err)
		}
		r := engine.IssuedReceipt{Digest: "sha256:1", Approval: record.ID, Basis: "a", Envelope: []byte("{\xff}"), IssuedAt: record.At}
		for i, want := range []bool{true, false} {
			inTx(t, s, func(ctx context.Context, tx *store.Tx) error {
				other := r
				if i > 0 {
					other.Digest = "sha256:2"
				}
				fresh, err := tx.InsertReceipt(ctx, other)
				if fresh != want {
					t.Errorf("insert %d: %t", i, fresh)
				}
				return err
			})
		}
		got, err := s.Receipt(t.Context(), record.ID, "a")
		same(t, "the receipt", result(t, got, err), r)
		if _, err := s.Receipt(t.Context(), record.ID, "b"); !errors.Is(err, task.ErrNotFound) {
			t.Errorf("on another basis: %v", err)
		}
		for _, statement := range []string{"UPDATE receipts SET basis = 'b'", "DELETE FROM receipts"} {
			if _, err := s.DB().ExecContext(t.Context(), statement); err == nil {
				t.Errorf("the database did it: %s", statement)
			}
		}
	})
}
