package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/task"
)

// seat is a person at a machine of their own, who has the program and a token.
type seat struct {
	t    *testing.T
	home string
	env  []string
}

// with is the seat with more in its environment.
func (p *seat) with(env ...string) *seat { return &seat{p.t, p.home, env} }

// newSeat has the server as the context "work", if there is a token.
func newSeat(t *testing.T, server, secret string) *seat {
	t.Helper()
	p := &seat{t: t, home: t.TempDir()}
	file := p.write("token", secret+"\n")
	if secret != "" {
		p.must("context", "add", "work", "--server", server, "--token-file", file)
	}
	return p
}

func (p *seat) write(name, text string) string {
	p.t.Helper()
	path := filepath.Join(p.home, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return path
}

// run runs a command with no more of this process's environment than it needs.
func (p *seat) run(args ...string) (out, said string, code int) {
	p.t.Helper()
	cmd := exec.CommandContext(p.t.Context(), binary, args...)
	cmd.Dir = p.home
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + p.home, "XDG_CONFIG_HOME=" + filepath.Join(p.home, ".config"), "USER=seat"}
	cmd.Env = append(cmd.Env, p.env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		p.t.Fatal(err)
	}
	return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
}

func (p *seat) must(args ...string) string {
	p.t.Helper()
	out, said, code := p.run(args...)
	if code != 0 {
		p.t.Fatalf("coderflow %s: exit status %d: %s%s", strings.Join(args, " "), code, out, said)
	}
	return out
}

// fails runs a command that must end with the status and say the words.
func (p *seat) fails(code int, words string, args ...string) {
	p.t.Helper()
	out, said, got := p.run(args...)
	if got != code || !strings.Contains(said, words) {
		p.t.Errorf("coderflow %s: exit status %d, want %d and %q:\n%s%s", strings.Join(args, " "), got, code, words, out, said)
	}
}

// slowAgent writes before and after a while, and changes a file.
const slowAgent = `printf 'begun\n\033[2J'; sleep 3; echo ended; ` + quickAgent

// The commands of a developer and of an environment-admin, on machines of their
// own, against the real server; and the same on the server's machine.
func TestTheCommandsAgainstAServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withAgent(slowAgent))
	var seats []*seat
	for _, login := range []string{maria, tom, eve} {
		secret, _ := w.token(login)
		seats = append(seats, newSeat(t, "http://"+w.address, secret))
	}
	mariaAt, tomAt, eveAt := seats[0], seats[1], seats[2]
	issue := w.run(maria)
	running := w.taskOf(issue.Number, task.Running, task.Collecting, task.Proposed)
	id := string(running.ID)

	if log := mariaAt.must("tasks", "logs", "-f", id); log != "begun\n\\u001b[2Jended\n" {
		t.Errorf("the followed log is %q", log)
	}
	w.taskOf(issue.Number, task.Proposed)
	w.seeTasks(mariaAt, eveAt, id)
	w.cancelAtASeat(mariaAt, tomAt, eveAt)
	w.seeAccess(mariaAt, tomAt)
	w.seeTokens(mariaAt)
	w.changeManifests(mariaAt, tomAt)
	w.losesTheServer(mariaAt)
}

// bothWays runs a command at the seat and on the server's machine; they print
// the same.
func (w *world) bothWays(p *seat, args ...string) string {
	w.t.Helper()
	there := p.must(args...)
	here := p.must(append(slices.Clone(args), "-c", w.in.config)...)
	if here != there {
		w.t.Errorf("coderflow %s prints at the server\n%s\nand on its machine\n%s", strings.Join(args, " "), there, here)
	}
	return there
}

func (w *world) seeTasks(p, stranger *seat, id string) {
	w.t.Helper()
	for _, args := range [][]string{
		{"tasks"}, {"tasks", "list", "--state", "proposed,failed", "--environment", "staging", "-o", "json"}, {"tasks", "list", "--limit", "1", "-o", "yaml"},
		{"tasks", "show", id}, {"tasks", "show", id, "-o", "yaml"}, {"tasks", "show", id, "-o", "json"},
	} {
		if out := w.bothWays(p, args...); !strings.Contains(out, id) {
			w.t.Errorf("%q does not show the task: %s", args, out)
		}
	}
	if out := w.bothWays(p, "tasks", "show", id); !strings.Contains(out, w.node()) {
		w.t.Errorf("the task does not name the server that it is on: %s", out)
	}
	for _, args := range [][]string{
		{"tasks", "logs", id}, {"tasks", "models", id}, {"tasks", "models", id, "-o", "json"}, {"tasks", "activity", id}, {"tasks", "activity", id, "-o", "json"},
	} {
		w.bothWays(p, args...)
	}
	if diff := w.bothWays(p, "tasks", "diff", id); !strings.Contains(diff, "\ndiff --git ") || !strings.Contains(diff, "+") {
		w.t.Errorf("the diff is %q", diff)
	}
	if stat := w.bothWays(p, "tasks", "diff", id, "--stat"); !strings.Contains(stat, "M receipt.awk") || !strings.Contains(stat, "+1 -1") {
		w.t.Errorf("the counts are %q", stat)
	}
	if out := w.bothWays(p, "tasks", "list", "--state", "failed"); strings.Contains(out, id) {
		w.t.Errorf("a filter does not filter: %s", out)
	}
	p.fails(notFoundStatus, "`coderflow tasks` lists those that you see", "tasks", "show", "aaaaaaaaaaaa")
	p.fails(notFoundStatus, "`coderflow tasks` lists them", "tasks", "show", "aaaaaaaaaaaa", "-c", w.in.config)
	stranger.fails(notFoundStatus, "there is no such task, or you may not see it", "tasks", "show", id)
	stranger.fails(refusedStatus, "can bind a role", "tasks")
}

func (w *world) cancelAtASeat(requester, admin, stranger *seat) {
	w.t.Helper()
	issue := w.run(maria)
	second := string(w.taskOf(issue.Number, task.Running, task.Collecting, task.Proposed).ID)
	stranger.fails(notFoundStatus, "you may not see it", "tasks", "cancel", second)
	if out := requester.must("tasks", "cancel", second); !strings.Contains(out, "is being cancelled") {
		w.t.Errorf("%s", out)
	}
	w.taskOf(issue.Number, task.Cancelled)
	if out := w.bothWays(admin, "tasks", "cancel", second); !strings.Contains(out, "is cancelled") {
		w.t.Errorf("cancelled again: %s", out)
	}
	issue = w.run(maria)
	third := string(w.taskOf(issue.Number, task.Running, task.Collecting, task.Proposed).ID)
	admin.must("tasks", "cancel", "-c", w.in.config, third)
	w.taskOf(issue.Number, task.Cancelled)
	if log := admin.must("audit", "--environment", "staging", "--task", third, "-o", "json"); !strings.Contains(log, `"actor":"local:seat"`) {
		w.t.Errorf("the operator's cancellation is not audited as theirs: %s", log)
	}
	w.bothWays(admin, "audit", "--environment", "staging")
	w.bothWays(admin, "audit", "list", "--environment", "staging", "--newest", "--limit", "3", "--action", "task.*,push.*", "-o", "json")
	w.bothWays(admin, "audit", "export", "--environment", "staging", "--format", "csv")
	for line := range strings.Lines(w.bothWays(admin, "audit", "export", "--task", third, "--environment", "staging")) {
		number, _, _ := strings.Cut(strings.TrimPrefix(line, `{"number":`), ",")
		if out := admin.must("audit", "show", number); !strings.Contains(out, strings.TrimSpace(line)) || !strings.Contains(out, "✓ the log of ") {
			w.t.Errorf("entry %s: %s", number, out)
		}
		break
	}
	requester.fails(notFoundStatus, "you may not see it", "audit", "show", "1")
	requester.fails(refusedStatus, "an environment-admin of staging (tom) or a server-admin", "audit", "--environment", "staging")
}

func (w *world) seeAccess(developer, admin *seat) {
	w.t.Helper()
	if out, said, code := developer.run("access", "explain", "me", "tasks:cancel", "environment/staging"); code != refusedStatus ||
		!strings.Contains(out, "an environment-admin of staging (tom)") || !strings.Contains(said, "refused") {
		w.t.Errorf("exit status %d: %s%s", code, out, said)
	}
	w.bothWays(admin, "access", "explain", w.subject(tom), "tasks:cancel", "environment/staging", "-o", "json")
	w.bothWays(admin, "access", "who", "tasks:create", "environment/staging")
	w.bothWays(developer, "access", "roles", "-o", "yaml")
	w.bothWays(developer, "access", "permissions")
	developer.fails(refusedStatus, `"bindings:manage" on environment/staging`, "access", "who", "tasks:create", "environment/staging")
	developer.fails(usageStatus, `did you mean "tasks:view"`, "access", "who", "tasks:vew", "environment/staging")
	if out := developer.must("whoami"); !strings.Contains(out, "environment/staging: ") {
		w.t.Errorf("whoami: %s", out)
	}
}

func (w *world) seeTokens(p *seat) {
	w.t.Helper()
	secret := strings.TrimSpace(p.must("tokens", "create", "--name", "second", "--expires", "1h", "--permission", "tasks:view"))
	narrowed := newSeat(w.t, "http://"+w.address, secret)
	narrowed.must("tasks")
	list := p.must("tokens", "list", "-o", "yaml")
	_, after, found := strings.Cut(narrowed.must("whoami"), "by token ")
	id, _, _ := strings.Cut(after, " ")
	if !found || !strings.Contains(list, id) || strings.Contains(list, secret) {
		w.t.Errorf("the new token is not in the list, or all of it is: %s", list)
	}
	p.must("tokens", "revoke", id)
	p.must("tokens", "revoke", id)
	narrowed.fails(1, "unknown, expired or revoked", "tasks")
	p.fails(notFoundStatus, "", "tokens", "revoke", "aaaaaaaaaaaa")
	p.fails(usageStatus, "that is a token, not its id", "tokens", "revoke", secret)
	p.fails(refusedStatus, "tokens:manage", "tokens", "list", "--all")
}

func (w *world) changeManifests(developer, admin *seat) {
	w.t.Helper()
	now := admin.must("get", "-o", "yaml")
	w.bothWays(admin, "get", "environment", "staging", "-o", "json")
	const was, is = "description: The sample project on the local forge", "description: Changed from afar"
	environment := admin.must("get", "environment", "staging", "-o", "yaml")
	file := admin.write("staging.yaml", strings.Replace(environment, was, is, 1))
	copied := developer.write("staging.yaml", strings.Replace(environment, was, is, 1))

	developer.fails(refusedStatus, "environments:manage", "apply", "-f", copied, "--merge")
	if out := w.bothWays(admin, "apply", "-f", file, "--merge", "--dry-run", "-o", "table"); !strings.Contains(out, "spec.description: The sample project") {
		w.t.Errorf("the differences are %s", out)
	}
	admin.must("apply", "-f", file, "--merge")
	changed := admin.must("get", "-o", "yaml")
	if changed != strings.Replace(now, was, is, 1) {
		w.t.Errorf("another change than was asked for:\n%s\n%s", now, changed)
	}
	admin.fails(1, "", "apply", "-f", file, "--merge", "--if-version", "sha256:0")
	broken := admin.write("broken.yaml", strings.Replace(environment, "memory", "memry", 1))
	admin.fails(1, "broken.yaml:", "apply", "-f", broken, "--merge")

	w.serviceToken(developer, admin)
	developer.fails(refusedStatus, "bindings:manage", "delete", "binding/maria-develops")
	w.bothWays(admin, "delete", "binding/maria-develops", "--dry-run")
	admin.must("delete", "binding/maria-develops")
	if out := admin.must("get", "bindings"); strings.Contains(out, "maria-develops") {
		w.t.Errorf("it is still there: %s", out)
	}
	developer.fails(refusedStatus, "", "tasks")
	w.bothWays(admin, "get", "--history")
}

func (w *world) losesTheServer(p *seat) {
	w.t.Helper()
	w.server.kill()
	p.fails(1, "check the address and that `coderflow serve` runs there", "tasks")
	p.must("tasks", "-c", w.in.config)
	p.fails(usageStatus, "give one of them", "tasks", "-c", w.in.config, "--context", "work")
	if out := p.must("context", "list"); !strings.Contains(out, fmt.Sprintf("*        work  http://%s  %s", w.address, w.subject(maria))) {
		w.t.Errorf("the contexts are %s", out)
	}
}

// serviceToken binds a service and gives it a token, all from afar.
func (w *world) serviceToken(developer, admin *seat) {
	w.t.Helper()
	admin.must("apply", "--merge", "-f", admin.write("service.yaml", binding("nightly-looks", "service:nightly", "viewer", "environment/staging")))
	create := []string{"tokens", "create", "--for", "service:nightly", "--name", "nightly", "--expires", "2h"}
	developer.fails(refusedStatus, "", create...)
	service := newSeat(w.t, "http://"+w.address, strings.TrimSpace(admin.must(create...)))
	service.must("tasks", "list", "--environment", "staging")
	if out := service.must("whoami"); !strings.HasPrefix(out, "service:nightly, ") {
		w.t.Errorf("whoami: %s", out)
	}
	if out := admin.must("tokens", "list", "--for", "service:nightly"); !strings.Contains(out, "nightly") {
		w.t.Errorf("the tokens of the service: %s", out)
	}
	admin.must("delete", "binding/nightly-looks")
	service.fails(refusedStatus, "", "tasks")
}
