package main

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/coderflow/coderflow/internal/guestproto"
)

// oPath opens a name without opening what it names: no FIFO blocks, no device wakes. (open(2), O_PATH)
const oPath = 0x200000

// walk goes through a workspace by directory descriptors and never follows a symbolic link.
type walk struct {
	limits  guestproto.Limits
	base    baseTree
	out     *guestproto.Writer
	entries int64
	buffer  []byte
}

func (w *walk) run(root string) error {
	fd, err := syscall.Open(root, syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW|syscall.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("opening the workspace: %w", err)
	}
	if err := w.directory(fd, "", 0); err != nil {
		return err
	}
	for _, path := range w.base.missing() {
		if err := w.out.Write(path, guestproto.KindDeleted, 0, nil); err != nil {
			return err
		}
	}
	return nil
}

// directory walks the directory that fd is open on, and closes fd. prefix ends with '/' or is empty.
func (w *walk) directory(fd int, prefix string, depth int) error {
	dir := os.NewFile(uintptr(fd), prefix)
	defer dir.Close()
	names, err := w.names(dir, prefix)
	if err != nil {
		return err
	}
	if len(names) == 0 && prefix != "" {
		// What git leaves of a submodule that is not checked out.
		if entry := w.base[strings.TrimSuffix(prefix, "/")]; entry != nil && entry.Mode == guestproto.ModeGitlink {
			entry.met = true
		}
	}
	for _, name := range names {
		if prefix == "" && name == ".git" {
			continue
		}
		if err := w.entry(fd, name, prefix+name, depth); err != nil {
			return err
		}
	}
	return nil
}

// names reads a directory in pieces, so that one with millions of names is given up early.
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

func (w *walk) entry(parent int, name, path string, depth int) error {
	fd, err := syscall.Openat(parent, name, oPath|syscall.O_NOFOLLOW|syscall.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("looking at %q: %w", path, err)
	}
	defer syscall.Close(fd)
	var stat syscall.Stat_t
	if err := syscall.Fstat(fd, &stat); err != nil {
		return fmt.Errorf("looking at %q: %w", path, err)
	}
	if base := w.base[path]; base != nil && stat.Mode&syscall.S_IFMT != syscall.S_IFDIR {
		base.met = true
	}
	if strings.EqualFold(name, ".git") {
		return w.out.Write(path, guestproto.KindNestedGit, 0, nil)
	}
	switch stat.Mode & syscall.S_IFMT {
	case syscall.S_IFDIR:
		return w.descend(parent, name, path, depth)
	case syscall.S_IFREG:
		return w.regular(parent, name, path, &stat)
	case syscall.S_IFLNK:
		return w.symlink(fd, path)
	case syscall.S_IFIFO:
		return w.out.Write(path, guestproto.KindFIFO, 0, nil)
	case syscall.S_IFSOCK:
		return w.out.Write(path, guestproto.KindSocket, 0, nil)
	}
	return w.out.Write(path, guestproto.KindDevice, 0, nil)
}

func (w *walk) descend(parent int, name, path string, depth int) error {
	if depth+1 > w.limits.Depth {
		return &guestproto.LimitError{Limit: guestproto.LimitDepth, Max: int64(w.limits.Depth), Path: path}
	}
	if len(path) > w.limits.PathBytes {
		return &guestproto.LimitError{Limit: guestproto.LimitPathBytes, Max: int64(w.limits.PathBytes), Path: path}
	}
	fd, err := syscall.Openat(parent, name, syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW|syscall.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("opening directory %q: %w", path, err)
	}
	return w.directory(fd, path+"/", depth+1)
}

// regular reports a file unless it is what the base has. Setuid bits and hard links are not reported: what is
// taken from a file are its bytes and whether its owner may execute it.
func (w *walk) regular(parent int, name, path string, stat *syscall.Stat_t) error {
	kind, mode := guestproto.KindFile, uint32(guestproto.ModeFile)
	if stat.Mode&0o100 != 0 {
		kind, mode = guestproto.KindExecutable, guestproto.ModeExecutable
	}
	base := w.base[path]
	candidate := base != nil && base.Mode == mode && base.Size == stat.Size
	if !candidate && stat.Size > w.limits.FileBytes {
		// Before opening: a sparse file of a terabyte is never read.
		return &guestproto.LimitError{Limit: guestproto.LimitFileBytes, Max: w.limits.FileBytes, Path: path}
	}
	file, err := open(parent, name, stat)
	if err != nil {
		return fmt.Errorf("opening %q: %w", path, err)
	}
	defer file.Close()
	if candidate {
		same, err := w.sameBlob(file, base)
		if err != nil {
			return fmt.Errorf("reading %q: %w", path, err)
		}
		if same {
			return nil
		}
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return fmt.Errorf("reading %q again: %w", path, err)
		}
	}
	return w.out.Write(path, kind, stat.Size, file)
}

// open opens the very file that stat describes for reading.
func open(parent int, name string, stat *syscall.Stat_t) (*os.File, error) {
	fd, err := syscall.Openat(parent, name,
		syscall.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK|syscall.O_NOCTTY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), name)
	var now syscall.Stat_t
	if err := syscall.Fstat(fd, &now); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	if now.Dev != stat.Dev || now.Ino != stat.Ino {
		return nil, errors.Join(errors.New("it was exchanged while being read"), file.Close())
	}
	return file, nil
}

func (w *walk) symlink(fd int, path string) error {
	target := make([]byte, 4097)
	n, err := readlinkat(fd, target)
	if err != nil {
		return fmt.Errorf("reading link %q: %w", path, err)
	}
	target = target[:n]
	if base := w.base[path]; base != nil && base.Mode == guestproto.ModeSymlink && base.Size == int64(n) {
		same, err := w.sameBlob(bytes.NewReader(target), base)
		if err != nil || same {
			return err
		}
	}
	return w.out.Write(path, guestproto.KindSymlink, int64(n), bytes.NewReader(target))
}

// sameBlob hashes content as git hashes a blob. (https://git-scm.com/book/en/v2/Git-Internals-Git-Objects)
func (w *walk) sameBlob(content io.Reader, base *baseEntry) (bool, error) {
	var sum hash.Hash = sha1.New()
	if len(base.Hash) == sha256.Size {
		sum = sha256.New()
	}
	fmt.Fprintf(sum, "blob %d\x00", base.Size)
	// One byte more than expected shows a file that grew.
	n, err := io.CopyBuffer(sum, io.LimitReader(content, base.Size+1), w.buffer)
	if err != nil {
		return false, err
	}
	return n == base.Size && bytes.Equal(sum.Sum(nil), base.Hash), nil
}
