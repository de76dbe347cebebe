package audit_test

import (
	"errors"
	"math/bits"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/coderflow/coderflow/internal/audit"
)

func TestEachEntryIsProvenInEachLogThatHasIt(t *testing.T) {
	t.Parallel()
	b := newBook(t, 20)
	for size := int64(1); size <= 20; size++ {
		c := audit.Checkpoint{Origin: "log", Size: size, Root: b.root(t, size)}
		for entry := int64(1); entry <= size; entry++ {
			p, err := audit.ProveInclusion(b, entry, size)
			if err != nil {
				t.Fatal(err)
			}
			leaf, err := b.entries[entry-1].Leaf()
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Check(leaf, c); err != nil {
				t.Errorf("entry %d of %d: %v", entry, size, err)
			}
			if most := bits.Len64(uint64(size)); len(p.Hashes) > most {
				t.Errorf("entry %d of %d: %d hashes, want at most %d", entry, size, len(p.Hashes), most)
			}
		}
	}
}

func TestThreat54ProofsThatDoNotHoldAreRefused(t *testing.T) {
	t.Parallel()
	b := newBook(t, 20)
	c := audit.Checkpoint{Origin: "log", Size: 13, Root: b.root(t, 13)}
	leaf, err := b.entries[4].Leaf()
	if err != nil {
		t.Fatal(err)
	}
	good, err := audit.ProveInclusion(b, 5, 13)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(p *audit.Inclusion, c *audit.Checkpoint, leaf *[]byte){
		"another line":       func(_ *audit.Inclusion, _ *audit.Checkpoint, leaf *[]byte) { *leaf = append(*leaf, ' ') },
		"another entry":      func(p *audit.Inclusion, _ *audit.Checkpoint, _ *[]byte) { p.Entry = 6 },
		"no entry":           func(p *audit.Inclusion, _ *audit.Checkpoint, _ *[]byte) { p.Entry = 0 },
		"after the end":      func(p *audit.Inclusion, _ *audit.Checkpoint, _ *[]byte) { p.Entry = 14 },
		"another size":       func(p *audit.Inclusion, _ *audit.Checkpoint, _ *[]byte) { p.Size = 12 },
		"another root":       func(_ *audit.Inclusion, c *audit.Checkpoint, _ *[]byte) { c.Root[0] ^= 1 },
		"another checkpoint": func(_ *audit.Inclusion, c *audit.Checkpoint, _ *[]byte) { c.Size, c.Root = 14, b.root(t, 14) },
		"cut short":          func(p *audit.Inclusion, _ *audit.Checkpoint, _ *[]byte) { p.Hashes = p.Hashes[1:] },
		"too long":           func(p *audit.Inclusion, _ *audit.Checkpoint, _ *[]byte) { p.Hashes = append(p.Hashes, tlog.Hash{}) },
		"endless":            func(p *audit.Inclusion, _ *audit.Checkpoint, _ *[]byte) { p.Hashes = make([]tlog.Hash, 1<<16) },
		"nothing":            func(p *audit.Inclusion, _ *audit.Checkpoint, _ *[]byte) { *p = audit.Inclusion{} },
	} {
		p, c, leaf := good, c, append([]byte(nil), leaf...)
		change(&p, &c, &leaf)
		if err := p.Check(leaf, c); !errors.Is(err, audit.ErrProof) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := good.Check(leaf, c); err != nil {
		t.Errorf("the proof itself: %v", err)
	}
}

func TestALogThatGrewIsProvenAndOneThatWasWrittenAnewIsNot(t *testing.T) {
	t.Parallel()
	b := newBook(t, 20)
	at := func(size int64) audit.Checkpoint {
		return audit.Checkpoint{Origin: "log", Size: size, Root: b.root(t, size)}
	}
	for to := range int64(20) {
		for from := range to + 1 {
			p, err := audit.ProveConsistency(b, from, to)
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Check(at(from), at(to)); err != nil {
				t.Errorf("%d to %d: %v", from, to, err)
			}
			forged, other := at(from), at(to)
			forged.Root[0] ^= 1
			other.Origin = "another"
			if p.Check(forged, at(to)) == nil || p.Check(at(from), other) == nil {
				t.Errorf("%d to %d: a checkpoint of another log was taken", from, to)
			}
			p.Hashes = append(p.Hashes, tlog.Hash{})
			if p.Check(at(from), at(to)) == nil {
				t.Errorf("%d to %d: a proof with a hash too many was taken", from, to)
			}
		}
	}
	if _, err := audit.ProveConsistency(b, 5, 4); err == nil {
		t.Error("a log that shrank was proven")
	}
	if _, err := audit.ProveInclusion(b, 5, 4); err == nil {
		t.Error("an entry after the end was proven")
	}
}
