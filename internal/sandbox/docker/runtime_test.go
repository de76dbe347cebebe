package docker_test

import (
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/guestproto"
	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/sandbox/docker/dockertest"
)

func program(t *testing.T, name, hint string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%v: %s", err, hint)
	}
	return path
}

func TestTasksRunUnderTheRuntimeOfTheirSpec(t *testing.T) {
	t.Parallel()
	host := dockertest.SecondEngine{Runtimes: map[string][]string{
		"other": {program(t, "runc", "run 'make setup'"), "--debug"},
		// The platform ptrace needs nothing of the machine; gVisor's own network stack then has a loopback interface only.
		"runsc": {program(t, "runsc", "gVisor's runtime is missing: run 'make setup-test'"), "--platform=ptrace", "--network=none"},
	}}.Start(t)
	for name, test := range map[string]func(*testing.T, *dockertest.World){
		"selected": runtimeIsSelected, "runsc-hostile": hostileUnderRunsc, "runsc-limits": limitsUnderRunsc,
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); test(t, dockertest.New(t, dockertest.On(host))) })
	}
}

// A second registration of runc stands for any runtime: the selection is the engine's and ours, not the runtime's.
func runtimeIsSelected(t *testing.T, world *dockertest.World) {
	world.Workspace(t, "ws", map[string]dockertest.File{"f": {Content: "f\n"}})
	ctx := world.Context(t)
	for name, runtime := range map[string]string{"by-default": "", "by-name": "other"} {
		spec := dockertest.Spec(name, "ws", "cat f")
		spec.Runtime = runtime
		if status, output := world.Run(t, spec); status.Reason != sandbox.ReasonOK || output != "f\n" {
			t.Errorf("%s: %+v\n%s", name, status, output)
		}
		found, err := world.Engine.ContainerInspect(ctx, world.EngineName(name))
		if err != nil {
			t.Fatal(err)
		}
		if want := map[string]string{"": "runc", "other": "other"}[runtime]; found.HostConfig.Runtime != want {
			t.Errorf("%s ran by %q", name, found.HostConfig.Runtime)
		}
	}
	spec := dockertest.Spec("by-name", "ws", "cat f")
	if _, err := world.Start(ctx, spec); !errors.Is(err, sandbox.ErrSpecMismatch) {
		t.Errorf("another runtime is the same container: %v", err)
	}
	spec.Name, spec.Runtime = "missing", "kata"
	_, err := world.Start(ctx, spec)
	if !errors.Is(err, sandbox.ErrRuntimeMissing) || !strings.Contains(err.Error(), "other") || !strings.Contains(err.Error(), "runc") {
		t.Errorf("a runtime that is not there: %v", err)
	}
	var field *sandbox.FieldError
	spec.Runtime = "--help"
	if _, err := world.Start(ctx, spec); !errors.As(err, &field) || field.Field != "runtime" {
		t.Errorf("a runtime that is no name: %v", err)
	}
}

// The hardening story under gVisor, whose own kernel answers the system calls of a container.
func hostileUnderRunsc(t *testing.T, world *dockertest.World) {
	hostile := dockertest.Program(t, "./internal/sandbox/docker/testdata/hostile")
	world.Workspace(t, "ws", map[string]dockertest.File{
		"hostile": {Content: string(hostile), Executable: true}, "f": {Content: "f\n"},
	})
	run := func(name, script string) (sandbox.Status, string) {
		spec := dockertest.Spec(name, "ws", script)
		spec.Runtime = "runsc"
		spec.SocketDir = listen(t)
		return world.Run(t, spec)
	}
	status, output := run("works", "cat f /proc/version; echo new > new; rm f; exit 3")
	if status.ExitCode != 3 || !strings.HasPrefix(output, "f\nLinux version 4.4.0 ") {
		t.Errorf("%+v\n%s", status, output)
	}
	// gVisor answers these by itself: no filter of ours is asked, which it ignores (Seccomp 0). A user namespace and a
	// device node are its own and lead nowhere.
	none := "0000000000000000"
	_, output = run("privileges", "./hostile privileges")
	expect(t, attempts(output), map[string]string{
		"Uid": "10001 10001 10001 10001", "CapEff": none, "CapBnd": none, "Seccomp": "0", "setuid": notPermitted,
		"mount": notPermitted, "docker-socket": "file does not exist",
	})
	_, output = run("network", "./hostile network 10.255.255.1:1 nothing")
	expect(t, attempts(output), map[string]string{
		"tcp": "no route to host", "udp": "no route to host", "metadata": "no route to host", "dns": "no answer",
		"abstract": refused, "vsock": "address family not supported by protocol", "packet": notPermitted, "loopback": ok,
	})
	_, output = run("syscalls", "./hostile syscalls")
	expect(t, attempts(output), map[string]string{
		"af-alg": "address family not supported by protocol", "bpf": notPermitted, "keyctl": denied, "userfaultfd": notThere,
	})
	// What docs/hardening.md says is open: gVisor does not guard the descriptors of a process that is not dumpable, so
	// that a program can write what pid 1 reports. (Seen with the version of December 2022.)
	// What it writes there can fall into the middle of what it says, so it may have to say it again.
	for try := range 5 {
		_, output = run(fmt.Sprintf("trace-%d", try), "./hostile trace")
		if attempts(output)["/proc/1/fd/1"] == ok {
			break
		}
	}
	expect(t, attempts(output), map[string]string{"ptrace": notPermitted, "/proc/1/mem": denied, "/proc/1/fd/1": ok})

	got, err := world.CollectAll(t, "ws", guestproto.DefaultLimits())
	if want := (dockertest.Collected{"f": "deleted", "new": "file:new\n"}); err != nil || !maps.Equal(got, want) {
		t.Errorf("collected %q, %v", got, err)
	}
}

// A task under gVisor is bounded as any other, but without the kernel's counters it cannot always be told by what.
func limitsUnderRunsc(t *testing.T, world *dockertest.World) {
	hostile := dockertest.Program(t, "./internal/sandbox/docker/testdata/hostile")
	world.Workspace(t, "ws", map[string]dockertest.File{"hostile": {Content: string(hostile), Executable: true}})
	for name, c := range map[string]struct {
		script string
		want   []sandbox.Reason
	}{
		"memory": {"./hostile memory", []sandbox.Reason{sandbox.ReasonOutOfMemory, sandbox.ReasonEngineLost}},
		"time":   {"sleep 600", []sandbox.Reason{sandbox.ReasonTimeout}},
	} {
		spec := dockertest.Spec(name, "ws", c.script)
		spec.Runtime, spec.Limits.Wall = "runsc", 10*time.Second
		status, output := world.Run(t, spec)
		if !slices.Contains(c.want, status.Reason) {
			t.Errorf("%s: %+v\n%.300s", name, status, output)
		}
	}
}
