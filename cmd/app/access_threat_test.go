package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/task"
)

// production is a second environment for the sample repository, where maria has
// the role.
func (w *world) production(role string) {
	w.t.Helper()
	demo, err := os.ReadFile(filepath.Join(w.dir, "manifests", "demo.yaml"))
	if err != nil {
		w.t.Fatal(err)
	}
	environment, _, _ := strings.Cut(string(demo), "\n---\n")
	text := strings.Replace(environment, "name: staging", "name: production", 1) + "\n---\n" +
		binding("maria-in-production", w.subject(maria)+" (maria)", role, "environment/production")
	if err := os.WriteFile(filepath.Join(w.dir, "manifests", "production.yaml"), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// One person is developer in one environment and viewer in another, on one
// repository, until somebody who may changes it, which counts at once.
func TestThreat49DeveloperInStagingIsViewerInProduction(t *testing.T) {
	t.Parallel()
	w := newStoppedWorld(t)
	w.production("viewer")
	w.start()
	d := &desk{t: t, dir: w.dir, config: w.in.config}

	refused := w.issue(maria)
	w.say(maria, refused.Topic(), "/coderflow run --env production")
	w.waitSaid(refused.Topic(), "which does not include")
	w.waitSaid(refused.Topic(), "can grant it")
	staging := w.issue(maria)
	w.say(maria, staging.Topic(), "/coderflow run --env staging")
	proposed := w.taskOf(staging.Number, task.Proposed)
	if proposed.Environment != "staging" {
		t.Errorf("the task is in %s", proposed.Environment)
	}

	// A review that does not count is explained by /coderflow why.
	w.approve(eve, proposed.PullRequest, "ship it")
	w.waitSaid(forge.PullTopic(proposed.PullRequest), "has no role in environment")
	w.say(maria, staging.Topic(), "/coderflow why")
	w.waitSaid(staging.Topic(), "can grant it")
	w.noCommit(proposed)

	// She cannot make herself a developer of production; the server's owner can.
	w.production("developer")
	manifests := filepath.Join(w.dir, "manifests")
	if out, code := d.run("apply", "-f", manifests, "--as", w.subject(maria)); code != refusedStatus {
		t.Errorf("exit status %d: %s", code, out)
	}
	again := w.issue(maria)
	w.say(maria, again.Topic(), "/coderflow run --env production")
	w.waitSaid(again.Topic(), "which does not include")
	d.must("apply", "-f", manifests)
	last := w.issue(maria)
	w.say(maria, last.Topic(), "/coderflow run --env production")
	if permitted := w.taskOf(last.Number, task.Proposed); permitted.Environment != "production" {
		t.Errorf("the task is in %s", permitted.Environment)
	}
	if n := len(w.tasks()); n != 2 {
		t.Errorf("%d tasks, want 2", n)
	}
	w.nothingMentioned()
}

// A role that is taken away after the approval, when even the commit is made and
// the push intended, is not used: nothing is pushed (row 48).
func TestThreat48RoleRevokedBetweenApprovalAndPush(t *testing.T) {
	t.Parallel()
	w := newStoppedWorld(t)
	w.start("CODERFLOW_FAILPOINT=push-intended")
	issue := w.run(maria)
	proposed := w.taskOf(issue.Number, task.Proposed)
	w.approve(tom, proposed.PullRequest, "ship it")
	w.awaitDeath()
	w.auditHas(proposed.ID, map[audit.Action]int{audit.ApprovalRecorded: 1, audit.PushIntent: 1})

	path := filepath.Join(w.dir, "manifests", "demo.yaml")
	demo, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	revoked := strings.Replace(string(demo), "role: environment-admin", "role: viewer", 1)
	if err := os.WriteFile(path, []byte(revoked), 0o600); err != nil || revoked == string(demo) {
		t.Fatalf("revoke the role: %v", err)
	}
	(&desk{t: t, dir: w.dir, config: w.in.config}).must("apply", "-f", path)
	w.start()
	if again := w.taskOf(issue.Number, task.Proposed); again.ApprovalID != "" {
		t.Errorf("the task still stands under approval %s", again.ApprovalID)
	}
	w.waitSaid(forge.PullTopic(proposed.PullRequest), "which does not include")
	w.auditHas(proposed.ID, map[audit.Action]int{audit.ApprovalVoid: 1, audit.PushDone: 0})
	if head := w.head(proposed.PullRequest); head != w.branchPushes(proposed.ID)[0] || len(w.branchPushes(proposed.ID)) != 1 {
		t.Errorf("the branch is at %s after the pushes %q", head, w.branchPushes(proposed.ID))
	}
}

// The number decides: whoever is given maria's login has nothing of hers, and
// she keeps it under another login (row 47).
func TestThreat47ReusedLoginHasNoRole(t *testing.T) {
	onBoth(t, func(t *testing.T, at worldOption) {
		w := newWorld(t, at)
		const renamed = "mary"
		if err := w.hub.RenameUser(maria, renamed); err != nil {
			t.Fatal(err)
		}
		if _, err := w.hub.CreateUser(maria, emulator.UserOptions{Name: "Somebody Else"}); err != nil {
			t.Fatal(err)
		}
		if err := w.hub.AddCollaborator(sampleRepo, maria, "write"); err != nil {
			t.Fatal(err)
		}
		refused := w.run(maria)
		w.waitSaid(refused.Topic(), "has no role in environment")
		permitted := w.run(renamed)
		if found := w.taskOf(permitted.Number, task.Proposed); found.Requester.Login != w.loginOf(renamed) {
			t.Errorf("requested by %s", found.Requester.Login)
		}
		if n := len(w.tasks()); n != 1 {
			t.Errorf("%d tasks, want 1", n)
		}
	})
}

// A repository that was deleted and made again under its name is another one,
// which no environment lists: CoderFlow does not even answer there (row 9).
func TestThreat09RecreatedRepositoryIsNotListed(t *testing.T) {
	onBoth(t, func(t *testing.T, at worldOption) {
		w := newWorld(t, at)
		if err := w.hub.DeleteRepository(sampleRepo); err != nil {
			t.Fatal(err)
		}
		if _, err := w.hub.CreateRepository(sampleOwner, sampleName, map[string]string{"README.md": "# Other\n"}, emulator.RepositoryOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := w.hub.AddCollaborator(sampleRepo, maria, "write"); err != nil {
			t.Fatal(err)
		}
		if _, err := w.hub.Install(sampleRepo); err != nil {
			t.Fatal(err)
		}
		issue := w.run(maria)
		db := w.db()
		err := until(t.Context(), longEnough, "the refusal in the audit log", func(ctx context.Context) (bool, error) {
			entries, err := db.AuditEntries(ctx, store.AuditFilter{Limit: 1000})
			return slices.ContainsFunc(entries, func(e audit.Entry) bool {
				return e.Action == audit.RequestRefused && strings.Contains(string(e.Detail), "no environment lists this repository")
			}), err
		})
		if err != nil {
			t.Fatal(err)
		}
		comments, err := w.comments(t.Context(), issue.Topic())
		if err != nil || len(comments) != 1 || len(w.tasks()) != 0 {
			t.Errorf("%d comments and %d tasks, want only what maria wrote: %v", len(comments), len(w.tasks()), err)
		}
	})
}

// A login in a manifest is looked up when it is applied; whoever has the login
// later has nothing of it.
func TestThreat47LoginsInManifestsAreResolvedAtTheForge(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	hub, err := startForge(t.Context(), emulator.Options{Dir: filepath.Join(dir, "forge"), Listen: "127.0.0.1:0", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = hub.Close() })
	in, err := install(dir, hub.Info(), settings{Agent: quickAgent})
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{t: t, dir: dir, config: in.config}
	manifests := filepath.Join(dir, "manifests")
	d.write("manifests/eve.yaml", binding("eve-views", "github:@Eve", "viewer", "environment/staging"))
	d.must("apply", "-f", manifests)
	want := newPeople(hub).subject(eve) + " (eve)"
	if out := d.must("get", "binding", "eve-views", "-o", "yaml"); !strings.Contains(out, "subject: "+want+"\n") {
		t.Errorf("want %s in: %s", want, out)
	}
	path := d.write("manifests/eve.yaml", binding("eve-views", "github:@nobody-here", "viewer", "environment/staging"))
	if out, code := d.run("apply", "-f", manifests); code != 1 || !strings.Contains(out, path+":4:") || !strings.Contains(out, "there is no account @nobody-here") {
		t.Errorf("exit status %d: %s", code, out)
	}
	d.write("manifests/eve.yaml", binding("eve-views", "github:@"+sampleOwner, "viewer", "environment/staging"))
	if out, code := d.run("apply", "-f", manifests); code != 1 || !strings.Contains(out, "is not a person") {
		t.Errorf("an organization: exit status %d: %s", code, out)
	}
}
