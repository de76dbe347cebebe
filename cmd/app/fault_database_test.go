package main

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/store/storetest"
	"github.com/coderflow/coderflow/internal/task"
)

// PostgreSQL dies while the server asks for a pull request, while it pushes, and while
// it shows a deployment that is about to start: the intent is recorded, the outcome
// cannot be. It is looked up, and nothing is done twice.
func TestFault20TheDatabaseDiesBetweenIntentAndEffect(t *testing.T) {
	t.Parallel()
	postgres := storetest.NewServer(t)
	w := newStoppedWorld(t, withExtra(looksOften+"\ndatabase: "+postgres.Database(t).DSN), withScript(once("deployment")))
	w.start()
	w.reconciled()
	dies := func(suffix string, act func()) {
		w.t.Helper()
		var count atomic.Int64
		dead := make(chan struct{})
		w.hub.Fail(func(r *http.Request) *emulator.Fault {
			if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, suffix) && count.Add(1) == 1 {
				if err := postgres.Stop(); err != nil {
					t.Error(err)
				}
				close(dead)
			}
			return nil
		})
		act()
		select { // a busy machine is not ready for reasons of its own
		case <-dead:
		case <-time.After(longEnough):
			w.t.Fatalf("nothing was asked of %s", suffix)
		}
		w.unready("database")
		if err := postgres.Start(); err != nil {
			w.t.Fatal(err)
		}
		w.unready()
	}
	issue := w.issue(maria).Number
	var proposed task.Task
	w.step("Fault20AtThePullRequest", func() {
		dies("/pulls", func() { w.say(maria, forge.IssueTopic(issue), "/coderflow run") })
		proposed = w.taskOf(issue, task.Proposed)
		if n := len(w.hub.PullRequests(sampleRepo)); n != 1 {
			w.t.Errorf("%d pull requests", n)
		}
	})
	w.step("Fault20AtThePush", func() {
		dies("/git-receive-pack", func() { w.approve(tom, proposed.PullRequest, "") })
		w.landedExactly(w.taskOf(issue, task.Done))
	})
	w.step("Fault20AtTheDeployment", func() {
		next := w.proposed()
		dies("/deployments", func() { w.approve(tom, next.PullRequest, "/coderflow deploy publish") })
		done := w.taskOf(next.Issue, task.Done)
		w.landedExactly(done)
		run := w.deployed(w.runOf(done.ID, "publish", deploy.ByReview).ID, deploy.Succeeded)
		if n := len(w.containers("deploy")); n != 1 || strings.Count(w.output("deploy/"+run.ID), "deployment ") != 1 {
			w.t.Errorf("%d containers, output %q", n, w.output("deploy/"+run.ID))
		}
		if n := len(w.hub.Deployments(sampleRepo)); n != 1 {
			w.t.Errorf("the forge shows %d deployments", n)
		}
		w.auditHas(done.ID, map[audit.Action]int{audit.DeployIntent: 1, audit.DeployStarted: 1, audit.DeployEnded: 1, audit.PushIntent: 1, audit.PushDone: 1})
	})
	w.auditHas(proposed.ID, map[audit.Action]int{audit.ProposalIntent: 1, audit.ProposalPublished: 1, audit.ApprovalRecorded: 1, audit.PushIntent: 1, audit.PushDone: 1})
}
