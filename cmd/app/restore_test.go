package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"filippo.io/age"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/store/storetest"
	"github.com/coderflow/coderflow/internal/task"
)

// A backup is taken between the approval and the push, and another proposal waits.
// Then everything goes on: push, deployment, a second approval. Then the machine is
// lost, and what is restored pushes nothing twice, deploys nothing twice and takes no
// review from before, on either database. The mirrors need not be in the backup.
func TestARestoredServerDoesNothingTwice(t *testing.T) {
	t.Parallel()
	for _, more := range [][]string{{}, {"--no-git"}} {
		t.Run(strings.Join(append([]string{"backup"}, more...), " "), func(t *testing.T) {
			t.Parallel()
			doesNothingTwice(t, more...)
		})
	}
}

func doesNothingTwice(t *testing.T, more ...string) {
	t.Helper()
	w := newStoppedWorld(t, withScript(once("deployment")), withExtra(looksOften))
	w.start()
	waiting := w.taskOf(w.run(maria).Number, task.Proposed)
	w.server.kill()
	w.startToDie("push-intended")
	lands := w.taskOf(w.run(maria).Number, task.Proposed)
	pushes := w.countPushes()
	w.approve(tom, lands.PullRequest, "Count every item\n\n/coderflow deploy publish channel=stable")
	w.died()
	file, identity := filepath.Join(w.dir, "backup.cfb"), w.identity()
	w.must("secrets", "set", "staging/DB_PASSWORD", "--for", "deploy", "-f", w.file("password", "correct-horse-battery"))
	w.must(append([]string{"backup", file, "--recipient", identity.Recipient().String()}, more...)...)
	w.holdsNoPlainSecret(file, "correct-horse-battery")

	w.start()
	done := w.taskOf(lands.Issue, task.Done)
	w.deployed(w.runOf(done.ID, "publish", deploy.ByReview).ID, deploy.Succeeded)
	w.server.kill()
	w.approve(tom, waiting.PullRequest, "")
	landed, pushed, ran := w.head(lands.PullRequest), pushes(), len(w.containers("deploy"))
	w.removeContainers()
	if err := os.Rename(filepath.Join(w.dir, "data"), filepath.Join(w.dir, "lost")); err != nil {
		t.Fatal(err)
	}
	w.restoredElsewhere(file, 1-len(more))
	key := w.file("identity", identity.String())
	newest := filepath.Join(w.dir, "lost", auditCheckpointFile)
	said := w.must("restore", file, "--identity", key, "--checkpoint", newest)
	if !strings.Contains(said, "coderflow thaw") || !strings.Contains(said, "a checkpoint that you kept has them") {
		t.Errorf("the operator is told:\n%s", said)
	}
	if _, out, code := w.command("", "restore", file); code != 1 || !strings.Contains(out, "is not empty") {
		t.Errorf("restored over itself: status %d: %s", code, out)
	}

	w.start()
	w.must("thaw")
	w.taskOf(lands.Issue, task.Done)
	run := w.runOf(lands.ID, "publish", deploy.ByReview)
	if run.State != deploy.Withheld || !strings.Contains(run.Detail, "restored from a backup") {
		t.Errorf("the deployment is %s: %s", run.State, run.Detail)
	}
	if now := w.head(lands.PullRequest); now != landed || pushes() != pushed || len(w.containers("deploy")) != 0 || ran != 1 {
		t.Errorf("head %s, was %s; %d pushes, were %d; deployments ran %d times", now, landed, pushes(), pushed, ran)
	}
	w.waitSaid(forge.PullTopic(waiting.PullRequest), "restored from a backup")
	if again := w.taskOf(waiting.Issue, task.Proposed); again.ApprovalID != "" {
		t.Errorf("a review from before the restore approved: %+v", again)
	}
	w.approve(tom, waiting.PullRequest, "Again, after the restore")
	w.taskOf(waiting.Issue, task.Done)
	w.auditHas(lands.ID, map[audit.Action]int{audit.PushIntent: 1, audit.PushDone: 1})
	if out := w.must("audit", "verify"); !strings.Contains(out, "the audit log holds") {
		t.Error(out)
	}
	if out, _, code := w.command("", "audit", "verify", "--checkpoint", newest); code != 1 {
		t.Errorf("that the log went back is not found: status %d: %s", code, out)
	}
}

// restoredElsewhere verifies the backup and restores it into PostgreSQL.
func (w *world) restoredElsewhere(file string, mirrors int) {
	w.t.Helper()
	if out := w.mustAt("", "backup", "verify", file); !strings.Contains(out, "the backup holds") || !strings.Contains(out, fmt.Sprintf("git          %d mirrors", mirrors)) {
		w.t.Error(out)
	}
	config, err := os.ReadFile(w.in.config)
	if err != nil {
		w.t.Fatal(err)
	}
	dir := filepath.Join(w.dir, "elsewhere")
	text := strings.Replace(string(config), filepath.Join(w.dir, "data"), dir, 1) + "\ndatabase: " + storetest.EmptyPostgres(w.t).DSN + "\n"
	other := filepath.Join(filepath.Dir(w.in.config), "elsewhere.yaml")
	if err := os.WriteFile(other, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		w.t.Fatal(err)
	}
	bring(w.t, filepath.Join(w.dir, "lost", auditKeyFile), filepath.Join(dir, auditKeyFile))
	w.mustAt(other, "restore", file)
	if out := w.mustAt(other, "audit", "verify"); !strings.Contains(out, "the audit log holds") {
		w.t.Error(out)
	}
	if out := w.mustAt(other, "tasks", "list"); strings.Count(out, "\n") != 3 {
		w.t.Errorf("tasks in PostgreSQL:\n%s", out)
	}
}

func bring(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) must(args ...string) string {
	w.t.Helper()
	return w.mustAt(w.in.config, args...)
}

// mustAt runs a command with a configuration.
func (w *world) mustAt(config string, args ...string) string {
	w.t.Helper()
	if config != "" {
		args = append(args, "-c", config)
	}
	out, err := exec.Command(binary, args...).CombinedOutput()
	if err != nil {
		w.t.Fatalf("coderflow %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func (w *world) identity() *age.X25519Identity {
	w.t.Helper()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		w.t.Fatal(err)
	}
	return identity
}

func (w *world) file(name, content string) string {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// countPushes counts how often something was sent to the forge's git.
func (w *world) countPushes() func() int64 {
	var count atomic.Int64
	w.hub.Fail(func(r *http.Request) *emulator.Fault {
		if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/git-receive-pack") {
			count.Add(1)
		}
		return nil
	})
	return count.Load
}

// holdsNoPlainSecret looks through what a backup has, unpacked.
func (w *world) holdsNoPlainSecret(file, secret string) {
	w.t.Helper()
	all := unpacked(w.t, file)
	for _, name := range keyFiles {
		key, err := os.ReadFile(filepath.Join(w.dir, "data", name))
		if err != nil {
			w.t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(string(key)), "\n")
		private := lines[0]
		if name == secretsKeyFile {
			private = lines[len(lines)-1]
		}
		if len(private) < 20 || bytes.Contains(all, []byte(private)) {
			w.t.Errorf("%s is in the backup", name)
		}
	}
	if bytes.Contains(all, []byte(secret)) || !bytes.Contains(all, []byte("DB_PASSWORD")) {
		w.t.Error("the secret is in the backup, or its name is not")
	}
}
