package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/task"
)

const threeAgents = `agents:
  plain: {preset: exec, command: [/bin/sh, -c, "sed -i 's/total += \\$3/total += $2 * $3/' receipt.awk"]}
  other: {preset: exec, command: [/bin/sh, -c, "sed -i 's/total += \\$3/total += $3 * $2/' receipt.awk; echo more > notes.txt"]}
  slow: {preset: exec, command: [/bin/sh, -c, "echo started; sleep 300"]}`

// Several agents work on one request side by side; one is approved, and the others are
// void. What was closed, replaced or expired never comes back by itself.
func TestOneOfSeveralVariantsIsApprovedAndTheOthersAreVoid(t *testing.T) {
	onBoth(t, func(t *testing.T, at worldOption) {
		w := newWorld(t, at, func(_ *emulator.Options, s *settings) { s.Spec = threeAgents; s.Extra = "worker: {concurrency: 4}" })
		w.variants()
		w.closings()
		w.entriesSayEnough(audit.TaskReplaced, audit.TaskCancelWanted)
		w.nothingMentioned()
	})
}

func (w *world) variants() {
	w.t.Helper()
	issue := w.issue(maria).Number
	w.say(maria, forge.IssueTopic(issue), "/coderflow run --agents plain,other,slow")
	var all []task.Task
	w.wait("two proposals and an agent at work", func(context.Context) (bool, error) {
		all = w.tasksOf(issue)
		slices.SortFunc(all, func(a, b task.Task) int { return a.Place - b.Place })
		return len(all) == 3 && all[0].State == task.Proposed && all[1].State == task.Proposed && all[2].State == task.Running, nil
	})
	for i, v := range all {
		if v.Group != all[0].ID || v.Places != 3 || v.Variant != []string{"plain", "other", "slow"}[i] || v.Run.Container != "coderflow-task-"+string(v.ID) {
			w.t.Errorf("variant %d: %+v", i+1, v)
		}
	}
	w.labelled(issue, "coderflow: working")
	w.waitSaid(forge.IssueTopic(issue), "3 variants of one request")
	pr, err := w.pullRequest(w.t.Context(), all[1].PullRequest)
	if err != nil || !strings.HasSuffix(pr.Title, "(variant 2 of 3, other)") {
		w.t.Errorf("pull request %q, %v", pr.Title, err)
	}
	w.approve(tom, all[1].PullRequest, "")
	ends := map[int]task.State{0: task.Superseded, 1: task.Done, 2: task.Superseded}
	w.wait("one to land and the others to be void", func(context.Context) (bool, error) {
		for i, state := range ends {
			if now := w.stored(all[i].ID); now.State != state || now.Reported != state {
				return false, nil
			}
		}
		return true, nil
	})
	w.landedExactly(w.stored(all[1].ID))
	w.auditHas(all[0].ID, map[audit.Action]int{audit.TaskReplaced: 1, audit.ApprovalRecorded: 0})
	w.auditHas(all[2].ID, map[audit.Action]int{audit.TaskReplaced: 1, audit.ContainerEnded: 1, audit.ProposalRecorded: 0})
	w.waitSaid(forge.PullTopic(all[0].PullRequest), "Variant 2 of 3 (other) was approved instead")
	w.waitSaid(forge.PullTopic(all[1].PullRequest), "The variants side by side")
	w.waitSaid(forge.IssueTopic(issue), "The variants side by side")
	w.labelled(issue, "coderflow: done")
	if pr, err := w.pullRequest(w.t.Context(), all[0].PullRequest); err != nil || pr.Open {
		w.t.Errorf("the pull request of the void variant is open: %v, %v", pr.Open, err)
	}
	w.reopenAndApprove(all[0])
	if said := w.botComments(forge.IssueTopic(issue)); said != 2 {
		w.t.Errorf("%d comments on the issue, want the status and the comparison", said)
	}
}

// reopenAndApprove opens a closed pull request again and approves it, which does nothing.
func (w *world) reopenAndApprove(old task.Task) {
	w.t.Helper()
	w.setOpen(forge.PullTopic(old.PullRequest), true)
	w.approve(tom, old.PullRequest, "")
	w.handled()
	w.noCommit(old)
}

func (w *world) closings() {
	w.t.Helper()
	issue := w.issue(maria).Number
	w.say(maria, forge.IssueTopic(issue), "/coderflow run --agent slow")
	running := w.taskOf(issue, task.Running)
	w.setOpen(forge.IssueTopic(issue), false)
	if ended := w.taskOf(issue, task.Cancelled); ended.Failure != "its issue was closed" {
		w.t.Errorf("it ended with %q", ended.Failure)
	}
	w.auditHas(running.ID, map[audit.Action]int{audit.ContainerEnded: 1, audit.ProposalRecorded: 0})
	w.labelled(issue, "coderflow: stopped")
	w.say(maria, forge.IssueTopic(issue), "/coderflow retry")
	w.waitSaid(forge.IssueTopic(issue), "is closed; reopen it first")
	w.setOpen(forge.IssueTopic(issue), true)
	w.handled()
	if n := len(w.tasksOf(issue)); n != 1 {
		w.t.Fatalf("opening the issue again left %d tasks, want the one that ended", n)
	}

	w.say(maria, forge.IssueTopic(issue), "/coderflow retry")
	w.waitSaid(forge.IssueTopic(issue), "Starting again")
	w.handled()
	again := w.taskOf(issue, task.Running)
	if again.Variant != "slow" || again.ID == running.ID {
		w.t.Errorf("the retry is %+v", again)
	}
	w.say(maria, forge.IssueTopic(issue), "/coderflow run --agent plain")
	w.waitSaid(forge.IssueTopic(issue), "Nothing was started")
	w.say(maria, forge.IssueTopic(issue), "/coderflow run --agent nobody")
	w.waitSaid(forge.IssueTopic(issue), "it has: exec, other, plain, slow")
	w.say(maria, forge.IssueTopic(issue), "/coderflow run --agent plain --supersede")
	w.handled()
	proposed := w.taskOf(issue, task.Proposed)
	if old := w.stored(again.ID); old.State != task.Superseded || old.ReplacedBy != proposed.ID {
		w.t.Errorf("the replaced task is %s, by %q", old.State, old.ReplacedBy)
	}
	w.reviewable(proposed) // a closed draft is never published
	w.setOpen(forge.PullTopic(proposed.PullRequest), false)
	w.setOpen(forge.PullTopic(proposed.PullRequest), true) // before or after it was seen
	w.taskOf(issue, task.Rejected)
	w.reopenAndApprove(proposed)
	w.say(maria, forge.PullTopic(proposed.PullRequest), "/coderflow retry")
	w.waitSaid(forge.PullTopic(proposed.PullRequest), "Starting again")
	w.handled()
	last := w.taskOf(issue, task.Proposed)
	if last.ID == proposed.ID || last.Variant != "plain" {
		w.t.Errorf("the retry on the pull request is %+v", last)
	}
	w.closedWhileDown(last)
}

// closedWhileDown approves a proposal and closes and reopens its pull request while no
// server is there to see it: the approval does not come back with it.
func (w *world) closedWhileDown(proposed task.Task) {
	w.t.Helper()
	w.reviewable(proposed)
	w.server.kill()
	w.approve(tom, proposed.PullRequest, "")
	w.setOpen(forge.PullTopic(proposed.PullRequest), false)
	w.setOpen(forge.PullTopic(proposed.PullRequest), true)
	w.start()
	w.taskOf(proposed.Issue, task.Rejected)
	w.noCommit(proposed)
}

func (w *world) stored(id task.ID) task.Task {
	w.t.Helper()
	t, err := w.db().Task(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return t
}

// setOpen closes or reopens an issue or a pull request.
func (w *world) setOpen(topic forge.Topic, open bool) {
	w.t.Helper()
	set := w.setIssueOpen
	if topic.PullRequest {
		set = w.setPullRequestOpen
	}
	if err := set(w.t.Context(), tom, topic.Number, open); err != nil {
		w.t.Fatal(err)
	}
}

// labelled waits until the issue has this one of CoderFlow's labels and no other.
func (w *world) labelled(issue int, want string) {
	w.t.Helper()
	w.wait(fmt.Sprintf("label %q on %d", want, issue), func(ctx context.Context) (bool, error) {
		labels, err := w.labels(ctx, issue)
		return len(labels) == 1 && labels[0] == want, err
	})
}

func (w *world) botComments(topic forge.Topic) (n int) {
	w.t.Helper()
	comments, err := w.comments(w.t.Context(), topic)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, c := range comments {
		if w.ours(c.Author) {
			n++
		}
	}
	return n
}
