package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/engine"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/task"
)

// forgeTeamWorld is a world in which only the forge's team "leads" may approve,
// and the account "robot" pushes to the sample repository.
func forgeTeamWorld(t *testing.T) *world {
	t.Helper()
	token := filepath.Join(t.TempDir(), "robot.token")
	w := newStoppedWorld(t, withExtra("gitCredentials: {robot: {tokenFile: "+token+"}}"))
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	robot, err := w.hub.CreateUser("robot", emulator.UserOptions{})
	must(err)
	must(os.WriteFile(token, []byte(robot.Token+"\n"), 0o600))
	must(w.hub.AddCollaborator(sampleRepo, "robot", "write"))
	team, err := w.hub.CreateTeam(sampleOwner, "Leads")
	must(err)
	must(w.hub.AddTeamMember(sampleOwner, "leads", tom))
	path := filepath.Join(w.dir, "manifests", "demo.yaml")
	text, err := os.ReadFile(path)
	must(err)
	was := w.subject(tom)
	changed := strings.Replace(string(text), was, "team:leads", 1)
	if changed == string(text) {
		t.Fatalf("%s binds %s no more:\n%s", path, was, text)
	}
	repository, _, err := w.gitHub(tom).Repositories.Get(t.Context(), sampleOwner, sampleName)
	must(err)
	changed = strings.Replace(changed, "team:leads (tom)", "team:leads", 1) + fmt.Sprintf(`---
apiVersion: coderflow.dev/v1
kind: Team
metadata: {name: leads}
spec: {forge: {organization: %s, organizationID: %d, team: leads, teamID: %d}}
---
apiVersion: coderflow.dev/v1
kind: GitProvider
metadata: {name: robot-pushes}
spec: {credential: robot, repositories: [{name: %s, id: %d}], operations: [push]}
`, sampleOwner, repository.GetOwner().GetID(), team, sampleRepo, repository.GetID())
	must(os.WriteFile(path, []byte(changed), 0o600))
	w.start()
	return w
}

// credentialOf is what the audit log says pushed or fetched.
func (w *world) credentialOf(id task.ID, action audit.Action) string {
	w.t.Helper()
	entries, err := w.db().AuditEntries(w.t.Context(), store.AuditFilter{Task: string(id), Limit: 1000})
	if err != nil {
		w.t.Fatal(err)
	}
	var detail struct{ Credential string }
	for _, e := range entries {
		if e.Action == action {
			if err := json.Unmarshal(e.Detail, &detail); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	return detail.Credential
}

// A person who is in a team at the forge approves, a git provider's account
// pushes what they approved, and the deployment runs after it. Then they leave
// the team, and their approval counts no more.
func TestThreat48ATeamAtTheForgeApprovesAndAProviderPushes(t *testing.T) {
	t.Parallel()
	w := forgeTeamWorld(t)
	issue := w.run(maria)
	proposed := w.taskOf(issue.Number, task.Proposed)
	w.approve(tom, proposed.PullRequest, "Count every item\n\n/coderflow deploy publish channel=stable")
	done := w.taskOf(issue.Number, task.Done)
	w.landedExactly(done)
	w.auditHas(done.ID, map[audit.Action]int{audit.PushDone: 1, audit.DeployEnded: 1})
	for _, push := range w.hub.Pushes(sampleRepo) {
		if push.Ref == "refs/heads/"+done.ID.Branch() && push.Actor != "robot" {
			t.Errorf("%s pushed %s, not the provider's account", push.Actor, push.New)
		}
	}
	for action, want := range map[audit.Action]string{
		audit.ProposalPublished: `git provider "robot-pushes", credential "robot"`, audit.PushDone: `git provider "robot-pushes", credential "robot"`,
		audit.BaseFetched: "github app installation",
	} {
		if got := w.credentialOf(done.ID, action); !strings.Contains(got, want) {
			t.Errorf("%s: the audit log names %q, want %q", action, got, want)
		}
	}

	second := w.run(maria)
	next := w.taskOf(second.Number, task.Proposed)
	if err := w.hub.RemoveTeamMember(sampleOwner, "leads", tom); err != nil {
		t.Fatal(err)
	}
	time.Sleep(engine.ApprovalAge) // the gate may have asked a moment ago
	w.approve(tom, next.PullRequest, "ship it")
	w.waitSaid(forge.PullTopic(next.PullRequest), "has no role in environment")
	w.noCommit(next)
}
