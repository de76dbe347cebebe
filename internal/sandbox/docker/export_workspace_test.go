package docker_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"maps"
	"testing"

	"github.com/coderflow/coderflow/internal/guestproto"
	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/sandbox/docker/dockertest"
)

func TestAnExportIsTheWholeWorkspace(t *testing.T) {
	t.Parallel()
	dockertest.EachMode(t, func(t *testing.T, world *dockertest.World) {
		world.Workspace(t, "ws", map[string]dockertest.File{"f": {Content: "f\n"}, "gone": {Content: "x"}, "d/e": {Content: "e"}})
		world.Run(t, dockertest.Spec("task", "ws", `rm gone; echo g > g; chmod 000 g; ln -s /etc/passwd l; mkfifo p
			mkdir shut; echo s > shut/s; chmod 000 shut; echo b > "$(printf 'a\nb\377')"`))
		want := map[string]string{
			"f": "file:f\n", "d/e": "file:e", "g": "file:g\n", "l": "symbolic link:/etc/passwd", "shut/s": "file:s\n",
			"a\nb\xff": "file:b\n", "p": "file",
		}
		if got := exported(t, world, "ws"); !maps.Equal(got, want) {
			t.Errorf("exported %q\nwant %q", got, want)
		}
		var archive bytes.Buffer
		if err := world.Export(world.Context(t), "ws", &archive); err != nil {
			t.Fatal(err)
		}
		repository := false
		for reader := tar.NewReader(&archive); ; {
			header, err := reader.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			repository = repository || header.Name == ".git/HEAD"
			if header.Uid != guestproto.UID || header.Mode&^0o777 != 0 {
				t.Errorf("%+v", header)
			}
		}
		if !repository {
			t.Error("the repository is not in it")
		}
		if err := world.Export(world.Context(t), "nothing", io.Discard); !errors.Is(err, sandbox.ErrNotFound) {
			t.Errorf("of no volume: %v", err)
		}
		if err := world.Export(world.Context(t), "ws", &full{left: 2048}); !errors.Is(err, errFull) {
			t.Errorf("into a full file: %v", err)
		}
	})
}

var errFull = errors.New("full")

// full takes some bytes and no more.
type full struct{ left int }

func (f *full) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestACopyIsThrownAwayWithoutATrace(t *testing.T) {
	t.Parallel()
	dockertest.EachMode(t, func(t *testing.T, world *dockertest.World) {
		world.Workspace(t, "ws", map[string]dockertest.File{"f": {Content: "f\n"}, "gone": {Content: "x"}, "d/e": {Content: "e"}})
		ctx := world.Context(t)
		world.Run(t, dockertest.Spec("task", "ws", "echo work > w; rm -r gone d; mkdir d; echo n > d/n; chmod 000 w"))
		labels := sandbox.Labels{Task: "ws", Purpose: "shell"}
		for range 2 {
			if err := world.CopyWorkspace(ctx, "ws", "copy", labels); err != nil {
				t.Fatal(err)
			}
		}
		_, output := world.Run(t, dockertest.Spec("shell", "copy", "ls . d; git status --short; chmod 600 w; cat w; rm f; echo x > x; rm -rf d"))
		if output != ".:\nd\nf\nw\n\nd:\nn\n D d/e\n D gone\n?? d/n\n?? w\nwork\n" {
			t.Errorf("the copy has %q", output)
		}
		want := dockertest.Collected{"gone": "deleted", "d/e": "deleted", "f": "deleted", "w": "file:work\n", "x": "file:x\n"}
		if got, err := world.CollectAll(t, "copy", guestproto.DefaultLimits()); err != nil || !maps.Equal(got, want) {
			t.Errorf("collected of the copy %q, %v", got, err)
		}
		want = dockertest.Collected{"gone": "deleted", "d/e": "deleted", "d/n": "file:n\n", "w": "file:work\n"}
		if got, err := world.CollectAll(t, "ws", guestproto.DefaultLimits()); err != nil || !maps.Equal(got, want) {
			t.Errorf("collected of the workspace %q, %v", got, err)
		}
		if err := world.Remove(ctx, "task"); err != nil {
			t.Fatal(err)
		}
		if err := world.RemoveVolume(ctx, "ws"); !errors.Is(err, sandbox.ErrInUse) {
			t.Errorf("removing what a copy lies on: %v", err)
		}
		if err := errors.Join(world.Remove(ctx, "shell"), world.RemoveVolume(ctx, "copy"), world.RemoveVolume(ctx, "ws")); err != nil {
			t.Error(err)
		}
	})
}

func TestTheWorkspaceOfARunningTaskIsNotCopied(t *testing.T) {
	t.Parallel()
	world, _ := plainWorld(t)
	ctx := world.Context(t)
	if _, err := world.Start(ctx, dockertest.Spec("task", "ws", "echo up; sleep 60")); err != nil {
		t.Fatal(err)
	}
	awaitOutput(t, world, "task", "up\n")
	if err := world.CopyWorkspace(ctx, "ws", "copy", sandbox.Labels{}); !errors.Is(err, sandbox.ErrInUse) {
		t.Errorf("%v", err)
	}
	if err := world.Stop(ctx, "task"); err != nil {
		t.Fatal(err)
	}
	if err := world.CopyWorkspace(ctx, "ws", "copy", sandbox.Labels{}); err != nil {
		t.Error(err)
	}
}
