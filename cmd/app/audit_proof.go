package main

import (
	"context"

	"github.com/coderflow/coderflow/internal/audit"
)

// Signed implements web.AuditLog: what any server signed counts.
func (w *witness) Signed(ctx context.Context) (int64, error) {
	_, c, err := w.newestStored(ctx)
	return c.Size, err
}

// newestStored is the newest note of this server and of the database; nil before
// the first. One that the key did not sign is left out: verify tells of it.
func (w *witness) newestStored(ctx context.Context) (newest []byte, c audit.Checkpoint, err error) {
	stored, err := w.db.LastCheckpoint(ctx)
	if err != nil {
		return nil, c, err
	}
	for _, note := range [][]byte{w.Checkpoint(), stored} {
		if signed, err := w.newest(note); err == nil && len(note) > 0 && (newest == nil || signed.Size > c.Size) {
			newest, c = note, signed
		}
	}
	return newest, c, nil
}

// Inclusion implements web.AuditLog.
func (w *witness) Inclusion(ctx context.Context, entry, size int64) (audit.Inclusion, error) {
	return audit.ProveInclusion(w.db.AuditTree(ctx), entry, size)
}

// Consistency implements web.AuditLog.
func (w *witness) Consistency(ctx context.Context, from, to int64) (audit.Consistency, error) {
	return audit.ProveConsistency(w.db.AuditTree(ctx), from, to)
}

// Prove implements web.AuditLog.
func (w *witness) Prove(ctx context.Context, entry int64) (note []byte, proof audit.Inclusion, err error) {
	note, signed, err := w.Covering(ctx, entry)
	if err != nil {
		return nil, audit.Inclusion{}, err
	}
	proof, err = w.Inclusion(ctx, entry, signed.Size)
	return note, proof, err
}
