package store

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/coderflow/coderflow/internal/engine"
	"github.com/coderflow/coderflow/internal/forge"
)

type membershipRow struct {
	bun.BaseModel `bun:"table:memberships,alias:b"`

	Team    string `bun:",pk"`
	Members string
	Gone    bool
	ReadAt  instant
}

// clockSkew is how far ahead another server's clock may be.
const clockSkew = time.Minute

// SaveMembership stores who is in a team, unless a later reading is stored. One
// that is dated in the future, by a clock that was wrong, is no later reading.
func (s *Store) SaveMembership(ctx context.Context, team string, m engine.TeamReading) error {
	var e encoder
	row := &membershipRow{Team: text(team), Members: encode(&e, "the members", m.Members), Gone: m.Gone, ReadAt: at(m.At)}
	err := e.err
	if err == nil {
		err = s.InTx(ctx, func(t *Tx) error {
			_, err := t.exec(ctx, t.tx.NewInsert().Model(row).On("CONFLICT (team) DO UPDATE").
				Set("members = EXCLUDED.members").Set("gone = EXCLUDED.gone").Set("read_at = EXCLUDED.read_at").
				Where("b.read_at < EXCLUDED.read_at OR b.read_at > ?", at(m.At.Add(clockSkew))).Returning("NULL"))
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("store who is in team %s: %w", team, err)
	}
	return nil
}

// Memberships returns what is stored about the teams; one that was never read is
// not among them.
func (s *Store) Memberships(ctx context.Context, teams []string) (map[string]engine.TeamReading, error) {
	all := map[string]engine.TeamReading{}
	if len(teams) == 0 {
		return all, nil
	}
	var rows []membershipRow
	if err := s.fetch(ctx, s.read.NewSelect().Model(&rows).Where("team IN (?)", bun.List(teams))); err != nil {
		return nil, fmt.Errorf("read who is in %d teams: %w", len(teams), err)
	}
	for _, row := range rows {
		var d decoder
		var members []forge.User
		if decode(&d, "members", row.Members, &members); d.err != nil {
			return nil, fmt.Errorf("team %s: %w", row.Team, d.err)
		}
		all[row.Team] = engine.TeamReading{Members: members, Gone: row.Gone, At: row.ReadAt.Time}
	}
	return all, nil
}
