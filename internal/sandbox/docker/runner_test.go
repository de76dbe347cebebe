package docker_test

import (
	"maps"
	"testing"

	"github.com/coderflow/coderflow/internal/guestproto"
	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/sandbox/docker/dockertest"
)

func TestATaskChangesItsWorkspaceAndTheChangesAreCollected(t *testing.T) {
	t.Parallel()
	world := dockertest.New(t)
	world.Workspace(t, "ws", map[string]dockertest.File{
		"kept.txt": {Content: "kept\n"}, "edited.txt": {Content: "old\n"}, "gone.txt": {Content: "gone\n"},
		"run.sh": {Content: "#!/bin/sh\n", Executable: true}, "link": {Link: "kept.txt"}, "dir/deep": {Content: "deep\n"},
	})
	status, output := world.Run(t, dockertest.Spec("task", "ws", `
		git status --short && git log --format=%s
		echo new > edited.txt; rm gone.txt; rm -r dir; echo dir > dir; mkdir -p a/b; echo x > a/b/c; chmod +x kept.txt
		ln -sf run.sh link; chmod 000 a/b/c; echo done`))
	if status.Reason != sandbox.ReasonOK || status.ExitCode != 0 || output != "base\ndone\n" {
		t.Fatalf("status %+v, output %q", status, output)
	}
	got, err := world.CollectAll(t, "ws", guestproto.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	want := dockertest.Collected{
		"edited.txt": "file:new\n", "gone.txt": "deleted", "dir": "file:dir\n", "dir/deep": "deleted",
		"a/b/c": "file:x\n", "kept.txt": "executable file:kept\n", "link": "symbolic link:run.sh",
	}
	if !maps.Equal(got, want) {
		t.Errorf("collected %q\nwant %q", got, want)
	}
}
