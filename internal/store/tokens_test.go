package store_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
	"github.com/coderflow/coderflow/internal/task"
	"github.com/coderflow/coderflow/internal/token"
)

var tokenTime = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)

func newToken(t *testing.T, s *store.Store, id string) (token.Token, token.Value) {
	t.Helper()
	k := token.Token{
		ID: id, Name: "ci", Owner: ann.Subject, CreatedBy: "local:op", CreatedAt: tokenTime, ExpiresAt: tokenTime.Add(time.Hour), SignIn: true,
		Scope: token.Scope{Permissions: []policy.Permission{policy.TasksView}, Environments: []string{"staging"}},
	}
	v := token.New()
	inTx(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.InsertToken(ctx, k, v.Hash()) })
	return k, v
}

func TestATokenIsFoundByItsHashOnly(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		k, v := newToken(t, s, "one")
		got, err := s.TokenByHash(t.Context(), v.Hash())
		if err != nil || got.ID != k.ID || got.Owner != k.Owner || !got.SignIn || !got.ExpiresAt.Equal(k.ExpiresAt) ||
			len(got.Scope.Permissions) != 1 || len(got.Scope.Environments) != 1 || !got.LastUsedAt.IsZero() {
			t.Errorf("%+v, %v", got, err)
		}
		if _, err := s.TokenByHash(t.Context(), token.New().Hash()); !errors.Is(err, task.ErrNotFound) {
			t.Errorf("an unknown token: %v", err)
		}
		if _, err := s.TokenByHash(t.Context(), token.Hash(v.Reveal())); !errors.Is(err, task.ErrNotFound) {
			t.Errorf("the token itself as a hash: %v", err)
		}
		var stored string
		if err := s.DB().QueryRowContext(t.Context(), "SELECT hash FROM tokens WHERE id = 'one'").Scan(&stored); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(stored, v.Reveal()) || stored != string(v.Hash()) {
			t.Error("the token itself is stored")
		}
	})
}

func TestATokenThatIsNotInOrderIsNotStored(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		k, v := newToken(t, s, "one")
		if err := try(t, s, func(ctx context.Context, tx *store.Tx) error {
			k.ID = "two"
			return tx.InsertToken(ctx, k, v.Hash())
		}); err == nil {
			t.Error("two tokens have one hash")
		}
		if err := try(t, s, func(ctx context.Context, tx *store.Tx) error {
			k.ExpiresAt = time.Time{}
			return tx.InsertToken(ctx, k, token.New().Hash())
		}); err == nil {
			t.Error("a token without an expiry is stored")
		}
	})
}

func TestATokenIsRevokedOnceAndItsRefusalNotedOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		_, v := newToken(t, s, "one")
		var revoked, noted []bool
		for range 2 {
			inTx(t, s, func(ctx context.Context, tx *store.Tx) error {
				fresh, err := tx.RevokeToken(ctx, "one", "local:op", tokenTime.Add(time.Minute))
				revoked = append(revoked, fresh)
				return err
			})
			inTx(t, s, func(ctx context.Context, tx *store.Tx) error {
				first, err := tx.NoteRefusedUse(ctx, "one", tokenTime.Add(2*time.Minute))
				noted = append(noted, first)
				return err
			})
		}
		if !revoked[0] || revoked[1] || !noted[0] || noted[1] {
			t.Errorf("revoked %v, noted %v", revoked, noted)
		}
		got, err := s.TokenByHash(t.Context(), v.Hash())
		if err != nil || got.Ended(tokenTime) != "revoked" || got.RevokedBy != "local:op" {
			t.Errorf("%+v, %v", got, err)
		}
		err = try(t, s, func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.RevokeToken(ctx, "none", "local:op", tokenTime)
			return err
		})
		if !errors.Is(err, task.ErrNotFound) {
			t.Errorf("an unknown token: %v", err)
		}
	})
}

func TestTheLastUseIsWrittenAtMostOnceAMinute(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		newToken(t, s, "one")
		for _, c := range []struct{ use, want time.Duration }{
			{time.Second, time.Second}, {59 * time.Second, time.Second}, {61 * time.Second, 61 * time.Second},
		} {
			if err := s.TouchToken(t.Context(), "one", tokenTime.Add(c.use)); err != nil {
				t.Fatal(err)
			}
			list, err := s.Tokens(t.Context())
			if err != nil || len(list) != 1 || !list[0].LastUsedAt.Equal(tokenTime.Add(c.want)) {
				t.Errorf("used after %s: %+v, %v", c.use, list, err)
			}
		}
	})
}

func TestPagesOfTasksStayWholeAndStayInTheirEnvironments(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		var mine []task.ID
		for range 3 {
			mine = append(mine, insertTask(t, s, newTask()).ID)
		}
		other := newTask()
		other.Environment = "production"
		insertTask(t, s, other)
		filter := store.TaskFilter{Environments: []string{"staging"}, Limit: 2}
		for before, want := range map[task.ID][]task.ID{
			mine[2]: {mine[1], mine[0]}, mine[1]: {mine[0]}, mine[0]: nil, other.ID: nil, "aaaaaaaaaaaa": nil,
		} {
			page, err := s.TaskList(t.Context(), filter, before)
			if err != nil || len(page) != len(want) {
				t.Errorf("before %s: %d tasks, want %d, %v", before, len(page), len(want), err)
				continue
			}
			for i := range page {
				if page[i].ID != want[i] {
					t.Errorf("before %s: %s, want %s", before, page[i].ID, want[i])
				}
			}
		}
		if page, err := s.TaskList(t.Context(), store.TaskFilter{Environments: []string{}}, mine[2]); err != nil || len(page) != 0 {
			t.Errorf("no environments: %d tasks, %v", len(page), err)
		}
	})
}
