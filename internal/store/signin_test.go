package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/signin"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
	"github.com/coderflow/coderflow/internal/token"
)

func flow(id string, kind signin.Kind) signin.Flow {
	return signin.Flow{
		ID: id, Kind: kind, Provider: "own", Address: "192.0.2.1", Browser: "b", Secret: "device-code", Nonce: "n", Next: "/x",
		Every: 5 * time.Second, AskAt: tokenTime.Add(5 * time.Second), CreatedAt: tokenTime, ExpiresAt: tokenTime.Add(time.Minute),
	}
}

func open(t *testing.T, s *store.Store, f signin.Flow) {
	t.Helper()
	if err := s.OpenFlow(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

func TestAFlowIsTakenOnceAndNotTooLate(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		want := flow("one", signin.Browser)
		open(t, s, want)
		if got, err := s.TakeFlow(t.Context(), "one", tokenTime); err != nil || got != want {
			t.Errorf("%+v, %v", got, err)
		}
		if _, err := s.TakeFlow(t.Context(), "one", tokenTime); !errors.Is(err, signin.ErrGone) {
			t.Errorf("again: %v", err)
		}
		open(t, s, flow("two", signin.Browser))
		if _, err := s.TakeFlow(t.Context(), "two", tokenTime.Add(time.Minute)); !errors.Is(err, signin.ErrGone) {
			t.Errorf("too late: %v", err)
		}
	})
}

// Of all servers that are asked at once, one asks the provider.
func TestAProviderIsAskedByOneAtATime(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := flow("one", signin.Device)
		open(t, s, f)
		open(t, s, flow("browser", signin.Browser))
		if _, ask, err := s.AskFlow(t.Context(), "one", tokenTime.Add(time.Second)); err != nil || ask {
			t.Errorf("too early: %t %v", ask, err)
		}
		var all sync.WaitGroup
		asks := make(chan bool, 8)
		for range cap(asks) {
			all.Go(func() {
				got, ask, err := s.AskFlow(t.Context(), "one", tokenTime.Add(5*time.Second))
				if err != nil || got.Secret != f.Secret {
					t.Errorf("%+v %v", got, err)
				}
				asks <- ask
			})
		}
		all.Wait()
		close(asks)
		n := 0
		for ask := range asks {
			if ask {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%d were told to ask", n)
		}
		f.Every, f.AskAt = 10*time.Second, tokenTime.Add(30*time.Second)
		if err := s.SlowFlow(t.Context(), f); err != nil {
			t.Fatal(err)
		}
		if got, ask, err := s.AskFlow(t.Context(), "one", tokenTime.Add(29*time.Second)); err != nil || ask || got.Every != f.Every {
			t.Errorf("slowed down: %+v %t %v", got, ask, err)
		}
		for _, id := range []string{"browser", "nobody"} {
			if _, _, err := s.AskFlow(t.Context(), id, tokenTime); !errors.Is(err, signin.ErrGone) {
				t.Errorf("%s: %v", id, err)
			}
		}
	})
}

func TestOpenFlowsAreBounded(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		for i := range signin.MaxOpenOfAddress {
			open(t, s, flow(fmt.Sprint(i), signin.Device))
		}
		if err := s.OpenFlow(t.Context(), flow("more", signin.Device)); !errors.Is(err, signin.ErrTooMany) {
			t.Errorf("%v", err)
		}
		later := flow("later", signin.Device)
		later.CreatedAt = tokenTime.Add(time.Minute) // the others have expired
		later.ExpiresAt = later.CreatedAt.Add(time.Minute)
		open(t, s, later)
		var rows int
		if err := s.DB().QueryRowContext(t.Context(), "SELECT COUNT(*) FROM sign_ins").Scan(&rows); err != nil || rows != 1 {
			t.Errorf("%d rows, %v", rows, err)
		}
	})
}

// Many addresses do not fill the database; the oldest flows give way.
func TestAllOpenFlowsAreBounded(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		fill := "INSERT INTO sign_ins (id, kind, provider, address, secret, created_at, expires_at) VALUES "
		for i := range signin.MaxOpen {
			if i > 0 {
				fill += ","
			}
			fill += fmt.Sprintf("('f%d', 'browser', 'own', 'a%d', 's', '%s', '%s')", i, i,
				tokenTime.Add(time.Duration(i)*time.Microsecond).Format("2006-01-02T15:04:05.000000Z"), "2030-01-01T00:00:00.000000Z")
		}
		if _, err := s.DB().ExecContext(t.Context(), fill); err != nil {
			t.Fatal(err)
		}
		open(t, s, flow("newest", signin.Browser))
		var rows int
		if err := s.DB().QueryRowContext(t.Context(), "SELECT COUNT(*) FROM sign_ins").Scan(&rows); err != nil || rows != signin.MaxOpen {
			t.Errorf("%d rows, %v", rows, err)
		}
		if _, err := s.TakeFlow(t.Context(), "f0", tokenTime); !errors.Is(err, signin.ErrGone) {
			t.Errorf("the oldest: %v", err)
		}
		if _, err := s.TakeFlow(t.Context(), "newest", tokenTime); err != nil {
			t.Errorf("the newest: %v", err)
		}
	})
}

func TestASignInIsATokenThatIsAudited(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := flow("one", signin.Device)
		open(t, s, f)
		k := token.Token{
			ID: "aaaaaaaaaaaa", Name: "signed in with own", Owner: ann.Subject, SignIn: true, CreatedBy: ann.Subject.String(),
			CreatedAt: tokenTime, ExpiresAt: tokenTime.Add(time.Hour),
		}
		v := token.New()
		if err := s.SignIn(t.Context(), f, k, v.Hash()); err != nil {
			t.Fatal(err)
		}
		if got, err := s.TokenByHash(t.Context(), v.Hash()); err != nil || !got.SignIn || got.Owner != k.Owner {
			t.Errorf("%+v %v", got, err)
		}
		k.ID = "bbbbbbbbbbbb"
		if err := s.SignIn(t.Context(), f, k, token.New().Hash()); !errors.Is(err, signin.ErrGone) {
			t.Errorf("the same flow again: %v", err)
		}
		if tokens, err := s.Tokens(t.Context()); err != nil || len(tokens) != 1 {
			t.Errorf("%d tokens, %v", len(tokens), err)
		}
		entries := signInEntries(t.Context(), t, s)
		if len(entries) != 1 || entries[0].Actor != ann.Subject.String() {
			t.Errorf("%+v", entries)
		}
	})
}

func signInEntries(ctx context.Context, t *testing.T, s *store.Store) []audit.Entry {
	t.Helper()
	all, err := s.AuditEntries(ctx, store.AuditFilter{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	var found []audit.Entry
	for _, e := range all {
		if e.Action == token.Created {
			found = append(found, e)
		}
	}
	return found
}
