package doctor

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"flag"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coderflow/coderflow/internal/config"
	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/sandbox/docker"
)

var update = flag.Bool("update", false, "write the golden file anew; then read the difference")

func TestVersionsAreOrderedAsTheirProjectsMeanThem(t *testing.T) {
	t.Parallel()
	ordered := []string{"1.0.0-rc7", "1.0.0-rc95", "v1.0.0", "1.1.5+ds1-1+deb12u1", "1.1.12", "1.3.3", "20.10.24+dfsg1", "28.2.2"}
	for i := range ordered[:len(ordered)-1] {
		if a, b := parseVersion(ordered[i]), parseVersion(ordered[i+1]); a.compare(b) >= 0 || b.compare(a) <= 0 {
			t.Errorf("%s is not before %s", ordered[i], ordered[i+1])
		}
	}
	if parseVersion("1:2.39.5-0+deb12u3").compare(parseVersion("2.39.5")) != 0 || parseVersion("6.18.44-fc-v657").compare(parseVersion("4.18")) < 0 {
		t.Error("epochs and suffixes are not left aside")
	}
	for _, nothing := range []string{"", "unknown", "N/A", "-"} {
		if parseVersion(nothing).known {
			t.Errorf("%q is a version", nothing)
		}
	}
}

func TestAFixIsKnownOnEachLineThatGotIt(t *testing.T) {
	t.Parallel()
	lines := []string{"1.2.8", "1.3.3"}
	for version, want := range map[string]bool{
		"1.1.12": false, "1.2.7": false, "1.2.8": true, "1.2.9": true, "1.3.0": false, "1.3.2": false, "1.3.3": true, "1.4.0": true, "2.0.0": true,
	} {
		if got := parseVersion(version).fixedIn(lines); got != want {
			t.Errorf("%s: %v", version, got)
		}
	}
}

// packages makes a documentation directory with one changelog.
func packages(t *testing.T, name, changelog string) Packages {
	t.Helper()
	docs := t.TempDir()
	if err := os.MkdirAll(filepath.Join(docs, name), 0o755); err != nil {
		t.Fatal(err)
	}
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	if _, err := w.Write([]byte(changelog)); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(docs, name, "changelog.Debian.gz"), zipped.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return Packages{Docs: docs}
}

func TestThreat15OldRuntimesAreNamedAndBackportsBelieved(t *testing.T) {
	t.Parallel()
	none := Packages{Docs: t.TempDir()}
	debian := packages(t, "runc", "runc (1.1.5+ds1-1+deb12u1) bookworm-security; urgency=high\n\n  * Fix CVE-2024-21626\n")
	other := packages(t, "runc", "runc (1.0.0~rc93) unstable; urgency=high\n\n  * CVE-2024-21626\n")
	for name, c := range map[string]struct {
		component component
		packages  Packages
		level     Level
		ids       []string
		not       string
	}{
		"leaky":                              {component{name: "runc", version: "1.1.11"}, none, Problem, []string{"CVE-2024-21626", "CVE-2025-31133"}, ""},
		"backported":                         {component{name: "runc", version: "1.1.5+ds1-1+deb12u1"}, debian, Warning, []string{"CVE-2025-31133"}, "CVE-2024-21626"},
		"another program than the package's": {component{name: "runc", version: "1.1.11"}, other, Problem, []string{"CVE-2024-21626"}, ""},
		"partly":                             {component{name: "runc", version: "1.1.12"}, none, Warning, []string{"CVE-2025-31133", "CVE-2025-52565", "CVE-2025-52881"}, "CVE-2024"},
		"current":                            {component{name: "runc", version: "1.3.3"}, none, OK, nil, "CVE"},
		"ancient":                            {component{name: "runc", version: "1.0.0-rc6"}, none, Problem, []string{"CVE-2019-5736", "CVE-2021-30465"}, ""},
		"no plugins":                         {component{name: "docker", version: "24.0.7"}, none, OK, nil, "CVE"},
		"authorization plugins":              {component{name: "docker", version: "24.0.7", authz: true}, none, Problem, []string{"CVE-2024-41110", "CVE-2026-34040"}, ""},
		"containerd":                         {component{name: "containerd", version: "v1.7.20"}, none, Warning, []string{"CVE-2024-25621", "CVE-2024-40635"}, ""},
		"git":                                {component{name: "git", version: "2.39.3"}, none, Warning, []string{"CVE-2024-32002"}, ""},
		"a version of nothing":               {component{name: "runc", version: "N/A", update: "x"}, none, Warning, nil, "CVE"},
	} {
		c.component.update = "update it"
		got := c.component.judge(t.Context(), c.packages)
		if got.Level != c.level || c.not != "" && strings.Contains(got.Said, c.not) {
			t.Errorf("%s: %+v", name, got)
		}
		for _, id := range c.ids {
			if !strings.Contains(got.Said, id) || !strings.Contains(got.Why, id) {
				t.Errorf("%s: %s is not named: %+v", name, id, got)
			}
		}
	}
}

func TestAChecksTimeIsBoundedWhateverItDoes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		forever := make(chan struct{})
		defer close(forever)
		began := time.Now()
		seen := 0
		findings := Run(t.Context(), []Check{
			{Name: "deaf", Run: func(context.Context) Finding { <-forever; return fine("never") }},
			{Name: "broken", Run: func(context.Context) Finding { panic("no") }},
			{Name: "good", Run: func(context.Context) Finding { return fine("here") }},
			{Name: "late", Run: func(ctx context.Context) Finding { <-ctx.Done(); return warning("gave up", "why", "fix") }},
		}, func(Finding) { seen++ })
		if took := time.Since(began); took > 11*time.Second {
			t.Errorf("it took %s", took)
		}
		for i, want := range []struct {
			check string
			level Level
		}{{"deaf", Problem}, {"broken", Problem}, {"good", OK}, {"late", Warning}} {
			if f := findings[i]; f.Check != want.check || f.Level != want.level || f.Level != OK && (f.Why == "" || f.Fix == "") {
				t.Errorf("%+v", f)
			}
		}
		if s := Summarize(findings); seen != 4 || s.String() != "2 problems, 1 warning, 1 ok" {
			t.Errorf("seen %d, %s", seen, s)
		}
	})
}

// world is an installation in which all is well, as far as no engine and no forge is needed.
func world(t *testing.T) Options {
	t.Helper()
	data := t.TempDir()
	if err := os.Chmod(data, 0o700); err != nil {
		t.Fatal(err)
	}
	return Options{
		Config: config.Config{DataDir: data, Sandbox: config.Sandbox{Image: "coderflow/sandbox:dev"}},
		Guest:  "/nowhere/guest", Packages: Packages{Docs: t.TempDir()}, Now: time.Now, SandboxErr: errors.New("not here"),
		Database: func(context.Context) DatabaseFacts { return DatabaseFacts{Where: "db", Found: 1, Known: 1} },
		Git:      func(context.Context) (string, error) { return "git version 2.50.1", nil },
	}
}

func byName(findings []Finding) map[string]Finding {
	list := map[string]Finding{}
	for _, f := range findings {
		list[f.Check] = f
	}
	return list
}

func examine(t *testing.T, o Options) map[string]Finding {
	t.Helper()
	began := time.Now()
	findings := Run(t.Context(), Checks(o), nil)
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %s", took)
	}
	for _, f := range findings {
		if f.Level != OK && (f.Said == "" || f.Why == "" || f.Fix == "") {
			t.Errorf("%s is not explained: %+v", f.Check, f)
		}
	}
	return byName(findings)
}

func TestFault22AnEngineThatIsDeadOrHangsIsNamedAndTheRestIsLookedAt(t *testing.T) {
	t.Parallel()
	hanging, err := net.Listen("unix", filepath.Join(shortDir(t), "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = hanging.Close() }) // it takes connections, for the kernel does, and answers none
	shut := filepath.Join(shortDir(t), "s")
	dead, err := net.Listen("unix", shut)
	if err != nil {
		t.Fatal(err)
	}
	dead.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = dead.Close()
	for name, c := range map[string]struct{ host, said, fix string }{
		"absent":  {"unix:///nowhere/docker.sock", "there is no engine", "apt-get install docker.io"},
		"dead":    {"unix://" + shut, "does not answer", "systemctl start docker"},
		"hanging": {"unix://" + hanging.Addr().String(), "takes the call and does not answer", "journalctl -u docker"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := world(t)
			o.Config.Docker.Host = c.host
			engine, err := docker.Dial(docker.Endpoint{Host: c.host})
			if err != nil {
				t.Fatal(err)
			}
			defer engine.Close()
			o.Engine = engine
			got := examine(t, o)
			if f := got["docker-engine"]; f.Level != Problem || !strings.Contains(f.Said, c.said) || !strings.Contains(f.Fix, c.fix) {
				t.Errorf("%+v", f)
			}
			for _, other := range []string{"runc", "kernel", "storage", "engine-disk", "images"} {
				if f := got[other]; f.Level != Warning || f.Fix != seeEngine {
					t.Errorf("%s: %+v", other, f)
				}
			}
			for _, other := range []string{"database", "git", "data-directory", "disk"} {
				if f := got[other]; f.Level == Problem {
					t.Errorf("%s: %+v", other, f)
				}
			}
		})
	}
}

func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "cf-doc-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func TestHolesOfAContainerAreNamed(t *testing.T) {
	t.Parallel()
	good := sandbox.ProbeResult{
		UID: "10001 10001 10001 10001", GID: "10001 10001 10001 10001", CapEff: "0000000000000000", NoNewPrivs: "1", Seccomp: "2",
		Interfaces: []string{"lo"},
	}
	if found := holes(good); len(found) > 0 {
		t.Errorf("in a good one: %q", found)
	}
	for want, change := range map[string]func(*sandbox.ProbeResult){
		"the user is 0":      func(r *sandbox.ProbeResult) { r.UID = "0 0 0 0" },
		"capabilities":       func(r *sandbox.ProbeResult) { r.CapEff = "00000000a80425fb" },
		"can be gained":      func(r *sandbox.ProbeResult) { r.NoNewPrivs = "0" },
		"are not filtered":   func(r *sandbox.ProbeResult) { r.Seccomp = "0" },
		"interfaces [lo eth": func(r *sandbox.ProbeResult) { r.Interfaces = []string{"lo", "eth0"} },
		"can be written":     func(r *sandbox.ProbeResult) { r.RootRW = true },
	} {
		bad := good
		change(&bad)
		if found := holes(bad); len(found) != 1 || !strings.Contains(found[0], want) {
			t.Errorf("%s: %q", want, found)
		}
	}
}

func TestTheTextIsAlignedAndTakesNothingFromWhatItQuotes(t *testing.T) {
	t.Parallel()
	checks := []Check{{Name: "docker-engine"}, {Name: "git"}, {Name: "clock"}}
	findings := []Finding{
		{Check: "docker-engine", Level: OK, Said: "Docker 28 answers"},
		{Check: "git", Level: Warning, Said: "git is old\x1b[31m\nand more", Why: "it lacks fixes", Fix: "apt-get install git"},
		{Check: "clock", Level: Problem, Said: "this machine's clock is 2m ahead", Why: "tokens\u202e are refused", Fix: "timedatectl set-ntp true"},
	}
	var got bytes.Buffer
	for _, symbols := range []bool{true, false} {
		style := NewStyle(checks, symbols)
		for _, f := range findings {
			if err := style.Write(&got, f); err != nil {
				t.Fatal(err)
			}
		}
		got.WriteString(Summarize(findings).String() + "\n")
	}
	path := filepath.Join("testdata", "text.golden")
	if *update {
		if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || got.String() != string(want) {
		t.Errorf("%v\n%s", err, got.String())
	}
}
