package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
)

func TestManyProcessesMayMigrateAtOnceAndAgain(t *testing.T) {
	t.Parallel()
	storetest.EachEmpty(t, func(t *testing.T, o store.Options) {
		migrated, errs := together(t, 4, func(int) (bool, error) {
			s, err := store.Open(t.Context(), o)
			if err != nil {
				return false, err
			}
			err = errors.Join(s.Migrate(t.Context()), s.Migrate(t.Context()))
			return err == nil, errors.Join(err, s.Close())
		})
		if migrated != 4 {
			t.Errorf("%d of 4 migrated: %v", migrated, errs)
		}
		s := storetest.Open(t, o)
		if err := insertOne(t, s); err != nil {
			t.Error(err)
		}
	})
}

func TestANewerDatabaseIsRefusedAndLeftAlone(t *testing.T) {
	t.Parallel()
	for schema, statement := range map[string]string{
		"coderflow": "INSERT INTO schema_versions (version, applied_at) VALUES (99, '2026-01-01T00:00:00.000000Z')",
		"river":     "INSERT INTO river_migration (line, version) VALUES ('main', 99)",
	} {
		t.Run(schema, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, s *store.Store) {
				if _, err := s.DB().ExecContext(t.Context(), statement); err != nil {
					t.Fatal(err)
				}
				var newer *store.NewerSchemaError
				err := s.Migrate(t.Context())
				if !errors.As(err, &newer) || newer.Schema != schema || newer.Found != 99 {
					t.Errorf("Migrate ended with: %v", err)
				}
			})
		})
	}
}

func TestAMigrationThatIsCutOffLeavesAnEmptyDatabaseOrGoesOn(t *testing.T) {
	t.Parallel()
	storetest.EachEmpty(t, func(t *testing.T, o store.Options) {
		s, err := store.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Migrate(ctx); err == nil {
			t.Fatal("a cancelled migration succeeded")
		}
		if err := s.Migrate(t.Context()); err != nil {
			t.Fatalf("after a cancelled migration: %v", err)
		}
		if err := insertOne(t, s); err != nil {
			t.Error(fmt.Errorf("after it: %w", err))
		}
	})
}
