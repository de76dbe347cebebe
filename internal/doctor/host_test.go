package doctor

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/config"
	"github.com/coderflow/coderflow/internal/sandbox"
)

func TestADataDirectoryIsTheServersAlone(t *testing.T) {
	t.Parallel()
	made := func(mode os.FileMode, files map[string]os.FileMode) string {
		dir := filepath.Join(t.TempDir(), "data")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for name, mode := range files {
			if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	for name, c := range map[string]struct {
		dir   string
		level Level
		said  string
	}{
		"good":         {made(0o700, map[string]os.FileMode{"coderflow.db": 0o600}), OK, "alone"},
		"searchable":   {made(0o711, nil), OK, "alone"},
		"open":         {made(0o755, nil), Problem, "others than its owner"},
		"open file":    {made(0o700, map[string]os.FileMode{"coderflow.db": 0o644}), Problem, "coderflow.db"},
		"to be made":   {filepath.Join(t.TempDir(), "data"), OK, "makes it"},
		"not possible": {"/etc/passwd/data", Problem, "cannot be looked at"},
		"a file":       {"/etc/passwd", Problem, "not a directory"},
	} {
		if got := dataDirectory(c.dir); got.Level != c.level || !strings.Contains(got.Said, c.said) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestRoomIsJudgedByBytesAndInodes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		bytes, inodes int64
		hasInodes     bool
		want          Level
	}{
		{100 << 30, 1 << 24, true, OK}, {100 << 30, 0, false, OK}, {5 << 30, 1 << 24, true, Warning}, {1 << 30, 1 << 24, true, Problem},
		{100 << 30, 100_000, true, Warning}, {100 << 30, 10, true, Problem},
	} {
		if got := judgeRoom("x", "/x", c.bytes, c.inodes, c.hasInodes); got.Level != c.want {
			t.Errorf("%+v: %+v", c, got)
		}
	}
	if got := room("x", filepath.Join(t.TempDir(), "not", "there")); got.Data["bytes"].(int64) <= 0 {
		t.Errorf("of a directory that is not there yet: %+v", got)
	}
}

func TestGitHasToBeThereAndNewEnough(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]Level{"git version 2.50.1\n": OK, "git version 2.30.2": Problem, "nonsense": Problem} {
		got := gitVersion(t.Context(), func(context.Context) (string, error) { return said, nil }, Packages{Docs: t.TempDir()})
		if got.Level != want {
			t.Errorf("%q: %+v", said, got)
		}
	}
	got := gitVersion(t.Context(), func(context.Context) (string, error) { return "", errors.New("not found") }, Packages{})
	if got.Level != Problem || !strings.Contains(got.Fix, "apt-get install git") {
		t.Errorf("%+v", got)
	}
}

func TestADatabaseIsJudgedWithoutBeingTouched(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		facts DatabaseFacts
		want  Level
	}{
		"good":     {DatabaseFacts{Found: 2, Known: 2}, OK},
		"missing":  {DatabaseFacts{Missing: true}, OK},
		"empty":    {DatabaseFacts{Known: 2}, OK},
		"down":     {DatabaseFacts{Err: errors.New("refused")}, Problem},
		"older":    {DatabaseFacts{Found: 1, Known: 2}, Warning},
		"newer":    {DatabaseFacts{Found: 3, Known: 2}, Problem},
		"replica":  {DatabaseFacts{Found: 2, Known: 2, WriteErr: errors.New("read-only")}, Problem},
		"manifest": {DatabaseFacts{Found: 2, Known: 2, ManifestErr: errors.New("broken")}, Problem},
	} {
		check := &databaseCheck{look: func(context.Context) DatabaseFacts { return c.facts }}
		if got := check.finding(t.Context()); got.Level != c.want || got.Level != OK && got.Fix == "" {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// fakeEngine has facts and images.
type fakeEngine struct {
	facts      sandbox.EngineFacts
	images     []string
	connection sandbox.Connection
}

func (f fakeEngine) Connection(context.Context) (sandbox.Connection, error) { return f.connection, nil }

func (f fakeEngine) Facts(context.Context) (sandbox.EngineFacts, error) { return f.facts, nil }

func (f fakeEngine) HasImage(_ context.Context, reference string) error {
	for _, image := range f.images {
		if image == reference {
			return nil
		}
	}
	return sandbox.ErrImageMissing
}

type fakeSandbox struct {
	probe sandbox.ProbeResult
	mode  string
	err   error
}

func (f fakeSandbox) Probe(context.Context, string, string) (sandbox.ProbeResult, error) {
	return f.probe, f.err
}

func (f fakeSandbox) SecretsDir() (string, error) { return "", errors.New("none of /run is a tmpfs") }

func (f fakeSandbox) Workspaces(context.Context) (mode, why string, err error) {
	return f.mode, "because", f.err
}

func goodFacts() sandbox.EngineFacts {
	return sandbox.EngineFacts{
		Version: "29.3.1", APIVersion: "1.51", Containerd: "2.2.1", Runc: "1.3.3", Kernel: "6.12.0", Root: "/", StorageDriver: "overlay2",
		BackingFS: "extfs", CgroupVersion: "2", SecurityOptions: []string{"seccomp", "apparmor", "userns"}, Runtimes: []string{"runc"}, DefaultRuntime: "runc",
	}
}

func TestWhatAnEngineLacksIsNamed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*sandbox.EngineFacts)
		check  string
		level  Level
	}{
		"no filter":        {func(f *sandbox.EngineFacts) { f.SecurityOptions = []string{"apparmor"} }, "kernel", Problem},
		"old kernel":       {func(f *sandbox.EngineFacts) { f.Kernel = "3.10.0-1160.el7" }, "kernel", Problem},
		"no memory limit":  {func(f *sandbox.EngineFacts) { f.MissingLimits = []string{"memory"} }, "cgroups", Problem},
		"other storage":    {func(f *sandbox.EngineFacts) { f.StorageDriver = "vfs" }, "storage", Warning},
		"no remapping":     {func(f *sandbox.EngineFacts) { f.SecurityOptions = []string{"seccomp", "apparmor"} }, "user-namespace", Warning},
		"no access module": {func(f *sandbox.EngineFacts) { f.SecurityOptions = []string{"seccomp", "userns"} }, "mandatory-access", Warning},
		"old API":          {func(f *sandbox.EngineFacts) { f.APIVersion = "1.40" }, "docker-engine", Problem},
		"open API":         {func(f *sandbox.EngineFacts) { f.OpenToTheNetwork = true }, "docker-engine", Problem},
		"nothing":          {func(*sandbox.EngineFacts) {}, "runc", OK},
	} {
		o := world(t)
		facts := goodFacts()
		c.change(&facts)
		o.Engine = fakeEngine{facts: facts}
		if got := examine(t, o)[c.check]; got.Level != c.level {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestWhatEnvironmentsAskForHasToBeThere(t *testing.T) {
	t.Parallel()
	o := world(t)
	o.Engine = fakeEngine{facts: goodFacts(), images: []string{"coderflow/sandbox:dev"}}
	o.SandboxErr, o.Sandbox = nil, fakeSandbox{mode: "copy", err: nil}
	environments := []Environment{{Name: "web", Image: "coderflow/agent-claude:1", Preset: "claude", Runtime: "runsc"}}
	o.Database = func(context.Context) DatabaseFacts {
		return DatabaseFacts{Found: 1, Known: 1, Environments: environments}
	}
	got := examine(t, o)
	for check, want := range map[string]struct {
		level     Level
		said, fix string
	}{
		"images":          {Problem, "coderflow/agent-claude:1 of environment web", "coderflow images build claude"},
		"runtimes":        {Problem, `asks for the runtime "runsc"`, "/etc/docker/daemon.json"},
		"workspaces":      {Warning, "copy: because", "ext4"},
		"secrets":         {Warning, "none of /run", "mount a tmpfs"},
		"probe-container": {Problem, "system calls are not filtered", "apt-get install docker.io"},
		"guest-helper":    {Problem, "/nowhere/guest", "make build"},
	} {
		if f := got[check]; f.Level != want.level || !strings.Contains(f.Said, want.said) || !strings.Contains(f.Fix, want.fix) {
			t.Errorf("%s: %+v", check, f)
		}
	}
}

func TestABrokenConfigurationIsRepeatedInFull(t *testing.T) {
	t.Parallel()
	o := world(t)
	o.Engine = fakeEngine{facts: goodFacts()}
	o.ConfigErr = errors.New("a.yaml:1:1: listen: wrong\na.yaml:2:1: github: wrong")
	o.Config.Models = map[string]config.Model{"b": {Key: "k"}, "a": {}}
	got := examine(t, o)
	if f := got["configuration"]; f.Level != Problem || !strings.Contains(f.Said, "2 mistakes") || !strings.Contains(f.Said, "github: wrong") {
		t.Errorf("%+v", f)
	}
	if f := got["models"]; f.Level != Warning || !strings.Contains(f.Said, "no key for a") {
		t.Errorf("%+v", f)
	}
}
