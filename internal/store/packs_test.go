package store_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
	"github.com/coderflow/coderflow/internal/task"
)

func random(n int) []byte {
	data := make([]byte, n)
	_, _ = rand.Read(data) // it never fails
	return data
}

func readPack(t *testing.T, s *store.Store, id task.ID, revision int) ([]byte, error) {
	t.Helper()
	from, err := s.Pack(t.Context(), id, revision)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(iotest.HalfReader(from))
}

func TestAPackComesBackAsItWas(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		v, _ := proposed(t, s)
		for i, size := range []int{1, 1<<20 - 1, 1 << 20, 3<<20 + 5} {
			revision, pack := i+1, random(size)
			inTx(t, s, func(ctx context.Context, tx *store.Tx) error {
				if err := tx.InsertProposal(ctx, newProposal(v.ID, revision)); err != nil {
					return err
				}
				return tx.InsertPack(ctx, v.ID, revision, pack)
			})
			// The same proposal is recorded again by a step that was killed; git packed it otherwise.
			inTx(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.InsertPack(ctx, v.ID, revision, random(10)) })
			if got, err := readPack(t, s, v.ID, revision); err != nil || !bytes.Equal(got, pack) {
				t.Errorf("%d of %d bytes came back, %v", len(got), size, err)
			}
		}
		if _, err := readPack(t, s, v.ID, 9); !errors.Is(err, task.ErrNotFound) {
			t.Errorf("one that is not there: %v", err)
		}
	})
}

func TestAPackIsThereWithItsProposalOrNotAtAll(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		v, _ := proposed(t, s)
		err := try(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.InsertPack(ctx, v.ID, 2, random(10)) })
		if err == nil {
			t.Error("a pack without a proposal was kept")
		}
		if err := try(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.InsertPack(ctx, v.ID, 1, nil) }); err == nil {
			t.Error("an empty pack was kept")
		}
		stop := errors.New("stop")
		err = try(t, s, func(ctx context.Context, tx *store.Tx) error {
			if err := tx.InsertPack(ctx, v.ID, 1, random(2<<20)); err != nil {
				return err
			}
			return stop
		})
		if _, missing := readPack(t, s, v.ID, 1); !errors.Is(err, stop) || !errors.Is(missing, task.ErrNotFound) {
			t.Errorf("%v, %v", err, missing)
		}
	})
}

func TestAPackThatWasChangedIsNotedAndCannotBe(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		v, _ := proposed(t, s)
		inTx(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.InsertPack(ctx, v.ID, 1, random(2<<20)) })
		statements := []string{
			"UPDATE proposal_packs SET size = 1", "DELETE FROM proposal_packs",
			"UPDATE proposal_pack_chunks SET data = data", "DELETE FROM proposal_pack_chunks WHERE first_byte > 0",
		}
		for _, statement := range statements {
			if _, err := s.DB().ExecContext(t.Context(), statement); err == nil {
				t.Errorf("%s: done", statement)
			}
		}
		for _, trigger := range []string{"proposal_pack_chunks_no_delete", "proposal_pack_chunks_fixed"} { // by somebody with the rights to
			statement := "DROP TRIGGER IF EXISTS " + trigger
			if s.Dialect() == queue.Postgres {
				statement += " ON proposal_pack_chunks"
			}
			if _, err := s.DB().ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.DB().ExecContext(t.Context(), statements[3]); err != nil {
			t.Fatal(err)
		}
		if _, err := readPack(t, s, v.ID, 1); !errors.Is(err, store.ErrPackDamaged) {
			t.Errorf("half of a pack: %v", err)
		}
	})
}

func TestProposalsWithoutAPackAreFound(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		waiting, _ := proposed(t, s)
		inTx(t, s, func(ctx context.Context, tx *store.Tx) error {
			return tx.InsertProposal(ctx, newProposal(waiting.ID, 2))
		})
		kept, _ := proposed(t, s)
		inTx(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.InsertPack(ctx, kept.ID, 1, random(10)) })
		over := storetest.TaskIn(t, s, newTask(), task.Rejected)
		done := storetest.TaskIn(t, s, newTask(), task.Done)
		for _, v := range []task.Task{over, done} {
			inTx(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.InsertProposal(ctx, newProposal(v.ID, 1)) })
		}
		list, err := s.ProposalsWithoutPack(t.Context())
		same(t, "without a pack", result(t, list, err), map[task.ID][]int{waiting.ID: {1, 2}, done.ID: {1}})
	})
}
