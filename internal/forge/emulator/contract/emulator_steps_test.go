package contract_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/google/go-github/v62/github"
)

// steps drive every route of the local GitHub, in the order in which the product would: later ones use what earlier
// ones made.
var steps = []step{
	{"the App reads itself", func(w *world) {
		must(w.app.Apps.Get(w.ctx, ""))
		must(w.app.Apps.ListInstallations(w.ctx, nil))
		must(w.app.Apps.GetInstallation(w.ctx, w.info.InstallationID))
		must(w.app.Apps.FindRepositoryInstallation(w.ctx, owner, repo))
		must(w.bot.Apps.ListRepos(w.ctx, &github.ListOptions{PerPage: 1}))
		must(w.app.Apps.CreateInstallationToken(w.ctx, w.info.InstallationID, &github.InstallationTokenOptions{
			Repositories: []string{repo}, Permissions: &github.InstallationPermissions{Issues: github.String("write")},
		}))
		refused[*github.Installation](404)(w.app.Apps.GetInstallation(w.ctx, 1))
		refused[*github.App](401)(w.alice.Apps.Get(w.ctx, ""))
	}},
	{"people", func(w *world) {
		me := must(w.alice.Users.Get(w.ctx, ""))
		must(w.nobody.Users.Get(w.ctx, "bob"))
		must(w.bot.Users.GetByID(w.ctx, me.GetID()))
		must(w.bot.Users.Get(w.ctx, w.info.AppSlug+"[bot]"))
		refused[*github.User](404)(w.nobody.Users.Get(w.ctx, "ghost"))
		refused[*github.User](401)(w.client(nil).WithAuthToken("ghp_wrong").Users.Get(w.ctx, ""))
		must(w.bot.Repositories.ListCollaborators(w.ctx, owner, repo, nil))
		must(w.bot.Repositories.GetPermissionLevel(w.ctx, owner, repo, "bob"))
		must(w.bot.Repositories.GetPermissionLevel(w.ctx, owner, repo, "carol"))
		must(w.alice.RateLimit.Get(w.ctx))
	}},
	{"a person signs in at the App, which ends their token", func(w *world) {
		secret, err := os.ReadFile(w.info.ClientSecretFile)
		w.check(err)
		post := func(path string, form url.Values) url.Values {
			answer, err := http.PostForm(w.info.BaseURL+path, form)
			w.check(err)
			defer func() { _ = answer.Body.Close() }() // it was read
			text, err := io.ReadAll(answer.Body)
			w.check(err)
			values, err := url.ParseQuery(string(text))
			w.check(err)
			return values
		}
		device := post("/login/device/code", url.Values{"client_id": {w.info.ClientID}})
		answer, err := http.PostForm(device.Get("verification_uri"), url.Values{"user_code": {device.Get("user_code")}, "as": {"alice"}, "decision": {"authorize"}})
		w.check(err)
		w.check(answer.Body.Close())
		token := post("/login/oauth/access_token", url.Values{
			"client_id": {w.info.ClientID}, "device_code": {device.Get("device_code")}, "grant_type": {"urn:ietf:params:oauth:grant-type:device_code"},
		}).Get("access_token")
		if login := must(w.client(nil).WithAuthToken(token).Users.Get(w.ctx, "")).GetLogin(); login != "alice" {
			panic(login + " signed in")
		}
		app := w.client(&github.BasicAuthTransport{Username: w.info.ClientID, Password: strings.TrimSpace(string(secret))})
		own := must(w.alice.Repositories.Get(w.ctx, owner, repo))
		scope := func(body map[string]any) (*github.Authorization, *github.Response, error) {
			request, err := app.NewRequest(http.MethodPost, "applications/"+w.info.ClientID+"/token/scoped", body)
			w.check(err)
			scoped := &github.Authorization{}
			response, err := app.Do(w.ctx, request, scoped)
			return scoped, response, err
		}
		narrow := map[string]any{"access_token": token, "target_id": own.GetOwner().GetID(), "repository_ids": []int64{own.GetID()}, "permissions": map[string]string{"contents": "read"}}
		scoped := must(scope(narrow)).GetToken()
		must(w.client(nil).WithAuthToken(scoped).Repositories.Get(w.ctx, owner, repo))
		refused[*github.Authorization](404)(scope(map[string]any{"access_token": scoped, "target_id": own.GetOwner().GetID()}))
		refused[*github.Authorization](422)(scope(map[string]any{"access_token": token, "target_id": own.GetOwner().GetID(), "repository_ids": []int64{987654}}))
		done(app.Authorizations.Revoke(w.ctx, w.info.ClientID, token))
		refused[*github.User](401)(w.client(nil).WithAuthToken(scoped).Users.Get(w.ctx, ""))
		refused[*github.User](401)(w.client(nil).WithAuthToken(token).Users.Get(w.ctx, ""))
	}},
	{"repository and branches", func(w *world) {
		r := must(w.alice.Repositories.Get(w.ctx, owner, repo))
		must(w.bot.Repositories.GetByID(w.ctx, r.GetID()))
		must(w.bot.Repositories.Get(w.ctx, owner, "hidden"))
		refused[*github.Repository](404)(w.carol.Repositories.Get(w.ctx, owner, "hidden"))
		must(w.bot.Repositories.ListBranches(w.ctx, owner, repo, &github.BranchListOptions{ListOptions: github.ListOptions{PerPage: 1}}))
		must(w.bot.Repositories.GetBranch(w.ctx, owner, repo, "feature/x", 1))
		refused[*github.Branch](404)(w.bot.Repositories.GetBranch(w.ctx, owner, repo, "gone", 1))
		must(w.bot.Git.GetRef(w.ctx, owner, repo, "heads/feature/x"))
		must(w.bot.Git.ListMatchingRefs(w.ctx, owner, repo, &github.ReferenceListOptions{Ref: "heads/"}))
	}},
	{"commits and contents", func(w *world) {
		must(w.bot.Repositories.ListCommits(w.ctx, owner, repo, &github.CommitsListOptions{SHA: "feature/x", ListOptions: github.ListOptions{PerPage: 1}}))
		must(w.bot.Repositories.GetCommit(w.ctx, owner, repo, w.head, nil))
		must(w.bot.Repositories.CompareCommits(w.ctx, owner, repo, "main", "feature/x", nil))
		must(w.bot.Repositories.CompareCommitsRaw(w.ctx, owner, repo, "main", "feature/x", github.RawOptions{Type: github.Diff}))
		_, _, response, err := w.bot.Repositories.GetContents(w.ctx, owner, repo, "README.md", nil)
		done(response, err)
		_, _, response, err = w.bot.Repositories.GetContents(w.ctx, owner, repo, "src", &github.RepositoryContentGetOptions{Ref: "feature/x"})
		done(response, err)
		refused[[]*github.RepositoryContent](404)(contents(w, "gone.txt"))
		w.get(w.alice, "repos/"+full+"/activity?ref=refs/heads/feature/x")
	}},
	{"refs through the API", func(w *world) {
		ref := &github.Reference{Ref: github.String("refs/heads/made"), Object: &github.GitObject{SHA: &w.head}}
		must(w.bot.Git.CreateRef(w.ctx, owner, repo, ref))
		refused[*github.Reference](422)(w.bot.Git.CreateRef(w.ctx, owner, repo, ref))
		must(w.bot.Git.UpdateRef(w.ctx, owner, repo, ref, true))
		done(w.bot.Git.DeleteRef(w.ctx, owner, repo, "heads/made"))
	}},
	{"issues", func(w *world) {
		i := must(w.alice.Issues.Create(w.ctx, owner, repo, &github.IssueRequest{Title: github.String("A bug"), Body: github.String("It fails"), Labels: &[]string{"bug"}}))
		must(w.bot.Issues.Get(w.ctx, owner, repo, i.GetNumber()))
		must(w.bob.Issues.Edit(w.ctx, owner, repo, i.GetNumber(), &github.IssueRequest{Title: github.String("A real bug"), Assignees: &[]string{"bob"}}))
		must(w.alice.Issues.Edit(w.ctx, owner, repo, i.GetNumber(), &github.IssueRequest{State: github.String("closed"), StateReason: github.String("not_planned")}))
		must(w.alice.Issues.Edit(w.ctx, owner, repo, i.GetNumber(), &github.IssueRequest{State: github.String("open")}))
		must(w.bot.Issues.ListByRepo(w.ctx, owner, repo, &github.IssueListByRepoOptions{State: "all", ListOptions: github.ListOptions{PerPage: 100}}))
		refused[*github.Issue](404)(w.bot.Issues.Get(w.ctx, owner, repo, 4711))
		refused[*github.Issue](401)(w.nobody.Issues.Create(w.ctx, owner, repo, &github.IssueRequest{Title: github.String("Spam")}))
		must(w.bot.Issues.ListIssueEvents(w.ctx, owner, repo, i.GetNumber(), nil))
		must(w.bot.Issues.ListRepositoryEvents(w.ctx, owner, repo, nil))
	}},
	{"comments and reactions", func(w *world) {
		c := must(w.alice.Issues.CreateComment(w.ctx, owner, repo, 1, &github.IssueComment{Body: github.String("/coderflow run")}))
		status := must(w.bot.Issues.CreateComment(w.ctx, owner, repo, 1, &github.IssueComment{Body: github.String("On it")}))
		must(w.bot.Issues.EditComment(w.ctx, owner, repo, status.GetID(), &github.IssueComment{Body: github.String("Done")}))
		must(w.bot.Issues.GetComment(w.ctx, owner, repo, c.GetID()))
		must(w.bot.Issues.ListComments(w.ctx, owner, repo, 1, nil))
		must(w.bot.Issues.ListComments(w.ctx, owner, repo, 0, &github.IssueListCommentsOptions{Sort: github.String("updated"), Direction: github.String("desc")}))
		first := must(w.bot.Reactions.CreateIssueCommentReaction(w.ctx, owner, repo, c.GetID(), "eyes"))
		must(w.bot.Reactions.CreateIssueCommentReaction(w.ctx, owner, repo, c.GetID(), "eyes"))
		must(w.bot.Reactions.ListIssueCommentReactions(w.ctx, owner, repo, c.GetID(), nil))
		done(w.bot.Reactions.DeleteIssueCommentReaction(w.ctx, owner, repo, c.GetID(), first.GetID()))
		on := must(w.bot.Reactions.CreateIssueReaction(w.ctx, owner, repo, 1, "rocket"))
		must(w.bot.Reactions.ListIssueReactions(w.ctx, owner, repo, 1, nil))
		done(w.bot.Reactions.DeleteIssueReaction(w.ctx, owner, repo, 1, on.GetID()))
		gone := must(w.bob.Issues.CreateComment(w.ctx, owner, repo, 1, &github.IssueComment{Body: github.String("Oops")}))
		done(w.bob.Issues.DeleteComment(w.ctx, owner, repo, gone.GetID()))
	}},
	{"labels", func(w *world) {
		must(w.bot.Issues.CreateLabel(w.ctx, owner, repo, &github.Label{Name: github.String("coderflow"), Color: github.String("1d76db"), Description: github.String("Runs")}))
		refused[*github.Label](422)(w.bot.Issues.CreateLabel(w.ctx, owner, repo, &github.Label{Name: github.String("coderflow"), Color: github.String("1d76db")}))
		must(w.bot.Issues.ListLabels(w.ctx, owner, repo, nil))
		must(w.bot.Issues.GetLabel(w.ctx, owner, repo, "coderflow"))
		refused[*github.Label](404)(w.bot.Issues.GetLabel(w.ctx, owner, repo, "no such"))
		must(w.alice.Issues.AddLabelsToIssue(w.ctx, owner, repo, 1, []string{"coderflow"}))
		must(w.bot.Issues.ListLabelsByIssue(w.ctx, owner, repo, 1, nil))
		done(w.alice.Issues.RemoveLabelForIssue(w.ctx, owner, repo, 1, "coderflow"))
	}},
}

// contents is a read of a file that may be missing.
func contents(w *world, path string) ([]*github.RepositoryContent, *github.Response, error) {
	_, found, response, err := w.bot.Repositories.GetContents(w.ctx, owner, repo, path, nil)
	return found, response, err
}

// get asks for something that go-github has no method for.
func (w *world) get(c *github.Client, path string, header ...string) *github.Response {
	r, err := c.NewRequest(http.MethodGet, path, nil)
	if err != nil {
		panic(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	response, err := c.BareDo(w.ctx, r)
	if err != nil && response == nil {
		panic(err)
	}
	_, _ = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	return response
}

// mutate performs one of the two draft mutations and returns the answer's status.
func (w *world) mutate(c *github.Client, name, id string) {
	query := fmt.Sprintf(`mutation($id: ID!) { %s(input: {pullRequestId: $id}) { pullRequest { id isDraft } } }`, name)
	text, err := json.Marshal(map[string]any{"query": query, "variables": map[string]any{"id": id}})
	if err != nil {
		panic(err)
	}
	answer, err := c.Client().Post(w.info.GraphQLURL, "application/json", bytes.NewReader(text))
	if err != nil {
		panic(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK || strings.Contains(string(body), `"errors"`) {
		panic(fmt.Errorf("%s: %d %s %v", name, answer.StatusCode, body, err))
	}
}

// manifestCode registers an App on the local GitHub's page, as a person would, and returns the code to convert.
func (w *world) manifestCode(login string) string {
	manifest := `{"name":"Second","url":"https://example.com","hook_attributes":{"url":"` + w.webhook + `"},"redirect_url":"` +
		w.webhook + `/done","public":false,"default_events":["issues"],"default_permissions":{"issues":"write"}}`
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.PostForm(w.info.HTMLURL+"settings/apps/new?state=s", url.Values{"manifest": {manifest}, "as": {login}})
	if err != nil {
		panic(err)
	}
	defer func() { _ = answer.Body.Close() }()
	to, err := answer.Location()
	if err != nil {
		panic(fmt.Errorf("registering an App: %d %w", answer.StatusCode, err))
	}
	return to.Query().Get("code")
}
