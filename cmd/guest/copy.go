package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/coderflow/coderflow/internal/guestproto"
)

// copyWorkspace fills the empty workspace with what lies at BaseDir, with modes and times, so that git finds its
// index valid. Run as root, it gives everything to the task's user. What is no file, directory or link is left out.
func copyWorkspace() error {
	from, err := openRoot(guestproto.BaseDir)
	if err != nil {
		return err
	}
	to, err := openRoot(guestproto.Workspace)
	if err != nil {
		return errors.Join(err, from.Close())
	}
	return copyDirectory(from, to, "")
}

// copyDirectory copies what is in from, and closes both.
func copyDirectory(from, to *os.File, prefix string) error {
	defer from.Close()
	defer to.Close()
	names, err := namesOf(from, prefix)
	if err != nil {
		return err
	}
	for _, name := range names {
		entry := found{parent: from, name: name, path: prefix + name}
		if err := unix.Fstatat(int(from.Fd()), name, &entry.stat, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return fmt.Errorf("looking at %q: %w", entry.path, err)
		}
		if err := copyEntry(entry, to); err != nil {
			return fmt.Errorf("copying %q: %w", entry.path, err)
		}
	}
	return nil
}

func copyEntry(entry found, to *os.File) error {
	switch {
	case entry.isDirectory():
		if err := copyDown(entry, to); err != nil {
			return err
		}
	case entry.isRegular():
		if err := copyFile(entry, to); err != nil {
			return err
		}
	case entry.isSymlink():
		if err := copyLink(entry, to); err != nil {
			return err
		}
	default:
		return nil
	}
	if os.Geteuid() == 0 {
		if err := unix.Fchownat(int(to.Fd()), entry.name, guestproto.UID, guestproto.GID, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return err
		}
	}
	if !entry.isSymlink() {
		// After its owner, which clears bits, and after what is in it.
		if err := unix.Fchmodat(int(to.Fd()), entry.name, entry.stat.Mode&0o777, 0); err != nil {
			return err
		}
	}
	times := []unix.Timespec{entry.stat.Atim, entry.stat.Mtim}
	return unix.UtimesNanoAt(int(to.Fd()), entry.name, times, unix.AT_SYMLINK_NOFOLLOW)
}

func copyDown(entry found, to *os.File) error {
	if err := unix.Mkdirat(int(to.Fd()), entry.name, 0o700); err != nil {
		return err
	}
	source, err := openDirectory(entry.parent, entry.name)
	if err != nil {
		return err
	}
	target, err := openDirectory(to, entry.name)
	if err != nil {
		return errors.Join(err, source.Close())
	}
	return copyDirectory(source, target, entry.path+"/")
}

func copyFile(entry found, to *os.File) error {
	source, err := entry.open()
	if err != nil {
		return err
	}
	defer source.Close()
	fd, err := syscall.Openat(int(to.Fd()), entry.name,
		syscall.O_WRONLY|syscall.O_CREAT|syscall.O_EXCL|syscall.O_NOFOLLOW|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	target := os.NewFile(uintptr(fd), entry.name)
	_, err = io.Copy(target, source)
	return errors.Join(err, target.Close())
}

func copyLink(entry found, to *os.File) error {
	fd, err := syscall.Openat(int(entry.parent.Fd()), entry.name, unix.O_PATH|syscall.O_NOFOLLOW|syscall.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	target, err := readLink(fd)
	if err != nil {
		return err
	}
	return unix.Symlinkat(string(target), int(to.Fd()), entry.name)
}
