package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/store/storetest"
	"github.com/coderflow/coderflow/internal/task"
)

// beside is another process on the same database and forge, with its own data.
func (w *world) beside(database string, more ...string) *world {
	w.t.Helper()
	second := &world{people: w.people, t: w.t, dir: shortDir(w.t), log: w.log, address: freeAddress(w.t)}
	var err error
	if second.in, err = install(second.dir, w.hub.Info(), settings{Agent: quickAgent, Listen: second.address, Extra: strings.Join(append([]string{looksOften, database}, more...), "\n")}); err != nil {
		w.t.Fatal(err)
	}
	data := filepath.Join(second.dir, "data")
	if err := os.MkdirAll(data, 0o700); err != nil {
		w.t.Fatal(err)
	}
	// One log has one key.
	if err := copyFile(filepath.Join(data, auditKeyFile), filepath.Join(w.dir, "data", auditKeyFile)); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(data, auditKeyFile), 0o600); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if second.server != nil {
			second.server.kill()
		}
		second.removeContainers()
	})
	return second
}

// Two servers, each with its workers, on one database: both hear of everything by
// themselves, both try, and one of them does it. The other one leaves alone what it
// has not got, also while its owner is down.
func TestFault28OfTwoServersOneWorksOnATask(t *testing.T) {
	t.Parallel()
	database := "database: " + storetest.PostgresOptions(t).DSN
	w := newStoppedWorld(t, withExtra(looksOften+"\n"+database), withAgent(quickAgent+"\nsleep 1"))
	w.start()
	w.reconciled()
	second := w.beside(database)
	second.start()
	db := w.db()
	var issues []int
	for range 6 {
		issues = append(issues, w.run(maria).Number)
	}
	w.taskOf(issues[0], task.Running, task.Collecting, task.Proposed)
	w.server.kill()
	w.start()
	for _, p := range w.allIn(db, issues, task.Proposed) {
		w.approve(tom, p.PullRequest, "/coderflow deploy publish")
	}
	second.server.kill()
	second.start()
	nodes := map[string]int{}
	for _, done := range w.allIn(db, issues, task.Done) {
		w.landedExactly(done)
		nodes[done.Run.Node]++
		w.auditHas(done.ID, map[audit.Action]int{
			audit.TaskCreated: 1, audit.ContainerStarted: 1, audit.ContainerEnded: 1, audit.ProposalRecorded: 1, audit.ProposalPublished: 1,
			audit.ApprovalRecorded: 1, audit.ApprovalVoid: 0, audit.PushIntent: 1, audit.PushDone: 1,
			audit.DeployIntent: 1, audit.DeployStarted: 1, audit.DeployEnded: 1,
		})
	}
	for _, purpose := range []string{"task", "deploy"} {
		if n := len(w.containers(purpose)) + len(second.containers(purpose)); n != len(issues) {
			t.Errorf("%d containers for %s, want %d", n, purpose, len(issues))
		}
	}
	if n := len(w.hub.PullRequests(sampleRepo)); n != len(issues) {
		t.Errorf("%d pull requests for %d tasks", n, len(issues))
	}
	if len(nodes) != 2 {
		t.Errorf("both servers should have had work: %v", nodes)
	}
}
