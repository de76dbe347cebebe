package store

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/coderflow/coderflow/internal/engine"
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
