package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
	"github.com/coderflow/coderflow/internal/task"
)

// isLost takes away the server and all that it had: its process, its containers and its
// data directory. What it worked on is nobody's then.
func (w *world) isLost(db *store.Store, tasks ...task.Task) {
	w.t.Helper()
	w.server.kill()
	w.removeContainers()
	if err := os.RemoveAll(filepath.Join(w.dir, "data")); err != nil {
		w.t.Fatal(err)
	}
	for _, former := range tasks {
		err := db.InTx(w.t.Context(), func(tx *store.Tx) error {
			t, err := db.Task(w.t.Context(), former.ID)
			if err != nil {
				return err
			}
			t.Run.Node = ""
			return tx.SaveTask(w.t.Context(), &t)
		})
		if err != nil {
			w.t.Fatal(err)
		}
	}
}

// What was proposed on a server that is lost, with its git objects and its containers,
// lands from another one as it would have: one commit of the approved tree, one push, one
// deployment. It is revised there as well, and what was only kept can be approved again.
func TestFault28AProposalOutlivesTheServerThatMadeIt(t *testing.T) {
	t.Parallel()
	database := "database: " + storetest.PostgresOptions(t).DSN
	w := newStoppedWorld(t, withExtra(looksOften+"\n"+database), withAgent(revisingAgent))
	w.start()
	w.reconciled()
	second, db := w.beside(database), w.db()
	landing, revised, kept := w.run(maria), w.run(maria), w.run(maria)
	var all []task.Task
	for _, issue := range []int{landing.Number, revised.Number, kept.Number} {
		all = append(all, w.taskOf(issue, task.Proposed))
	}
	w.approve(tom, all[2].PullRequest, "/coderflow no-push")
	w.wait("the kept commit", func(context.Context) (bool, error) { return w.tasksOf(kept.Number)[0].Failure != "", nil })
	w.isLost(db, all...)
	second.start()

	w.approve(tom, all[0].PullRequest, "/coderflow deploy publish")
	done := w.taskOf(landing.Number, task.Done)
	w.landedExactly(done)
	w.auditHas(done.ID, map[audit.Action]int{
		audit.ProposalBrought: 1, audit.ApprovalRecorded: 1, audit.PushIntent: 1, audit.PushDone: 1,
		audit.DeployIntent: 1, audit.DeployStarted: 1, audit.DeployEnded: 1,
	})
	w.entriesSayEnough(audit.ProposalBrought)

	topic := forge.PullTopic(all[1].PullRequest)
	carriers := []string{w.head(all[1].PullRequest)}
	w.say(maria, topic, "/coderflow revise ADD: unit")
	next := w.revised(revised.Number, 2)
	carriers = append(carriers, w.head(next.PullRequest))
	w.follows(next, carriers)
	if got := second.resultFile(next, "added") + second.resultFile(next, "rounds"); got != "ADD: unit\n2\n" {
		t.Errorf("the second revision has %q", got)
	}
	if next.Run.Node != second.node() {
		t.Errorf("the revision was made on %s", next.Run.Node)
	}
	w.waitSaid(topic, "Revision 2 is up for review")
	w.approve(tom, next.PullRequest, "Count every item")
	w.landedFrom(w.taskOf(revised.Number, task.Done), carriers)

	w.approve(tom, all[2].PullRequest, "Count every item")
	done = w.taskOf(kept.Number, task.Done)
	w.landedExactly(done)
	refs := second.git(filepath.Join(second.dir, "data", "git", "mirrors", mirrorName(done)), "for-each-ref", "--format=%(objectname)", "refs/coderflow/landings")
	for _, commit := range []string{done.LandedCommit, done.Judged[0].Kept} {
		if commit == "" || !strings.Contains(refs, commit) {
			t.Errorf("commit %q is not kept on the second server: %s", commit, refs)
		}
	}
}

func mirrorName(t task.Task) string {
	return t.Repository.Host + "-" + t.Repository.ID + ".git"
}

// A server that is lost around the push leaves nothing to another one but to look: the
// commit is the same wherever it is made, and one that is at the forge is not pushed again.
func TestFault28APushOutlivesTheServerThatMadeIt(t *testing.T) {
	t.Parallel()
	for _, failpoint := range []string{"push-intended", "pushed"} {
		t.Run(failpoint, func(t *testing.T) {
			t.Parallel()
			database := "database: " + storetest.PostgresOptions(t).DSN
			w := newStoppedWorld(t, withExtra(looksOften+"\n"+database))
			w.startToDie(failpoint)
			w.reconciled()
			second, db := w.beside(database), w.db()
			proposed := w.proposed()
			w.approve(tom, proposed.PullRequest, "/coderflow deploy publish")
			w.died()
			meant := w.tasksOf(proposed.Issue)[0].LandedCommit
			w.isLost(db, proposed)
			second.start()
			done := w.taskOf(proposed.Issue, task.Done)
			w.landedExactly(done)
			if done.LandedCommit != meant || meant == "" {
				t.Errorf("commit %s was meant and %s was made", meant, done.LandedCommit)
			}
			w.auditHas(done.ID, map[audit.Action]int{
				audit.ApprovalRecorded: 1, audit.ApprovalVoid: 0, audit.PushIntent: 1, audit.PushDone: 1,
				audit.DeployIntent: 1, audit.DeployStarted: 1, audit.DeployEnded: 1,
			})
		})
	}
}

// What revisions differ in can be asked of any server.
func TestEveryServerComparesRevisions(t *testing.T) {
	t.Parallel()
	database := "database: " + storetest.PostgresOptions(t).DSN
	w := newStoppedWorld(t, withExtra(looksOften+"\n"+database), withAgent(revisingAgent))
	w.start()
	w.reconciled()
	second := w.beside(database)
	issue := w.run(maria)
	proposed := w.taskOf(issue.Number, task.Proposed)
	w.say(maria, forge.PullTopic(proposed.PullRequest), "/coderflow revise ADD: unit")
	w.revised(issue.Number, 2)
	secret, _ := w.token(maria)
	second.start()
	for _, at := range []*world{w, second} {
		at.wait("the difference", func(context.Context) (bool, error) {
			answer := at.call("GET", "/tasks/"+string(proposed.ID)+"/diff?revision=2&against=1", secret)
			return strings.Contains(answer.body, "+ADD: unit"), nil
		})
	}
	w.auditHas(proposed.ID, map[audit.Action]int{audit.ProposalBrought: 2})
}
