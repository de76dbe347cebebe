package audit

import (
	"fmt"
	"iter"

	"golang.org/x/mod/sumdb/tlog"
)

// Finding is one thing that does not hold. Seq is the entry, or the first of those
// concerned; 0 if it cannot be told.
type Finding struct {
	Seq  int64
	What string
}

// String implements fmt.Stringer.
func (f Finding) String() string {
	if f.Seq == 0 {
		return f.What
	}
	return fmt.Sprintf("entry %d %s", f.Seq, f.What)
}

// Report is what a verification of the whole log found.
type Report struct {
	Entries     int64
	Root        tlog.Hash // of the entries as they are
	Checkpoints int       // those that hold
	Findings    []Finding
}

// maxFindings bounds a report: one change makes every later root another one.
const maxFindings = 100

// Stored is the log as a database has it, each sequence in order.
type Stored struct {
	Entries     iter.Seq2[Entry, error]
	Hashes      iter.Seq2[tlog.Hash, error]
	Checkpoints []Checkpoint // whose signatures hold, smallest first
}

// Verify computes the tree from the entries and compares it with every stored hash
// and every signed checkpoint. A change of an entry is named by its number even
// where nothing was signed after it, unless the stored hash was changed with it;
// then the next signed checkpoint does not hold.
func Verify(s Stored) (Report, error) {
	next, stop := iter.Pull2(s.Hashes)
	defer stop()
	v := verifier{hashes: next, signed: s.Checkpoints}
	v.checkpoints()
	for e, err := range s.Entries {
		if err != nil {
			return v.report, fmt.Errorf("read the audit log after entry %d: %w", v.report.Entries, err)
		}
		if err := v.entry(e); err != nil {
			return v.report, err
		}
		if len(v.report.Findings) >= maxFindings {
			return v.report, nil
		}
	}
	return v.report, v.end()
}

// verifier goes through a log once. edge are the roots of the perfect subtrees of
// what it saw, the largest first: all that the next entries need.
type verifier struct {
	hashes func() (tlog.Hash, error, bool)
	signed []Checkpoint
	held   int64 // size of the largest one that does hold
	edge   []node
	report Report
}

type node struct {
	level int
	hash  tlog.Hash
}

func (v *verifier) found(seq int64, format string, args ...any) {
	v.report.Findings = append(v.report.Findings, Finding{seq, fmt.Sprintf(format, args...)})
}

func (v *verifier) entry(e Entry) error {
	v.report.Entries++
	at := v.report.Entries
	if e.Seq != at {
		v.found(at, "is missing: the next one is %d", e.Seq)
		e.Seq = at // each of them is hashed where it stands
	}
	leaf, err := e.Leaf()
	if err != nil {
		v.found(at, "cannot be read: %v", err)
	}
	n := node{hash: tlog.RecordHash(leaf)}
	if err := v.compare(n, at); err != nil {
		return err
	}
	for len(v.edge) > 0 && v.edge[len(v.edge)-1].level == n.level {
		left := v.edge[len(v.edge)-1]
		v.edge = v.edge[:len(v.edge)-1]
		n = node{level: n.level + 1, hash: tlog.NodeHash(left.hash, n.hash)}
		if err := v.compare(n, at); err != nil {
			return err
		}
	}
	v.edge = append(v.edge, n)
	v.checkpoints()
	return nil
}

// compare holds a computed hash against the stored one.
func (v *verifier) compare(n node, at int64) error {
	stored, err, more := v.hashes()
	switch {
	case err != nil:
		return fmt.Errorf("read the stored hashes of the audit log at entry %d: %w", at, err)
	case !more:
		v.found(at, "has no stored hash")
	case stored == n.hash:
	case n.level == 0:
		v.found(at, "is not what was written: its hash is another one")
	default:
		v.found(at-1<<n.level+1, "to entry %d: the stored hash over them is not theirs", at)
	}
	return nil
}

// checkpoints looks at those that were signed when the log had as many entries as
// were seen now.
func (v *verifier) checkpoints() {
	for len(v.signed) > 0 && v.signed[0].Size <= v.report.Entries {
		c := v.signed[0]
		v.signed = v.signed[1:]
		if c.Size == v.report.Entries && v.root() == c.Root {
			v.report.Checkpoints++
			v.held = c.Size
		} else {
			v.found(0, "the signed checkpoint of the first %d entries does not hold: something among entries %d to %d was changed, added or removed",
				c.Size, v.held+1, c.Size)
		}
	}
}

// root is the hash of the tree over all that was seen.
func (v *verifier) root() tlog.Hash {
	if len(v.edge) == 0 {
		root, _ := tlog.TreeHash(0, nil) // of no entries; it reads nothing
		return root
	}
	root := v.edge[len(v.edge)-1].hash
	for i := len(v.edge) - 2; i >= 0; i-- {
		root = tlog.NodeHash(v.edge[i].hash, root)
	}
	return root
}

func (v *verifier) end() error {
	v.report.Root = v.root()
	if _, err, more := v.hashes(); err != nil {
		return fmt.Errorf("read the stored hashes of the audit log: %w", err)
	} else if more {
		v.found(v.report.Entries+1, "is missing: the log ends before it, and its hash is stored")
	}
	for _, c := range v.signed {
		v.found(v.report.Entries+1, "is missing: a signed checkpoint is of %d entries, and there are %d", c.Size, v.report.Entries)
	}
	return nil
}
