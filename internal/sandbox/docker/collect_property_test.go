package docker_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/coderflow/coderflow/internal/guestproto"
	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/sandbox/docker/dockertest"
)

// operation is a step of testdata/fsops.
type operation struct {
	Do   string
	Path []byte
	To   []byte `json:",omitempty"`
	Data []byte `json:",omitempty"`
	Mode uint32 `json:",omitempty"`
}

// propertyDirectories is how many sequences one container runs, each in a directory of its own.
const propertyDirectories = 100

// seed is what each of those directories begins with.
func seed() map[string]dockertest.File {
	return map[string]dockertest.File{
		"a": {Content: "a\n"}, "b": {Content: "b\n", Executable: true}, "c": {Link: "a"},
		"d/a": {Content: "d/a\n"}, "d/b": {Content: "d/b\n"}, "d/d/a": {Content: "d/d/a\n"},
		"d/d/c": {Link: "../b"}, "d/d/d/a": {Content: "deep\n"}, "e/a": {Content: "e/a\n"},
	}
}

// names are few, so that operations meet each other's work, and sometimes any bytes at all.
func names() *rapid.Generator[[]byte] {
	common := rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f"})
	any := rapid.SliceOfN(rapid.ByteRange(1, 255), 1, 12)
	return rapid.Custom(func(t *rapid.T) []byte {
		if rapid.IntRange(0, 9).Draw(t, "kind") > 0 {
			return []byte(common.Draw(t, "name"))
		}
		name := bytes.ReplaceAll(any.Draw(t, "bytes"), []byte("/"), []byte("\n"))
		if s := string(name); s == "." || s == ".." || strings.EqualFold(s, ".git") {
			return []byte("\xff")
		}
		return name
	})
}

func operations() *rapid.Generator[operation] {
	kinds := rapid.SampledFrom([]string{
		"write", "write", "append", "truncate", "remove", "remove", "removeAll", "mkdir", "mkdir", "rename", "rename",
		"chmod", "link", "symlink", "touch", "replace", "changeBack",
	})
	// Mostly what is there or close to it.
	known := append(slices.Sorted(maps.Keys(seed())), "d", "d/d", "d/d/d", "e", "e/e", "f", "f/a", "d/f", "d/f/a")
	path := rapid.Custom(func(t *rapid.T) []byte {
		if rapid.IntRange(0, 9).Draw(t, "known") > 1 {
			return []byte(rapid.SampledFrom(known).Draw(t, "path"))
		}
		return bytes.Join(rapid.SliceOfN(names(), 1, 4).Draw(t, "names"), []byte("/"))
	})
	return rapid.Custom(func(t *rapid.T) operation {
		o := operation{Do: kinds.Draw(t, "do"), Path: path.Draw(t, "path")}
		switch o.Do {
		case "rename", "link", "symlink":
			o.To = path.Draw(t, "to")
		case "chmod":
			o.Mode = rapid.SampledFrom([]uint32{0, 0o644, 0o755, 0o100, 0o300, 0o4711}).Draw(t, "mode")
		default:
			o.Data = rapid.SliceOfN(rapid.Byte(), 0, 6).Draw(t, "data")
		}
		return o
	})
}

// TestCollectingFindsWhatAFullComparisonFinds runs random operations in a container and compares what was collected,
// which looks only at the directories of the upper layer, with all of the workspace and all of the base. Seen to fail
// with the deletions left out below the top, with what a directory replaced left out, and with a directory that is in
// both taken for a new one (in cmd/guest's walk).
func TestCollectingFindsWhatAFullComparisonFinds(t *testing.T) {
	t.Parallel()
	// A check is a container with many sequences; the flags still decide where they are given.
	for name, value := range map[string]string{"rapid.checks": "4", "rapid.shrinktime": "10s", "rapid.nofailfile": "true"} {
		if given := flag.Lookup(name); given.Value.String() == given.DefValue {
			if err := flag.Set(name, value); err != nil {
				t.Fatal(err)
			}
		}
	}
	world := dockertest.New(t)
	base := map[string]dockertest.File{
		"fsops": {Content: string(dockertest.Program(t, "./internal/sandbox/docker/testdata/fsops")), Executable: true},
	}
	for i := range propertyDirectories {
		for path, file := range seed() {
			base[fmt.Sprintf("s%03d/%s", i, path)] = file
		}
	}
	repository := dockertest.NewRepository(t, base)
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		all := make(map[string][]operation)
		for i := range propertyDirectories {
			all[fmt.Sprintf("s%03d", i)] = rapid.SliceOfN(operations(), 12, 40).Draw(rt, "sequence")
		}
		volume := fmt.Sprintf("ws-%d", round)
		if err := world.EnsureWorkspace(t.Context(), repository.Spec(volume)); err != nil {
			rt.Fatal(err)
		}
		compareFully(t, rt, world, volume, base, all)
	})
}

func compareFully(t *testing.T, rt *rapid.T, world *dockertest.World, volume string, base map[string]dockertest.File, all map[string][]operation) {
	text, err := json.Marshal(all)
	if err != nil {
		rt.Fatal(err)
	}
	spec := dockertest.Spec(volume, volume, "")
	spec.Argv = []string{"./fsops", guestproto.PromptPath}
	spec.Inputs.Prompt = text
	status, output := world.Run(t, spec)
	if status.Reason != sandbox.ReasonOK {
		rt.Fatalf("%+v\n%s", status, output)
	}
	got, err := world.CollectAll(t, volume, guestproto.DefaultLimits())
	if err != nil {
		rt.Fatal(err)
	}
	want := differences(base, exported(t, world, volume))
	for _, path := range slices.Sorted(maps.Keys(want)) {
		if got[path] != want[path] {
			directory, _, _ := strings.Cut(path, "/")
			rt.Errorf("%q: collected %q, want %q after %+v", path, got[path], want[path], all[directory])
		}
	}
	for path, record := range got {
		if _, differs := want[path]; !differs {
			directory, _, _ := strings.Cut(path, "/")
			rt.Errorf("%q: collected %q, but it is as before after %+v", path, record, all[directory])
		}
	}
	t.Logf("%d differences; %s", len(want), strings.TrimSpace(output))
	if err := errors.Join(world.Remove(t.Context(), volume), world.RemoveVolume(t.Context(), volume)); err != nil {
		rt.Fatal(err)
	}
}

// exported reads a whole workspace but for its repository: what is at each path that is no directory.
func exported(t testing.TB, world *dockertest.World, volume string) map[string]string {
	t.Helper()
	var archive bytes.Buffer
	if err := world.Export(world.Context(t), volume, &archive); err != nil {
		t.Fatal(err)
	}
	all := make(map[string]string)
	for reader := tar.NewReader(&archive); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case strings.HasPrefix(header.Name, ".git/") || header.Typeflag == tar.TypeDir:
		case header.Typeflag == tar.TypeSymlink:
			all[header.Name] = "symbolic link:" + header.Linkname
		default:
			all[header.Name] = regular(header.Mode&0o100 != 0, string(content))
		}
	}
}

func regular(executable bool, content string) string {
	kind := guestproto.KindFile
	if executable {
		kind = guestproto.KindExecutable
	}
	return dockertest.Describe(kind, content)
}

// differences is the plain definition of what is to be collected.
func differences(base map[string]dockertest.File, now map[string]string) dockertest.Collected {
	found := make(dockertest.Collected)
	for path, file := range base {
		before := regular(file.Executable, file.Content)
		if file.Link != "" {
			before = "symbolic link:" + file.Link
		}
		switch after, there := now[path]; {
		case !there:
			found[path] = "deleted"
		case after != before:
			found[path] = after
		}
	}
	for path, after := range now {
		if _, was := base[path]; !was {
			found[path] = after
		}
	}
	return found
}
