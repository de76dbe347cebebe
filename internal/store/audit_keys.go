package store

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"
)

type auditKeyRow struct {
	bun.BaseModel `bun:"table:audit_keys,alias:k"`

	Number int64 `bun:",pk"`
	Public string
	At     instant
}

// AuditKeys are the public keys that the log's checkpoints are signed with, the
// newest first: that one is in force.
func (s *Store) AuditKeys(ctx context.Context) ([]string, error) {
	var rows []auditKeyRow
	if err := s.fetch(ctx, s.read.NewSelect().Model(&rows).Order("number DESC")); err != nil {
		return nil, fmt.Errorf("read the public keys of the audit log: %w", err)
	}
	keys := make([]string, len(rows))
	for i, r := range rows {
		keys[i] = r.Public
	}
	return keys, nil
}

// FirstAuditKey makes the key the log's, unless it has one; and returns the one in
// force. Of two servers that start at once, both get the key of one of them.
func (s *Store) FirstAuditKey(ctx context.Context, public string) (inForce string, err error) {
	err = s.InTx(ctx, func(t *Tx) error {
		if err := t.lockAudit(ctx); err != nil {
			return err
		}
		var rows []auditKeyRow
		if err := t.scan(ctx, t.tx.NewSelect().Model(&rows).Order("number DESC").Limit(1)); err != nil {
			return err
		}
		if len(rows) > 0 {
			inForce = rows[0].Public
			return nil
		}
		inForce = public
		_, err := t.exec(ctx, t.tx.NewInsert().Model(&auditKeyRow{Number: 1, Public: text(public), At: at(t.now())}))
		return err
	})
	if err != nil {
		return "", fmt.Errorf("keep the public key of the audit log: %w", err)
	}
	return inForce, nil
}
