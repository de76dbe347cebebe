package docker_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"

	"github.com/coderflow/coderflow/internal/sandbox/docker/dockertest"
)

// limitsScript prints each limit as the kernel holds it for a program of the task. Values of cgroup v1 are brought
// into the words of v2.
const limitsScript = `
while read -r one two three soft hard rest; do case "$one $two $three" in
	"Max open files") echo "nofile: $soft $hard";; esac; done < /proc/self/limits
while read -r one two three four five six rest; do case "$one $two $three" in
	"Max file size") echo "fsize: $four $five";; "Max core file") echo "core: $five $six";; esac; done < /proc/self/limits
v2=/sys/fs/cgroup v1=/sys/fs/cgroup
if [ -e $v2/memory.max ]; then
	echo "memory: $(cat $v2/memory.max)"; echo "swap: $(cat $v2/memory.swap.max)"
	echo "pids: $(cat $v2/pids.max)"; echo "cpu: $(cat $v2/cpu.max)"
else
	memory=$(cat $v1/memory/memory.limit_in_bytes); echo "memory: $memory"
	echo "swap: $(( $(cat $v1/memory/memory.memsw.limit_in_bytes) - memory ))"
	echo "pids: $(cat $v1/pids/pids.max)"; echo "cpu: $(cat $v1/cpu/cpu.cfs_quota_us) $(cat $v1/cpu/cpu.cfs_period_us)"
fi
for d in / /tmp /home/coder /dev/shm /coderflow /coderflow/guest /workspace /proc /sys; do
	while read -r device at kind options rest; do [ "$at" = $d ] && echo "$d: $kind $options"; done < /proc/mounts
done
echo "oom: $(cat /proc/1/oom_score_adj) $(cat /proc/self/oom_score_adj)"`

func TestEveryLimitOfASpecIsTheKernelsForItsTask(t *testing.T) {
	t.Parallel()
	world, _ := plainWorld(t)
	spec := dockertest.Spec("task", "ws", limitsScript)
	l := &spec.Limits
	l.Memory, l.CPUs, l.Pids, l.NoFile, l.FileSize, l.TmpSize, l.HomeSize = 200<<20, 0.5, 77, 1234, 3<<20, 5<<20, 6<<20
	_, output := world.Run(t, spec)
	got := attempts(output)
	expect(t, got, map[string]string{
		"nofile": "1234 1234", "fsize": "3145728 3145728", "core": "0 0",
		"memory": "209715200", "swap": "0", "pids": "77", "cpu": "50000 100000", "oom": "200 500",
	})
	for place, options := range map[string][]string{
		"/": {"ro"}, "/coderflow": {"ro"}, "/coderflow/guest": {"ro"}, "/sys": {"sysfs", "ro"}, "/proc": {"proc", "nosuid", "nodev", "noexec"},
		"/tmp":        {"tmpfs", "rw", "nosuid", "nodev", "size=5120k"},
		"/home/coder": {"tmpfs", "rw", "nosuid", "nodev", "size=6144k", "mode=700", "uid=10001", "gid=10001"},
		"/dev/shm":    {"tmpfs", "nosuid", "nodev", "noexec", "size=65536k"}, "/workspace": {"rw"},
	} {
		have := strings.FieldsFunc(got[place], func(r rune) bool { return r == ' ' || r == ',' })
		for _, option := range options {
			if !slices.Contains(have, option) {
				t.Errorf("%s lacks %s: %q", place, option, got[place])
			}
		}
	}
	if t.Failed() {
		t.Log(output)
	}
}

// leaksScript tells of each place whether something can be read from it or written to it.
const leaksScript = `for f in /proc/kcore /proc/keys /proc/key-users /proc/timer_list /proc/interrupts /proc/kallsyms /proc/cmdline \
	/proc/config.gz /proc/diskstats /proc/partitions /proc/zoneinfo /proc/modules /proc/kmsg /proc/sysrq-trigger \
	/proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe /proc/sys/vm/drop_caches /proc/sys/net/ipv4/ip_forward \
	/sys/kernel/uevent_helper /sys/fs/cgroup/release_agent /sys/fs/cgroup/memory/release_agent /dev/kmsg /dev/mem; do
	n=$(head -c 64 $f 2>/dev/null | wc -c); [ "$n" -gt 0 ] && echo "$f: read"
	(echo 1 > $f) 2>/dev/null && [ -s $f ] && echo "$f: written"
done
for d in /sys/firmware /sys/block /sys/module /sys/kernel/debug /sys/kernel/tracing /proc/acpi /proc/pressure; do
	[ -n "$(ls -A $d 2>/dev/null)" ] && echo "$d: listed"; done
find /proc/sys /sys -writable ! -type l 2>/dev/null | grep -v '^/sys/fs/cgroup$' | head -5 | while read -r f; do echo "$f: writable"; done
echo "end: reached"`

// There is no control with root and writable paths: it would write to the kernel of this machine. What can still be
// read is harmless: core_pattern, which debuggers look for, and a switch of
// the network that leads nowhere.
func TestThreat13TheKernelsFilesTellLittleAndTakeNothing(t *testing.T) {
	t.Parallel()
	world, _ := plainWorld(t)
	harmless := []string{"/proc/sys/kernel/core_pattern", "/proc/sys/net/ipv4/ip_forward"}
	got := attempts(runChanged(t, world, dockertest.Spec("hardened", "ws", leaksScript), nil))
	for _, name := range harmless {
		if got[name] == "read" {
			delete(got, name)
		}
	}
	if !maps.Equal(got, map[string]string{"end": "reached"}) {
		t.Errorf("in a hardened container: %q", got)
	}
	open := attempts(runChanged(t, world, dockertest.Spec("unmasked", "ws", leaksScript),
		func(_ *container.Config, host *container.HostConfig) { host.MaskedPaths = []string{} }))
	expect(t, open, map[string]string{
		"/proc/key-users": "read", "/proc/cmdline": "read", "/proc/interrupts": "read", "/proc/zoneinfo": "read", "/sys/module": "listed",
	})
}
