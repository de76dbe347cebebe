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

// A canary appears once at each place of a container; what is stored keeps
// whether a secret is one.
func TestCanariesAndWhereTheyAppearedAreKept(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		when := time.Date(2026, 4, 5, 6, 7, 8, 0, time.UTC)
		one := store.Secret{
			Slot: secret.Slot{Environment: "staging", Context: secret.ForTask, Name: "KEY"}, Sealed: []byte{1}, SealedWith: "age1x", Canary: true, SetAt: when,
		}
		for _, canary := range []bool{true, false, true} {
			one.Canary = canary
			inTx(t, s, func(ctx context.Context, tx *store.Tx) error { _, err := tx.SetSecret(ctx, one); return err })
			if got, err := s.Secrets(t.Context(), "staging"); err != nil || len(got) != 1 || got[0].Canary != canary {
				t.Errorf("%+v, %v", got, err)
			}
		}
		trip := secret.Trip{Task: "t1", Environment: "staging", Canary: "KEY", Place: secret.InOutput, Where: "byte 7", At: when}
		later, elsewhere := trip, trip
		later.Where, later.At = "byte 9", when.Add(time.Hour)
		elsewhere.Deployment, elsewhere.Place, elsewhere.At = "d1", secret.InRequest, when.Add(-time.Hour)
		for i, v := range []secret.Trip{trip, later, elsewhere} {
			inTx(t, s, func(ctx context.Context, tx *store.Tx) error {
				fresh, err := tx.InsertTrip(ctx, v)
				if fresh != (i != 1) {
					t.Errorf("trip %d: fresh is %v", i, fresh)
				}
				return err
			})
		}
		if got, err := s.Trips(t.Context(), "t1"); err != nil || len(got) != 2 || got[0] != elsewhere || got[1] != trip {
			t.Errorf("%+v, %v", got, err)
		}
		counts, err := s.TripCounts(t.Context())
		if err != nil || len(counts) != 2 || counts[0] != (store.TripCount{Environment: "staging", Place: "output", Count: 1}) {
			t.Errorf("%+v, %v", counts, err)
		}
	})
}
