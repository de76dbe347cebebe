package archtest

import (
	"os"
	"path"
	"slices"
	"strings"
	"testing"
)

func theSource(t *testing.T) []source {
	t.Helper()
	if text, err := os.ReadFile("../../go.mod"); err != nil || !strings.HasPrefix(string(text), "module "+module+"\n") {
		t.Fatalf("the module's root is not two directories up: %v", err)
	}
	sources, err := read(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	if len(sources) < 50 {
		t.Fatalf("only %d files were found", len(sources))
	}
	return sources
}

// rules are all rules with what they say, so that each can be shown to work.
var rules = map[string]func([]source) []string{
	"imports": importFindings,
	"programs": func(s []source) []string {
		return confined(s, programs, "only internal/gitops (and the local forge) may start programs on the host", startsPrograms)
	},
	"grants": func(s []source) []string {
		return confined(s, minters, "only approval.Gate.Redeem makes a grant", mintsGrants)
	},
	"push": func(s []source) []string {
		return confined(s, pushers, "only approval.Grant.Credential and the publication of a proposal may ask for a credential that pushes", asksToPush)
	},
	"pipelines": func(s []source) []string {
		return confined(s, launchers, "only deploy.Executor.Queue, which takes a grant, may have a pipeline run", asksPipelines)
	},
	"unsafe": func(s []source) []string {
		return confined(s, unsafely, "unsafe code could make a grant from nothing", leavesTypes)
	},
	"exit": func(s []source) []string {
		inner := slices.DeleteFunc(slices.Clone(s), func(f source) bool {
			return strings.HasPrefix(f.pkg, "cmd/") || f.file.Name.Name == "main"
		})
		return confined(inner, nil, "only a main package may end the process; nothing works before main", endsProcess)
	},
	"skips": skips,
}

func TestArchitectureHolds(t *testing.T) {
	t.Parallel()
	sources := theSource(t)
	for name, rule := range rules {
		for _, finding := range rule(sources) {
			t.Errorf("%s: %s", name, finding)
		}
	}
}

func TestTableIsConsistent(t *testing.T) {
	t.Parallel()
	rows := map[string]bool{}
	for _, r := range table {
		if rows[r.pkg] {
			t.Errorf("%s has two rows", r.pkg)
		}
		rows[r.pkg] = true
	}
	var reach func(pkg string, seen []string) bool
	byName := map[string]row{}
	for _, r := range table {
		byName[r.pkg] = r
	}
	reach = func(pkg string, seen []string) bool {
		if slices.Contains(seen, pkg) {
			t.Errorf("the table allows a cycle: %s", strings.Join(append(seen, pkg), " → "))
			return false
		}
		for _, next := range byName[pkg].may {
			if next != everything && !reach(next, append(slices.Clone(seen), pkg)) {
				return false
			}
		}
		return true
	}
	for _, r := range table {
		reach(r.pkg, nil)
	}
}

func TestEachRuleSeesItsViolation(t *testing.T) {
	t.Parallel()
	const ours = `"` + module + `/internal/`
	for _, c := range []struct{ rule, file, text, want string }{
		{"imports", "internal/task/x.go", `package task; import _ ` + ours + `store"`, "internal/task (task, proposal, states) may not import internal/store; its row allows: internal/forge"},
		{"imports", "internal/policy/x.go", `package policy; import _ "github.com/uptrace/bun"`, "may not use github.com/uptrace/bun"},
		{"imports", "internal/queue/x.go", `package queue; import _ "github.com/riverqueue/riverui"`, "may not use github.com/riverqueue/riverui"},
		{"imports", "internal/new/x.go", `package new`, "internal/new has no row"},
		{"imports", "internal/store/x.go", `package store; import _ ` + ours + `sandbox/docker/dockertest"`, "is for tests"},
		{"imports", "cmd/guest/x.go", `package main; import _ "github.com/uptrace/bun"`, "may not use"},
		{"programs", "internal/engine/x.go", `package engine; import run "os/exec"`, "internal/engine/x.go:1: imports os/exec"},
		{"programs", "internal/engine/x.go", `package engine; import "os"; var _, _ = os.StartProcess("git", nil, nil)`, "os.StartProcess"},
		{"grants", "internal/approval/grant.go", `package approval; var _ = Grant{minted: true}`, "only approval.Gate.Redeem"},
		{"grants", "internal/approval/record.go", `package approval; func f(g *Grant) { g.minted = true }`, "assigns minted"},
		{"grants", "internal/approval/record.go", `package approval; func f(g *Grant) *bool { return &g.minted }`, "takes the address"},
		{"push", "internal/engine/land.go", `package engine; func f(e *Engine) { mint := e.Forge.PushToken; _ = mint }`, "asks for PushToken"},
		{"push", "internal/engine/land.go", `package engine; func f(e *Engine) { mint := e.People.GitToken; _ = mint }`, "asks for GitToken"},
		{"pipelines", "internal/engine/x.go", `package engine; func f(e *Engine) { ask := e.Deployer.Pipelines.Queue; _ = ask }`, "asks a pipeline for a run"},
		{"pipelines", "internal/forge/azuredevops/x.go", `package azuredevops; func f(a *Adapter) { a.builds.QueueBuild() }`, "asks a pipeline for a run"},
		{"unsafe", "internal/gitops/x.go", `package gitops; import _ "unsafe"`, "imports unsafe"},
		{"unsafe", "internal/gitops/x.go", "package gitops\n\n//go:linkname f g\nfunc f()", "go:linkname"},
		{"exit", "internal/store/x.go", `package store; import "os"; func f() { os.Exit(1) }`, "os.Exit"},
		{"exit", "internal/store/x.go", `package store; func init() {}`, "func init"},
		{"skips", "internal/store/x_test.go", `package store; import "testing"; func TestX(t *testing.T) { t.Skip("no database") }`, "a test is skipped"},
	} {
		s, err := parse(c.file, []byte(c.text))
		if err != nil {
			t.Fatalf("%s: %v", c.text, err)
		}
		findings := strings.Join(rules[c.rule]([]source{s}), "\n")
		if !strings.Contains(findings, c.want) {
			t.Errorf("%s does not see %s in %s: %q", c.rule, c.text, path.Base(c.file), findings)
		}
	}
}

func TestAllowedThingsAreAllowed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ file, text string }{
		{"internal/store/x_test.go", `package store; import _ "` + module + `/internal/forge/emulator"`},
		{"internal/gitops/x.go", `package gitops; import _ "os/exec"`},
		{"internal/approval/gate.go", `package approval; func f() Grant { return Grant{minted: true} }`},
		{"cmd/app/main.go", `package main; import ("os"; _ "` + module + `/internal/store"); func main() { os.Exit(1) }`},
	} {
		s, err := parse(c.file, []byte(c.text))
		if err != nil {
			t.Fatal(err)
		}
		for name, rule := range rules {
			if findings := rule([]source{s}); len(findings) > 0 {
				t.Errorf("%s refuses %s: %v", name, c.text, findings)
			}
		}
	}
}
