package store_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
)

func TestCursorsAreListedByTheirBeginningAndDropped(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		inTx(t, s, func(ctx context.Context, tx *store.Tx) error {
			for _, name := range []string{"removing:n:b", "removing:n:a", "removing:m:a", "comments"} {
				if err := tx.SetCursor(ctx, name, time.Now()); err != nil {
					return err
				}
			}
			return nil
		})
		list, err := s.CursorsOf(t.Context(), "removing:n:")
		if got := result(t, list, err); !slices.Equal(got, []string{"removing:n:a", "removing:n:b"}) {
			t.Errorf("listed %q", got)
		}
		inTx(t, s, func(ctx context.Context, tx *store.Tx) error {
			if err := tx.DropCursor(ctx, "unknown"); err != nil {
				return err
			}
			return tx.DropCursor(ctx, "removing:n:a")
		})
		list, err = s.CursorsOf(t.Context(), "removing:")
		if got := result(t, list, err); !slices.Equal(got, []string{"removing:m:a", "removing:n:b"}) {
			t.Errorf("left %q", got)
		}
	})
}
