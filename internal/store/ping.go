package store

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"
)

type heartbeatRow struct {
	bun.BaseModel `bun:"table:heartbeats,alias:h"`

	Name string `bun:",pk"`
	At   instant
}

// pingTimeout is how long readiness waits for a write.
const pingTimeout = 2 * time.Second

// Ping proves that the database takes a write, which a full disk, a lock or a
// read-only replica would not.
func (s *Store) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	row := &heartbeatRow{Name: "ready", At: at(s.now())}
	_, err := s.update(ctx, s.write.NewInsert().Model(row).On("CONFLICT (name) DO UPDATE").Set("at = EXCLUDED.at").Returning("NULL"))
	if err != nil {
		return fmt.Errorf("the %s database does not take a write: %w", s.dialect, err)
	}
	return nil
}
