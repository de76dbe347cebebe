package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/task"
)

// One approved task on its way to a deployment, killed at one place after
// another: it ends with one commit, one push and one start of the deployment.
func TestFault04To18LandingSurvivesEveryKill(t *testing.T) {
	t.Parallel()
	w := newStoppedWorld(t, withScript(once("deployment")+"\n"+untilReleased))
	var issue, id, commit = 0, task.ID(""), ""
	var deployment container
	w.step("Fault04ReviewBeforeThePullRequestIsRecorded", func() {
		w.startToDie("pull-request-opened")
		issue = w.run(maria).GetNumber()
		w.died()
		id = w.tasksOf(issue)[0].ID
		pulls := w.hub.PullRequests(sampleRepo)
		if len(pulls) != 1 {
			w.t.Fatalf("%d pull requests", len(pulls))
		}
		w.approve(tom, pulls[0].Number, "Count every item\n\n/coderflow deploy publish channel=stable")
		w.settle()
	})
	w.step("Fault12KilledAfterTheApprovalIsRecorded", func() {
		w.diesAt("moved:approved")
		w.auditHas(id, map[audit.Action]int{audit.ApprovalRecorded: 1, audit.PushIntent: 0})
	})
	w.step("Fault13KilledAfterTheCommitObject", func() {
		w.diesAt("committed")
		commit = w.onlyCommit()
		if pushes := w.branchPushes(id); len(pushes) != 1 {
			w.t.Errorf("pushed before the intent was recorded: %q", pushes)
		}
	})
	w.step("Fault13KilledBetweenIntentAndPush", func() {
		w.diesAt("push-intended")
		if again := w.onlyCommit(); again != commit {
			w.t.Errorf("made commit %s, then %s", commit, again)
		}
		w.auditHas(id, map[audit.Action]int{audit.PushIntent: 1, audit.PushDone: 0})
	})
	w.step("Fault14KilledAfterThePush", func() {
		w.diesAt("pushed")
		if pushes := w.branchPushes(id); len(pushes) != 2 || pushes[1] != commit {
			w.t.Errorf("pushes %q, want the commit %s last", pushes, commit)
		}
		w.auditHas(id, map[audit.Action]int{audit.PushDone: 0})
	})
	w.step("Fault16KilledBeforeTheDeploymentStarts", func() {
		w.diesAt("deployment-created")
		if deployment = w.only("deploy"); deployment.Running || !strings.HasPrefix(deployment.Started, "0001-") {
			w.t.Errorf("the deployment's container is %+v, want one that was never started", deployment)
		}
	})
	w.step("Fault17KilledDuringTheDeployment", func() {
		w.diesAt("deployment-started")
		running := w.only("deploy")
		if running.ID != deployment.ID || !running.Running {
			w.t.Errorf("the deployment's container is %+v, want %s started", running, deployment.ID)
		}
		deployment = running
	})
	w.step("Fault18KilledAfterTheDeploymentExited", func() {
		w.startToDie("deployment-exited")
		w.release(deployment)
		w.died()
		w.auditHas(id, map[audit.Action]int{audit.DeployStarted: 1, audit.DeployEnded: 0})
	})
	w.start()
	w.landedOnce(w.taskOf(issue, task.Done), deployment)
	w.redeliverAll() // also what was sent while nobody listened
	w.landedOnce(w.taskOf(issue, task.Done), deployment)
}

// landedOnce proves that every effect of the approval happened once.
func (w *world) landedOnce(done task.Task, deployment container) {
	w.t.Helper()
	w.landedExactly(done)
	if commit := w.onlyCommit(); commit != done.LandedCommit {
		w.t.Errorf("the approver's commit is %s, %s landed", commit, done.LandedCommit)
	}
	if tasks, pulls := w.tasksOf(done.Issue), w.hub.PullRequests(sampleRepo); len(tasks) != 1 || len(pulls) != 1 {
		w.t.Errorf("%d tasks and %d pull requests, want one each", len(tasks), len(pulls))
	}
	if now := w.only("deploy"); now.ID != deployment.ID || now.Started != deployment.Started {
		w.t.Errorf("the deployment's container is %+v, it was %+v", now, deployment)
	}
	runs, err := w.db().DeployRuns(w.t.Context(), done.ID)
	if err != nil || len(runs) != 1 {
		w.t.Fatalf("%d deployments: %v", len(runs), err)
	}
	if output := w.output("deploy/" + runs[0].ID); strings.Count(output, "deployment ") != 1 {
		w.t.Errorf("the deployment's output is not there once: %q", output)
	}
	shown := w.hub.Deployments(sampleRepo)
	if len(shown) != 1 || !slices.Equal(shown[0].States, []string{"in_progress", "success"}) || shown[0].SHA != done.LandedCommit {
		w.t.Errorf("the forge shows the deployments %+v", shown)
	}
	w.auditHas(done.ID, map[audit.Action]int{
		audit.TaskCreated: 1, audit.ApprovalRecorded: 1, audit.ApprovalRefused: 0, audit.ApprovalVoid: 0,
		audit.PushIntent: 1, audit.PushDone: 1, audit.DeployIntent: 1, audit.DeployStarted: 1, audit.DeployEnded: 1,
	})
}

// onlyCommit is the one commit by the approver among all objects of the server's mirror.
func (w *world) onlyCommit() string {
	w.t.Helper()
	mirrors, err := filepath.Glob(filepath.Join(w.dir, "data", "git", "mirrors", "*", "objects"))
	if err != nil {
		w.t.Fatal(err)
	}
	var found []string
	for _, objects := range mirrors {
		mirror := filepath.Dir(objects)
		for line := range strings.Lines(w.git(mirror, "cat-file", "--batch-all-objects", "--batch-check")) {
			id, kind, _ := strings.Cut(line, " ")
			if strings.HasPrefix(kind, "commit") && strings.Contains(w.git(mirror, "cat-file", "commit", id), "+"+tom+"@") {
				found = append(found, id)
			}
		}
	}
	if len(found) != 1 {
		w.t.Fatalf("the approver's commits are %q, want one", found)
	}
	return found[0]
}
