package main

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/task"
)

// Deliveries that were lost, or whose acknowledgement was, on one server.
func TestFault01To03LostDeliveriesAreFoundAndRepeatedOnesAreNot(t *testing.T) {
	t.Parallel()
	w := newStoppedWorld(t, withExtra(looksOften))
	var issues []int
	for range 4 {
		issues = append(issues, w.issue(maria).Number)
	}
	w.settle()
	w.step("Fault01KilledBeforeTheWebhookIsAcknowledged", func() {
		w.startToDie("delivery-received:issue_comment")
		w.reconciled()
		w.say(maria, forge.IssueTopic(issues[0]), "/coderflow run")
		w.died()
		if last := w.lastDelivery("issue_comment"); last.Status != 0 {
			w.t.Errorf("the delivery was answered with %d", last.Status)
		}
		w.start()
		w.taskOf(issues[0], task.Proposed)
		w.handled()
	})
	w.server.kill()
	w.step("Fault02KilledAfterTheCommitBeforeTheAcknowledgement", func() {
		w.startToDie("delivery-stored:issues")
		w.label(maria, issues[1])
		w.died()
		last := w.lastDelivery("issues")
		if last.Status != 0 {
			w.t.Errorf("the delivery was answered with %d", last.Status)
		}
		w.start()
		if err := w.hub.Redeliver(last.GUID); err != nil {
			w.t.Fatal(err)
		}
		w.handled()
		if again := w.lastOf(last.GUID); again.Status != 202 || !again.Redelivery {
			w.t.Errorf("the redelivery was answered with %d", again.Status)
		}
		w.taskOf(issues[1], task.Proposed)
	})
	w.step("Fault03DeliveriesLost", func() {
		w.hub.DropDeliveries(func(string) bool { return true })
		w.say(maria, forge.IssueTopic(issues[2]), "/coderflow run")
		w.label(maria, issues[3])
		w.taskOf(issues[3], task.Proposed)
		proposed := w.taskOf(issues[2], task.Proposed)
		w.approve(tom, proposed.PullRequest, "")
		w.landedExactly(w.taskOf(issues[2], task.Done))
	})
	w.hub.DropDeliveries(nil)
	w.redeliverAll()
	w.reconciled()
	for _, issue := range issues {
		tasks := w.tasksOf(issue)
		if len(tasks) != 1 {
			t.Errorf("issue %d has %d tasks", issue, len(tasks))
			continue
		}
		w.auditHas(tasks[0].ID, map[audit.Action]int{audit.TaskCreated: 1, audit.ContainerStarted: 1, audit.ProposalPublished: 1})
	}
	if pulls := w.hub.PullRequests(sampleRepo); len(pulls) != len(issues) {
		t.Errorf("%d pull requests for %d issues", len(pulls), len(issues))
	}
}

func (w *world) label(login string, issue int) {
	w.t.Helper()
	if err := w.addLabel(w.t.Context(), login, issue, "coderflow"); err != nil {
		w.t.Fatal(err)
	}
}

// lastDelivery is the newest attempt to deliver such an event.
func (w *world) lastDelivery(event string) emulator.Delivery {
	w.t.Helper()
	return w.lastThat("of "+event, func(d emulator.Delivery) bool { return d.Event == event })
}

// lastOf is the newest attempt to deliver this one: labels that CoderFlow sets are
// events too, and come in between.
func (w *world) lastOf(guid string) emulator.Delivery {
	w.t.Helper()
	return w.lastThat(guid, func(d emulator.Delivery) bool { return d.GUID == guid })
}

func (w *world) lastThat(what string, is func(emulator.Delivery) bool) emulator.Delivery {
	w.t.Helper()
	w.settle()
	for _, d := range slices.Backward(w.hub.Deliveries()) {
		if is(d) {
			return d
		}
	}
	w.t.Fatalf("no delivery %s", what)
	return emulator.Delivery{}
}

// reconciled waits until the reconciler has looked once more at everything that
// is there now.
func (w *world) reconciled() {
	w.t.Helper()
	db, since := w.db(), time.Now()
	cursor := "comments:" + w.repositoryKey()
	w.wait("the reconciler", func(ctx context.Context) (bool, error) {
		at, err := db.Cursor(ctx, cursor)
		return at.After(since), err
	})
}

// lookedOnce waits until the server's first look at the forge is over.
func (w *world) lookedOnce() {
	w.t.Helper()
	db, cursor := w.db(), "comments:"+w.repositoryKey()
	w.wait("the first look at the forge", func(ctx context.Context) (bool, error) {
		at, err := db.Cursor(ctx, cursor)
		return !at.IsZero(), err
	})
}

// handled waits until every delivery was sent and handled.
func (w *world) handled() {
	w.t.Helper()
	w.settle()
	db := w.db()
	w.wait("all deliveries to be handled", func(ctx context.Context) (bool, error) {
		open, err := db.UnhandledDeliveries(ctx, 0)
		return len(open) == 0, err
	})
}

// redeliverAll sends every delivery that was ever made again and waits until
// the server has handled them.
func (w *world) redeliverAll() {
	w.t.Helper()
	for _, d := range w.hub.Deliveries() {
		if d.Redelivery {
			continue
		}
		if err := w.hub.Redeliver(d.GUID); err != nil {
			w.t.Fatal(err)
		}
	}
	w.handled()
}

func (w *world) settle() {
	w.t.Helper()
	if err := w.hub.Settle(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}
