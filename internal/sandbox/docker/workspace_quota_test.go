package docker_test

import (
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/guestproto"
	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/sandbox/docker"
	"github.com/coderflow/coderflow/internal/sandbox/docker/dockertest"
)

// Seen to fail with watchDisk left out of cmd/guest's furnish: each of them then runs until its deadline, or ends well.
func TestThreat17ATaskThatFillsItsDiskFailsByName(t *testing.T) {
	t.Parallel()
	dockertest.EachMode(t, func(t *testing.T, world *dockertest.World) {
		repository := dockertest.NewRepository(t, map[string]dockertest.File{"f": {Content: strings.Repeat("x", 1<<20)}})
		for name, c := range map[string]struct{ script, says string }{
			"bytes":       {"cat /dev/zero > fill; sleep 60", "disk space"},
			"many-files":  {"i=0; while :; do cat /dev/zero | head -c 1000000 > fill$i; i=$((i+1)); done", "disk space"},
			"deep":        {"mkdir -p a/b/c/d; cat /dev/zero > a/b/c/d/fill; sleep 60", "disk space"},
			"in-git":      {"cat /dev/zero > .git/fill; sleep 60", "disk space"},
			"names":       {"mkdir n; cd n; i=0; while :; do : > $i; i=$((i+1)); done", "files"},
			"directories": {"mkdir n; cd n; perl -e 'mkdir $i++ while select undef, undef, undef, 0.001 or 1'", "files"},
			"links":       {"mkdir n; cd n; : > 0; perl -e 'link 0, ++$i while select undef, undef, undef, 0.001 or 1'", "files"},
			"unlinked":    {"exec 3> fill; rm fill; head -c 100000000 /dev/zero >&3; sleep 60", "disk space"},
			"and-exits":   {"head -c 40000000 /dev/zero > fill", "disk space"},
			"closed":      {"mkdir n; : > n/a; chmod 300 n; i=0; while :; do head -c 1000000 /dev/zero > n/$i; i=$((i+1)); done", "could not be measured"},
		} {
			if err := world.EnsureWorkspace(world.Context(t), repository.Spec(name)); err != nil {
				t.Fatal(err)
			}
			spec := dockertest.Spec(name, name, c.script)
			spec.Limits.Workspace, spec.Limits.WorkspaceFiles, spec.Limits.FileSize = 32<<20, 2000, 1<<30
			status, output := world.Run(t, spec)
			if status.Reason != sandbox.ReasonDiskQuota || !strings.Contains(status.Detail, c.says) {
				t.Errorf("%s: %q %q; %+v\n%.500s", name, status.Reason, status.Detail, status, output)
			}
		}
	})
}

func TestThreat17WhatATaskFindsAndDeletesIsNotItsUse(t *testing.T) {
	t.Parallel()
	dockertest.EachMode(t, func(t *testing.T, world *dockertest.World) {
		files := map[string]dockertest.File{"big": {Content: strings.Repeat("x", 4<<20)}}
		for _, name := range strings.Split("abcdefghijklmnopqrstuvwxyz", "") {
			for _, below := range strings.Split("abcdefgh", "") {
				files["d/"+name+"/"+below] = dockertest.File{Content: name}
			}
		}
		world.Workspace(t, "ws", files)
		spec := dockertest.Spec("task", "ws", `cat big > /dev/null
			for i in 1 2 3 4 5; do head -c 500000 /dev/zero > fill; sleep 0.5; rm fill; done
			truncate -s 500M sparse; echo done`)
		spec.Limits.Workspace, spec.Limits.WorkspaceFiles = 1<<20, 100
		status, output := world.Run(t, spec)
		if status.Reason != sandbox.ReasonOK || output != "done\n" {
			t.Errorf("%+v\n%s", status, output)
		}
		// One that cannot be read does no harm by itself.
		spec = dockertest.Spec("closed", "ws", "mkdir shut; : > shut/x; chmod 000 shut; sleep 2; echo done")
		if status, output := world.Run(t, spec); status.Reason != sandbox.ReasonOK || output != "done\n" {
			t.Errorf("%+v\n%s", status, output)
		}
	})
}

// Seen to fail with the floor left out of cmd/guest's diskWatch.
func TestThreat17TheHostKeepsItsFloor(t *testing.T) {
	t.Parallel()
	world := dockertest.New(t, func(config *docker.Config) {
		// More than is free here, so that the test need not fill the disk.
		config.Floor = guestproto.Floor{Bytes: 1 << 50}
	})
	world.Workspace(t, "ws", map[string]dockertest.File{"f": {Content: "x"}})
	status, output := world.Run(t, dockertest.Spec("task", "ws", "sleep 60; echo went on"))
	if status.Reason != sandbox.ReasonDiskQuota || !strings.Contains(status.Detail, "have to stay free") || output != "" {
		t.Errorf("%+v\n%s", status, output)
	}
	// A deployment cannot write, and needs no room.
	spec := dockertest.Spec("deploy", "ws", "echo done")
	spec.Workspace.ReadOnly = true
	if status, output := world.Run(t, spec); status.Reason != sandbox.ReasonOK || output != "done\n" {
		t.Errorf("%+v\n%s", status, output)
	}
}
