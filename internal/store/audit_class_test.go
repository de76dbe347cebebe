package store_test

import (
	"context"
	"errors"
	"testing"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
)

// No task moves, and no approval is recorded, together with what a judge says.
func TestAdviceIsNeverWrittenWithAChangeOfATask(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		current, p := proposed(t, s)
		size := func() int {
			entries, err := s.AuditEntries(t.Context(), store.AuditFilter{})
			return len(result(t, entries, err))
		}
		before := size()
		const verdict = audit.Action("judge.verdict")
		for name, change := range map[string]func(context.Context, *store.Tx) error{
			"state":  func(ctx context.Context, tx *store.Tx) error { v := current; return tx.SaveTask(ctx, &v) },
			"cancel": func(ctx context.Context, tx *store.Tx) error { return tx.RequestCancel(ctx, current.ID) },
			"approval": func(ctx context.Context, tx *store.Tx) error {
				_, err := tx.InsertApproval(ctx, newApproval(p, "review"))
				return err
			},
		} {
			for _, first := range []bool{true, false} {
				err := try(t, s, func(ctx context.Context, tx *store.Tx) error {
					if first {
						return errors.Join(tx.Audit(ctx, entry(t, verdict, current.ID)), change(ctx, tx))
					}
					return errors.Join(change(ctx, tx), tx.Audit(ctx, entry(t, verdict, current.ID)))
				})
				if refused := (*store.AdviceError)(nil); !errors.As(err, &refused) || size() != before {
					t.Errorf("%s, advice first %t: %v, %d entries of %d", name, first, err, size(), before)
				}
			}
		}
		inTx(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.Audit(ctx, entry(t, verdict, current.ID)) })
		if size() != before+1 {
			t.Error("advice alone was not written")
		}
	})
}
