package azuredevops_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	ado "github.com/microsoft/azure-devops-go-api/azuredevops/v7"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/git"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/webapi"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/workitemtracking"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/azuredevops"
	"github.com/coderflow/coderflow/internal/forge/emulator"
)

const repoName = "shop/widget"

// world is one organization with people, a repository and CoderFlow's adapter. What people
// do goes through the service's own client library.
type world struct {
	*testing.T
	forge   *emulator.Forge
	info    emulator.Info
	adapter *azuredevops.Adapter
	ref     forge.RepositoryRef
	clock   *clock
	hooks   *receiver
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// receiver keeps deliveries.
type receiver struct {
	mu   sync.Mutex
	got  [][]byte
	head []http.Header
}

func (rc *receiver) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	var body json.RawMessage
	_ = json.NewDecoder(r.Body).Decode(&body)
	rc.mu.Lock()
	defer rc.mu.Unlock()
	rc.got, rc.head = append(rc.got, body), append(rc.head, r.Header.Clone())
}

func (rc *receiver) take() ([][]byte, []http.Header) {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	got, head := rc.got, rc.head
	rc.got, rc.head = nil, nil
	return got, head
}

func newWorld(t *testing.T, change ...func(*emulator.Options, *azuredevops.Config)) *world {
	t.Helper()
	w := &world{T: t, clock: &clock{now: time.Now().UTC().Truncate(time.Second)}, hooks: &receiver{}}
	opts := emulator.Options{Kind: forge.AzureDevOps, Dir: t.TempDir(), Now: w.clock.Now}
	config := azuredevops.Config{AllowHTTP: true, Clock: w.clock.Now, Sleep: func(*http.Request, time.Duration) error { return nil },
		IsDirective: func(body string) bool { return strings.HasPrefix(body, "/coderflow ") }}
	for _, scope := range azuredevops.Scopes() { // enough for everything that the tests do
		opts.Azure.Scopes = append(opts.Azure.Scopes, scope.ID)
	}
	for _, c := range change {
		c(&opts, &config)
	}
	f, err := emulator.New(opts)
	w.must(err)
	t.Cleanup(func() { _ = f.Close() })
	w.must(f.Start(t.Context()))
	w.forge = f
	for login, name := range map[string]string{"alice": "Alice Adams", "bob": "Bob Brown", "mallory": "Mallory"} {
		_, err := f.CreateUser(login, emulator.UserOptions{Name: name})
		w.must(err)
	}
	_, err = f.CreateUser("shop", emulator.UserOptions{Organization: true})
	w.must(err)
	_, err = f.CreateRepository("shop", "widget", map[string]string{"README.md": "# Widget\n"}, emulator.RepositoryOptions{Private: true})
	w.must(err)
	for login, level := range map[string]string{"alice": "write", "bob": "write", "mallory": "read"} {
		w.must(f.AddCollaborator(repoName, login, level))
	}
	_, err = f.Install(repoName)
	w.must(err)
	server := httptest.NewServer(w.hooks)
	t.Cleanup(server.Close)
	f.SetWebhookURL(server.URL + "/webhooks/azuredevops")
	w.info = f.Info()
	config.OrganizationURL = w.info.Azure.OrganizationURL
	if config.Credential == (azuredevops.Credential{}) {
		config.Credential.Token = forge.Secret(w.info.Azure.Token)
	}
	w.adapter, err = azuredevops.New(config)
	w.must(err)
	w.ref = forge.RepositoryRef{Host: forge.AzureDevOps, ID: w.info.Repositories[0].GUID, Owner: "shop", Name: "widget"}
	t.Cleanup(func() {
		if unknown := f.Unknown(); len(unknown) > 0 && !t.Failed() {
			t.Errorf("asked for what is not emulated: %v", unknown)
		}
	})
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func ptr[T any](v T) *T { return &v }

func (w *world) guid(login string) string {
	w.Helper()
	for _, u := range w.forge.Info().Users {
		if u.Login == login {
			return u.GUID
		}
	}
	w.Fatalf("no user %q", login)
	return ""
}

func (w *world) user(login string) forge.User {
	return forge.User{Subject: forge.Subject{Host: forge.AzureDevOps, ID: w.guid(login)}, Login: login + "@acme.example", Kind: forge.Person}
}

func (w *world) as(login string) *ado.Connection {
	return ado.NewPatConnection(w.info.Azure.OrganizationURL, w.forge.ClientFor(login))
}

func (w *world) git(login string) git.Client {
	w.Helper()
	c, err := git.NewClient(w.Context(), w.as(login))
	w.must(err)
	return c
}

func (w *world) work(login string) workitemtracking.Client {
	w.Helper()
	c, err := workitemtracking.NewClient(w.Context(), w.as(login))
	w.must(err)
	return c
}

func (w *world) item(login, title, tags string) int {
	w.Helper()
	document := []webapi.JsonPatchOperation{{Op: &webapi.OperationValues.Add, Path: ptr("/fields/System.Title"), Value: title}}
	if tags != "" {
		document = append(document, webapi.JsonPatchOperation{Op: &webapi.OperationValues.Add, Path: ptr("/fields/System.Tags"), Value: tags})
	}
	made, err := w.work(login).CreateWorkItem(w.Context(), workitemtracking.CreateWorkItemArgs{Document: &document, Project: ptr("shop"), Type: ptr("User Story")})
	w.must(err)
	return *made.Id
}

func (w *world) set(login string, item int, field string, value any) {
	w.Helper()
	document := []webapi.JsonPatchOperation{{Op: &webapi.OperationValues.Add, Path: ptr("/fields/" + field), Value: value}}
	_, err := w.work(login).UpdateWorkItem(w.Context(), workitemtracking.UpdateWorkItemArgs{Document: &document, Id: &item})
	w.must(err)
}

func (w *world) say(login string, item int, text string) int {
	w.Helper()
	c, err := w.work(login).AddComment(w.Context(), workitemtracking.AddCommentArgs{Request: &workitemtracking.CommentCreate{Text: &text}, Project: ptr("shop"), WorkItemId: &item})
	w.must(err)
	return *c.Id
}

func (w *world) vote(login string, pull, vote int) {
	w.Helper()
	w.clock.advance(time.Second)
	_, err := w.git(login).CreatePullRequestReviewer(w.Context(), git.CreatePullRequestReviewerArgs{Reviewer: &git.IdentityRefWithVote{Vote: &vote},
		RepositoryId: &w.ref.ID, PullRequestId: &pull, ReviewerId: ptr(w.guid(login))})
	w.must(err)
}

// comment writes into a pull request, at a line if a path is given.
func (w *world) comment(login string, pull int, text, path string, line int) (thread int) {
	w.Helper()
	w.clock.advance(time.Second)
	made := git.GitPullRequestCommentThread{Comments: &[]git.Comment{{Content: &text, CommentType: &git.CommentTypeValues.Text}}}
	if path != "" {
		place := &git.CommentPosition{Line: &line, Offset: ptr(1)}
		made.ThreadContext = &git.CommentThreadContext{FilePath: ptr("/" + path), RightFileStart: place, RightFileEnd: place}
	}
	t, err := w.git(login).CreateThread(w.Context(), git.CreateThreadArgs{CommentThread: &made, RepositoryId: &w.ref.ID, PullRequestId: &pull})
	w.must(err)
	return *t.Id
}

func (w *world) edit(login string, pull, thread int, text string) {
	w.Helper()
	w.clock.advance(time.Second)
	_, err := w.git(login).UpdateComment(w.Context(), git.UpdateCommentArgs{Comment: &git.Comment{Content: &text}, RepositoryId: &w.ref.ID, PullRequestId: &pull, ThreadId: &thread, CommentId: ptr(1)})
	w.must(err)
}

// sh runs git with a password for the server.
func (w *world) sh(dir, token string, args ...string) string {
	w.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "credential.helper=!f() { echo username=x; echo password=" + token + "; }; f"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		w.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// push commits a file and pushes it to a branch, as CoderFlow if no login is given.
func (w *world) push(login, branch, content string) (commit string) {
	w.Helper()
	w.clock.advance(time.Second)
	token := w.info.Azure.Token
	if login != "" {
		token = w.forge.ClientFor(login)
	}
	dir := filepath.Join(w.TempDir(), "clone")
	w.sh(w.TempDir(), token, "clone", "-q", w.adapter.GitURL(w.ref), dir)
	w.must(os.WriteFile(filepath.Join(dir, "new.txt"), []byte(content), 0o600))
	w.sh(dir, token, "checkout", "-q", "-B", branch)
	w.sh(dir, token, "add", "-A")
	w.sh(dir, token, "commit", "-q", "-m", "Change")
	w.sh(dir, token, "push", "-q", "--force", "origin", branch)
	commit = w.sh(dir, token, "rev-parse", "HEAD")
	w.clock.advance(time.Second)
	return commit
}

// proposal opens the pull request of a task, and publishes it.
func (w *world) proposal(item int) (forge.PullRequest, string) {
	w.Helper()
	commit := w.push("", "coderflow/abc", "one\ntwo\n")
	pr, err := w.adapter.OpenPullRequest(w.Context(), w.ref, forge.NewPullRequest{Title: "A change", Body: "Why", Head: "coderflow/abc", Base: "main", Draft: true, Issue: item})
	w.must(err)
	w.clock.advance(time.Second)
	w.must(w.adapter.MarkReady(w.Context(), w.ref, pr))
	w.clock.advance(time.Second)
	pr, err = w.adapter.PullRequest(w.Context(), w.ref, pr.Number)
	w.must(err)
	return pr, commit
}

func (w *world) reviews(pull int) []forge.Review {
	w.Helper()
	reviews, err := w.adapter.Reviews(w.Context(), w.ref, pull)
	w.must(err)
	return reviews
}

func (w *world) settle() {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), 2*time.Minute)
	defer cancel()
	w.must(w.forge.Settle(ctx))
}

func sortStrings(list []string) { slices.Sort(list) }
