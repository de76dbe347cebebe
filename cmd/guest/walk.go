package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/coderflow/coderflow/internal/guestproto"
)

// layers are one directory of a workspace as it is, as the base has it, and as the upper layer of an overlay has it.
// The base is nil where the workspace's directory is new. Without changes everything may have changed.
//
// An overlay needs an entry in its upper layer for everything that differs from the base, and for each directory
// above it. So a name that the upper layer has not is as in the base, unless it is gone; and what is gone is seen by
// comparing names. Nothing depends on the privileged attributes with which an overlay hides a whole directory.
type layers struct{ work, base, changes *os.File }

func (l layers) close() {
	for _, dir := range []*os.File{l.work, l.base, l.changes} {
		if dir != nil {
			_ = dir.Close()
		}
	}
}

// walk goes through a workspace by directory descriptors and never follows a symbolic link.
type walk struct {
	limits  guestproto.Limits
	out     *guestproto.Writer
	entries int64
	compare comparison
}

// directory reports the differences of one directory and all below it, and closes it. prefix ends with '/' or is
// empty.
func (w *walk) directory(at layers, prefix string, depth int) error {
	defer at.close()
	here, err := w.names(at.work, prefix)
	if err != nil {
		return err
	}
	before, err := namesOf(at.base, prefix)
	if err != nil {
		return err
	}
	changed, err := w.changed(at.changes, prefix)
	if err != nil {
		return err
	}
	if prefix != "" && at.base != nil && len(before) == 0 && len(here) > 0 {
		// An empty directory of a base is what git leaves of a submodule that is not checked out.
		if err := w.deleted(strings.TrimSuffix(prefix, "/")); err != nil {
			return err
		}
	}
	for len(here) > 0 || len(before) > 0 {
		var name string
		var isHere, wasThere bool
		name, isHere, wasThere, here, before = next(here, before)
		switch {
		case prefix == "" && name == ".git":
		case !isHere:
			err = w.gone(at.base, name, prefix+name)
		case wasThere && at.changes != nil && !changed[name]:
		default:
			err = w.entry(at, name, prefix+name, wasThere, depth)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// next takes the smallest name off two sorted lists.
func next(here, before []string) (name string, isHere, wasThere bool, restHere, restBefore []string) {
	isHere = len(here) > 0 && (len(before) == 0 || here[0] <= before[0])
	wasThere = len(before) > 0 && (len(here) == 0 || before[0] <= here[0])
	if isHere {
		name, here = here[0], here[1:]
	}
	if wasThere {
		name, before = before[0], before[1:]
	}
	return name, isHere, wasThere, here, before
}

// names reads a directory of the workspace in pieces, so that one with millions of names is given up early.
func (w *walk) names(dir *os.File, prefix string) ([]string, error) {
	var names []string
	for {
		some, err := dir.Readdirnames(4096)
		w.entries += int64(len(some))
		if w.entries > w.limits.Entries {
			return nil, &guestproto.LimitError{Limit: guestproto.LimitEntries, Max: w.limits.Entries, Path: prefix}
		}
		names = append(names, some...)
		if errors.Is(err, io.EOF) {
			slices.Sort(names)
			return names, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading directory %q: %w", prefix, err)
		}
	}
}

// changed reads the names of a directory of the upper layer. There are at most as many as the base and the workspace
// have together.
func (w *walk) changed(dir *os.File, prefix string) (map[string]bool, error) {
	names, err := namesOf(dir, prefix)
	if err != nil {
		return nil, err
	}
	set := make(map[string]bool, len(names))
	for _, name := range names {
		set[name] = true
	}
	return set, nil
}

func namesOf(dir *os.File, prefix string) ([]string, error) {
	if dir == nil {
		return nil, nil
	}
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("reading directory %q of a layer: %w", prefix, err)
	}
	slices.Sort(names)
	return names, nil
}

// entry reports what is at one name of the workspace, if it is not what the base has there.
func (w *walk) entry(at layers, name, path string, wasThere bool, depth int) error {
	fd, err := syscall.Openat(int(at.work.Fd()), name, unix.O_PATH|syscall.O_NOFOLLOW|syscall.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("looking at %q: %w", path, err)
	}
	defer syscall.Close(fd)
	now := found{parent: at.work, name: name, path: path, fd: fd}
	if err := unix.Fstat(fd, &now.stat); err != nil {
		return fmt.Errorf("looking at %q: %w", path, err)
	}
	before := found{parent: at.base, name: name, path: path, fd: -1}
	if wasThere {
		if err := unix.Fstatat(int(at.base.Fd()), name, &before.stat, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return fmt.Errorf("looking at %q in the base: %w", path, err)
		}
	}
	if now.isDirectory() != before.isDirectory() && wasThere {
		if err := w.replaced(before); err != nil {
			return err
		}
	}
	if strings.EqualFold(name, ".git") {
		return w.out.Write(path, guestproto.KindNestedGit, 0, nil)
	}
	return w.found(at, now, before, depth)
}

// found reports an entry by its type.
func (w *walk) found(at layers, now, before found, depth int) error {
	switch now.stat.Mode & syscall.S_IFMT {
	case syscall.S_IFDIR:
		return w.descend(at, now, before, depth)
	case syscall.S_IFREG:
		return w.regular(now, before)
	case syscall.S_IFLNK:
		return w.symlink(now, before)
	case syscall.S_IFIFO:
		return w.out.Write(now.path, guestproto.KindFIFO, 0, nil)
	case syscall.S_IFSOCK:
		return w.out.Write(now.path, guestproto.KindSocket, 0, nil)
	}
	return w.out.Write(now.path, guestproto.KindDevice, 0, nil)
}

func (w *walk) descend(at layers, now, before found, depth int) error {
	if depth+1 > w.limits.Depth {
		return &guestproto.LimitError{Limit: guestproto.LimitDepth, Max: int64(w.limits.Depth), Path: now.path}
	}
	if len(now.path) > w.limits.PathBytes {
		return &guestproto.LimitError{Limit: guestproto.LimitPathBytes, Max: int64(w.limits.PathBytes), Path: now.path}
	}
	var below layers
	var err error
	if below.work, err = openDirectory(at.work, now.name); err != nil {
		return fmt.Errorf("opening directory %q: %w", now.path, err)
	}
	if before.isDirectory() {
		if below.base, err = openDirectory(at.base, now.name); err != nil {
			below.close()
			return fmt.Errorf("opening directory %q of the base: %w", now.path, err)
		}
		// A directory that is in both and in the upper layer. One that is new is read whole.
		if at.changes != nil {
			if below.changes, err = openDirectory(at.changes, now.name); err != nil {
				below.close()
				return fmt.Errorf("opening directory %q of the upper layer: %w", now.path, err)
			}
		}
	}
	return w.directory(below, now.path+"/", depth+1)
}

func openDirectory(parent *os.File, name string) (*os.File, error) {
	fd, err := syscall.Openat(int(parent.Fd()), name,
		syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// gone reports a name that only the base has: one deletion for each file below it, and one for an empty directory,
// which is a submodule.
func (w *walk) gone(base *os.File, name, path string) error {
	var stat unix.Stat_t
	if err := unix.Fstatat(int(base.Fd()), name, &stat, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("looking at %q in the base: %w", path, err)
	}
	if stat.Mode&syscall.S_IFMT != syscall.S_IFDIR {
		return w.deleted(path)
	}
	below, err := w.goneBelow(base, name, path)
	if err == nil && below == 0 {
		return w.deleted(path)
	}
	return err
}

// goneBelow reports what was below a directory of the base, and how many names it had.
func (w *walk) goneBelow(base *os.File, name, path string) (int, error) {
	dir, err := openDirectory(base, name)
	if err != nil {
		return 0, fmt.Errorf("opening directory %q of the base: %w", path, err)
	}
	defer dir.Close()
	names, err := namesOf(dir, path)
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		if err := w.gone(dir, name, path+"/"+name); err != nil {
			return 0, err
		}
	}
	return len(names), nil
}

// replaced reports what a directory, or something else, took the place of. Where a file stands for a submodule now,
// its own record says both.
func (w *walk) replaced(before found) error {
	if before.isDirectory() {
		_, err := w.goneBelow(before.parent, before.name, before.path)
		return err
	}
	return w.deleted(before.path)
}

func (w *walk) deleted(path string) error { return w.out.Write(path, guestproto.KindDeleted, 0, nil) }
