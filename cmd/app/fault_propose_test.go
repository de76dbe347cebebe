package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/task"
)

// One task on its way to a draft pull request, killed at one place after
// another: it ends with one container, one push and one pull request.
func TestFault05To11ProposingSurvivesEveryKill(t *testing.T) {
	t.Parallel()
	w := newStoppedWorld(t, withAgent(once("agent")+"\n"+untilReleased+"\n"+quickAgent))
	var issue, id = 0, task.ID("")
	var agent container
	w.step("Fault05KilledBeforeTheContainerIsCreated", func() {
		w.startToDie("before-container")
		issue = w.run(maria).GetNumber()
		w.died()
		if found := w.containers("task"); len(found) != 0 {
			w.t.Errorf("there are containers before the first was to be made: %+v", found)
		}
		id = w.tasksOf(issue)[0].ID
	})
	w.step("Fault06KilledBeforeTheContainerIsRecorded", func() {
		w.diesAt("container-started")
		agent = w.only("task")
	})
	w.step("Fault07KilledWhileTheAgentRuns", func() {
		w.diesAt("moved:running")
		if now := w.only("task"); now != agent || !now.Running {
			w.t.Errorf("the container is %+v, want %+v adopted and running", now, agent)
		}
		w.release(agent)
		if code := strings.TrimSpace(w.docker("wait", agent.ID)); code != "0" {
			w.t.Errorf("without its server, the agent ended with %s", code)
		}
	})
	w.step("Fault08KilledWhileCollecting", func() {
		w.diesAt("change-read")
		if left := w.quarantines(); len(left) != 1 {
			w.t.Errorf("quarantines %q, want the one that was being filled", left)
		}
	})
	w.step("Fault09KilledBeforeTheTreeIsRecorded", func() { w.diesAt("tree-built") })
	w.step("Fault10KilledAfterTheProposalPush", func() {
		w.diesAt("proposal-pushed")
		if pushes := w.branchPushes(id); len(pushes) != 1 || len(w.hub.PullRequests(sampleRepo)) != 0 {
			w.t.Errorf("pushes %q and %d pull requests, want one and none", pushes, len(w.hub.PullRequests(sampleRepo)))
		}
	})
	w.step("Fault11PullRequestCreatedAnswerLost", func() {
		asked := w.loseAnswer(http.MethodPost, "/repos/"+sampleRepo+"/pulls")
		w.start()
		w.taskOf(issue, task.Proposed)
		if asked() != 1 {
			w.t.Errorf("a pull request was asked for %d times", asked())
		}
	})
	w.proposedOnce(issue, agent)
	if left := w.quarantines(); len(left) != 0 {
		w.t.Errorf("quarantines of killed processes are left: %q", left)
	}
}

// proposedOnce proves that the kills left no trace but in the log.
func (w *world) proposedOnce(issue int, agent container) {
	w.t.Helper()
	tasks := w.tasksOf(issue)
	pulls := w.hub.PullRequests(sampleRepo)
	if len(tasks) != 1 || len(pulls) != 1 {
		w.t.Fatalf("%d tasks and %d pull requests, want one each", len(tasks), len(pulls))
	}
	proposal, err := w.db().Proposal(w.t.Context(), tasks[0].ID)
	if err != nil {
		w.t.Fatal(err)
	}
	if pushes := w.branchPushes(tasks[0].ID); len(pushes) != 1 || pushes[0] != proposal.Carrier || pulls[0].HeadSHA != proposal.Carrier {
		w.t.Errorf("pushes %q, pull request at %s, want the carrier %s once", pushes, pulls[0].HeadSHA, proposal.Carrier)
	}
	if want := w.repairedTree(); proposal.Tree != want {
		w.t.Errorf("the proposal has tree %s, the agent's change makes %s", proposal.Tree, want)
	}
	if now := w.only("task"); now.ID != agent.ID || now.Started != agent.Started {
		w.t.Errorf("the container is %+v, it was %+v", now, agent)
	}
	if output := w.output("task/" + string(tasks[0].ID)); strings.Count(output, "agent ") != 1 {
		w.t.Errorf("the agent's output is not there once: %q", output)
	}
	w.auditHas(tasks[0].ID, map[audit.Action]int{
		audit.TaskCreated: 1, audit.ContainerStarted: 1, audit.ContainerEnded: 1,
		audit.ProposalRecorded: 1, audit.ProposalIntent: 1, audit.ProposalPublished: 1,
	})
}

func (w *world) quarantines() []string {
	w.t.Helper()
	entries, err := os.ReadDir(filepath.Join(w.dir, "data", "git", "quarantine"))
	if err != nil {
		w.t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

// repairedTree is the tree that quickAgent's change makes, by git itself.
func (w *world) repairedTree() string {
	w.t.Helper()
	dir := w.t.TempDir()
	w.git(dir, "clone", "--quiet", w.hub.RepositoryDir(sampleRepo), ".")
	path := filepath.Join(dir, "receipt.awk")
	before, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	after := strings.Replace(string(before), "total += $3", "total += $2 * $3", 1)
	if err := os.WriteFile(path, []byte(after), 0o600); err != nil {
		w.t.Fatal(err)
	}
	w.git(dir, "add", "--all")
	return w.git(dir, "write-tree")
}
