package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/queue"
)

// AuditFilter selects audit entries; a zero field selects all.
type AuditFilter struct {
	Task        string
	Environment string
	// Environments are those whose entries may be seen; nil: all, and what is of no
	// environment. An empty list selects none.
	Environments []string
	Actor        string
	// Actions are names, or beginnings that end in ".*".
	Actions []string
	// Repository selects what its tasks did, and what names it in its detail.
	Repository forge.RepositoryRef
	// Since is the first time that is selected, Until the first that is not.
	Since, Until time.Time
	// AfterSeq is where a page begins, in the direction of the list: it and what
	// comes before it are left out.
	AfterSeq int64
	// Newest lists the newest entry first.
	Newest bool
	Limit  int // 0 means 100, at most 1000
}

// AuditEntries lists entries in order.
func (s *Store) AuditEntries(ctx context.Context, f AuditFilter) ([]audit.Entry, error) {
	if f.Environments != nil && len(f.Environments) == 0 {
		return nil, nil
	}
	var rows []auditRow
	query := s.read.NewSelect().Model(&rows).Limit(limit(f.Limit))
	f.page(query)
	f.about(query, s.dialect)
	if err := s.fetch(ctx, query); err != nil {
		return nil, fmt.Errorf("list audit entries: %w", err)
	}
	list := make([]audit.Entry, len(rows))
	for i := range rows {
		list[i] = rows[i].entry()
	}
	return list, nil
}

// AuditEntry is one entry, or task.ErrNotFound.
func (s *Store) AuditEntry(ctx context.Context, seq int64) (audit.Entry, error) {
	var row auditRow
	if err := s.fetch(ctx, s.read.NewSelect().Model(&row).Where("seq = ?", seq)); err != nil {
		return audit.Entry{}, fmt.Errorf("read audit entry %d: %w", seq, err)
	}
	return row.entry(), nil
}

func (f AuditFilter) page(query *bun.SelectQuery) {
	switch {
	case !f.Newest:
		query.Where("seq > ?", f.AfterSeq).Order("seq")
	case f.AfterSeq > 0:
		query.Where("seq < ?", f.AfterSeq).Order("seq DESC")
	default:
		query.Order("seq DESC")
	}
}

func (f AuditFilter) about(query *bun.SelectQuery, dialect queue.Dialect) {
	if f.Task != "" {
		query.Where("task = ?", text(f.Task))
	}
	if f.Environment != "" {
		query.Where("environment = ?", text(f.Environment))
	}
	if f.Actor != "" {
		query.Where("actor = ?", text(f.Actor))
	}
	if f.Environments != nil {
		query.Where("environment IN (?)", bun.List(cleaned(f.Environments)))
	}
	if !f.Since.IsZero() {
		query.Where("at >= ?", at(f.Since))
	}
	if !f.Until.IsZero() {
		query.Where("at < ?", at(f.Until))
	}
	f.did(query)
	if f.Repository.ID != "" {
		f.concerns(query, dialect)
	}
}

// did selects by actions.
func (f AuditFilter) did(query *bun.SelectQuery) {
	if len(f.Actions) == 0 {
		return
	}
	query.WhereGroup(" AND ", func(q *bun.SelectQuery) *bun.SelectQuery {
		for _, action := range cleaned(f.Actions) {
			if object, all := strings.CutSuffix(action, "*"); all {
				q.WhereOr("substr(action, 1, ?) = ?", len([]rune(object)), object)
			} else {
				q.WhereOr("action = ?", action)
			}
		}
		return q
	})
}

// concerns selects by repository. A detail is one line of JSON without blanks, and
// a quotation mark inside of its texts is escaped: so what is looked for is a
// member, at any depth, and no text that somebody wrote.
func (f AuditFilter) concerns(query *bun.SelectQuery, dialect queue.Dialect) {
	key := text(f.Repository.Key())
	quoted, _ := json.Marshal(key) // a text always has a form
	holds := "instr(detail, ?) > 0"
	if dialect == queue.Postgres {
		holds = "strpos(detail, ?) > 0"
	}
	query.WhereGroup(" AND ", func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Where("task IN (SELECT id FROM tasks WHERE repository_key = ?)", key).
			WhereOr(holds, `"repository":`+string(quoted))
	})
}
