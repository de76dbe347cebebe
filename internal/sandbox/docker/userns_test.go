package docker_test

import (
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/docker/docker/api/types/container"

	"github.com/coderflow/coderflow/internal/guestproto"
	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/sandbox/docker"
	"github.com/coderflow/coderflow/internal/sandbox/docker/dockertest"
)

const shift = 300_000

// The central flow on an engine that shifts its containers' users (userns-remap): inputs, helper and socket can be
// reached, workspaces are filled, changed and collected, and what a program makes is nobody's on this machine.
func TestTheFlowWorksWhereUsersAreRemapped(t *testing.T) {
	t.Parallel()
	host := dockertest.SecondEngine{Shift: shift}.Start(t)
	for _, mode := range []sandbox.WorkspaceMode{sandbox.WorkspaceOverlay, sandbox.WorkspaceCopy} {
		t.Run(string(mode), func(t *testing.T) {
			remappedFlow(t, dockertest.New(t, dockertest.On(host), func(c *docker.Config) { c.Workspaces = string(mode) }))
		})
	}
	t.Run("hostile", func(t *testing.T) { remappedHostility(t, dockertest.New(t, dockertest.On(host))) })
	t.Run("probe", func(t *testing.T) {
		world := dockertest.New(t, dockertest.On(host))
		if got, err := world.Probe(world.Context(t), dockertest.Image, ""); err != nil || !got.Shifted {
			t.Errorf("the probe saw no shift: %+v, %v", got, err)
		}
		if mode, why, err := world.WorkspaceMode(world.Context(t)); err != nil || mode != sandbox.WorkspaceOverlay {
			t.Errorf("workspaces are %q: %s, %v", mode, why, err)
		}
	})
}

func remappedFlow(t *testing.T, world *dockertest.World) {
	world.Workspace(t, "ws", map[string]dockertest.File{"kept": {Content: "kept\n"}, "gone": {Content: "x"}, "dir/deep": {Content: "deep\n"}})
	spec := dockertest.Spec("task", "ws", `cat /coderflow/prompt.md kept; rm -r gone dir; echo new > new
		perl -e 'use Socket; socket(S, PF_UNIX, SOCK_STREAM, 0); connect(S, sockaddr_un("/run/coderflow/gateway.sock")) and print "connected\n"'`)
	spec.Inputs.Prompt, spec.Inputs.Setup = []byte("prompt\n"), []byte("echo setup\n")
	spec.SocketDir = listen(t)
	status, output := world.Run(t, spec)
	if status.Reason != sandbox.ReasonOK || output != "setup\nprompt\nkept\nconnected\n" {
		t.Fatalf("%+v\n%s", status, output)
	}
	got, err := world.CollectAll(t, "ws", guestproto.DefaultLimits())
	want := dockertest.Collected{"gone": "deleted", "dir/deep": "deleted", "new": "file:new\n"}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("collected %q, %v\nwant %q", got, err, want)
	}
	if err := world.Remove(world.Context(t), "task"); err != nil {
		t.Error(err)
	}
	if err := world.RemoveVolume(world.Context(t), "ws"); err != nil {
		t.Error(err)
	}
}

// listen makes a directory with a socket as the gateway does.
func listen(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "cf-sock-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "gateway.sock")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	for name, mode := range map[string]fs.FileMode{dir: 0o755, path: 0o666} {
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// A program with root in its container and no other wall is still nobody on the host. The control is the machine's
// own engine, where the same program owns the host's file.
func remappedHostility(t *testing.T, world *dockertest.World) {
	for name, c := range map[string]struct {
		world *dockertest.World
		want  string
		owner uint32
	}{
		"remapped": {world, "0 300000 65536\nrefused\n", shift},
		"own":      {dockertest.New(t), "0 0 4294967295\nwritten\n", 0},
	} {
		c.world.Workspace(t, "ws", map[string]dockertest.File{"f": {Content: "x"}})
		dir := t.TempDir()
		file := filepath.Join(dir, "of-the-host")
		if err := os.WriteFile(file, []byte("host\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		open := filepath.Join(dir, "open")
		if err := os.Mkdir(open, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(open, 0o777); err != nil {
			t.Fatal(err)
		}
		spec := dockertest.Spec("root", "ws", `read -r a b c < /proc/self/uid_map; echo $a $b $c
			(echo mine > /of-the-host) 2>/dev/null && echo written || echo refused; : > /open/made`)
		output := runChanged(t, c.world, spec, func(config *container.Config, host *container.HostConfig) {
			config.User, host.CapDrop, host.SecurityOpt = "0:0", nil, nil
			host.Binds = []string{file + ":/of-the-host", open + ":/open"}
		})
		if output != c.want {
			t.Errorf("%s: %q, want %q", name, output, c.want)
		}
		info, err := os.Stat(filepath.Join(open, "made"))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if owner := info.Sys().(*syscall.Stat_t).Uid; owner != c.owner {
			t.Errorf("%s: what it makes belongs to %d on the host, want %d", name, owner, c.owner)
		}
		content, err := os.ReadFile(file)
		if err != nil || strings.HasPrefix(string(content), "host") != (c.owner != 0) {
			t.Errorf("%s: the host's file holds %q, %v", name, content, err)
		}
	}
}
