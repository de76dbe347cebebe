package docker

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/guestproto"
	"github.com/coderflow/coderflow/internal/sandbox"
)

// probeTime bounds the run of a probe; one that works takes a second.
const probeTime = 8 * time.Second

// probeScript prints what ProbeResult holds, with the means of any shell.
const probeScript = `cat /proc/self/status
while read -r line; do echo "net $line"; done < /proc/net/dev
while read -r inside outside size; do echo "map $inside $outside $size"; done < /proc/self/uid_map
(: > /probe) 2>/dev/null && echo "root writable"
for f in /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes; do
	test -r $f && read -r v < $f && echo "memory $v"
done
/coderflow/guest room 2>/dev/null
for f in /sys/fs/cgroup/pids.max /sys/fs/cgroup/pids/pids.max; do test -r $f && read -r v < $f && echo "pids $v"; done
exit 0`

// Probe runs a container that is hardened like a task's, with the guest helper and without a workspace, and returns
// what a program finds in it. It leaves nothing behind. An empty runtime is the engine's default.
func (r *Runner) Probe(ctx context.Context, image, runtime string) (sandbox.ProbeResult, error) {
	began := time.Now()
	imageID, err := r.imageID(ctx, image)
	if err != nil {
		return sandbox.ProbeResult{}, err
	}
	in, err := newInputs(guestproto.InitSpec{
		Argv: []string{"/bin/sh", "-c", probeScript}, Wall: probeTime, Grace: time.Second, CleanupTime: time.Second, OutputBytes: 64 << 10,
	})
	if err != nil {
		return sandbox.ProbeResult{}, err
	}
	const name = "probe"
	host := r.hardenedHost(probeLimits(), nil)
	host.Runtime = runtime
	config := hardenedConfig(imageID, "init", nil, r.labels(name, sandbox.Labels{Purpose: "probe"}))
	id, err := r.createHelper(ctx, name, in, config, host)
	if err == nil {
		defer func() { _ = r.removeHelper(ctx, name) }() // the result is what matters; a next probe removes it, too
		err = r.startContainer(ctx, id)
	}
	if err != nil {
		return sandbox.ProbeResult{}, err
	}
	ended, err := r.endsWithin(ctx, name, probeTime)
	if err != nil {
		return sandbox.ProbeResult{}, err
	}
	if !ended {
		return sandbox.ProbeResult{}, fmt.Errorf("the probe's container did not end within %s", probeTime)
	}
	result, err := r.probeResult(ctx, name)
	result.Took = time.Since(began)
	return result, err
}

func probeLimits() sandbox.Limits {
	limits := sandbox.DefaultLimits()
	limits.Memory, limits.CPUs, limits.Pids = 128*(1<<20), 1, 64
	limits.TmpSize, limits.HomeSize, limits.OutputBytes = 4<<20, 4<<20, 64<<10
	return limits
}

func (r *Runner) probeResult(ctx context.Context, name string) (sandbox.ProbeResult, error) {
	var output bytes.Buffer // bounded by OutputBytes
	if _, err := r.Logs(ctx, name, sandbox.LogOptions{}, &output); err != nil {
		return sandbox.ProbeResult{}, err
	}
	result := parseProbe(output.String())
	if result.UID != "" {
		return result, nil
	}
	status, err := r.Inspect(ctx, name)
	if err != nil {
		return result, err
	}
	return result, fmt.Errorf("the probe's container printed nothing useful (%.100q): %s %s", output.String(), status.Reason, status.Detail)
}

func parseProbe(output string) sandbox.ProbeResult {
	var result sandbox.ProbeResult
	for line := range strings.Lines(output) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		value := strings.Join(fields[1:], " ")
		switch fields[0] {
		case "Uid:":
			result.UID = value
		case "Gid:":
			result.GID = value
		case "CapEff:":
			result.CapEff = value
		case "NoNewPrivs:":
			result.NoNewPrivs = value
		case "Seccomp:":
			result.Seccomp = value
		case "net":
			if name, _, is := strings.Cut(fields[1], ":"); is {
				result.Interfaces = append(result.Interfaces, name)
			}
		case "map":
			result.Shifted = result.Shifted || len(fields) == 4 && fields[1] != fields[2]
		case "root":
			result.RootRW = true
		case "memory":
			result.MemoryMax = value
		case "disk":
			_, _ = fmt.Sscan(value, &result.DiskFree, &result.InodesFree)
		case "pids":
			result.PidsMax = value
		}
	}
	return result
}
