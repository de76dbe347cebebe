package main

import (
	"errors"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/coderflow/coderflow/internal/guestproto"
)

const (
	// measureDepth bounds the descriptors that a measurement holds at once.
	measureDepth = 32
	// measureLinks bounds how many files with several names are told apart. Those beyond count once for each name.
	measureLinks = 1 << 16
	blockSize    = 512 // of st_blocks (stat(2))
)

// measurement adds up what a directory tree takes on the disk. It goes by descriptors, follows no link, and stops as
// soon as it has more than limit.
type measurement struct {
	limit guestproto.Usage
	usage guestproto.Usage
	// hidden says that a directory could not be read to its end: its owner has taken the permission away, or it lies
	// too deep.
	hidden bool
	links  map[inode]struct{}
}

type inode struct{ dev, ino uint64 }

// measure returns what root takes, or a little more than limit.
func measure(root string, limit guestproto.Usage) (*measurement, error) {
	dir, err := openRoot(root)
	if err != nil {
		return nil, err
	}
	m := &measurement{limit: limit, links: make(map[inode]struct{})}
	m.directory(dir, 0)
	return m, nil
}

func (m *measurement) over() bool {
	return m.usage.Bytes > m.limit.Bytes || m.usage.Files > m.limit.Files
}

// directory adds what is in dir, and closes it.
func (m *measurement) directory(dir *os.File, depth int) {
	defer dir.Close()
	for !m.over() {
		names, err := dir.Readdirnames(1024)
		for _, name := range names {
			m.entry(dir, name, depth)
		}
		if err != nil {
			m.hidden = m.hidden || !errors.Is(err, io.EOF)
			return
		}
	}
}

func (m *measurement) entry(dir *os.File, name string, depth int) {
	if m.over() {
		return
	}
	m.usage.Files++
	var stat unix.Stat_t
	err := unix.Fstatat(int(dir.Fd()), name, &stat, unix.AT_SYMLINK_NOFOLLOW)
	if err != nil {
		// Gone meanwhile, or in a directory that may be listed and not searched.
		m.hidden = m.hidden || !errors.Is(err, syscall.ENOENT)
		return
	}
	if m.first(&stat) {
		m.usage.Bytes += stat.Blocks * blockSize
	}
	if stat.Mode&syscall.S_IFMT != syscall.S_IFDIR {
		return
	}
	if depth == measureDepth {
		m.hidden = true
		return
	}
	below, err := openDirectory(dir, name)
	if err != nil {
		m.hidden = m.hidden || !errors.Is(err, syscall.ENOENT)
		return
	}
	m.directory(below, depth+1)
}

// first reports whether a file is met for the first time under any of its names.
func (m *measurement) first(stat *unix.Stat_t) bool {
	if stat.Nlink < 2 || stat.Mode&syscall.S_IFMT == syscall.S_IFDIR {
		return true
	}
	id := inode{stat.Dev, stat.Ino}
	if _, met := m.links[id]; met {
		return false
	}
	if len(m.links) < measureLinks {
		m.links[id] = struct{}{}
	}
	return true
}
