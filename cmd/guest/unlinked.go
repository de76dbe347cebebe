package main

import (
	"errors"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/coderflow/coderflow/internal/guestproto"
)

// unlinked adds the files of the workspace that have no name any more and that a process still holds open: a walk
// does not meet them. What a process keeps by a mapping alone is left to the floor.
func (m *measurement) unlinked() {
	var workspace unix.Stat_t
	if err := unix.Stat(guestproto.Workspace, &workspace); err != nil {
		return
	}
	processes, err := os.ReadDir("/proc")
	if err != nil {
		m.hidden = true
		return
	}
	met := make(map[uint64]struct{})
	for _, process := range processes {
		if pid, err := strconv.Atoi(process.Name()); err != nil || pid == os.Getpid() {
			continue
		}
		m.openFiles("/proc/"+process.Name()+"/fd", workspace.Dev, met)
	}
}

// openFiles adds those of one process. One that forbids to be looked at hides them.
func (m *measurement) openFiles(directory string, device uint64, met map[uint64]struct{}) {
	dir, err := os.Open(directory)
	if err != nil {
		m.hidden = m.hidden || errors.Is(err, syscall.EACCES)
		return
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		m.hidden = m.hidden || errors.Is(err, syscall.EACCES)
		return
	}
	for _, name := range names {
		var stat unix.Stat_t
		if err := unix.Fstatat(int(dir.Fd()), name, &stat, 0); err != nil || stat.Nlink > 0 || stat.Dev != device {
			continue
		}
		if _, twice := met[stat.Ino]; !twice && !m.over() {
			met[stat.Ino] = struct{}{}
			m.usage.Bytes += stat.Blocks * blockSize
			m.usage.Files++
		}
	}
}
