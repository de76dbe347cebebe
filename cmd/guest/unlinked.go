package main

import (
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/coderflow/coderflow/internal/guestproto"
)

// unlinkedPause is how long a process has for an exec or its end, in which it cannot be looked at either.
const unlinkedPause = 30 * time.Millisecond

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
	open := openFiles{device: workspace.Dev, met: make(map[uint64]struct{}), in: m}
	var closed []string
	for _, process := range processes {
		if pid, err := strconv.Atoi(process.Name()); err != nil || pid == os.Getpid() {
			continue
		}
		if !open.add("/proc/" + process.Name()) {
			closed = append(closed, "/proc/"+process.Name())
		}
	}
	if len(closed) > 0 {
		time.Sleep(unlinkedPause)
	}
	for _, process := range closed {
		// One that forbids to be looked at, again and while it lives, hides what it has open.
		if !open.add(process) {
			ended, threads := state(process)
			m.hidden = m.hidden || !ended || threads
		}
	}
}

// openFiles finds files without a name, each of them once.
type openFiles struct {
	device uint64
	met    map[uint64]struct{} // inodes
	in     *measurement
}

// add adds those of one process, and reports whether it could be looked at.
func (o *openFiles) add(process string) bool {
	dir, err := os.Open(process + "/fd")
	if err != nil {
		return false
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return false
	}
	if len(names) == 0 {
		// Nothing is open, or the first thread has ended and the files are with the others.
		ended, threads := state(process)
		return !ended || !threads
	}
	for _, name := range names {
		var stat unix.Stat_t
		if err := unix.Fstatat(int(dir.Fd()), name, &stat, 0); err != nil || stat.Nlink > 0 || stat.Dev != o.device {
			continue
		}
		if _, twice := o.met[stat.Ino]; !twice && !o.in.over() {
			o.met[stat.Ino] = struct{}{}
			o.in.usage.Bytes += stat.Blocks * blockSize
			o.in.usage.Files++
		}
	}
	return true
}

// state reports whether the first thread of a process has ended, and whether there are others. (proc_pid_stat(5): after
// the name, in parentheses, come the state and, 17 fields on, the number of threads.)
func state(process string) (ended, threads bool) {
	text, err := os.ReadFile(process + "/stat")
	if err != nil {
		return true, false // gone
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 18 {
		return false, false
	}
	return fields[0] == "Z" || fields[0] == "X", fields[17] != "0" && fields[17] != "1"
}
