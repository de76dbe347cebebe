package store

import (
	"context"
	"fmt"
	"iter"
	"math"

	"github.com/uptrace/bun"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/coderflow/coderflow/internal/audit"
)

type hashRow struct {
	bun.BaseModel `bun:"table:audit_hashes,alias:h"`

	Position int64 `bun:",pk"`
	Hash     []byte
}

type checkpointRow struct {
	bun.BaseModel `bun:"table:audit_checkpoints,alias:c"`

	Size int64 `bun:",pk"`
	Note []byte
	At   instant
}

// query reads rows, in a transaction or outside.
type query func(ctx context.Context, q scanner, dest ...any) error

// stored reads hashes of the tree by their position; fresh are those that the
// transaction has yet to write, from the position first on.
type stored struct {
	ctx   context.Context //nolint:containedctx // tlog's interface has none; it lives for one call
	db    bun.IDB
	read  query
	first int64
	fresh []tlog.Hash
}

// ReadHashes implements tlog.HashReader.
func (s *stored) ReadHashes(positions []int64) ([]tlog.Hash, error) {
	var ask []int64
	for _, p := range positions {
		if s.isFresh(p) == nil {
			ask = append(ask, p)
		}
	}
	known := map[int64]tlog.Hash{}
	if len(ask) > 0 {
		var rows []hashRow
		if err := s.read(s.ctx, s.db.NewSelect().Model(&rows).Where("position IN (?)", bun.List(ask))); err != nil {
			return nil, fmt.Errorf("read hashes of the audit log: %w", err)
		}
		for _, r := range rows {
			if len(r.Hash) == tlog.HashSize {
				known[r.Position] = tlog.Hash(r.Hash)
			}
		}
	}
	hashes := make([]tlog.Hash, len(positions))
	for i, p := range positions {
		if h := s.isFresh(p); h != nil {
			hashes[i] = *h
			continue
		}
		h, is := known[p]
		if !is {
			return nil, fmt.Errorf("the hash at position %d of the audit log is missing: run coderflow audit verify", p)
		}
		hashes[i] = h
	}
	return hashes, nil
}

// isFresh is the hash at a position that is yet to be written; nil: it is not one.
func (s *stored) isFresh(position int64) *tlog.Hash {
	if i := position - s.first; len(s.fresh) > 0 && i >= 0 && i < int64(len(s.fresh)) {
		return &s.fresh[i]
	}
	return nil
}

// grow writes the hashes of rows that were just added to the log.
func (t *Tx) grow(ctx context.Context, rows []*auditRow) error {
	tree := &stored{ctx: ctx, db: t.tx, read: t.scan, first: tlog.StoredHashIndex(0, rows[0].Seq-1)}
	for _, row := range rows {
		_, hashes, err := row.entry().Hashes(tree)
		if err != nil {
			return err
		}
		tree.fresh = append(tree.fresh, hashes...)
	}
	added := make([]hashRow, len(tree.fresh))
	for i, h := range tree.fresh {
		added[i] = hashRow{Position: tree.first + int64(i), Hash: h[:]}
	}
	if _, err := t.exec(ctx, t.tx.NewInsert().Model(&added)); err != nil {
		return fmt.Errorf("write the hashes of audit entries %d to %d: %w", rows[0].Seq, rows[len(rows)-1].Seq, err)
	}
	return nil
}

// plantTree hashes a log that is older than its tree.
func (s *Store) plantTree(ctx context.Context) error {
	for more := true; more; {
		err := s.InTx(ctx, func(t *Tx) (err error) {
			if err = t.lockAudit(ctx); err == nil {
				more, err = t.plant(ctx)
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("hash the audit log: %w", err)
		}
	}
	return nil
}

// plantPage is how many entries are hashed in one transaction.
const plantPage = 500

// plant hashes the next entries that have no hash yet, and reports whether there
// were any: those of an earlier version, or of a server of one that still runs. That
// hides nothing: an entry that was signed and is another one now does not fit its
// checkpoint, whoever hashes it.
func (t *Tx) plant(ctx context.Context) (more bool, err error) {
	var hashes int64
	if err := t.scan(ctx, t.tx.NewRaw("SELECT COALESCE(MAX(position), -1) + 1 FROM audit_hashes"), &hashes); err != nil {
		return false, err
	}
	size := hashes / 2
	for tlog.StoredHashCount(size+1) <= hashes {
		size++
	}
	if tlog.StoredHashCount(size) != hashes {
		return false, fmt.Errorf("the hashes of the audit log end in the middle of entry %d: run coderflow audit verify", size+1)
	}
	var rows []*auditRow
	err = t.scan(ctx, t.tx.NewSelect().Model(&rows).Where("seq > ?", size).Order("seq").Limit(plantPage))
	if err != nil || len(rows) == 0 {
		return false, err
	}
	return true, t.grow(ctx, rows)
}

// AuditTree reads the tree's hashes, for proofs.
func (s *Store) AuditTree(ctx context.Context) tlog.HashReader {
	return &stored{ctx: ctx, db: s.read, read: s.fetch}
}

// AuditHead is the log as it is now: how many entries, under which root.
func (s *Store) AuditHead(ctx context.Context) (size int64, root tlog.Hash, err error) {
	if err := s.fetch(ctx, s.read.NewRaw("SELECT COALESCE(MAX(seq), 0) FROM audit"), &size); err != nil {
		return 0, root, fmt.Errorf("read the end of the audit log: %w", err)
	}
	if root, err = tlog.TreeHash(size, s.AuditTree(ctx)); err != nil {
		return 0, root, fmt.Errorf("compute the root of %d audit entries: %w", size, err)
	}
	return size, root, nil
}

// SaveCheckpoint keeps what was signed of the log. One of a size that has one, or
// that is smaller than the last, changes nothing.
func (t *Tx) SaveCheckpoint(ctx context.Context, size int64, note []byte) error {
	var last int64
	if err := t.scan(ctx, t.tx.NewRaw("SELECT COALESCE(MAX(size), -1) FROM audit_checkpoints"), &last); err != nil {
		return fmt.Errorf("read the last checkpoint: %w", err)
	}
	if size <= last {
		return nil
	}
	row := &checkpointRow{Size: size, Note: note, At: at(t.now())}
	if _, err := t.exec(ctx, t.tx.NewInsert().Model(row).On("CONFLICT (size) DO NOTHING").Returning("NULL")); err != nil {
		return fmt.Errorf("store the checkpoint of %d audit entries: %w", size, err)
	}
	return nil
}

// LastCheckpoint is the note of the largest checkpoint; nil if there is none.
func (s *Store) LastCheckpoint(ctx context.Context) ([]byte, error) {
	var rows []checkpointRow
	if err := s.fetch(ctx, s.read.NewSelect().Model(&rows).Order("size DESC").Limit(1)); err != nil {
		return nil, fmt.Errorf("read the last checkpoint: %w", err)
	}
	if len(rows) == 0 {
		return nil, nil
	}
	return rows[0].Note, nil
}

// Checkpoints are the notes of all checkpoints, the smallest first.
func (s *Store) Checkpoints(ctx context.Context) ([][]byte, error) {
	var rows []checkpointRow
	if err := s.fetch(ctx, s.read.NewSelect().Model(&rows).Order("size")); err != nil {
		return nil, fmt.Errorf("list the checkpoints: %w", err)
	}
	notes := make([][]byte, len(rows))
	for i, r := range rows {
		notes[i] = r.Note
	}
	return notes, nil
}

// auditPage is how much of the log is read at a time.
const auditPage = 5_000

// AuditExtent is how many entries there are, or were: of entries and stored hashes
// what reaches further. Both are of one moment.
func (s *Store) AuditExtent(ctx context.Context) (last int64, err error) {
	var ends struct{ Entries, Hashes int64 }
	err = s.fetch(ctx, s.read.NewRaw("SELECT (SELECT COALESCE(MAX(seq), 0) FROM audit) AS entries, "+
		"(SELECT COALESCE(MAX(position), -1) + 1 FROM audit_hashes) AS hashes"), &ends)
	if err != nil {
		return 0, fmt.Errorf("read the end of the audit log: %w", err)
	}
	for last = max(ends.Entries, ends.Hashes/2); tlog.StoredHashCount(last) < ends.Hashes; last++ { //nolint:revive // a tree has less than twice as many
	}
	return last, nil
}

// AuditLog reads the whole log up to the entry last, in order. It is not bounded by
// the store's own deadline, and a change meanwhile does not disturb it: the log
// only grows.
func (s *Store) AuditLog(ctx context.Context, last int64) iter.Seq2[audit.Entry, error] {
	return pages(func(after int64) (list []audit.Entry, next int64, err error) {
		var rows []auditRow
		err = s.fetch(ctx, s.read.NewSelect().Model(&rows).Where("seq > ?", after).Where("seq <= ?", last).Order("seq").Limit(auditPage))
		for i := range rows {
			list, next = append(list, rows[i].entry()), rows[i].Seq
		}
		return list, next, err
	}, math.MinInt64)
}

// AuditHashes reads the stored hashes of the tree over the first entries up to last.
func (s *Store) AuditHashes(ctx context.Context, last int64) iter.Seq2[tlog.Hash, error] {
	return pages(func(after int64) (list []tlog.Hash, next int64, err error) {
		var rows []hashRow
		err = s.fetch(ctx, s.read.NewSelect().Model(&rows).Where("position > ?", after).
			Where("position < ?", tlog.StoredHashCount(last)).Order("position").Limit(auditPage))
		for _, r := range rows {
			var h tlog.Hash
			copy(h[:], r.Hash)
			list, next = append(list, h), r.Position
		}
		return list, next, err
	}, -1)
}

// pages goes through a list that is read in pieces, each after a key.
func pages[T any](read func(after int64) ([]T, int64, error), after int64) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			list, next, err := read(after)
			if err != nil {
				yield(*new(T), err)
				return
			}
			for _, x := range list {
				if !yield(x, nil) {
					return
				}
			}
			if len(list) == 0 {
				return
			}
			after = next
		}
	}
}
