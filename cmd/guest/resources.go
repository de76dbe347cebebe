package main

import (
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/coderflow/coderflow/internal/guestproto"
)

// usage remembers the kernel's counters at the start, so that a run is judged by what it caused itself.
type usage struct{ before map[guestproto.Resource]int64 }

func watchResources() usage { return usage{before: counters()} }

// exhausted names the bounds that the run has met.
func (u usage) exhausted() []guestproto.Resource {
	var found []guestproto.Resource
	after := counters()
	for _, resource := range []guestproto.Resource{guestproto.ResourceMemory, guestproto.ResourceProcesses} {
		if after[resource] > u.before[resource] {
			found = append(found, resource)
		}
	}
	for _, place := range []struct {
		path     string
		resource guestproto.Resource
	}{
		{guestproto.Tmp, guestproto.ResourceTmp},
		{guestproto.Home, guestproto.ResourceHome},
		{guestproto.Workspace, guestproto.ResourceWorkspace},
	} {
		if full(place.path) {
			found = append(found, place.resource)
		}
	}
	return found
}

// counters reads how often the container met its memory and process limits: on cgroup v2 from one hierarchy, on
// v1 from the controllers' own.
func counters() map[guestproto.Resource]int64 {
	return map[guestproto.Resource]int64{
		guestproto.ResourceMemory: field("/sys/fs/cgroup/memory.events", "oom_kill") +
			field("/sys/fs/cgroup/memory/memory.oom_control", "oom_kill"),
		guestproto.ResourceProcesses: field("/sys/fs/cgroup/pids.events", "max") +
			field("/sys/fs/cgroup/pids/pids.events", "max"),
	}
}

// field returns the number after name in a file of "name number" lines, 0 where there is none.
func field(path, name string) int64 {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if key == name {
			number, _ := strconv.ParseInt(value, 10, 64)
			return number
		}
	}
	return 0
}

// full reports whether a file system has less than a percent, or no inode, left.
func full(path string) bool {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(path, &stat); err != nil {
		return false
	}
	return stat.Blocks > 0 && stat.Bavail < stat.Blocks/100+1 || stat.Files > 0 && stat.Ffree == 0
}
