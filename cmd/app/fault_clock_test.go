package main

import (
	"context"
	"testing"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/task"
)

// The clock of the machine jumps a day, one way and the other: all times that the
// server wrote down are a day in the future, then a day in the past. Nobody waits a
// day, and nothing is taken twice.
func TestFault27AClockThatJumpedADayHoldsNothingUpAndDoublesNothing(t *testing.T) {
	t.Parallel()
	w := newStoppedWorld(t, withExtra(looksOften))
	w.start()
	w.reconciled()
	w.server.kill()
	var issues []int
	for _, jump := range []string{"+1 day", "-2 days"} {
		w.step("Fault27ItWas"+jump, func() {
			w.startToDie("push-intended")
			approved := w.proposed()
			w.approve(tom, approved.PullRequest, "/coderflow deploy publish")
			w.died()
			w.shiftTimes(jump)
			lost := w.run(maria).Number // nobody hears the delivery
			w.settle()
			w.start()
			w.landedExactly(w.taskOf(approved.Issue, task.Done))
			w.taskOf(lost, task.Proposed)
			issues = append(issues, approved.Issue, lost)
			w.redeliverAll()
			w.reconciled()
			w.server.kill()
		})
	}
	for i, issue := range issues {
		tasks := w.tasksOf(issue)
		if len(tasks) != 1 {
			t.Errorf("issue %d has %d tasks", issue, len(tasks))
			continue
		}
		landed := 1 - i%2
		w.auditHas(tasks[0].ID, map[audit.Action]int{audit.TaskCreated: 1, audit.ContainerStarted: 1, audit.ProposalPublished: 1,
			audit.ApprovalRecorded: landed, audit.PushIntent: landed, audit.PushDone: landed, audit.DeployStarted: landed, audit.DeployEnded: landed})
	}
}

// shiftTimes changes the times that the stopped server goes by. A lease and a job of
// the killed process are among them.
func (w *world) shiftTimes(by string) {
	w.t.Helper()
	db := w.db().DB()
	const instant = "strftime('%Y-%m-%dT%H:%M:%S.000000Z', substr("
	for _, statement := range []string{
		"UPDATE cursors SET at = " + instant + "at, 1, 19), '" + by + "') WHERE name NOT LIKE 'first-seen:%'",
		"UPDATE tasks SET lease_until = " + instant + "lease_until, 1, 19), '" + by + "') WHERE lease_until IS NOT NULL",
		"UPDATE tasks SET updated_at = " + instant + "updated_at, 1, 19), '" + by + "')",
		"UPDATE deliveries SET received_at = " + instant + "received_at, 1, 19), '" + by + "')",
		"UPDATE river_job SET scheduled_at = strftime('%Y-%m-%d %H:%M:%f', substr(scheduled_at, 1, 19), '" + by + "') WHERE finalized_at IS NULL",
	} {
		if _, err := db.ExecContext(context.Background(), statement); err != nil {
			w.t.Fatalf("%s: %v", statement, err)
		}
	}
}
