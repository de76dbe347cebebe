package main

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/coderflow/coderflow/internal/guestproto"
)

// export writes the workspace, with its repository, as a tar archive to standard output. Names, targets and contents
// are whatever the task made of them; sockets cannot be in an archive and are left out.
func export() error {
	root, err := openRoot(guestproto.Workspace)
	if err != nil {
		return err
	}
	archive := tar.NewWriter(os.Stdout)
	if err := exportDirectory(archive, root, ""); err != nil {
		return err
	}
	return archive.Close()
}

// exportDirectory writes what is in dir, and closes it.
func exportDirectory(archive *tar.Writer, dir *os.File, prefix string) error {
	defer dir.Close()
	names, err := namesOf(dir, prefix)
	if err != nil {
		return err
	}
	slices.Sort(names)
	for _, name := range names {
		if err := exportEntry(archive, dir, name, prefix+name); err != nil {
			return fmt.Errorf("exporting %q: %w", prefix+name, err)
		}
	}
	return nil
}

func exportEntry(archive *tar.Writer, dir *os.File, name, path string) error {
	fd, err := syscall.Openat(int(dir.Fd()), name, unix.O_PATH|syscall.O_NOFOLLOW|syscall.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	entry := found{parent: dir, name: name, path: path, fd: fd}
	if err := unix.Fstat(fd, &entry.stat); err != nil {
		return err
	}
	header := &tar.Header{
		// The old GNU format takes any byte in names.
		Format: tar.FormatGNU, Name: path, Mode: int64(entry.stat.Mode & 0o777),
		ModTime: time.Unix(entry.stat.Mtim.Sec, 0), Uid: guestproto.UID, Gid: guestproto.GID,
	}
	switch entry.stat.Mode & syscall.S_IFMT {
	case syscall.S_IFDIR:
		header.Typeflag, header.Name = tar.TypeDir, path+"/"
		below, err := openDirectory(dir, name)
		if err != nil {
			return err
		}
		if err := archive.WriteHeader(header); err != nil {
			return errors.Join(err, below.Close())
		}
		return exportDirectory(archive, below, path+"/")
	case syscall.S_IFREG:
		return exportFile(archive, header, entry)
	case syscall.S_IFLNK:
		target, err := readLink(fd)
		if err != nil {
			return err
		}
		header.Typeflag, header.Linkname = tar.TypeSymlink, string(target)
	case syscall.S_IFIFO:
		header.Typeflag = tar.TypeFifo
	default:
		return nil
	}
	return archive.WriteHeader(header)
}

func exportFile(archive *tar.Writer, header *tar.Header, entry found) error {
	file, err := entry.open()
	if err != nil {
		return err
	}
	defer file.Close()
	header.Typeflag, header.Size = tar.TypeReg, entry.stat.Size
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.CopyN(archive, file, header.Size)
	return err
}
