package store_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
	"github.com/coderflow/coderflow/internal/task"
)

func insertDelivery(ctx context.Context, tx *store.Tx, d forge.Delivery) (bool, error) {
	fresh, err := tx.InsertDeliveries(ctx, []forge.Delivery{d})
	return err == nil && fresh[0], err
}

func TestThreat02DeliveriesThatComeTogetherAreEachStoredOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		insert := func(all ...forge.Delivery) (fresh []bool) {
			t.Helper()
			inTx(t, s, func(ctx context.Context, tx *store.Tx) (err error) {
				fresh, err = tx.InsertDeliveries(ctx, all)
				return err
			})
			return fresh
		}
		of := func(id, event string) forge.Delivery { return forge.Delivery{ID: id, Host: forge.GitHub, Event: event} }
		large := of("large", "push")
		large.Headers = map[string]string{"x": strings.Repeat("y", 3<<20)} // more than one statement takes
		if got := insert(of("a", "first"), of("b", "first")); !slices.Equal(got, []bool{true, true}) {
			t.Errorf("two new ones: %v", got)
		}
		if got := insert(of("c", "first"), of("a", "second"), large, of("c", "second"), of("d", "first")); !slices.Equal(got, []bool{true, false, true, false, true}) {
			t.Errorf("among them one that is known and one that comes twice: %v", got)
		}
		if got := insert(of("a", "third"), of("c", "third")); !slices.Equal(got, []bool{false, false}) {
			t.Errorf("two that are known: %v", got)
		}
		if got := insert(); len(got) != 0 {
			t.Errorf("none: %v", got)
		}
		for _, id := range []string{"a", "b", "c", "d"} {
			if d, err := s.Delivery(t.Context(), id); err != nil || d.Event != "first" {
				t.Errorf("%s is %+v, %v", id, d, err)
			}
		}
		if d, err := s.Delivery(t.Context(), "large"); err != nil || len(d.Headers["x"]) != 3<<20 {
			t.Errorf("the large one: %d bytes, %v", len(d.Headers["x"]), err)
		}
		if err := try(t, s, func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.InsertDeliveries(ctx, []forge.Delivery{of("e", "first"), {Event: "nameless"}})
			return err
		}); err == nil {
			t.Error("one without an id was stored")
		}
		if _, err := s.Delivery(t.Context(), "e"); !errors.Is(err, task.ErrNotFound) {
			t.Errorf("half of what came together is stored: %v", err)
		}
		finish := func(ids ...string) error {
			return try(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.FinishDeliveries(ctx, ids, "handled") })
		}
		if err := finish("a", "b", "a"); err != nil {
			t.Error(err)
		}
		if err := finish("c", "nobody's"); !errors.Is(err, task.ErrNotFound) {
			t.Errorf("one that is not there: %v", err)
		}
		for id, want := range map[string]string{"a": "handled", "b": "handled", "c": "", "d": ""} {
			if d, err := s.Delivery(t.Context(), id); err != nil || d.Outcome != want {
				t.Errorf("%s ended %q, %v", id, d.Outcome, err)
			}
		}
	})
}
