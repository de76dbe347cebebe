package docker

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/go-units"

	"github.com/coderflow/coderflow/internal/guestproto"
	"github.com/coderflow/coderflow/internal/sandbox"
)

// shmSize is that of /dev/shm. Like the other tmpfs it counts as memory.
const shmSize = 64 << 20

var taskUser = fmt.Sprintf("%d:%d", guestproto.UID, guestproto.GID)

// oomScore has the kernel end containers before the server and the engine when the whole machine is out of memory.
// pid 1 gives what it runs more still (cmd/guest).
const oomScore = 200

// maskedPaths are empty in containers: the list of current engines, which older ones have shorter, and what else of
// the host there is no need to know: its boot parameters and configuration, addresses of the kernel, its disks and
// memory zones, keys of other users. One that the kernel does not have is left out by the runtime.
var maskedPaths = []string{
	"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
	"/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap",
	"/sys/firmware",

	"/proc/cmdline", "/proc/config.gz", "/proc/diskstats", "/proc/kallsyms", "/proc/key-users", "/proc/partitions",
	"/proc/pressure", "/proc/zoneinfo", "/sys/block", "/sys/kernel/debug", "/sys/kernel/tracing", "/sys/module",
}

// hardenedHost is the HostConfig of every container: DESIGN §4 "Task container". harden_test.go holds it whole.
func (r *Runner) hardenedHost(limits sandbox.Limits, mounts []mount.Mount) *container.HostConfig {
	return &container.HostConfig{
		NetworkMode:    "none",
		IpcMode:        "private",
		CgroupnsMode:   "private",
		Runtime:        "", // the engine's default; a task's container may name another
		Privileged:     false,
		ReadonlyRootfs: true,
		AutoRemove:     false, // kept for inspection until retention ends
		RestartPolicy:  container.RestartPolicy{Name: container.RestartPolicyDisabled},
		CapDrop:        []string{"ALL"},
		SecurityOpt:    []string{"no-new-privileges:true", "seccomp=" + r.seccomp},
		Tmpfs: map[string]string{
			guestproto.Tmp: fmt.Sprintf("rw,exec,nosuid,nodev,size=%d,mode=1777", limits.TmpSize),
			guestproto.Home: fmt.Sprintf("rw,exec,nosuid,nodev,size=%d,mode=0700,uid=%d,gid=%d",
				limits.HomeSize, guestproto.UID, guestproto.GID),
		},
		ShmSize:     shmSize,
		Mounts:      mounts,
		LogConfig:   logLimit(limits.OutputBytes),
		MaskedPaths: maskedPaths,
		// ReadonlyPaths stays nil, which keeps the engine's own list.
		OomScoreAdj: oomScore,
		Resources: container.Resources{
			Memory:     limits.Memory,
			MemorySwap: limits.Memory, // memory and swap together: no swap
			NanoCPUs:   int64(math.Round(limits.CPUs * 1e9)),
			PidsLimit:  &limits.Pids,
			Ulimits: []*units.Ulimit{
				{Name: "nofile", Soft: limits.NoFile, Hard: limits.NoFile},
				{Name: "fsize", Soft: limits.FileSize, Hard: limits.FileSize},
				{Name: "core", Soft: 0, Hard: 0},
			},
		},
	}
}

// logLimit bounds the engine's log file. pid 1 cuts the output first, and writes at most one piece, which costs the
// log about 50 bytes, for each 16 of its cap: at four times the cap the file never rotates, and offsets stay valid.
func logLimit(outputBytes int64) container.LogConfig {
	size := 4*outputBytes + 1<<20
	return container.LogConfig{Type: "local", Config: map[string]string{
		"max-size": strconv.FormatInt(size>>10, 10) + "k", "max-file": "2", "compress": "false",
	}}
}

// hardenedConfig is the Config of every container: user, entrypoint and directory are never the image's, and an
// image's health check, which would run on its own, never runs.
func hardenedConfig(imageID string, command string, env, labels map[string]string) *container.Config {
	return &container.Config{
		Image:       imageID,
		User:        taskUser,
		Hostname:    "sandbox",
		WorkingDir:  guestproto.Workspace,
		Entrypoint:  []string{guestproto.GuestPath, command},
		Env:         environment(env),
		Labels:      labels,
		StopSignal:  "SIGTERM",
		Healthcheck: &container.HealthConfig{Test: []string{"NONE"}},
	}
}

// environment sorts the variables: a create call is a function of the spec.
func environment(env map[string]string) []string {
	all := map[string]string{"HOME": guestproto.Home, "USER": "coder", "LOGNAME": "coder", "TMPDIR": guestproto.Tmp}
	for key, value := range env {
		all[key] = value
	}
	list := make([]string, 0, len(all))
	for key, value := range all {
		list = append(list, key+"="+value)
	}
	slices.Sort(list)
	return list
}
