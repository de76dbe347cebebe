package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/task"
)

const zoe = "zoe" // approves, and is no admin

// twoByPath asks for two approvals, one of them by an environment-admin, where the
// file that the agent repairs changes. Its case does not matter.
const twoByPath = `gate:
  rules:
    - {name: receipts, paths: ["**/Receipt.AWK"], approvals: 2, from: [{role: environment-admin}]}`

// newQuorumWorld has eve and zoe approve beside tom, without being admins.
func newQuorumWorld(t *testing.T, more ...worldOption) *world {
	t.Helper()
	w := newStoppedWorld(t, append(more, func(_ *emulator.Options, s *settings) { s.Spec, s.Extra = twoByPath, looksOften })...)
	if _, err := w.hub.CreateUser(zoe, emulator.UserOptions{Name: "Zoe"}); err != nil {
		t.Fatal(err)
	}
	text := "apiVersion: coderflow.dev/v1\nkind: Role\nmetadata: {name: approver}\nspec:\n  permissions: [\"tasks:view\", \"tasks:approve\"]\n"
	for _, login := range []string{eve, zoe} {
		if err := w.hub.AddCollaborator(sampleRepo, login, "write"); err != nil {
			t.Fatal(err)
		}
		text += "---\n" + binding(login+"-approves", w.subject(login), "approver", "environment/staging")
	}
	w.manifests("approvers.yaml", text)
	return w
}

// manifests writes a file of manifests beside the demo's.
func (w *world) manifests(name, text string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, "manifests", name), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) dismiss(number int, review forge.Review) {
	w.t.Helper()
	if err := w.people.dismiss(w.t.Context(), tom, number, review); err != nil {
		w.t.Fatal(err)
	}
}

// pushes counts what was pushed to the task's branch: the carrier, then the commit.
func (w *world) pushes(id task.ID) (n int) {
	for _, push := range w.hub.Pushes(sampleRepo) {
		if push.Ref == "refs/heads/"+id.Branch() {
			n++
		}
	}
	return n
}

// The way of a change that needs two people, with a restart between their
// approvals: what does not make two, and what then does.
func TestThreat40To51AQuorumTakesDifferentPermittedPeople(t *testing.T) {
	t.Parallel()
	w := newQuorumWorld(t)
	w.start()
	proposed := w.taskOf(w.run(maria).Number, task.Proposed)
	pr, err := w.pullRequest(t.Context(), proposed.PullRequest)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"This change needs 2 approvals, one of them by an environment-admin", `rule "receipts"`} {
		if !strings.Contains(pr.Body, want) {
			t.Errorf("the pull request does not say %q:\n%s", want, pr.Body)
		}
	}
	w.approve(eve, proposed.PullRequest, "fine")
	w.waitSaid(forge.PullTopic(proposed.PullRequest), "1 of 2 approvals; one of them must be an environment-admin")
	w.approve(eve, proposed.PullRequest, "fine, fine")
	w.waitCounted(proposed.ID, 2)
	w.approve(maria, proposed.PullRequest, "I asked for it")
	w.waitSaid(forge.PullTopic(proposed.PullRequest), "the requester of a task cannot approve it")
	w.approve(zoe, proposed.PullRequest, "/coderflow deploy publish") // she may not deploy
	w.waitSaid(forge.PullTopic(proposed.PullRequest), "deployments:execute")
	counted := w.approve(zoe, proposed.PullRequest, "and me")
	w.waitSaid(forge.PullTopic(proposed.PullRequest), "2 of 2 approvals; one of them must be an environment-admin")
	w.dismiss(proposed.PullRequest, counted)
	w.waitSaid(forge.PullTopic(proposed.PullRequest), "dismissed or withdrawn after it was counted")
	w.waitSaid(forge.PullTopic(proposed.PullRequest), "a later review by zoe was dismissed") // eve's, before it, fall too
	w.waitCounted(proposed.ID, 0)
	w.approve(eve, proposed.PullRequest, "again")
	w.approve(zoe, proposed.PullRequest, "again")
	w.waitCounted(proposed.ID, 2)
	w.noCommit(proposed)

	w.server.kill()
	w.start()
	w.approve(tom, proposed.PullRequest, "Count every item\n\n/coderflow deploy publish channel=stable")
	done := w.taskOf(proposed.Issue, task.Done)
	w.landedExactly(done)
	commit, err := w.commit(t.Context(), done.LandedCommit)
	if err != nil {
		t.Fatal(err)
	}
	message := commit.Message
	for _, login := range []string{eve, zoe} {
		if want := fmt.Sprintf("\nApproved-by: %s (%s)", login, w.subject(login)); strings.Count(message, want) != 1 {
			t.Errorf("the message does not say %q once:\n%s", want, message)
		}
	}
	if strings.Contains(message, "Approved-by: tom") || !strings.HasPrefix(message, "Count every item\n") {
		t.Errorf("message:\n%s", message)
	}
	w.auditHas(done.ID, map[audit.Action]int{audit.ApprovalRecorded: 1, audit.PushDone: 1, audit.DeployStarted: 1})
	w.nothingMentioned()
	w.simulated()
}

// simulated tries other gates on the decisions of the story.
func (w *world) simulated() {
	w.t.Helper()
	d := &desk{t: w.t, dir: w.dir, config: w.in.config}
	dir := filepath.Join(w.dir, "manifests")
	if out := d.must("policy", "simulate", "-f", dir); !strings.Contains(out, "\n0 of ") && !strings.HasPrefix(out, "0 of ") {
		w.t.Errorf("what is in force flips decisions:\n%s", out)
	}
	text, err := os.ReadFile(filepath.Join(dir, "demo.yaml"))
	if err != nil {
		w.t.Fatal(err)
	}
	for gate, flips := range map[string][]string{
		strings.Replace(twoByPath, "approvals: 2", "approvals: 4", 1):  {"approved waiting 3 of 4 approvals"},
		"gate: {approvals: 1, from: [{role: approver}]}":               {"waiting approved everything that is asked for was there"},
		strings.Replace(twoByPath, "**/Receipt.AWK", "docs/**", 1):     {"waiting approved"},
		strings.Replace(twoByPath, "environment-admin", "viewer", 1):   {"approved waiting 3 approvals; one of them must be a viewer"},
		strings.Replace(twoByPath, "{role: environment-admin}", "", 1): {"waiting approved"},
	} {
		w.manifests("demo.yaml", strings.Replace(string(text), inSpec(twoByPath), inSpec(gate), 1))
		out := strings.Join(strings.Fields(d.must("policy", "simulate", "--since", "1h", "-f", dir)), " ")
		for _, want := range flips {
			if !strings.Contains(out, want) {
				w.t.Errorf("%s: does not say %q:\n%s", gate, want, out)
			}
		}
	}
}

func (w *world) waitCounted(id task.ID, n int) {
	w.t.Helper()
	db := w.db()
	w.waitTask(id, fmt.Sprintf("%d counted reviews", n), func() (bool, error) {
		t, err := db.Task(w.t.Context(), id)
		return len(t.Counted()) == n, err
	})
}

// An approver who falls away between the record and the push takes the approval
// with them: everybody has to approve anew.
func TestThreat44And48WhoFallsAwayBeforeThePushTakesTheQuorumAlong(t *testing.T) {
	onBoth(t, func(t *testing.T, at worldOption) {
		w := newQuorumWorld(t, at)
		d := &desk{t: t, dir: w.dir, config: w.in.config}
		stricter := strings.Replace(twoByPath, "approvals: 2", "approvals: 3", 1)
		for name, fall := range map[string]struct {
			act  func(proposed task.Task, first forge.Review)
			undo func()
		}{
			"threat 44: dismissed": {func(p task.Task, first forge.Review) { w.dismiss(p.PullRequest, first) }, func() {}},
			"threat 48: role taken away": {
				func(task.Task, forge.Review) {
					w.replace(d, "approvers.yaml", "role: approver,", "role: viewer,")
				},
				func() { w.replace(d, "approvers.yaml", "role: viewer,", "role: approver,") },
			},
			"the gate asks for more": {
				func(task.Task, forge.Review) { w.replace(d, "demo.yaml", inSpec(twoByPath), inSpec(stricter)) },
				func() { w.replace(d, "demo.yaml", inSpec(stricter), inSpec(twoByPath)) },
			},
		} {
			w.step(name, func() {
				w.startToDie("push-intended")
				proposed := w.taskOf(w.run(maria).Number, task.Proposed)
				first := w.approve(eve, proposed.PullRequest, "")
				w.waitCounted(proposed.ID, 1)
				w.approve(tom, proposed.PullRequest, "")
				w.died()
				fall.act(proposed, first)
				w.start()
				w.waitTask(proposed.ID, "the approval to fall", func() (bool, error) {
					got, err := w.db().Task(t.Context(), proposed.ID)
					return got.State == task.Proposed && got.ApprovalID == "", err
				})
				fallen, err := w.db().Task(t.Context(), proposed.ID)
				if err != nil {
					w.t.Fatal(err)
				}
				for _, j := range fallen.Judged {
					if j.Allowed || j.Counted {
						w.t.Errorf("the review by %s still counts", j.Reviewer.Login)
					}
				}
				if n := w.pushes(proposed.ID); n != 1 {
					w.t.Errorf("%d pushes", n)
				}
				w.auditHas(proposed.ID, map[audit.Action]int{audit.ApprovalVoid: 1, audit.PushDone: 0})
				fall.undo()
				w.approve(eve, proposed.PullRequest, "once more")
				w.waitCounted(proposed.ID, 1)
				w.approve(tom, proposed.PullRequest, "once more")
				w.landedExactly(w.taskOf(proposed.Issue, task.Done))
				w.entriesSayEnough(audit.ApprovalCounted, audit.ApprovalVoid, audit.ApprovalRecorded)
				w.server.kill()
			})
		}
	})
}

// Two second approvals at once, every delivery twice: one record, one push.
func TestThreat51TwoSecondApprovalsAtOnceAreRecordedOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, at worldOption) {
		w := newQuorumWorld(t, at)
		w.manifests("zoe.yaml", binding("zoe-leads", w.subject(zoe), "environment-admin", "environment/staging"))
		w.start()
		proposed := w.taskOf(w.run(maria).Number, task.Proposed)
		w.approve(eve, proposed.PullRequest, "")
		w.waitCounted(proposed.ID, 1)
		var both sync.WaitGroup
		for _, login := range []string{tom, zoe} {
			both.Go(func() { w.approve(login, proposed.PullRequest, "/coderflow deploy publish") })
		}
		both.Wait()
		for _, delivery := range w.hub.Deliveries() {
			if w.isReview(delivery.Event) && !delivery.Redelivery {
				if err := w.hub.Redeliver(delivery.GUID); err != nil {
					t.Fatal(err)
				}
			}
		}
		done := w.taskOf(proposed.Issue, task.Done)
		w.settle()
		if n := w.pushes(done.ID); n != 2 {
			t.Errorf("%d pushes, want carrier and commit", n)
		}
		w.auditHas(done.ID, map[audit.Action]int{
			audit.ApprovalRecorded: 1, audit.PushIntent: 1, audit.PushDone: 1, audit.DeployIntent: 1, audit.DeployStarted: 1, audit.DeployEnded: 1,
		})
	})
}

func (w *world) waitTask(id task.ID, what string, look func() (bool, error)) {
	w.t.Helper()
	w.wait(fmt.Sprintf("task %s: %s", id, what), func(context.Context) (bool, error) { return look() })
}

// replace changes a file of manifests and puts all of them in force.
func (w *world) replace(d *desk, name, from, to string) {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join(w.dir, "manifests", name))
	if err != nil {
		w.t.Fatal(err)
	}
	changed := strings.ReplaceAll(string(text), from, to)
	if changed == string(text) {
		w.t.Fatalf("%s does not say %q", name, from)
	}
	w.manifests(name, changed)
	d.must("apply", "-f", filepath.Join(w.dir, "manifests"))
}

// inSpec is text as it stands in the environment's spec.
func inSpec(text string) string { return strings.ReplaceAll(text, "\n", "\n  ") }
