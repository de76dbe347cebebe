package guestproto

// Where the layers of a workspace are mounted, always read-only.
const (
	// ChangesDir holds the files and directories that a task has added to or changed in an overlay workspace: its
	// upper layer as it lies on the disk. What was deleted is a character device 0:0 there.
	ChangesDir = "/coderflow-changes"
	// BaseDir holds what the workspace began with: exactly the base commit's tree, and its repository.
	BaseDir = "/coderflow-base"
)

// Usage is what a directory tree takes on the disk.
type Usage struct {
	Bytes int64 `json:"bytes"` // allocated, not apparent: a sparse file counts what it holds
	Files int64 `json:"files"` // names of all types
}

// Quota bounds what a run may put onto the disk of its workspace.
type Quota struct {
	Root  string `json:"root"`  // the directory that is measured
	Limit Usage  `json:"limit"` // of Root
	Floor Floor  `json:"floor"`
}

// Floor is what has to stay free on the file system of the workspace, which the host shares with all its tasks. The
// larger one of Bytes and Percent counts.
type Floor struct {
	Bytes   int64 `json:"bytes"`
	Percent int64 `json:"percent"`
	Files   int64 `json:"files"` // inodes; file systems without a fixed number have no such floor
}

// DefaultFloor leaves an engine room to work.
func DefaultFloor() Floor { return Floor{Bytes: 1 << 30, Percent: 2, Files: 1000} }

// Max is the number of bytes to leave on a file system of size bytes.
func (f Floor) Max(size int64) int64 { return max(f.Bytes, size/100*f.Percent) }
