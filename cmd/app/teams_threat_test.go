package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/engine"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/forge/emulator/contract/contracttest"
	"github.com/coderflow/coderflow/internal/forge/github"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/store"
)

// teamWorld is a local forge with the organization acme and its team reviewers,
// a database, and the rules between them, on a clock that the test moves.
type teamWorld struct {
	t     *testing.T
	hub   *emulator.Forge
	forge *github.Adapter
	db    *store.Store
	rules *rules
	now   time.Time
	users map[string]forge.User
	ref   forge.TeamRef
}

func newTeamWorld(t *testing.T) *teamWorld {
	t.Helper()
	w := &teamWorld{t: t, now: time.Now(), users: map[string]forge.User{}}
	var err error
	w.hub, err = emulator.New(emulator.Options{Dir: filepath.Join(t.TempDir(), "forge"), Key: contracttest.Key(t), App: &emulator.AppManifest{
		Name: "CoderFlow", URL: "https://coderflow.dev", Permissions: github.AppPermissions(), Events: github.AppEvents(),
	}})
	w.must(err)
	w.must(w.hub.Start(t.Context()))
	t.Cleanup(func() { _ = w.hub.Close() })
	_, err = w.hub.CreateUser("acme", emulator.UserOptions{Organization: true})
	w.must(err)
	for _, login := range []string{"rob", "anna", "root"} {
		user, err := w.hub.CreateUser(login, emulator.UserOptions{})
		w.must(err)
		w.users[login] = forge.User{Subject: forge.Subject{Host: forge.GitHub, ID: fmt.Sprint(user.ID)}, Login: login, Kind: forge.Person}
	}
	_, err = w.hub.CreateRepository("acme", "shop", map[string]string{"a": "b\n"}, emulator.RepositoryOptions{})
	w.must(err)
	_, err = w.hub.Install("acme/shop")
	w.must(err)
	_, err = w.hub.CreateTeam("acme", "Reviewers")
	w.must(err)
	w.must(w.hub.AddTeamMember("acme", "reviewers", "rob"))
	w.connect()
	w.apply(teamManifests)
	return w
}

// connect makes the adapter, the database and the rules.
func (w *teamWorld) connect() {
	w.t.Helper()
	info := w.hub.Info()
	key, err := os.ReadFile(info.PrivateKeyFile)
	w.must(err)
	w.forge, err = github.New(github.Config{APIURL: info.APIURL, GraphQLURL: info.GraphQLURL, GitURL: info.GitURL, AppID: info.AppID, PrivateKey: key})
	w.must(err)
	w.db, err = store.Open(w.t.Context(), store.Options{DSN: "sqlite", Path: filepath.Join(w.t.TempDir(), "db"), Logger: slog.New(slog.DiscardHandler)})
	w.must(err)
	w.t.Cleanup(func() { _ = w.db.Close() })
	w.must(w.db.Migrate(w.t.Context()))
	w.rules = &rules{store: w.db, admins: []forge.Subject{w.users["root"].Subject}}
	w.rules.teams = &engine.Memberships{
		Store: w.db, Forge: w.forge, Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return w.now },
	}
}

const teamManifests = `apiVersion: coderflow.dev/v1
kind: Environment
metadata: {name: staging}
spec:
  repositories: [{name: acme/shop, id: 1001}]
  agent: {preset: exec, command: [/bin/true]}
---
apiVersion: coderflow.dev/v1
kind: Team
metadata: {name: reviewers}
spec: {forge: {organization: acme, team: reviewers}}
---
apiVersion: coderflow.dev/v1
kind: RoleBinding
metadata: {name: reviewers-approve}
spec: {subject: "team:reviewers", role: environment-admin, resource: environment/staging}
`

func (w *teamWorld) apply(text string) {
	w.t.Helper()
	set, err := manifest.ParseWith(w.t.Context(), w.forge, map[string][]byte{"x.yaml": []byte(text)})
	w.must(err)
	w.ref = set.ForgeTeams()[0]
	was, err := readInForce(w.t.Context(), w.db)
	w.must(err)
	w.must(replace(w.t.Context(), w.db, was, set, audit.System, nil))
}

func (w *teamWorld) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// approves judges an approval by somebody, as the gate does.
func (w *teamWorld) approves(login string) policy.Decision {
	w.t.Helper()
	return w.decide(gateRules{w.rules}, login)
}

func (w *teamWorld) decide(rules approval.Policies, login string) policy.Decision {
	w.t.Helper()
	p, err := rules.Policy(w.t.Context())
	w.must(err)
	review := forge.Review{ID: "1", Author: w.users[login], State: forge.ReviewApproved, Commit: "c1"}
	return p.DecideApproval(policy.ApprovalFacts{
		Purpose: policy.ToLand, Environment: "staging", Repository: forge.RepositoryRef{Host: forge.GitHub, ID: "1001"}, Requester: w.users["anna"], ProposedHead: "c1", BaseBranch: "main",
		PullRequest: forge.PullRequest{Open: true, Head: forge.Tip{Commit: "c1"}, Base: forge.Tip{Branch: "main"}},
		Review:      review, Others: []forge.Review{review}, Access: forge.AccessWrite,
	})
}

// Threat 48: who leaves the team at the forge approves no more, from the next
// approval on, and without anybody changing a manifest.
func TestThreat48WhoLeftTheTeamAtTheForgeApprovesNoMore(t *testing.T) {
	t.Parallel()
	w := newTeamWorld(t)
	first := w.approves("rob")
	if !first.Allowed {
		t.Fatalf("a member may not approve:\n%s", first.Reason)
	}
	if d := w.approves("root"); !d.Allowed {
		t.Errorf("the server's admin may not approve:\n%s", d.Reason)
	}
	w.must(w.hub.RemoveTeamMember("acme", "reviewers", "rob"))
	w.now = w.now.Add(engine.ApprovalAge + time.Second)
	d := w.approves("rob")
	if d.Allowed || !strings.Contains(d.Reason.String(), `rob (`+w.users["rob"].Subject.String()+`) has no role in environment "staging"`) {
		t.Errorf("who left approves:\n%s", d.Reason)
	}
	if d.PolicyVersion == first.PolicyVersion || !strings.Contains(d.PolicyVersion, "+members.") {
		t.Errorf("the policy's version does not tell the membership: %s, then %s", first.PolicyVersion, d.PolicyVersion)
	}
	w.must(w.hub.AddTeamMember("acme", "reviewers", "anna"))
	w.now = w.now.Add(engine.MembershipAge + time.Second)
	if p, err := w.rules.Policy(t.Context()); err != nil || !p.Decide(w.users["anna"], policy.TasksCreate, "staging").Allowed {
		t.Errorf("who joined starts no task: %v", err)
	}
}

// While the forge does not answer, what was read counts for five minutes; then
// the team has nobody in it, and a command beside the server sees the same.
func TestThreat48WithoutTheForgeATeamEmpties(t *testing.T) {
	t.Parallel()
	w := newTeamWorld(t)
	if d := w.approves("rob"); !d.Allowed {
		t.Fatalf("a member may not approve:\n%s", d.Reason)
	}
	w.hub.Fail(func(r *http.Request) *emulator.Fault {
		if strings.Contains(r.URL.Path, "/team/") {
			return &emulator.Fault{Status: http.StatusBadGateway}
		}
		return nil
	})
	w.now = w.now.Add(engine.MembershipAge - time.Second)
	if d := w.approves("rob"); !d.Allowed {
		t.Errorf("after less than five minutes:\n%s", d.Reason)
	}
	w.now = w.now.Add(2 * time.Second)
	for name, rules := range map[string]approval.Policies{"the gate": gateRules{w.rules}, "tasks": w.rules} {
		d := w.decide(rules, "rob")
		if text := d.Reason.String(); d.Allowed || !strings.Contains(text, `team "reviewers" has nobody in it: who is in acme/reviewers at github is not known`) {
			t.Errorf("%s, after five minutes:\n%s", name, text)
		}
	}
	w.hub.Fail(nil)
	w.now = w.now.Add(time.Minute)
	if d := w.approves("rob"); !d.Allowed {
		t.Errorf("when the forge is back:\n%s", d.Reason)
	}
}

// Threat 47: another team that gets the name gets nothing with it.
func TestThreat47ATeamOfTheSameNameIsAnother(t *testing.T) {
	t.Parallel()
	w := newTeamWorld(t)
	w.must(w.hub.RenameTeam("acme", "reviewers", "Old Guard"))
	_, err := w.hub.CreateTeam("acme", "Reviewers")
	w.must(err)
	w.must(w.hub.AddTeamMember("acme", "reviewers", "anna"))
	if d := w.approves("rob"); !d.Allowed {
		t.Errorf("a member of the renamed team:\n%s", d.Reason)
	}
	w.must(w.hub.DeleteTeam("acme", "old-guard"))
	w.now = w.now.Add(time.Minute)
	if d := w.approves("rob"); d.Allowed || !strings.Contains(d.Reason.String(), "shows no such team") {
		t.Errorf("the team is gone:\n%s", d.Reason)
	}
}

// The reconciler keeps what commands beside the server and the API's changes see
// young enough.
func TestTheReconcilerReadsTeams(t *testing.T) {
	t.Parallel()
	w := newTeamWorld(t)
	was, err := readInForce(t.Context(), w.db)
	w.must(err)
	p, err := was.policy(nil)
	w.must(err)
	if d := p.Decide(w.users["rob"], policy.TasksView, "staging"); d.Allowed || !strings.Contains(d.Reason.String(), "does not ask the forge") {
		t.Errorf("before the server read it:\n%s", d.Reason)
	}
	w.must(w.rules.teams.Refresh(t.Context(), []forge.TeamRef{w.ref}))
	was, err = readInForce(t.Context(), w.db)
	w.must(err)
	if p, err = was.policy(nil); err != nil || !p.Decide(w.users["rob"], policy.TasksView, "staging").Allowed {
		t.Errorf("after it: %v", err)
	}
}
