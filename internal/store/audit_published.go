package store

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"
)

type publishedRow struct {
	bun.BaseModel `bun:"table:audit_published,alias:p"`

	RepositoryKey string `bun:",pk"`
	Branch        string `bun:",pk"`
	Size          int64  `bun:",pk"`
	Head          string
	Note          []byte
	At            instant
}

// Published is a branch of checkpoints as it was seen at the forge.
type Published struct {
	Repository string // its key
	Branch     string
	Head       string // commit
	Size       int64  // of the log, as the note says
	Note       []byte
}

// SavePublished keeps where a branch was. One of a size that has one changes nothing.
func (t *Tx) SavePublished(ctx context.Context, p Published) error {
	row := &publishedRow{
		RepositoryKey: text(p.Repository), Branch: text(p.Branch), Size: p.Size, Head: text(p.Head), Note: p.Note, At: at(t.now()),
	}
	query := t.tx.NewInsert().Model(row).On("CONFLICT (repository_key, branch, size) DO NOTHING").Returning("NULL")
	if _, err := t.exec(ctx, query); err != nil {
		return fmt.Errorf("keep where the branch of the published checkpoints is: %w", err)
	}
	return nil
}

// LastPublished is where a branch was when its note was of the most entries; the zero
// value if nothing was published there.
func (s *Store) LastPublished(ctx context.Context, repositoryKey, branch string) (Published, error) {
	var rows []publishedRow
	query := s.read.NewSelect().Model(&rows).Where("repository_key = ?", text(repositoryKey)).Where("branch = ?", text(branch))
	if err := s.fetch(ctx, query.Order("size DESC").Limit(1)); err != nil {
		return Published{}, fmt.Errorf("read where the branch of the published checkpoints was: %w", err)
	}
	if len(rows) == 0 {
		return Published{}, nil
	}
	r := rows[0]
	return Published{r.RepositoryKey, r.Branch, r.Head, r.Size, r.Note}, nil
}
