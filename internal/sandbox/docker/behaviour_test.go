package docker_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"

	"github.com/coderflow/coderflow/internal/guestproto"
	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/sandbox/docker"
	"github.com/coderflow/coderflow/internal/sandbox/docker/dockertest"
)

func TestACommandFindsWhatItWasPromised(t *testing.T) {
	t.Parallel()
	world, _ := plainWorld(t)
	spec := dockertest.Spec("task", "ws", `
		id -un; pwd; cat "$CODERFLOW_PROMPT_FILE"; echo "$HOME $TMPDIR $EXTRA"; touch $HOME/a /tmp/a; cat; ulimit -c
		git status --porcelain; git remote; git branch --show-current; ls -A .git/hooks 2>/dev/null; stat -c %U f .git .
		ls /coderflow /run/coderflow`)
	sockets := t.TempDir()
	if err := os.WriteFile(filepath.Join(sockets, "gateway.sock"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(sockets, 0o755); err != nil {
		t.Fatal(err)
	}
	spec.Env = map[string]string{"CODERFLOW_PROMPT_FILE": guestproto.PromptPath, "EXTRA": "a b\n$c"}
	spec.Inputs.Prompt = []byte("do it\n")
	spec.SocketDir = sockets
	status, output := world.Run(t, spec)
	want := "coder\n/workspace\ndo it\n/home/coder /tmp a b\n$c\n0\ncoderflow\ncoder\ncoder\ncoder\n" +
		"/coderflow:\nguest\nprompt.md\nspec.json\n\n/run/coderflow:\ngateway.sock\n"
	if output != want || status.Reason != sandbox.ReasonOK || status.Labels.Purpose != "test" {
		t.Errorf("%+v\n%q\nwant\n%q", status, output, want)
	}
	if status.StartedAt.IsZero() || status.FinishedAt.Before(status.StartedAt) || !strings.HasPrefix(status.ImageID, "sha256:") {
		t.Errorf("%+v", status)
	}
}

// The engine's networking is left out where runc is the runtime; what a program expects of a machine without a network
// is there all the same.
func TestAContainerHasItsOwnNameAndLoopbackDeviceAndNoOther(t *testing.T) {
	t.Parallel()
	world, _ := plainWorld(t)
	_, output := world.Run(t, dockertest.Spec("task", "ws", `hostname; ls /sys/class/net; cat /sys/class/net/lo/flags; getent hosts localhost | cut -d' ' -f1; grep -c ^127 /etc/hosts; touch /etc/hosts 2>/dev/null || echo fixed`))
	if want := "sandbox\nlo\n0x9\n::1\n1\nfixed\n"; output != want {
		t.Errorf("it is\n%s\nwant\n%s", output, want)
	}
	info, err := world.Engine.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found, err := world.Engine.ContainerInspect(t.Context(), world.EngineName("task"))
	if err != nil || found.Config.NetworkDisabled != (info.DefaultRuntime == "runc") || found.HostConfig.NetworkMode != "none" {
		t.Errorf("with the runtime %s: %t, %s, %v", info.DefaultRuntime, found.Config.NetworkDisabled, found.HostConfig.NetworkMode, err)
	}
}

func TestACommandApartBeginsInAnEmptyDirectory(t *testing.T) {
	t.Parallel()
	world, _ := plainWorld(t)
	spec := dockertest.Spec("task", "ws", `pwd; ls -A; test -e /workspace/f && touch here && echo there`)
	spec.Apart = true
	if status, output := world.Run(t, spec); output != "/tmp/apart\nthere\n" || status.Reason != sandbox.ReasonOK {
		t.Errorf("%+v\n%q", status, output)
	}
}

func TestCleanupRunsWhateverHappenedBefore(t *testing.T) {
	t.Parallel()
	world, _ := plainWorld(t)
	for name, c := range map[string]struct {
		setup, command string
		want           sandbox.Reason
		exitCode       int
		output         string
	}{
		"all-well":      {"echo setup", "echo command", sandbox.ReasonOK, 0, "setup\ncommand\ncleanup\n"},
		"command-fails": {"echo setup", "exit 3", sandbox.ReasonAgentFailed, 3, "setup\ncleanup\n"},
		"setup-fails":   {"exit 4", "echo command", sandbox.ReasonSetupFailed, -1, "cleanup\n"},
		"signal":        {"true", "kill -9 $$", sandbox.ReasonAgentFailed, -1, "cleanup\n"},
		"timeout":       {"true", "sleep 60", sandbox.ReasonTimeout, -1, "cleanup\n"},
		"setup-serves":  {"(while :; do echo up > up; sleep 0.1; done) &", "until test -e up; do sleep 0.1; done; rm up; echo command", sandbox.ReasonOK, 0, "command\ncleanup\n"},
	} {
		spec := dockertest.Spec(name, "ws", c.command)
		spec.Inputs.Setup, spec.Inputs.Cleanup = []byte(c.setup), []byte("#!/bin/bash\necho cleanup\n")
		if c.want == sandbox.ReasonTimeout {
			spec.Limits.Wall = time.Second
		}
		status, output := world.Run(t, spec)
		if status.Reason != c.want || status.ExitCode != c.exitCode || output != c.output {
			t.Errorf("%s: %+v\n%q", name, status, output)
		}
	}
}

func TestACommandThatDoesNotExistFailsAndSaysSo(t *testing.T) {
	t.Parallel()
	world, _ := plainWorld(t)
	spec := dockertest.Spec("task", "ws", "")
	spec.Argv = []string{"no-such-agent"}
	status, output := world.Run(t, spec)
	if status.Reason != sandbox.ReasonAgentFailed || !strings.Contains(output, `"no-such-agent": executable file not found`) {
		t.Errorf("%+v\n%s", status, output)
	}
}

func TestADeploymentSeesItsCheckoutReadOnly(t *testing.T) {
	t.Parallel()
	world, _ := plainWorld(t)
	spec := dockertest.Spec("deploy", "ws", "cat f; echo x > f; echo x > new; echo \"$TARGET\"; exit 5")
	spec.Workspace.ReadOnly = true
	spec.Env = map[string]string{"TARGET": "$(id); `id`"}
	status, output := world.Run(t, spec)
	if status.ExitCode != 5 || strings.Count(output, "Read-only file system") != 2 || !strings.HasSuffix(output, "$(id); `id`\n") {
		t.Errorf("%+v\n%s", status, output)
	}
}

func TestThreat19AnotherTasksFilesAndProcessesAreNotVisible(t *testing.T) {
	t.Parallel()
	world, _ := plainWorld(t)
	world.Workspace(t, "other", map[string]dockertest.File{"g": {Content: "g\n"}})
	ctx := world.Context(t)
	hidden := dockertest.Spec("hidden", "ws", "echo secret > secret; echo secret > /dev/shm/s; echo up; exec sleep 4711")
	if _, err := world.Start(ctx, hidden); err != nil {
		t.Fatal(err)
	}
	awaitOutput(t, world, "hidden", "up\n")
	_, output := world.Run(t, dockertest.Spec("task", "other",
		"ls; ls /dev/shm /home/coder /tmp; cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -c 47[1]1"))
	if output != "g\n/dev/shm:\n\n/home/coder:\n\n/tmp:\n0\n" {
		t.Errorf("output %q", output)
	}
	if err := world.Stop(ctx, "hidden"); err != nil {
		t.Error(err)
	}
}

func TestThreat34ACheckoutHasTheBytesOfTheBlobs(t *testing.T) {
	t.Parallel()
	world := dockertest.New(t)
	// What git on the host stores, it stores unconverted: * -text wins there, too, while the files are added.
	world.Workspace(t, "ws", map[string]dockertest.File{
		"crlf.txt": {Content: "a\r\nb\r\n"}, "lf.txt": {Content: "a\nb\n"}, "ident.txt": {Content: "$Id$\n"},
		"lfs.bin":        {Content: "version https://git-lfs.github.com/spec/v1\n"},
		".gitattributes": {Content: "crlf.txt -text\nlf.txt text eol=crlf\nident.txt ident\n*.bin filter=lfs diff=lfs merge=lfs -text\n"},
	})
	status, output := world.Run(t, dockertest.Spec("task", "ws", "git status --porcelain; od -c lf.txt | head -1; cat ident.txt"))
	if status.Reason != sandbox.ReasonOK || strings.Contains(output, `\r`) || !strings.HasSuffix(output, "$Id$\n") {
		t.Errorf("%+v\n%s", status, output)
	}
	got, err := world.CollectAll(t, "ws", guestproto.DefaultLimits())
	if err != nil || len(got) != 0 {
		t.Errorf("an untouched workspace differs: %q, %v", got, err)
	}
}

func TestLogsAreFollowedAndGoOnFromAnOffset(t *testing.T) {
	t.Parallel()
	world, _ := plainWorld(t)
	ctx := world.Context(t)
	if _, err := world.Start(ctx, dockertest.Spec("task", "ws", "printf 'one\\ntw'; sleep 1; printf 'o\\nthr'; sleep 1; printf ee")); err != nil {
		t.Fatal(err)
	}
	var all bytes.Buffer
	end, err := world.Logs(ctx, "task", sandbox.LogOptions{Follow: true}, &all)
	if err != nil || all.String() != "one\ntwo\nthree" || end != int64(all.Len()) {
		t.Errorf("followed %q to %d, %v", all.String(), end, err)
	}
	for offset := range int64(all.Len()) + 3 {
		var rest bytes.Buffer
		next, err := world.Logs(ctx, "task", sandbox.LogOptions{Offset: offset}, &rest)
		want := all.String()[min(offset, int64(all.Len())):]
		if err != nil || rest.String() != want || next != max(offset, int64(all.Len())) {
			t.Errorf("from %d: %q, next %d, %v", offset, rest.String(), next, err)
		}
	}
	if _, err := world.Logs(ctx, "nothing", sandbox.LogOptions{}, &all); !errors.Is(err, sandbox.ErrNotFound) {
		t.Errorf("of a container that does not exist: %v", err)
	}
}

func TestEventsTellWhatHappensToOwnContainersOnly(t *testing.T) {
	t.Parallel()
	world, _ := plainWorld(t)
	stranger, _ := plainWorld(t)
	ctx, cancel := context.WithCancel(world.Context(t))
	stream := world.Events(ctx)
	if first := <-stream; first.Kind != sandbox.EventResync {
		t.Fatalf("first %+v", first)
	}
	stranger.Run(t, dockertest.Spec("strange", "ws", "true"))
	world.Run(t, dockertest.Spec("task", "ws", "true"))
	if err := world.Remove(ctx, "task"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []sandbox.EventKind{sandbox.EventStarted, sandbox.EventExited, sandbox.EventRemoved} {
		select {
		case got := <-stream:
			if got.Kind != want || got.Name != "task" || got.At.IsZero() {
				t.Errorf("%+v, want %s", got, want)
			}
		case <-ctx.Done():
			t.Fatalf("no event %s", want)
		}
	}
	cancel()
	for range stream {
		t.Error("an event after the end")
	}
}

func TestTwoInstallationsOnOneEngineDoNotSeeEachOther(t *testing.T) {
	t.Parallel()
	first, _ := plainWorld(t)
	second, _ := plainWorld(t)
	first.Run(t, dockertest.Spec("task", "ws", "true"))
	ctx := first.Context(t)
	if list, err := second.List(ctx); err != nil || len(list) != 0 {
		t.Errorf("the second lists %+v, %v", list, err)
	}
	list, err := first.List(ctx)
	if err != nil || len(list) != 1 || list[0].Name != "task" || list[0].State != sandbox.StateExited || list[0].Labels.Task != "task" {
		t.Errorf("the first lists %+v, %v", list, err)
	}
	if status := inspect(t, second, "task"); status.State != sandbox.StateGone {
		t.Errorf("the second sees %+v", status)
	}
	if err := second.Remove(ctx, "task"); err != nil {
		t.Fatal(err)
	}
	if status := inspect(t, first, "task"); status.State != sandbox.StateExited {
		t.Errorf("the second removed it: %+v", status)
	}
}

func TestAStartThatCannotBeSaysWhy(t *testing.T) {
	t.Parallel()
	world, _ := plainWorld(t)
	ctx := world.Context(t)
	start := func(change func(*sandbox.Spec)) error {
		spec := dockertest.Spec("task", "ws", "true")
		change(&spec)
		_, err := world.Start(ctx, spec)
		return err
	}
	if err := start(func(s *sandbox.Spec) { s.Image = "coderflow/none:dev" }); !errors.Is(err, sandbox.ErrImageMissing) {
		t.Errorf("%v", err)
	}
	if err := start(func(s *sandbox.Spec) { s.Workspace.Volume = "none" }); !errors.Is(err, sandbox.ErrNotFound) {
		t.Errorf("%v", err)
	}
	var field *sandbox.FieldError
	if err := start(func(s *sandbox.Spec) { s.Limits.Memory = 1 }); !errors.As(err, &field) || field.Field != "limits.memory" {
		t.Errorf("%v", err)
	}
	volumes := imageWithVolumes(t, world)
	if err := start(func(s *sandbox.Spec) { s.Image = volumes }); !errors.Is(err, sandbox.ErrImageUnsuitable) {
		t.Errorf("%v", err)
	}
	if n := containers(t, world); n != 0 {
		t.Errorf("%d containers are left", n)
	}
}

func imageWithVolumes(t *testing.T, world *dockertest.World) string {
	t.Helper()
	world.Run(t, dockertest.Spec("source", "ws", "true"))
	made, err := world.Engine.ContainerCommit(t.Context(), world.EngineName("source"), container.CommitOptions{
		Changes: []string{"VOLUME /data"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := world.Engine.ImageRemove(context.Background(), made.ID, image.RemoveOptions{}); err != nil {
			t.Errorf("removing the test's image: %v", err)
		}
	})
	if err := world.Remove(t.Context(), "source"); err != nil {
		t.Fatal(err)
	}
	return made.ID
}

func TestARunnerRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	good := dockertest.New(t).Config
	for want, change := range map[string]func(*docker.Config){
		"instance":       func(c *docker.Config) { c.Instance = "A b" },
		"absolute":       func(c *docker.Config) { c.DataDir = "data" },
		"make build":     func(c *docker.Config) { c.GuestPath = "/nowhere/guest" },
		"not a Linux":    func(c *docker.Config) { c.GuestPath = "/etc/passwd" },
		"unable to pars": func(c *docker.Config) { c.Host = "nonsense" },
	} {
		config := good
		change(&config)
		if _, err := docker.New(config); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
