package guestproto

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// Kind is what a record says about a path.
type Kind byte

// The kinds. Only the first three have content; a symlink's content is its target.
const (
	KindFile       Kind = 1
	KindExecutable Kind = 2
	KindSymlink    Kind = 3
	KindDeleted    Kind = 4 // in the base tree, not in the workspace
	KindFIFO       Kind = 5
	KindSocket     Kind = 6
	KindDevice     Kind = 7
	KindNestedGit  Kind = 8 // a ".git" below the top: never descended into
)

var kindNames = map[Kind]string{
	KindFile: "file", KindExecutable: "executable file", KindSymlink: "symbolic link", KindDeleted: "deleted",
	KindFIFO: "named pipe", KindSocket: "socket", KindDevice: "device", KindNestedGit: "nested git repository",
}

func (k Kind) String() string {
	if name, ok := kindNames[k]; ok {
		return name
	}
	return fmt.Sprintf("kind %d", byte(k))
}

// HasContent reports whether records of this kind carry content.
func (k Kind) HasContent() bool { return k == KindFile || k == KindExecutable || k == KindSymlink }

// Record is one difference between the base tree and the workspace.
type Record struct {
	Path    string // raw bytes, relative, '/' between names
	Kind    Kind
	Size    int64     // bytes of Content
	Content io.Reader // exactly Size bytes; valid until the next call of Reader.Next
}

// Limits bound a collection. The helper stops at them, and the reader on the host stops again.
type Limits struct {
	Entries    int64 `json:"entries"`    // names in the directories that are read: those with changes, or all of a copy
	Records    int64 `json:"records"`    // changed paths
	FileBytes  int64 `json:"fileBytes"`  // of one changed file (its apparent size)
	TotalBytes int64 `json:"totalBytes"` // of all changed files
	PathBytes  int   `json:"pathBytes"`
	Depth      int   `json:"depth"` // directories above a path
}

// DefaultLimits are small for a machine and leave room for what is read and then left out of a proposal: build
// output and installed packages that the base's ignore rules name.
func DefaultLimits() Limits {
	return Limits{
		Entries: 500_000, Records: 100_000, FileBytes: 256 << 20, TotalBytes: 1 << 30, PathBytes: 1024, Depth: 64,
	}
}

// Validate names the first limit that is not usable. A symlink's target and a path fit two bytes on the wire.
func (l Limits) Validate() error {
	for name, value := range map[string]int64{
		"entries": l.Entries, "records": l.Records, "fileBytes": l.FileBytes,
		"totalBytes": l.TotalBytes, "pathBytes": int64(l.PathBytes), "depth": int64(l.Depth),
	} {
		if value <= 0 {
			return fmt.Errorf("collect limits: %s must be positive", name)
		}
	}
	if l.PathBytes > 4096 {
		return errors.New("collect limits: pathBytes must be at most 4096")
	}
	return nil
}

// Limit names one of Limits.
type Limit byte

// The limits, as they are sent.
const (
	LimitEntries    Limit = 1
	LimitRecords    Limit = 2
	LimitFileBytes  Limit = 3
	LimitTotalBytes Limit = 4
	LimitPathBytes  Limit = 5
	LimitDepth      Limit = 6
)

var limitTexts = map[Limit]string{
	LimitEntries:    "the workspace holds more than %d files and directories",
	LimitRecords:    "more than %d paths were changed",
	LimitFileBytes:  "a changed file is larger than %d bytes",
	LimitTotalBytes: "the changed files are larger than %d bytes together",
	LimitPathBytes:  "a path is longer than %d bytes",
	LimitDepth:      "a path is deeper than %d directories",
}

// LimitError says which limit a workspace exceeds, and at which path. Nothing of such a workspace may be used.
type LimitError struct {
	Limit Limit
	Max   int64
	Path  string // raw bytes
}

func (e *LimitError) Error() string {
	text := fmt.Sprintf(limitTexts[e.Limit], e.Max)
	if e.Path == "" {
		return text
	}
	return fmt.Sprintf("%s (at %q)", text, e.Path)
}

// Errors of a stream that ends early or breaks the protocol.
var (
	ErrTruncated = errors.New("the collection ends before its trailer")
	ErrCorrupt   = errors.New("the collection breaks the protocol")
)

// checkPath refuses what no walk of a directory can yield. Names that git or other file systems would misread
// are for the proposal scan: they are reported, not refused here.
func checkPath(path string, limits Limits) error {
	if len(path) > limits.PathBytes {
		return &LimitError{Limit: LimitPathBytes, Max: int64(limits.PathBytes), Path: path[:limits.PathBytes]}
	}
	if strings.IndexByte(path, 0) >= 0 {
		return fmt.Errorf("%w: NUL in a path", ErrCorrupt)
	}
	names := strings.Split(path, "/")
	if len(names)-1 > limits.Depth {
		return &LimitError{Limit: LimitDepth, Max: int64(limits.Depth), Path: path}
	}
	for _, name := range names {
		if name == "" || name == "." || name == ".." {
			return fmt.Errorf("%w: path %q", ErrCorrupt, path)
		}
	}
	if names[0] == ".git" {
		return fmt.Errorf("%w: path %q lies in the workspace's own repository", ErrCorrupt, path)
	}
	return nil
}
