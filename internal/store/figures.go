package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/coderflow/coderflow/internal/queue"
)

// WaitingCount is what of an environment waits for people.
type WaitingCount struct {
	Environment string
	Proposals   int64
	Oldest      time.Time // when the oldest of their newest revisions was made
}

// WaitingProposals counts the proposals that nobody has decided on, by environment.
func (s *Store) WaitingProposals(ctx context.Context) ([]WaitingCount, error) {
	var rows []struct {
		Environment string
		Proposals   int64
		Oldest      instant
	}
	err := s.fetch(ctx, s.read.NewRaw(`SELECT environment, COUNT(*) AS proposals, MIN(newest) AS oldest FROM (
			SELECT t.id, t.environment, MAX(p.created_at) AS newest FROM tasks t JOIN proposals p ON p.task = t.id
			WHERE t.state = 'proposed' GROUP BY t.id, t.environment) AS waiting
		GROUP BY environment ORDER BY environment`), &rows)
	if err != nil {
		return nil, fmt.Errorf("count the proposals that wait: %w", err)
	}
	list := make([]WaitingCount, len(rows))
	for i, r := range rows {
		list[i] = WaitingCount{r.Environment, r.Proposals, r.Oldest.Time}
	}
	return list, nil
}

// AuditState is how far the audit log is signed and published. Times are zero where there
// is nothing.
type AuditState struct {
	Entries      int64
	Signed       int64 // entries that the newest checkpoint covers
	SignedAt     time.Time
	UnsignedFrom time.Time // of the oldest entry that it does not cover
	Published    int64     // entries that the newest published checkpoint covers, of any branch
	PublishedAt  time.Time
}

// AuditState reads it.
func (s *Store) AuditState(ctx context.Context) (AuditState, error) {
	var row struct {
		Entries      int64
		Signed       int64
		SignedAt     instant
		UnsignedFrom instant
		Published    int64
		PublishedAt  instant
	}
	err := s.fetch(ctx, s.read.NewRaw(`WITH c AS (SELECT COALESCE(MAX(size), 0) AS size FROM audit_checkpoints),
			p AS (SELECT COALESCE(MAX(size), 0) AS size FROM audit_published)
		SELECT (SELECT COALESCE(MAX(seq), 0) FROM audit) AS entries, c.size AS signed,
			(SELECT at FROM audit_checkpoints WHERE size = c.size) AS signed_at,
			(SELECT at FROM audit WHERE seq = c.size + 1) AS unsigned_from, p.size AS published,
			(SELECT MAX(at) FROM audit_published WHERE size = p.size) AS published_at
		FROM c, p`), &row)
	if err != nil {
		return AuditState{}, fmt.Errorf("read how far the audit log is signed: %w", err)
	}
	return AuditState{
		row.Entries, row.Signed, row.SignedAt.Time, row.UnsignedFrom.Time, row.Published, row.PublishedAt.Time,
	}, nil
}

// Size is how many bytes the database takes.
func (s *Store) Size(ctx context.Context) (size int64, err error) {
	query := "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
	if s.dialect == queue.Postgres {
		query = "SELECT pg_database_size(current_database())"
	}
	if err := s.fetch(ctx, s.read.NewRaw(query), &size); err != nil {
		return 0, fmt.Errorf("read the size of the database: %w", err)
	}
	return size, nil
}

// Pools are the connections by what they are for; one where both use the same.
func (s *Store) Pools() map[string]*sql.DB {
	if s.read == s.write {
		return map[string]*sql.DB{"all": s.write.DB}
	}
	return map[string]*sql.DB{"write": s.write.DB, "read": s.read.DB}
}
