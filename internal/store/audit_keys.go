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
	err = s.InTx(ctx, func(t *Tx) (err error) {
		var newest auditKeyRow
		if newest, err = t.newestAuditKey(ctx); err != nil || newest.Number > 0 {
			inForce = newest.Public
			return err
		}
		inForce = public
		return t.addAuditKey(ctx, 1, public)
	})
	if err != nil {
		return "", fmt.Errorf("keep the public key of the audit log: %w", err)
	}
	return inForce, nil
}

// NewAuditKey puts a key in force, and returns the one before it; empty if there
// was none.
func (t *Tx) NewAuditKey(ctx context.Context, public string) (before string, err error) {
	newest, err := t.newestAuditKey(ctx)
	if err == nil {
		err = t.addAuditKey(ctx, newest.Number+1, public)
	}
	if err != nil {
		return "", fmt.Errorf("change the key of the audit log: %w", err)
	}
	return newest.Public, nil
}

// AuditKeyInForce is the public key that checkpoints are signed with; empty if there is
// none. It stays so until the transaction ends.
func (t *Tx) AuditKeyInForce(ctx context.Context) (public string, err error) {
	newest, err := t.newestAuditKey(ctx)
	if err != nil {
		return "", fmt.Errorf("read the key of the audit log: %w", err)
	}
	return newest.Public, nil
}

// newestAuditKey is the key in force, the zero row if there is none. Nobody else
// adds one until the transaction ends.
func (t *Tx) newestAuditKey(ctx context.Context) (newest auditKeyRow, err error) {
	if err := t.lockAudit(ctx); err != nil {
		return newest, err
	}
	var rows []auditKeyRow
	if err := t.scan(ctx, t.tx.NewSelect().Model(&rows).Order("number DESC").Limit(1)); err != nil || len(rows) == 0 {
		return newest, err
	}
	return rows[0], nil
}

func (t *Tx) addAuditKey(ctx context.Context, number int64, public string) error {
	_, err := t.exec(ctx, t.tx.NewInsert().Model(&auditKeyRow{Number: number, Public: text(public), At: at(t.now())}))
	return err
}
