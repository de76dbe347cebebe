package store_test

import (
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/engine"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
)

func TestTheLatestReadingOfATeamIsKept(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		const team = "github:9/7"
		now := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
		save := func(at time.Time, gone bool, members ...forge.User) {
			t.Helper()
			if err := s.SaveMembership(t.Context(), team, engine.TeamReading{Members: members, Gone: gone, At: at}); err != nil {
				t.Fatal(err)
			}
		}
		stored := func() engine.TeamReading {
			t.Helper()
			all, err := s.Memberships(t.Context(), []string{team, "github:9/8"})
			if err != nil || len(all) > 1 {
				t.Fatalf("%v, %v", all, err)
			}
			return all[team]
		}
		if r := stored(); !r.At.IsZero() {
			t.Errorf("never read: %+v", r)
		}
		save(now, false, ann, ben)
		if r := stored(); !r.At.Equal(now) || r.Gone || len(r.Members) != 2 || r.Members[1] != ben {
			t.Errorf("%+v", r)
		}
		save(now.Add(-time.Second), false, ann) // it came later and began earlier
		if r := stored(); len(r.Members) != 2 {
			t.Errorf("an earlier reading replaced a later one: %+v", r)
		}
		save(now.Add(time.Second), true)
		if r := stored(); !r.Gone || len(r.Members) != 0 {
			t.Errorf("%+v", r)
		}
		save(now.Add(24*time.Hour), false, ann, ben) // the clock was wrong for a moment
		save(now.Add(2*time.Second), false, ben)
		if r := stored(); len(r.Members) != 1 || r.Members[0] != ben {
			t.Errorf("a reading of a wrong clock stays: %+v", r)
		}
		if all, err := s.Memberships(t.Context(), nil); err != nil || len(all) != 0 {
			t.Errorf("none asked for: %v, %v", all, err)
		}
	})
}
