package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gh "github.com/google/go-github/v62/github"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/task"
)

// reconcile holds the log against the forge at the server.
func (w *world) reconcile(secret string) audit.Reconciliation {
	w.t.Helper()
	answer := w.call(http.MethodPost, "/audit/reconcile", secret)
	var r audit.Reconciliation
	if err := json.Unmarshal([]byte(answer.body), &r); err != nil || answer.status != http.StatusOK {
		w.t.Fatalf("%d %s: %v", answer.status, answer.body, err)
	}
	if r.Failed > 0 || len(r.Looks) != 1 {
		w.t.Errorf("not looked at: %q, looks %+v", r.NotLooked, r.Looks)
	}
	return r
}

// kinds are the differences in a form that can be compared.
func kinds(r audit.Reconciliation) (list []string) {
	for _, d := range r.Differences {
		list = append(list, string(d.Kind)+" "+d.Subject)
	}
	slices.Sort(list)
	return list
}

func trailers(id task.ID, digest string) string {
	return fmt.Sprintf("Coderflow-Task: %s\nCoderflow-Proposal: %s", id, digest)
}

// One task goes its whole way and nothing differs. Then everything is done behind
// CoderFlow's back that a person with write access can do.
func TestTheLogAndTheForgeAreHeldAgainstEachOther(t *testing.T) {
	t.Parallel()
	w := newStoppedWorld(t, func(_ *emulator.Options, s *settings) {
		s.Spec, s.Script, s.Extra = "deployments:\n    onApproval:\n      - {profile: publish, parameters: {channel: beta}}", saysWhat, looksOften
	})
	w.manifests("auditor.yaml", binding("tom-audits", w.subject(tom), "server-admin", "*"))
	w.start()
	auditor, _ := w.token(tom)
	proposed := w.proposed()
	review := w.approve(tom, proposed.PullRequest, "Count every item")
	done := w.taskOf(proposed.Issue, task.Done)
	run := w.deployed(w.runOf(done.ID, "publish", deploy.OnApproval).ID, deploy.Succeeded)
	kept := w.proposed()
	w.approve(tom, kept.PullRequest, "/coderflow no-push")
	w.waitSaid(forge.PullTopic(kept.PullRequest), "was made and kept")

	clean := w.reconcile(auditor)
	if l := clean.Looks[0]; len(clean.Differences) > 0 || l.Tasks != 1 || l.Approvals != 1 || l.Deployments != 1 || l.Commits != 1 || len(l.NotLooked) > 0 {
		t.Fatalf("before anybody did anything: %+v", clean)
	}
	w.chainHas(done, auditor)

	keptCommit := w.keptCommit(kept)
	subjects := w.behindItsBack(done, keptCommit, review)
	want := []string{
		"approval-gone review " + review.ID, "branch-moved " + done.ID.Branch(), "commit-gone " + done.LandedCommit,
		"commit-unknown " + subjects["copy"], "commit-unknown " + subjects["unknown"], "trailers-lie " + subjects["lie"],
		"deployment-gone " + run.ID, "deployment-unrecorded " + subjects["deployment"], "push-unapproved " + keptCommit, "push-unapproved coderflow/aaaaaaaaaaaa",
	}
	slices.Sort(want)
	w.evidenceDue()
	found := w.reconcile(auditor)
	got := kinds(found)
	differs := slices.IndexFunc(got, func(s string) bool { return strings.HasPrefix(s, "record-differs") })
	if differs < 0 || !strings.Contains(got[differs], "its record says failed") {
		t.Errorf("a changed record is not told: %q", got)
	} else if got = slices.Delete(got, differs, differs+1); !slices.Equal(got, want) {
		t.Errorf("found\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, d := range found.Differences {
		if d.Next == "" || d.What == "" || strings.Contains(d.What, "\x1b") {
			t.Errorf("%+v", d)
		}
	}
	if found.New != 0 {
		t.Errorf("%d of what was found already is new", found.New)
	}
	w.toldEverywhere(found)

	w.pushAs(maria, "main", func(git func(...string) string) { git("push", "-q", "origin", ":kept", ":coderflow/aaaaaaaaaaaa") })
	if after := w.reconcile(auditor); after.Gone != 2 || len(after.Differences) != len(found.Differences)-2 {
		t.Errorf("after two branches were deleted: %d gone, %q", after.Gone, kinds(after))
	}
	if answer := w.call(http.MethodPost, "/audit/reconcile?repository=acme/none", auditor); answer.status != http.StatusNotFound {
		t.Errorf("a repository that nobody lists: %d %s", answer.status, answer.body)
	}
}

// evidenceDue lets the server find that it is time, and waits until it held the log
// against the forge by itself.
func (w *world) evidenceDue() {
	w.t.Helper()
	db := w.db()
	err := db.InTx(w.t.Context(), func(tx *store.Tx) error {
		return tx.SetCursor(w.t.Context(), evidenceCursor, time.Now().Add(-2*time.Hour))
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.wait("the server to hold its log against the forge", func(ctx context.Context) (bool, error) {
		entries, err := db.AuditEntries(ctx, store.AuditFilter{Limit: 1000})
		return slices.ContainsFunc(entries, func(e audit.Entry) bool {
			return e.Action == audit.EvidenceDiffers && e.Actor == audit.System
		}), err
	})
}

// chainHas looks at the chain of a task that went its whole way, by command at the
// server's machine and by the API.
func (w *world) chainHas(done task.Task, secret string) {
	w.t.Helper()
	out, said, err := w.cli("tasks", "chain", string(done.ID), "-c", w.in.config)
	for _, want := range []string{"created", maria, "judged", "none", "approved", tom, done.LandedCommit, "staging/publish: succeeded"} {
		if err != nil || !strings.Contains(out, want) {
			w.t.Errorf("the chain does not say %q: %v %s\n%s", want, err, said, out)
		}
	}
	answer := w.call(http.MethodGet, "/tasks/"+string(done.ID)+"/chain", secret)
	var chain audit.Chain
	if err := json.Unmarshal([]byte(answer.body), &chain); err != nil || len(chain.Differences) > 0 {
		w.t.Fatalf("%v %q %s", err, chain.Differences, answer.body)
	}
	for step, n := range map[string]int{"created": 1, "generated": 5, "checked": 0, "judged": 0, "approved": 1, "committed": 1, "pushed": 1, "deployed": 1} {
		if acts := chain.Acts(step); len(acts) != n {
			w.t.Errorf("%s: %+v", step, acts)
		}
	}
	if push := chain.Acts("pushed")[0]; !strings.HasSuffix(push.URL, "/commit/"+done.LandedCommit) || push.Entry == 0 {
		w.t.Errorf("%+v", push)
	}
}

// keptCommit is the commit that an approval made and did not push.
func (w *world) keptCommit(kept task.Task) string {
	w.t.Helper()
	entries, err := w.db().AuditEntries(w.t.Context(), store.AuditFilter{Task: string(kept.ID), Limit: 1000})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range entries {
		var detail struct{ Commit string }
		if e.Action == audit.CommitKept && json.Unmarshal(e.Detail, &detail) == nil {
			return detail.Commit
		}
	}
	w.t.Fatal("no commit was kept")
	return ""
}

// behindItsBack does what nobody approved, and returns what it made.
func (w *world) behindItsBack(done task.Task, kept string, review forge.Review) map[string]string {
	w.t.Helper()
	made := map[string]string{}
	w.pushAs(maria, "main", func(git func(...string) string) {
		commit := func(name, message string) {
			git("commit", "-q", "--allow-empty", "-m", message)
			made[name] = git("rev-parse", "HEAD")
		}
		commit("unknown", "Looks approved\n\n"+trailers("aaaaaaaaaaaa", "sha256:0"))
		commit("lie", "Looks approved\x1b\n\n"+trailers(done.ID, "sha256:0"))
		git("fetch", "-q", "origin", done.ID.Branch())
		git("cherry-pick", done.LandedCommit)
		made["copy"] = git("rev-parse", "HEAD")
		git("push", "-q", "origin", "HEAD:main", "HEAD~1:refs/heads/coderflow/aaaaaaaaaaaa")
		commit("over", "Mine")
		git("push", "-q", "--force", "origin", "HEAD:"+done.ID.Branch())
		mirrors, err := filepath.Glob(filepath.Join(w.dir, "data", "git", "mirrors", "*.git"))
		if err != nil || len(mirrors) != 1 {
			w.t.Fatalf("%v %v", mirrors, err)
		}
		git("-c", "protocol.file.allow=always", "fetch", "-q", mirrors[0], "+refs/coderflow/landings/*:refs/stolen/*")
		git("push", "-q", "origin", kept+":refs/heads/kept")
	})
	w.dismiss(done.PullRequest, review)
	d, _, err := w.gitHub(tom).Repositories.CreateDeployment(w.t.Context(), sampleOwner, sampleName, &gh.DeploymentRequest{
		Ref: gh.String(made["copy"]), Environment: gh.String("staging"), Payload: map[string]string{"task": "0123456789abcdef"},
		AutoMerge: gh.Bool(false), RequiredContexts: &[]string{},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	made["deployment"] = fmt.Sprint(d.GetID())
	if _, err := w.db().DB().ExecContext(w.t.Context(), "UPDATE deploy_runs SET forge_id = '999999', state = 'failed', shown = 'failed'"); err != nil {
		w.t.Fatal(err)
	}
	return made
}

// toldEverywhere looks at the command on this machine, the metric and the log.
func (w *world) toldEverywhere(found audit.Reconciliation) {
	w.t.Helper()
	out, said, err := w.cli("audit", "reconcile", "-c", w.in.config, "--repository", sampleRepo, "-o", "json")
	var here audit.Reconciliation
	if json.Unmarshal([]byte(out), &here) != nil || err == nil || !slices.Equal(kinds(here), kinds(found)) {
		w.t.Errorf("on this machine: %v %s\n%s", err, said, out)
	}
	known, said, err := w.cli("audit", "reconcile", "-c", w.in.config, "--known")
	if err == nil || !strings.Contains(known, "commit-gone") || !strings.Contains(known, "next: ") || !strings.Contains(said, fmt.Sprint(len(found.Differences))) {
		w.t.Errorf("%v %s\n%s", err, said, known)
	}
	if figures := w.metrics(); !strings.Contains(figures, `coderflow_evidence_differences{kind="commit-unknown"} 2`) ||
		!strings.Contains(figures, `coderflow_evidence_not_looked_at 0`) {
		w.t.Errorf("metrics: %s", figures)
	}
	entries, err := w.db().AuditEntries(w.t.Context(), store.AuditFilter{Limit: 1000})
	if err != nil {
		w.t.Fatal(err)
	}
	entries = slices.DeleteFunc(entries, func(e audit.Entry) bool { return e.Action != audit.EvidenceDiffers })
	if len(entries) != 3 || entries[0].Actor != audit.System || entries[1].Actor != w.subject(tom) || !strings.Contains(string(entries[0].Detail), "commit-gone") {
		w.t.Errorf("%d entries, the first %+v", len(entries), entries[0])
	}
}
