package store_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/judge"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
	"github.com/coderflow/coderflow/internal/task"
)

// What was measured is of one definition; measuring it again takes its place.
func TestMeasuresAreOfOneDefinition(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		put := func(m judge.Measured) {
			t.Helper()
			if err := s.InTx(t.Context(), func(tx *store.Tx) error { return tx.SetMeasured(t.Context(), m) }); err != nil {
				t.Fatal(err)
			}
		}
		m := judge.Measured{
			Environment: "staging", Judge: "strict", Definition: "sha256:a", At: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
			Seeded: 4, Found: 3, Clean: 2, Alarms: 1, ByCategory: map[string]judge.Tally{"security": {Seeded: 4, Found: 3}},
		}
		put(m)
		m.Found = 4
		put(m)
		other := m
		other.Definition, other.Found = "sha256:b", 0
		put(other)
		got, err := s.Measured(t.Context(), "staging", "strict", "sha256:a")
		if err != nil || !reflect.DeepEqual(got, m) {
			t.Errorf("%+v %v", got, err)
		}
		if _, err := s.Measured(t.Context(), "staging", "strict", "sha256:c"); !errors.Is(err, task.ErrNotFound) {
			t.Errorf("of another definition: %v", err)
		}
	})
}
