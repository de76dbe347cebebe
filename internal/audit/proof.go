package audit

import (
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// ErrProof is a proof that does not hold: of another entry, of another checkpoint,
// cut short, or made up.
var ErrProof = errors.New("the proof does not hold")

// maxProof bounds the hashes of a proof: a tree of 2^63 entries needs no more.
const maxProof = 64

// Inclusion proves that a line is an entry of the log that a checkpoint is of. Its
// numbers are the log's own, from 1 on; hashes as RFC 6962, 2.1.1 has them.
type Inclusion struct {
	Entry  int64       `json:"entry"`
	Size   int64       `json:"size"` // of the checkpoint
	Hashes []tlog.Hash `json:"hashes"`
}

// ProveInclusion makes the proof that the log of that size has the entry.
func ProveInclusion(r tlog.HashReader, entry, size int64) (Inclusion, error) {
	if entry < 1 || size < entry {
		return Inclusion{}, fmt.Errorf("there is no entry %d in a log of %d", entry, size)
	}
	hashes, err := tlog.ProveRecord(size, record(entry), r)
	if err != nil {
		return Inclusion{}, fmt.Errorf("prove entry %d in a log of %d: %w", entry, size, err)
	}
	return Inclusion{Entry: entry, Size: size, Hashes: nonNil(hashes)}, nil
}

// Check fails with an error that wraps ErrProof unless the leaf is the entry in the
// log that the checkpoint is of. Whether the checkpoint is to be trusted is for
// [OpenCheckpoint] to say.
func (p Inclusion) Check(leaf []byte, c Checkpoint) error {
	switch {
	case p.Size != c.Size:
		return fmt.Errorf("%w: it is of a log of %d entries, and the checkpoint of %d", ErrProof, p.Size, c.Size)
	case p.Entry < 1 || p.Entry > p.Size:
		return fmt.Errorf("%w: there is no entry %d in a log of %d", ErrProof, p.Entry, p.Size)
	case len(p.Hashes) > maxProof:
		return fmt.Errorf("%w: it has %d hashes", ErrProof, len(p.Hashes))
	}
	if err := tlog.CheckRecord(p.Hashes, c.Size, c.Root, record(p.Entry), tlog.RecordHash(leaf)); err != nil {
		return fmt.Errorf("%w: entry %d is not in the log of %d entries", ErrProof, p.Entry, p.Size)
	}
	return nil
}

// Consistency proves that a log of From entries is the beginning of one of To.
type Consistency struct {
	From   int64       `json:"from"`
	To     int64       `json:"to"`
	Hashes []tlog.Hash `json:"hashes"`
}

// ProveConsistency makes the proof that the log only grew between two sizes.
func ProveConsistency(r tlog.HashReader, from, to int64) (Consistency, error) {
	if from < 0 || to < from {
		return Consistency{}, fmt.Errorf("a log of %d entries does not grow to one of %d", from, to)
	}
	p := Consistency{From: from, To: to, Hashes: []tlog.Hash{}}
	if from == 0 || from == to {
		return p, nil // everything begins with nothing, and with itself
	}
	hashes, err := tlog.ProveTree(to, from, r)
	if err != nil {
		return Consistency{}, fmt.Errorf("prove that a log of %d entries leads to one of %d: %w", from, to, err)
	}
	p.Hashes = nonNil(hashes)
	return p, nil
}

// Check fails with an error that wraps ErrProof unless the newer checkpoint's log
// begins with all that the older one's has.
func (p Consistency) Check(older, newer Checkpoint) error {
	switch {
	case older.Origin != newer.Origin:
		return fmt.Errorf("%w: the checkpoints are of two logs, %q and %q", ErrProof, older.Origin, newer.Origin)
	case p.From != older.Size || p.To != newer.Size:
		return fmt.Errorf("%w: it is of %d to %d entries, and the checkpoints are of %d and %d", ErrProof, p.From, p.To, older.Size, newer.Size)
	case p.From < 0 || p.To < p.From:
		return fmt.Errorf("%w: a log of %d entries does not grow to one of %d", ErrProof, p.From, p.To)
	case len(p.Hashes) > maxProof:
		return fmt.Errorf("%w: it has %d hashes", ErrProof, len(p.Hashes))
	}
	if p.From == 0 || p.From == p.To {
		return p.checkTrivial(older, newer)
	}
	if err := tlog.CheckTree(p.Hashes, newer.Size, newer.Root, older.Size, older.Root); err != nil {
		return fmt.Errorf("%w: the log of %d entries does not begin with that of %d", ErrProof, p.To, p.From)
	}
	return nil
}

// checkTrivial is of sizes that need no hashes.
func (p Consistency) checkTrivial(older, newer Checkpoint) error {
	empty, _ := tlog.TreeHash(0, nil) // it reads nothing
	switch {
	case len(p.Hashes) > 0:
		return fmt.Errorf("%w: it has hashes where none are needed", ErrProof)
	case p.From == 0 && older.Root != empty, p.To == 0 && newer.Root != empty:
		return fmt.Errorf("%w: a log without entries has another root", ErrProof)
	case p.From == p.To && older.Root != newer.Root:
		return fmt.Errorf("%w: two roots of the same %d entries", ErrProof, p.From)
	}
	return nil
}

// nonNil keeps an empty proof an empty list in JSON.
func nonNil(hashes []tlog.Hash) []tlog.Hash {
	if hashes == nil {
		return []tlog.Hash{}
	}
	return hashes
}
