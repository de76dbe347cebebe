package sandbox

import (
	"errors"
	"fmt"
	"time"
)

// Limits bound one container. There is no value for "unlimited".
type Limits struct {
	Memory      int64   // bytes, swap included
	CPUs        float64 // cores
	Pids        int64   // processes and threads
	NoFile      int64   // open files of a process
	FileSize    int64   // bytes of a single file
	TmpSize     int64   // bytes of /tmp, which count as memory
	HomeSize    int64   // bytes of /home/coder, which count as memory
	OutputBytes int64   // of the output that is kept; the rest is cut

	Workspace      int64 // bytes on disk of what a task adds to its workspace
	WorkspaceFiles int64 // files and directories that a task adds or changes there

	Wall        time.Duration // for setup script and command together
	Grace       time.Duration // between TERM and KILL after it
	CleanupTime time.Duration // for the cleanup script
}

const (
	mib = 1 << 20
	gib = 1 << 30
)

// DefaultLimits suit an agent on a project of ordinary size.
func DefaultLimits() Limits {
	return Limits{
		Memory: 2 * gib, CPUs: 2, Pids: 512, NoFile: 4096, FileSize: 1 * gib,
		TmpSize: 512 * mib, HomeSize: 256 * mib, OutputBytes: 8 * mib,
		Workspace: 5 * gib, WorkspaceFiles: 500_000,
		Wall: 30 * time.Minute, Grace: 5 * time.Second, CleanupTime: 30 * time.Second,
	}
}

// WithDefaults replaces each limit that is zero by its default.
func (l Limits) WithDefaults() Limits {
	base := DefaultLimits()
	l.Memory, l.CPUs, l.Pids = or(l.Memory, base.Memory), or(l.CPUs, base.CPUs), or(l.Pids, base.Pids)
	l.NoFile, l.FileSize = or(l.NoFile, base.NoFile), or(l.FileSize, base.FileSize)
	l.TmpSize, l.HomeSize = or(l.TmpSize, base.TmpSize), or(l.HomeSize, base.HomeSize)
	l.OutputBytes = or(l.OutputBytes, base.OutputBytes)
	l.Workspace, l.WorkspaceFiles = or(l.Workspace, base.Workspace), or(l.WorkspaceFiles, base.WorkspaceFiles)
	l.Wall, l.Grace, l.CleanupTime = or(l.Wall, base.Wall), or(l.Grace, base.Grace), or(l.CleanupTime, base.CleanupTime)
	return l
}

func or[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}

// Validate reports every limit out of range, by name.
func (l Limits) Validate() error { return errors.Join(l.problems("")...) }

// problems holds the ranges. The lower ends are what a shell needs to start; the upper ends catch a wrong unit.
func (l Limits) problems(prefix string) []error {
	var problems fieldErrors
	for _, limit := range []struct {
		name             string
		value, low, high int64
	}{
		{"memory", l.Memory, 32 * mib, 1024 * gib},
		{"pids", l.Pids, 32, 1 << 16},
		{"noFile", l.NoFile, 64, 1 << 20},
		{"fileSize", l.FileSize, 1 * mib, 16 * 1024 * gib},
		{"tmpSize", l.TmpSize, 1 * mib, 256 * gib},
		{"homeSize", l.HomeSize, 1 * mib, 256 * gib},
		{"outputBytes", l.OutputBytes, 1 << 10, 1 * gib},
		{"workspace", l.Workspace, 1 * mib, 16 * 1024 * gib},
		{"workspaceFiles", l.WorkspaceFiles, 100, 1 << 30},
	} {
		problems.check(limit.value >= limit.low && limit.value <= limit.high, prefix+limit.name,
			"%d is not between %d and %d", limit.value, limit.low, limit.high)
	}
	problems.check(l.CPUs >= 0.05 && l.CPUs <= 1024, prefix+"cpus", "%v is not between 0.05 and 1024", l.CPUs)
	for _, limit := range []struct {
		name             string
		value, low, high time.Duration
	}{
		{"wall", l.Wall, time.Second, 7 * 24 * time.Hour},
		{"grace", l.Grace, 100 * time.Millisecond, time.Minute},
		{"cleanupTime", l.CleanupTime, 100 * time.Millisecond, time.Hour},
	} {
		problems.check(limit.value >= limit.low && limit.value <= limit.high, prefix+limit.name,
			"%s is not between %s and %s", limit.value, limit.low, limit.high)
	}
	return problems
}

// Longest is the time after which a container with these limits has ended by itself. One that still runs then is
// to be stopped from outside.
func (l Limits) Longest() time.Duration {
	const margin = 15 * time.Second
	return l.Wall + l.Grace + l.CleanupTime + margin
}

// FieldError says what is wrong with one field of a spec.
type FieldError struct {
	Field   string
	Problem string
}

func (e *FieldError) Error() string { return e.Field + ": " + e.Problem }

type fieldErrors []error

func (e *fieldErrors) check(ok bool, field, format string, arguments ...any) {
	if !ok {
		*e = append(*e, &FieldError{Field: field, Problem: fmt.Sprintf(format, arguments...)})
	}
}

func (e *fieldErrors) add(more ...error) { *e = append(*e, more...) }

func (e fieldErrors) err(what string) error {
	if len(e) == 0 {
		return nil
	}
	return fmt.Errorf("%s: %w", what, errors.Join(e...))
}
