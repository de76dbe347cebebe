package store_test

import (
	"reflect"
	"testing"

	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
)

// What was published is known for each branch, and the database forgets none of it.
func TestWhereCheckpointsWerePublishedIsNotForgotten(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		first := store.Published{Repository: "github:5", Branch: "coderflow-audit", Head: "aa", Size: 3, Note: []byte("three")}
		newer, other := first, first
		newer.Head, newer.Size, other.Branch, other.Head = "bb", 12, "coderflow-audit-2", "cc"
		again := newer
		again.Head = "dd"
		for _, p := range []store.Published{first, newer, other, again, first} {
			if err := s.InTx(t.Context(), func(tx *store.Tx) error { return tx.SavePublished(t.Context(), p) }); err != nil {
				t.Fatal(err)
			}
		}
		for branch, want := range map[string]store.Published{"coderflow-audit": newer, "coderflow-audit-2": other, "coderflow-audit-3": {}} {
			if got, err := s.LastPublished(t.Context(), "github:5", branch); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %+v %v", branch, got, err)
			}
		}
		for _, statement := range []string{"UPDATE audit_published SET head = 'x'", "DELETE FROM audit_published"} {
			if _, err := s.DB().Exec(statement); err == nil {
				t.Errorf("%s: done", statement)
			}
		}
	})
}
