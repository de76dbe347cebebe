package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/secret"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
	"github.com/coderflow/coderflow/internal/task"
)

func TestSecretsAreSetResealedAndRemoved(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		when := time.Date(2026, 4, 5, 6, 7, 8, 0, time.UTC)
		one := store.Secret{
			Slot: secret.Slot{Environment: "staging", Context: secret.ForDeploy, Name: "KEY"}, Sealed: []byte{0, 1, 2}, SealedWith: "age1old", SetAt: when, SetBy: "github:7",
		}
		other := one
		other.Environment, other.Context = "production", secret.ForTask
		for i, v := range []store.Secret{one, other, one} {
			inTx(t, s, func(ctx context.Context, tx *store.Tx) error {
				version, err := tx.SetSecret(ctx, v)
				if want := int64(1 + i/2); version != want {
					t.Errorf("version %d, want %d", version, want)
				}
				return err
			})
		}
		reseal := func(version int64) (done bool) {
			again := one
			again.Sealed, again.SealedWith, again.Version = []byte{9}, "age1new", version
			inTx(t, s, func(ctx context.Context, tx *store.Tx) (err error) {
				done, err = tx.ResealSecret(ctx, again)
				return err
			})
			return done
		}
		if reseal(1) || !reseal(2) {
			t.Error("an old version was sealed in place of a newer one")
		}
		got, err := s.Secrets(t.Context(), "staging")
		if err != nil || len(got) != 1 || got[0].Slot != one.Slot || string(got[0].Sealed) != "\x09" || got[0].SealedWith != "age1new" || got[0].Version != 2 || !got[0].SetAt.Equal(when) || got[0].SetBy != "github:7" {
			t.Errorf("%+v, %v", got, err)
		}
		for _, want := range []error{nil, task.ErrNotFound} {
			err := try(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.RemoveSecret(ctx, one.Slot) })
			if !errors.Is(err, want) {
				t.Errorf("remove: %v, want %v", err, want)
			}
		}
		if all, err := s.Secrets(t.Context(), ""); err != nil || len(all) != 1 || all[0].Environment != "production" {
			t.Errorf("%+v, %v", all, err)
		}
		bad := one
		bad.Name = "../x"
		if err := try(t, s, func(ctx context.Context, tx *store.Tx) error { _, err := tx.SetSecret(ctx, bad); return err }); err == nil {
			t.Error("a slot that is a path was stored")
		}
	})
}
