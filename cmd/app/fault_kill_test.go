package main

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/task"
)

// What the fault tests (THREATS.md, "Faults") share. Several rows are steps of
// one task's way: it is killed at one place after another, and each step looks
// at what the one before it left.

// looksOften makes the reconciler look as often as the configuration permits.
const looksOften = "reconcile: {interval: 1s}"

func withScript(script string) worldOption {
	return func(_ *emulator.Options, s *settings) { s.Script = script }
}

// once prints a line that no second start prints again.
func once(word string) string { return `echo "` + word + ` $(cat /proc/sys/kernel/random/uuid)"` }

// untilReleased makes a container wait for [world.release].
const untilReleased = "until [ -e /tmp/released ]; do sleep 0.05; done"

// step runs one row as a subtest. The steps after a failed one have no meaning.
func (w *world) step(name string, f func()) {
	w.t.Helper()
	outer := w.t
	passed := outer.Run(name, func(t *testing.T) {
		w.t = t
		defer func() { w.t = outer }()
		f()
	})
	if !passed {
		outer.FailNow()
	}
}

// startToDie starts a server that will kill itself at the failpoint, but not
// before something is asked of it.
func (w *world) startToDie(failpoint string) {
	w.t.Helper()
	w.start("CODERFLOW_FAILPOINT=" + failpoint)
}

func (w *world) died() {
	w.t.Helper()
	w.awaitDeath()
	if status, ok := w.server.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		w.t.Fatalf("the server was not killed, it ended: %s\n%s", w.server.cmd.ProcessState, w.log)
	}
}

// container is one that the server made for a task or a deployment.
type container struct {
	ID, Started string
	Running     bool
}

// containers lists what the server made for "task" or "deploy", helpers aside.
func (w *world) containers(purpose string) []container {
	w.t.Helper()
	var found []container
	for line := range strings.Lines(w.docker("ps", "-aq", "--no-trunc", "--filter", "label=dev.coderflow.purpose="+purpose,
		"--filter", "label=dev.coderflow.instance="+w.node())) {
		out, err := exec.Command("docker", "inspect", "--format",
			`{{.Id}} {{.State.StartedAt}} {{.State.Running}} {{with index .Config.Labels "dev.coderflow.helper"}}helper{{end}}`, strings.TrimSpace(line)).CombinedOutput()
		if err != nil && !strings.Contains(string(out), "No such object") { // a helper that was removed meanwhile
			w.t.Fatalf("docker inspect: %v: %s", err, out)
		}
		if fields := strings.Fields(string(out)); err == nil && len(fields) == 3 {
			found = append(found, container{ID: fields[0], Started: fields[1], Running: fields[2] == "true"})
		}
	}
	return found
}

// only is the one container of its purpose.
func (w *world) only(purpose string) container {
	w.t.Helper()
	all := w.containers(purpose)
	if len(all) != 1 {
		w.t.Fatalf("%d containers for %q, want one: %+v", len(all), purpose, all)
	}
	return all[0]
}

func (w *world) node() string {
	w.t.Helper()
	name, err := os.ReadFile(filepath.Join(w.dir, "data", "node"))
	if err != nil {
		w.t.Fatal(err)
	}
	return strings.TrimSpace(string(name))
}

func (w *world) docker(arguments ...string) string {
	w.t.Helper()
	out, err := exec.Command("docker", arguments...).CombinedOutput()
	if err != nil {
		w.t.Fatalf("docker %s: %v: %s", arguments[0], err, out)
	}
	return string(out)
}

// release lets a container go on that waits by untilReleased.
func (w *world) release(c container) {
	w.t.Helper()
	// Detached: the container can end before the command is heard to have ended.
	w.docker("exec", "-d", c.ID, "touch", "/tmp/released")
}

// git runs git as a person's own machine would, without the machine's settings.
func (w *world) git(dir string, arguments ...string) string {
	w.t.Helper()
	out, err := gitIn(dir, arguments...)
	if err != nil {
		w.t.Fatalf("git %s: %v: %s", strings.Join(arguments, " "), err, out)
	}
	return out
}

func gitIn(dir string, arguments ...string) (string, error) {
	cmd := exec.Command("git", arguments...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=Maria", "GIT_AUTHOR_EMAIL=maria@example.com", "GIT_COMMITTER_NAME=Maria", "GIT_COMMITTER_EMAIL=maria@example.com")
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// branchPushes are the commits that the task's branch was set to, oldest first.
func (w *world) branchPushes(id task.ID) []string {
	var commits []string
	for _, push := range w.hub.Pushes(sampleRepo) {
		if push.Ref == "refs/heads/"+id.Branch() {
			commits = append(commits, push.New)
		}
	}
	return commits
}

// repositoryKey is the sample project's identity.
func (w *world) repositoryKey() string {
	r := w.hub.Info().Repositories[0]
	if w.onAzure() {
		return forge.RepositoryRef{Host: forge.AzureDevOps, ID: r.GUID}.Key()
	}
	return forge.RepositoryRef{Host: forge.GitHub, ID: strconv.FormatInt(r.ID, 10)}.Key()
}

// tasksOf are all tasks that an issue ever got.
func (w *world) tasksOf(issue int) []task.Task {
	w.t.Helper()
	all, err := w.db().Tasks(w.t.Context(), store.TaskFilter{Limit: 100})
	if err != nil {
		w.t.Fatal(err)
	}
	var found []task.Task
	for _, one := range all {
		if one.Issue == issue {
			found = append(found, one)
		}
	}
	return found
}

// output is what the store kept of a container's output.
func (w *world) output(stream string) string {
	w.t.Helper()
	text, err := w.db().ReadLog(w.t.Context(), stream, 0, 1<<20)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(text)
}

func (w *world) wait(what string, look func(context.Context) (bool, error)) {
	w.t.Helper()
	if err := until(w.t.Context(), longEnough, what, look); err != nil {
		w.t.Fatalf("%v\n%s", err, w.log)
	}
}

// loseAnswer performs the next request of this kind and loses the answer. The
// function that it returns tells how many such requests there were.
func (w *world) loseAnswer(method, suffix string) (requests func() int64) {
	var count atomic.Int64
	w.hub.Fail(func(r *http.Request) *emulator.Fault {
		if r.Method != method || !strings.HasSuffix(r.URL.Path, suffix) || count.Add(1) > 1 {
			return nil
		}
		return &emulator.Fault{DropResponse: true}
	})
	return count.Load
}
