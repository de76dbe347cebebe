package store

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/engine"
	"github.com/coderflow/coderflow/internal/queue"
)

type receiptRow struct {
	bun.BaseModel `bun:"table:receipts,alias:r"`

	Digest   string `bun:",pk"`
	Approval string
	Basis    string
	Envelope []byte
	IssuedAt instant
}

// InsertReceipt keeps a receipt. It reports false, and stores nothing, if the approval
// has one of the same basis.
func (t *Tx) InsertReceipt(ctx context.Context, r engine.IssuedReceipt) (fresh bool, err error) {
	row := &receiptRow{
		Digest: text(r.Digest), Approval: text(r.Approval), Basis: text(r.Basis), Envelope: r.Envelope, IssuedAt: at(orTime(r.IssuedAt, t.now())),
	}
	n, err := t.exec(ctx, t.tx.NewInsert().Model(row).On("CONFLICT DO NOTHING").Returning("NULL"))
	if err != nil {
		return false, fmt.Errorf("keep a receipt of approval %s: %w", r.Approval, err)
	}
	return n > 0, nil
}

// Receipt is the receipt of an approval on a basis, or task.ErrNotFound.
func (s *Store) Receipt(ctx context.Context, approval, basis string) (engine.IssuedReceipt, error) {
	var row receiptRow
	err := s.fetch(ctx, s.read.NewSelect().Model(&row).Where("approval = ?", text(approval)).Where("basis = ?", text(basis)))
	if err != nil {
		return engine.IssuedReceipt{}, fmt.Errorf("read the receipt of approval %s: %w", approval, err)
	}
	return engine.IssuedReceipt{
		Digest: row.Digest, Approval: row.Approval, Basis: row.Basis, Envelope: row.Envelope, IssuedAt: row.IssuedAt.Time,
	}, nil
}

// KeptUnder lists, newest first, the approvals that asked for the commit alone. Their
// tasks name it no more: it is in the audit log.
func (s *Store) KeptUnder(ctx context.Context, commit string) ([]approval.Record, error) {
	quoted, err := json.Marshal(text(commit))
	if err != nil {
		return nil, fmt.Errorf("look for commit %.40q: %w", commit, err)
	}
	holds := "instr(detail, ?) > 0"
	if s.dialect == queue.Postgres {
		holds = "strpos(detail, ?) > 0"
	}
	const most = 100
	var rows []auditRow
	err = s.fetch(ctx, s.read.NewSelect().Model(&rows).Where("action = ?", string(audit.CommitKept)).
		Where(holds, `"commit":`+string(quoted)).Order("seq DESC").Limit(most))
	if err != nil {
		return nil, fmt.Errorf("look for who kept commit %.12s: %w", commit, err)
	}
	var records []approval.Record
	for i := range rows {
		var kept struct{ Approval string }
		if err := json.Unmarshal(rows[i].entry().Detail, &kept); err != nil {
			return nil, fmt.Errorf("read audit entry %d: %w", rows[i].entry().Seq, err)
		}
		record, err := s.Approval(ctx, kept.Approval)
		if err != nil {
			return nil, err
		}
		records = append(records, record)
	}
	return records, nil
}
