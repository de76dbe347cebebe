package task

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
)

// ChangeKind is what happened to one path.
type ChangeKind string

// Kinds of change. Renames are a deletion and an addition: what lands is the
// tree, and a heuristic has no place in what is reviewed.
const (
	Added    ChangeKind = "added"
	Modified ChangeKind = "modified"
	Deleted  ChangeKind = "deleted"
)

// PathChange is one line of the path manifest. Path holds raw bytes as git has
// them; it is escaped wherever it is shown.
type PathChange struct {
	Path    string     `json:"path"`
	Kind    ChangeKind `json:"kind"`
	OldMode string     `json:"oldMode,omitempty"` // git's octal mode, "100644"
	NewMode string     `json:"newMode,omitempty"`
	OldBlob string     `json:"oldBlob,omitempty"`
	NewBlob string     `json:"newBlob,omitempty"`
	Size    int64      `json:"size"` // bytes of the new blob
	Added   int        `json:"added"`
	Removed int        `json:"removed"` // lines; both -1 for a binary file
	Binary  bool       `json:"binary,omitempty"`
}

// Risk is a named danger of a change that a reviewer must see.
type Risk struct {
	Name string `json:"name"`
	// Rule is which rule of that name found it; empty where a name has only one.
	Rule string `json:"rule,omitempty"`
	Path string `json:"path"`
	// Line is counted from 1 in the new file, and in the old one where Removed says
	// that the danger is that it is gone. 0: the file as a whole.
	Line    int    `json:"line,omitempty"`
	Removed bool   `json:"removed,omitempty"`
	Why     string `json:"why"`
	Excerpt string `json:"excerpt,omitempty"` // printable, one line, without secrets
	// More are further ones of the same rule in the same file that are not listed.
	More int `json:"more,omitempty"`
}

// Proposal is what a human is asked to approve. Digest binds every other field
// that decides what will land or what its gate asks for; it is computed once and
// checked at every use.
type Proposal struct {
	Task          ID
	Revision      int
	Repository    forge.RepositoryRef
	BaseBranch    string
	BaseCommit    string
	Tree          string // id of the result tree, which is exactly what lands
	Manifest      []PathChange
	Diff          []byte // tree to tree, full index, binary included
	Message       string // proposed commit message
	PolicyVersion string
	Digest        string
	Ignored       int // new files that the base tree's ignore rules left out
	Risks         []Risk
	Carrier       string // the inert commit that the pull request shows; empty before it is published
	CreatedAt     time.Time
}

// digestDomain separates this digest from every other use of SHA-256 and names
// the encoding's version. Version 1 pinned neither risks nor line counts, so that
// whoever could write to the database could lower what a gate asks for by risk or
// by size. It was never released: proposals under it are void, not converted.
const digestDomain = "coderflow.dev/proposal/v2\n"

// ComputeDigest returns "sha256:…" over an injective encoding of what the
// proposal pins: every field is written with its length before it, so that no
// two proposals share an encoding.
func (p Proposal) ComputeDigest() string {
	h := sha256.New()
	h.Write([]byte(digestDomain))
	writeField(h, string(p.Task))
	writeField(h, fmt.Sprint(p.Revision))
	writeField(h, p.Repository.Key())
	writeField(h, p.BaseBranch)
	writeField(h, p.BaseCommit)
	writeField(h, p.Tree)
	writeField(h, fmt.Sprint(len(p.Manifest)))
	for _, c := range p.Manifest {
		for _, field := range []string{c.Path, string(c.Kind), c.OldMode, c.NewMode, c.OldBlob, c.NewBlob,
			fmt.Sprint(c.Size), fmt.Sprint(c.Added), fmt.Sprint(c.Removed), fmt.Sprint(c.Binary)} {
			writeField(h, field)
		}
	}
	writeField(h, fmt.Sprint(p.Ignored))
	writeField(h, fmt.Sprint(len(p.Risks)))
	for _, r := range p.Risks {
		for _, field := range []string{r.Name, r.Rule, r.Path, fmt.Sprint(r.Line), fmt.Sprint(r.Removed), r.Why, r.Excerpt, fmt.Sprint(r.More)} {
			writeField(h, field)
		}
	}
	writeField(h, string(p.Diff))
	writeField(h, p.Message)
	writeField(h, p.PolicyVersion)
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

func writeField(h hash.Hash, s string) {
	var length [8]byte
	binary.BigEndian.PutUint64(length[:], uint64(len(s)))
	h.Write(length[:])
	h.Write([]byte(s))
}

// ErrDigest is a proposal whose content is not what its digest says.
var ErrDigest = fmt.Errorf("the proposal's content does not match its digest")

// Verify fails with ErrDigest if anything that the digest pins was changed.
func (p Proposal) Verify() error {
	if p.Digest == "" || p.ComputeDigest() != p.Digest {
		return ErrDigest
	}
	return nil
}

// ProposalPath is where the inert patch of a task stands in its carrier commit.
func ProposalPath(id ID) string { return ".coderflow/proposals/" + string(id) + ".patch" }
