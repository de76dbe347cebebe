package emulator_test

import (
	"crypto/rand"
	"crypto/rsa"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-github/v62/github"

	"github.com/coderflow/coderflow/internal/forge/emulator"
)

// appJWT signs a token for the App with its key; change may spoil the claims.
func (w *world) appJWT(key *rsa.PrivateKey, change func(*jwt.RegisteredClaims)) string {
	w.t.Helper()
	if key == nil {
		pem, err := os.ReadFile(w.info.PrivateKeyFile)
		must(w.t, err)
		key, err = jwt.ParseRSAPrivateKeyFromPEM(pem)
		must(w.t, err)
	}
	now := w.clock.Now()
	claims := jwt.RegisteredClaims{Issuer: strconv.FormatInt(w.info.AppID, 10), IssuedAt: jwt.NewNumericDate(now.Add(-time.Minute)),
		ExpiresAt: jwt.NewNumericDate(now.Add(9 * time.Minute))}
	if change != nil {
		change(&claims)
	}
	signed, err := jwt.NewWithClaims(jwt.SigningMethodRS256, claims).SignedString(key)
	must(w.t, err)
	return signed
}

func TestAppJWTIsCheckedInFull(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	far := func(c *jwt.RegisteredClaims) { c.ExpiresAt = jwt.NewNumericDate(w.clock.Now().Add(20 * time.Minute)) }
	past := func(c *jwt.RegisteredClaims) { c.ExpiresAt = jwt.NewNumericDate(w.clock.Now().Add(-time.Second)) }
	never := func(c *jwt.RegisteredClaims) { c.ExpiresAt = nil }
	stranger := func(c *jwt.RegisteredClaims) { c.Issuer = "999999" }
	for name, tc := range map[string]struct {
		token string
		want  int
	}{
		"good":             {w.appJWT(nil, nil), 0},
		"wrong key":        {w.appJWT(other, nil), 401},
		"expired":          {w.appJWT(nil, past), 401},
		"too far":          {w.appJWT(nil, far), 401},
		"without expiry":   {w.appJWT(nil, never), 401},
		"unknown App":      {w.appJWT(nil, stranger), 401},
		"a person's token": {w.forge.ClientFor("alice"), 401},
	} {
		_, _, err := w.client(nil).WithAuthToken(tc.token).Apps.Get(t.Context(), "")
		if status(err) != tc.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestInstallationTokenIsNarrowedToRepositoryAndPermissions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	_, err := w.forge.CreateRepository("acme", "other", map[string]string{"a": "b"}, emulator.RepositoryOptions{Private: true})
	must(t, err)
	_, err = w.forge.Install("acme/other")
	must(t, err)
	repo, _, err := w.as("owner").Repositories.Get(ctx, "acme", "widget")
	must(t, err)
	bot, _ := w.bot(&github.InstallationTokenOptions{RepositoryIDs: []int64{repo.GetID()},
		Permissions: &github.InstallationPermissions{Issues: github.String("read"), Contents: github.String("read")}})

	if _, _, err := bot.Repositories.Get(ctx, "acme", "other"); status(err) != 404 {
		t.Errorf("another repository of the installation: %v", err)
	}
	if _, _, err := bot.Issues.ListByRepo(ctx, "acme", "widget", nil); err != nil {
		t.Errorf("reading issues: %v", err)
	}
	_, _, err = bot.Issues.Create(ctx, "acme", "widget", &github.IssueRequest{Title: github.String("x")})
	if status(err) != 403 || !strings.Contains(err.Error(), "Resource not accessible by integration") {
		t.Errorf("writing an issue: %v", err)
	}
	if _, _, err := bot.PullRequests.List(ctx, "acme", "widget", nil); status(err) != 403 {
		t.Errorf("reading pull requests: %v", err)
	}
	if _, _, err := bot.Git.CreateRef(ctx, "acme", "widget", &github.Reference{Ref: github.String("refs/heads/x"),
		Object: &github.GitObject{SHA: github.String(strings.Repeat("a", 40))}}); status(err) != 403 {
		t.Errorf("creating a ref: %v", err)
	}
}

func TestCommentNeedsThePermissionOfItsPlace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	issue := w.openIssue("One")
	pr, _ := w.pull("topic", false)
	issues, _ := w.bot(&github.InstallationTokenOptions{Permissions: &github.InstallationPermissions{Issues: github.String("write")}})
	pulls, _ := w.bot(&github.InstallationTokenOptions{Permissions: &github.InstallationPermissions{PullRequests: github.String("write")}})
	for _, tc := range []struct {
		name   string
		client *github.Client
		number int
		want   int
	}{
		{"issues on an issue", issues, issue.GetNumber(), 0}, {"issues on a pull request", issues, pr.GetNumber(), 0},
		{"pull_requests on a pull request", pulls, pr.GetNumber(), 0}, {"pull_requests on an issue", pulls, issue.GetNumber(), 403},
	} {
		_, _, err := tc.client.Issues.CreateComment(t.Context(), "acme", "widget", tc.number, &github.IssueComment{Body: github.String("hi")})
		if status(err) != tc.want {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

func TestInstallationTokenCannotAskForMoreThanTheAppHas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, _, err := w.app().Apps.CreateInstallationToken(t.Context(), w.info.InstallationID, &github.InstallationTokenOptions{
		Permissions: &github.InstallationPermissions{Workflows: github.String("write")}})
	if status(err) != 422 {
		t.Errorf("asking for workflows: %v", err)
	}
	_, _, err = w.app().Apps.CreateInstallationToken(t.Context(), w.info.InstallationID, &github.InstallationTokenOptions{RepositoryIDs: []int64{1}})
	if status(err) != 422 {
		t.Errorf("asking for a strange repository: %v", err)
	}
}

func TestInstallationTokenExpiresAfterAnHour(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bot, token := w.bot(nil)
	w.clock.Advance(59 * time.Minute)
	if _, _, err := bot.Repositories.Get(t.Context(), "acme", "widget"); err != nil {
		t.Fatalf("before an hour: %v", err)
	}
	w.clock.Advance(time.Minute)
	if _, _, err := bot.Repositories.Get(t.Context(), "acme", "widget"); status(err) != 401 {
		t.Errorf("after an hour: %v", err)
	}
	if out, err := w.git(t.TempDir(), "x-access-token", token, "ls-remote", w.info.GitURL+"/"+repoName+".git"); err == nil {
		t.Errorf("git after an hour: %s", out)
	}
}

func TestExpireTokensEndsThemAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bot, _ := w.bot(nil)
	w.forge.ExpireTokens()
	if _, _, err := bot.Repositories.Get(t.Context(), "acme", "widget"); status(err) != 401 {
		t.Errorf("after ExpireTokens: %v", err)
	}
}

func TestUninstallingEndsTokensAndSight(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bot, _ := w.bot(nil)
	must(t, w.forge.Uninstall(repoName))
	if _, _, err := bot.Repositories.Get(t.Context(), "acme", "widget"); status(err) != 401 {
		t.Errorf("a token of a removed installation: %v", err)
	}
	if _, _, err := w.app().Apps.FindRepositoryInstallation(t.Context(), "acme", "widget"); status(err) != 404 {
		t.Errorf("the installation: %v", err)
	}
}

func TestHiddenRepositoryIs404AndUnknownTokenIs401(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, tc := range map[string]struct {
		client *github.Client
		want   int
	}{
		"anonymous":     {w.client(nil), 404},
		"stranger":      {w.as("mallory"), 404},
		"unknown token": {w.client(nil).WithAuthToken("ghp_nothing"), 401},
		"collaborator":  {w.as("bob"), 0},
	} {
		if _, _, err := tc.client.Repositories.Get(t.Context(), "acme", "widget"); status(err) != tc.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	must(t, w.forge.RemoveCollaborator(repoName, "bob"))
	if _, _, err := w.as("bob").Repositories.Get(t.Context(), "acme", "widget"); status(err) != 404 {
		t.Errorf("a former collaborator: %v", err)
	}
}

func TestRecreatedRepositoryHasAnotherID(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.info.Repositories[0].ID
	must(t, w.forge.DeleteRepository(repoName))
	second, err := w.forge.CreateRepository("acme", "widget", map[string]string{"a": "b"}, emulator.RepositoryOptions{})
	must(t, err)
	if first == second {
		t.Errorf("both have id %d", first)
	}
	if _, _, err := w.as("owner").Repositories.GetByID(t.Context(), first); status(err) != 404 {
		t.Errorf("the old id: %v", err)
	}
}

func TestRenamedUserKeepsIDAndPermission(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before, _, err := w.as("alice").Users.Get(t.Context(), "bob")
	must(t, err)
	must(t, w.forge.RenameUser("bob", "robert"))
	after, _, err := w.as("robert").Users.Get(t.Context(), "")
	must(t, err)
	level, _, err := w.as("owner").Repositories.GetPermissionLevel(t.Context(), "acme", "widget", "robert")
	must(t, err)
	if before.GetID() != after.GetID() || level.GetPermission() != "write" {
		t.Errorf("id %d → %d, permission %s", before.GetID(), after.GetID(), level.GetPermission())
	}
}

func TestUnknownRouteQueryAndFieldAre501AndRecorded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bot, _ := w.bot(nil)
	for _, tc := range []struct{ method, path, body string }{
		{"GET", "repos/acme/widget/milestones", ""},
		{"GET", "repos/acme/widget/issues?milestone=3", ""},
		{"GET", "repos/acme/widget/issues?sort=comments", ""},
		{"POST", "repos/acme/widget/issues", `{"title":"x","milestone":3}`},
		{"PUT", "repos/acme/widget/issues/1/lock", ""},
	} {
		var body any
		if tc.body != "" {
			body = jsonText(tc.body)
		}
		req, err := bot.NewRequest(tc.method, tc.path, body)
		must(t, err)
		if _, err = bot.Do(t.Context(), req, nil); status(err) != http.StatusNotImplemented {
			t.Errorf("%s %s: %v", tc.method, tc.path, err)
		}
	}
	answer := w.graphQL(bot, `mutation($input: X!) { closePullRequest(input: $input) { clientMutationId } }`, "x")
	if !strings.Contains(answer, "NOT_IMPLEMENTED") {
		t.Errorf("GraphQL: %s", answer)
	}
	if got := w.forge.Unknown(); len(got) != 6 || !strings.Contains(got[0], "GET /repos/acme/widget/milestones") {
		t.Errorf("recorded %q", got)
	}
}

// jsonText is a body that is sent as it is.
type jsonText string

func (j jsonText) MarshalJSON() ([]byte, error) { return []byte(j), nil }
