package store

import (
	"context"
	"fmt"
	"iter"
	"math"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/coderflow/coderflow/internal/audit"
)

// AuditStored is the log as it was restored, and its checkpoints as they are stored.
func (l *Loaded) AuditStored(ctx context.Context) (s audit.Stored, notes [][]byte, keys []string, err error) {
	var points []checkpointRow
	if err := l.scan(ctx, l.tx.NewSelect().Model(&points).Order("size")); err != nil {
		return s, nil, nil, fmt.Errorf("list the restored checkpoints: %w", err)
	}
	for _, p := range points {
		notes = append(notes, p.Note)
	}
	if err := l.scan(ctx, l.tx.NewRaw("SELECT public FROM audit_keys ORDER BY number"), &keys); err != nil {
		return s, nil, nil, fmt.Errorf("list the restored keys of the audit log: %w", err)
	}
	return audit.Stored{Entries: l.entriesOf(ctx), Hashes: l.hashesOf(ctx)}, notes, keys, nil
}

func (l *Loaded) entriesOf(ctx context.Context) iter.Seq2[audit.Entry, error] {
	return pages(func(after int64) (list []audit.Entry, next int64, err error) {
		var rows []auditRow
		err = l.scan(ctx, l.tx.NewSelect().Model(&rows).Where("seq > ?", after).Order("seq").Limit(auditPage))
		for i := range rows {
			list, next = append(list, rows[i].entry()), rows[i].Seq
		}
		return list, next, err
	}, math.MinInt64)
}

func (l *Loaded) hashesOf(ctx context.Context) iter.Seq2[tlog.Hash, error] {
	return pages(func(after int64) (list []tlog.Hash, next int64, err error) {
		var rows []hashRow
		err = l.scan(ctx, l.tx.NewSelect().Model(&rows).Where("position > ?", after).Order("position").Limit(auditPage))
		for _, r := range rows {
			var h tlog.Hash
			copy(h[:], r.Hash)
			list, next = append(list, h), r.Position
		}
		return list, next, err
	}, -1)
}
