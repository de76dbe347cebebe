package gitops

import (
	"fmt"
	"io"
	"iter"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/risk"
	"github.com/coderflow/coderflow/internal/task"
)

// ChangeKind is what stands at a path of the workspace now.
type ChangeKind int

// Kinds of change, as the collector saw them (lstat, nothing followed).
const (
	Regular    ChangeKind = iota + 1 // a file; Content is its bytes
	Executable                       // a file with an executable bit
	Symlink                          // Content is the target
	Deleted                          // nothing: a file of the base, or everything below a directory of the base
	Special                          // FIFO, device, socket
	NestedGit                        // a ".git" below the top
)

// Change is one path whose content may differ from the base. Unchanged files
// may be among them.
type Change struct {
	Path string // relative to the root, as raw bytes with '/' between
	Kind ChangeKind
	// Size is the exact number of bytes of Content.
	Size int64
	// Content is read before the next change is asked for. It is nil where Kind has none.
	Content io.Reader
}

// Changes yields what was collected, in any order, each path once. After an
// error it yields nothing more.
type Changes = iter.Seq2[Change, error]

// Limits bound what one proposal can hold.
type Limits struct {
	MaxFiles      int   // changed paths that are not ignored
	MaxFileBytes  int64 // one file
	MaxTotalBytes int64 // all of them together
	MaxDiffBytes  int64 // the diff, as text
	// MaxSeen bounds the changes looked at, the ignored ones among them.
	MaxSeen int
}

// DefaultLimits are used for every limit that is 0.
var DefaultLimits = Limits{
	MaxFiles: 5_000, MaxFileBytes: 20 << 20, MaxTotalBytes: 200 << 20, MaxDiffBytes: 20 << 20, MaxSeen: 500_000,
}

func (l Limits) withDefaults() Limits {
	return Limits{
		MaxFiles:      orDefault(l.MaxFiles, DefaultLimits.MaxFiles),
		MaxFileBytes:  orDefault(l.MaxFileBytes, DefaultLimits.MaxFileBytes),
		MaxTotalBytes: orDefault(l.MaxTotalBytes, DefaultLimits.MaxTotalBytes),
		MaxDiffBytes:  orDefault(l.MaxDiffBytes, DefaultLimits.MaxDiffBytes),
		MaxSeen:       orDefault(l.MaxSeen, DefaultLimits.MaxSeen),
	}
}

func orDefault[T int | int64](value, preset T) T {
	if value <= 0 {
		return preset
	}
	return value
}

// BuildRequest is what [Git.BuildTree] needs.
type BuildRequest struct {
	Repository forge.RepositoryRef
	Base       string // commit
	Task       task.ID
	Revision   int
	// Start is the commit that Changes differ from; empty: Base.
	Start   string
	Changes Changes
	// Watch, if set, is given all that the proposal is made of, also what Start or a
	// rebase brings, and passes it on; an error of it ends the build with nothing stored.
	Watch  func(Changes) Changes
	Limits Limits
	// AllowSecrets says that a file may hold what looks like a secret of somebody
	// else: it is a risk there, and no problem. Nil: none may.
	AllowSecrets func(path string) bool
}

// Result is the tree made of an agent's changes: everything that a proposal shows.
type Result struct {
	Tree     string
	Manifest []task.PathChange // by path, complete
	Diff     []byte            // base tree to Tree
	Ignored  int               // new files that the base's ignore rules left out
	Risks    []task.Risk
}

// problems collects reasons to refuse, up to a bound.
type problems struct {
	list []Problem
	more int
}

const maxProblems = 200

func (p *problems) add(path, rule, format string, args ...any) {
	if len(p.list) >= maxProblems {
		p.more++
		return
	}
	p.list = append(p.list, Problem{Path: risk.Mask(path), Rule: rule, Why: risk.Mask(fmt.Sprintf(format, args...))})
}

func (p *problems) err() error {
	if len(p.list) == 0 {
		return nil
	}
	return &RefusedError{Problems: p.list, More: p.more}
}
