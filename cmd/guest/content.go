package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/coderflow/coderflow/internal/guestproto"
)

// found is what is at a name of a directory. The zero stat stands for nothing.
type found struct {
	parent     *os.File
	name, path string
	fd         int // opened with O_PATH, or -1
	stat       unix.Stat_t
}

func (f found) isDirectory() bool  { return f.stat.Mode&syscall.S_IFMT == syscall.S_IFDIR }
func (f found) isRegular() bool    { return f.stat.Mode&syscall.S_IFMT == syscall.S_IFREG }
func (f found) isSymlink() bool    { return f.stat.Mode&syscall.S_IFMT == syscall.S_IFLNK }
func (f found) isExecutable() bool { return f.stat.Mode&0o100 != 0 }

// open opens the very file that stat describes for reading.
func (f found) open() (*os.File, error) {
	fd, err := syscall.Openat(int(f.parent.Fd()), f.name,
		syscall.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK|syscall.O_NOCTTY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), f.name)
	var now unix.Stat_t
	if err := unix.Fstat(fd, &now); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	if now.Dev != f.stat.Dev || now.Ino != f.stat.Ino {
		return nil, errors.Join(errors.New("it was exchanged while being read"), file.Close())
	}
	return file, nil
}

// regular reports a file unless it is what the base has. Setuid bits and hard links are not reported: what is
// taken from a file are its bytes and whether its owner may execute it.
func (w *walk) regular(now, before found) error {
	kind := guestproto.KindFile
	if now.isExecutable() {
		kind = guestproto.KindExecutable
	}
	candidate := before.isRegular() && before.isExecutable() == now.isExecutable() && before.stat.Size == now.stat.Size
	if !candidate && now.stat.Size > w.limits.FileBytes {
		// Before opening: a sparse file of a terabyte is never read.
		return &guestproto.LimitError{Limit: guestproto.LimitFileBytes, Max: w.limits.FileBytes, Path: now.path}
	}
	file, err := now.open()
	if err != nil {
		return fmt.Errorf("opening %q: %w", now.path, err)
	}
	defer file.Close()
	if candidate {
		same, err := w.compare.sameContent(file, before)
		if err != nil {
			return fmt.Errorf("comparing %q with the base: %w", now.path, err)
		}
		if same {
			return nil
		}
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return fmt.Errorf("reading %q again: %w", now.path, err)
		}
	}
	return w.out.Write(now.path, kind, now.stat.Size, file)
}

func (w *walk) symlink(now, before found) error {
	target, err := readLink(now.fd)
	if err != nil {
		return fmt.Errorf("reading link %q: %w", now.path, err)
	}
	if before.isSymlink() {
		fd, err := syscall.Openat(int(before.parent.Fd()), before.name, unix.O_PATH|syscall.O_NOFOLLOW|syscall.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("opening link %q of the base: %w", now.path, err)
		}
		defer syscall.Close(fd)
		old, err := readLink(fd)
		if err != nil {
			return fmt.Errorf("reading link %q of the base: %w", now.path, err)
		}
		if bytes.Equal(old, target) {
			return nil
		}
	}
	return w.out.Write(now.path, guestproto.KindSymlink, int64(len(target)), bytes.NewReader(target))
}

func readLink(fd int) ([]byte, error) {
	target := make([]byte, 4097)
	n, err := readlinkat(fd, target)
	if err != nil {
		return nil, err
	}
	return target[:n], nil
}

// comparison compares files of equal size. Its buffers are reused.
type comparison struct{ a, b []byte }

func (c *comparison) sameContent(file *os.File, before found) (bool, error) {
	old, err := before.openBase()
	if err != nil {
		return false, err
	}
	defer old.Close()
	if c.a == nil {
		c.a, c.b = make([]byte, 128<<10), make([]byte, 128<<10)
	}
	for {
		n, err := io.ReadFull(file, c.a)
		end := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !end {
			return false, err
		}
		// Where the base's file goes on after the other's end, they differ.
		m, err := io.ReadFull(old, c.b[:n])
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return false, err
		}
		if m != n || !bytes.Equal(c.a[:n], c.b[:n]) {
			return false, nil
		}
		if end {
			return true, nil
		}
	}
}

// openBase opens a file of the base, which nobody changes.
func (f found) openBase() (*os.File, error) {
	fd, err := syscall.Openat(int(f.parent.Fd()), f.name, syscall.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), f.name), nil
}
