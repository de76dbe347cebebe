package azuredevops_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/git"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/azuredevops"
	"github.com/coderflow/coderflow/internal/forge/emulator"
)

func TestRepositoriesAreKnownByTheirGUID(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	found, err := w.adapter.Repository(t.Context(), w.ref)
	if err != nil || found.RepositoryRef != w.ref || found.DefaultBranch != "main" || !found.Private || found.Archived || found.Fork || found.URL == "" {
		t.Errorf("it is %+v, %v", found, err)
	}
	// The name is somebody else's now: a repository that was made again has another GUID.
	other := w.ref
	other.ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
	if _, err := w.adapter.Repository(t.Context(), other); !errors.Is(err, forge.ErrNotFound) {
		t.Errorf("another GUID behind the name: %v", err)
	}
	if _, err := w.adapter.PushToken(t.Context(), other); !errors.Is(err, forge.ErrNotFound) {
		t.Errorf("a token for it: %v", err)
	}
	renamed := w.ref
	renamed.Name = "old-name"
	if _, err := w.adapter.ReadToken(t.Context(), renamed); !errors.Is(err, forge.ErrNotFound) {
		t.Errorf("a token for a name that is not the GUID's: %v", err)
	}
	for _, bad := range []forge.RepositoryRef{{}, {Host: forge.GitHub, ID: w.ref.ID}, {Host: forge.AzureDevOps, ID: "../../x"}, {Host: forge.AzureDevOps, ID: "42", Owner: "shop", Name: "widget"}} {
		if _, err := w.adapter.Repository(t.Context(), bad); err == nil {
			t.Errorf("%+v is asked for", bad)
		}
	}
	head, err := w.adapter.BranchHead(t.Context(), w.ref, "main")
	if err != nil || len(head) != 40 {
		t.Errorf("main is at %q, %v", head, err)
	}
	for _, branch := range []string{"mai", "", "none"} {
		if _, err := w.adapter.BranchHead(t.Context(), w.ref, branch); !errors.Is(err, forge.ErrNotFound) {
			t.Errorf("branch %q: %v", branch, err)
		}
	}
}

func TestAccessIsWhatTheServiceEvaluates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(w.forge.AddCollaborator(repoName, "bob", "admin"))
	_, err := w.forge.CreateUser("nobody", emulator.UserOptions{Name: "Nobody"})
	w.must(err)
	for login, want := range map[string]forge.Access{"alice": forge.AccessWrite, "bob": forge.AccessAdmin, "mallory": forge.AccessTriage, "nobody": forge.AccessNone} {
		user := w.user(login)
		user.Login = "somebody-else@acme.example" // a name is only text
		if got, err := w.adapter.AccessOf(t.Context(), w.ref, user); err != nil || got != want {
			t.Errorf("%s has %s, %v; want %s", login, got, err, want)
		}
	}
	for _, user := range []forge.User{{}, {Subject: forge.Subject{Host: forge.GitHub, ID: "7"}}, {Subject: forge.Subject{Host: forge.AzureDevOps, ID: "0f8fad5b-d9cb-469f-a165-70867728950e"}}} {
		if got, err := w.adapter.AccessOf(t.Context(), w.ref, user); err != nil || got != forge.AccessNone {
			t.Errorf("%+v has %s, %v", user, got, err)
		}
	}
}

func TestPeopleAreFoundByTheirAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for login, want := range map[string]string{"alice@acme.example": "alice", "ALICE@acme.example": "alice", "Bob Brown": "bob"} {
		if u, err := w.adapter.UserByLogin(t.Context(), forge.AzureDevOps, login); err != nil || u.Subject != w.user(want).Subject || u.Kind != forge.Person {
			t.Errorf("%s is %+v, %v", login, u, err)
		}
	}
	_, err := w.forge.CreateUser("bob2", emulator.UserOptions{Name: "Bob Brown"})
	w.must(err)
	if _, err := w.adapter.UserByLogin(t.Context(), forge.AzureDevOps, "Bob Brown"); err == nil || errors.Is(err, forge.ErrNotFound) {
		t.Errorf("two of one name: %v", err)
	}
	if _, err := w.adapter.UserByLogin(t.Context(), forge.AzureDevOps, "zoe@acme.example"); !errors.Is(err, forge.ErrNotFound) {
		t.Errorf("nobody: %v", err)
	}
	if _, err := w.adapter.UserByLogin(t.Context(), forge.GitHub, "alice"); err == nil {
		t.Error("an account of GitHub is found")
	}
}

func TestSelfIsABotWhateverItsAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	self, err := w.adapter.Self(t.Context(), forge.AzureDevOps)
	if err != nil || self.Kind != forge.Bot || self.Subject.ID != w.info.Azure.AccountGUID {
		t.Errorf("we are %+v, %v", self, err)
	}
	w.must(w.adapter.Ping(t.Context()))
	if traits := w.adapter.Traits(forge.AzureDevOps); !traits.ReviewsWaitForReady || !traits.DirectivesInComments || traits.MaxDescription != 4000 {
		t.Errorf("the traits are %+v", traits)
	}
}

func TestTokensNameTheirSource(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token, err := w.adapter.PushToken(t.Context(), w.ref)
	if err != nil || token.Value.Reveal() != w.info.Azure.Token || token.Source != "azure devops personal access token" || !token.Expires.After(w.clock.Now()) {
		t.Errorf("the token is from %q until %s, %v", token.Source, token.Expires, err)
	}
	for login, want := range map[string]error{"alice": nil, "mallory": forge.ErrForbidden} {
		if err := w.adapter.CheckCredential(t.Context(), w.ref, forge.Secret(w.forge.ClientFor(login)), true); !errors.Is(err, want) {
			t.Errorf("%s pushes: %v", login, err)
		}
		w.must(w.adapter.CheckCredential(t.Context(), w.ref, forge.Secret(w.forge.ClientFor(login)), false))
	}
	if err := w.adapter.CheckCredential(t.Context(), w.ref, "wrong", false); !errors.Is(err, forge.ErrForbidden) || !strings.Contains(err.Error(), "make a new one") {
		t.Errorf("a wrong one: %v", err)
	}
}

func TestAServicePrincipalGetsItsTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p, err := w.forge.CreateServicePrincipal("flow", "CoderFlow app")
	w.must(err)
	w.must(w.forge.AddCollaborator(repoName, "flow", "write"))
	make := func(secret string) *azuredevops.Adapter {
		a, err := azuredevops.New(azuredevops.Config{OrganizationURL: w.info.Azure.OrganizationURL, AllowHTTP: true, Clock: w.clock.Now,
			Credential: azuredevops.Credential{Entra: &azuredevops.ServicePrincipal{Tenant: tenant(w), ClientID: p.ClientID, Secret: forge.Secret(secret), Endpoint: endpoint(w)}}})
		w.must(err)
		return a
	}
	a := make(p.ClientSecret)
	first, err := a.PushToken(t.Context(), w.ref)
	if err != nil || first.Source != "azure devops service principal "+p.ClientID || !first.Expires.After(w.clock.Now()) {
		t.Fatalf("the token is from %q until %s, %v", first.Source, first.Expires, err)
	}
	again, err := a.PushToken(t.Context(), w.ref)
	if err != nil || again.Value != first.Value {
		t.Errorf("it is not kept: %v", err)
	}
	w.clock.advance(56 * 60 * 1e9)
	renewed, err := a.PushToken(t.Context(), w.ref)
	if err != nil || renewed.Value == first.Value {
		t.Errorf("it is not renewed before its end: %v", err)
	}
	w.forge.RevokeToken(renewed.Value.Reveal())
	if _, err := a.Repository(t.Context(), w.ref); err != nil {
		t.Errorf("a token that was taken back is not replaced: %v", err)
	}
	_, err = make("wrong").Repository(t.Context(), w.ref)
	if !errors.Is(err, forge.ErrForbidden) || strings.Contains(err.Error(), "wrong") {
		t.Errorf("a wrong secret: %v", err)
	}
}

func tenant(w *world) string {
	return w.info.Azure.Authority[strings.LastIndexByte(w.info.Azure.Authority, '/')+1:]
}

func endpoint(w *world) string {
	return w.info.Azure.Authority[:strings.LastIndexByte(w.info.Azure.Authority, '/')]
}

// What another account pushes with the token for git, CoderFlow did.
func TestTheTokenForGitIsCoderFlowToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, err := azuredevops.New(azuredevops.Config{OrganizationURL: w.info.Azure.OrganizationURL, AllowHTTP: true,
		Credential: azuredevops.Credential{Token: forge.Secret(w.info.Azure.Token)}, GitCredential: forge.Secret(w.forge.ClientFor("alice"))})
	w.must(err)
	pr, _ := w.proposal(w.item("bob", "Do it", ""))
	w.must(w.forge.AddCollaborator(repoName, "alice", "maintain"))
	w.push("alice", "coderflow/abc", "more\n")
	changes, err := a.HeadChanges(t.Context(), w.ref, pr.Number)
	w.must(err)
	self, err := a.Self(t.Context(), forge.AzureDevOps)
	w.must(err)
	if len(changes) == 0 {
		t.Error("the push is not seen")
	}
	for _, c := range changes {
		if c.Actor.Subject != self.Subject {
			t.Errorf("it was %+v", c.Actor)
		}
	}
	token, err := a.PushToken(t.Context(), w.ref)
	if err != nil || token.Value.Reveal() != w.forge.ClientFor("alice") {
		t.Errorf("git gets another token, %v", err)
	}
}

func TestTeamsAreKnownByTheirGUIDs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.forge.CreateTeam("shop", "Reviewers")
	w.must(err)
	for _, login := range []string{"alice", "bob"} {
		w.must(w.forge.AddTeamMember("shop", "Reviewers", login))
	}
	team, err := w.adapter.TeamBySlug(t.Context(), forge.AzureDevOps, "shop", "Reviewers")
	w.must(err)
	team.Organization, team.Slug = "renamed", "renamed"
	members, err := w.adapter.TeamMembers(t.Context(), team)
	if err != nil || len(members) != 2 || members[0].Kind != forge.Person {
		t.Errorf("its members are %+v, %v", members, err)
	}
	for _, slug := range []string{"none", "../x", ""} {
		if _, err := w.adapter.TeamBySlug(t.Context(), forge.AzureDevOps, "shop", slug); !errors.Is(err, forge.ErrNotFound) {
			t.Errorf("team %q: %v", slug, err)
		}
	}
	team.ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
	if _, err := w.adapter.TeamMembers(t.Context(), team); !errors.Is(err, forge.ErrNotFound) {
		t.Errorf("a team that is gone: %v", err)
	}
}

func TestAPullRequestOfAForkIsNotOurs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.push("alice", "coderflow/stranger", "x\n")
	made, err := w.git("alice").CreatePullRequest(t.Context(), git.CreatePullRequestArgs{RepositoryId: &w.ref.ID, GitPullRequestToCreate: &git.GitPullRequest{
		Title: ptr("Mine"), SourceRefName: ptr("refs/heads/coderflow/stranger"), TargetRefName: ptr("refs/heads/main")}})
	w.must(err)
	pr, err := w.adapter.PullRequest(t.Context(), w.ref, *made.PullRequestId)
	if err != nil || pr.Author.Subject != w.user("alice").Subject || pr.Head.RepositoryID != w.ref.ID {
		t.Errorf("it is %+v, %v", pr, err)
	}
}
