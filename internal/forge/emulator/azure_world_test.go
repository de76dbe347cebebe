package emulator_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	ado "github.com/microsoft/azure-devops-go-api/azuredevops/v7"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/git"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/identity"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/webapi"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/workitemtracking"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
)

// azureWorld is one organization with four people and a repository. The clock stands still; the forge tells events
// apart by itself.
type azureWorld struct {
	t     *testing.T
	forge *emulator.Forge
	info  emulator.Info
	hooks *azureReceiver
	clock *clock
	world *world // for its git
}

// azureReceiver keeps what service hooks deliver.
type azureReceiver struct {
	mu     sync.Mutex
	got    []hookDelivery
	status []int // answers, in order; then 200
	// arrived tells of events as they come, if somebody wants to know.
	arrived chan string
}

type hookDelivery struct {
	header http.Header
	event  struct {
		ID             string         `json:"id"`
		EventType      string         `json:"eventType"`
		SubscriptionID string         `json:"subscriptionId"`
		NotificationID int            `json:"notificationId"`
		Resource       map[string]any `json:"resource"`
		Message        struct{ Text string }
		Containers     map[string]struct{ ID string } `json:"resourceContainers"`
	}
	raw string
}

func (rc *azureReceiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	d := hookDelivery{header: r.Header, raw: string(body)}
	_ = json.Unmarshal(body, &d.event)
	rc.mu.Lock()
	defer rc.mu.Unlock()
	rc.got = append(rc.got, d)
	status := http.StatusOK
	if len(rc.status) > 0 {
		status, rc.status = rc.status[0], rc.status[1:]
	}
	w.WriteHeader(status)
	if rc.arrived != nil {
		rc.arrived <- d.event.EventType
	}
}

// of lists the deliveries of an event.
func (rc *azureReceiver) of(event string) []hookDelivery {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	var out []hookDelivery
	for _, d := range rc.got {
		if d.event.EventType == event {
			out = append(out, d)
		}
	}
	return out
}

func newAzureWorld(t *testing.T, change ...func(*emulator.Options)) *azureWorld {
	t.Helper()
	w := &azureWorld{t: t, clock: &clock{now: time.Now().UTC().Truncate(time.Second)}, hooks: &azureReceiver{}}
	opts := emulator.Options{Kind: forge.AzureDevOps, Dir: t.TempDir(), Now: w.clock.Now,
		Azure: emulator.AzureOptions{RetryAfter: func(int) time.Duration { return 0 }}}
	for _, c := range change {
		c(&opts)
	}
	f, err := emulator.New(opts)
	must(t, err)
	w.forge = f
	t.Cleanup(func() { _ = f.Close() })
	must(t, f.Start(t.Context()))
	for login, name := range map[string]string{"alice": "Alice Adams", "bob": "Bob Brown", "mallory": "Mallory", "olga": "Olga Owner"} {
		_, err := f.CreateUser(login, emulator.UserOptions{Name: name})
		must(t, err)
	}
	_, err = f.CreateUser("shop", emulator.UserOptions{Organization: true})
	must(t, err)
	_, err = f.CreateRepository("shop", "widget", map[string]string{"README.md": "# Widget\n"}, emulator.RepositoryOptions{Private: true})
	must(t, err)
	for login, level := range map[string]string{"alice": "write", "bob": "write", "olga": "admin"} {
		must(t, f.AddCollaborator(azureRepo, login, level))
	}
	_, err = f.Install(azureRepo)
	must(t, err)
	server := httptest.NewServer(w.hooks)
	t.Cleanup(server.Close)
	f.SetWebhookURL(server.URL + "/webhooks/azuredevops")
	w.info = f.Info()
	w.world = &world{t: t, forge: f, info: w.info}
	t.Cleanup(func() {
		if unknown := f.Unknown(); len(unknown) > 0 && !t.Failed() && !strings.Contains(t.Name(), "Unknown") {
			t.Errorf("asked for what is not emulated: %v", unknown)
		}
	})
	return w
}

const (
	azureRepo = "shop/widget"
	project   = "shop"
)

func ptr[T any](v T) *T { return &v }

func guid(text string) *uuid.UUID {
	id := uuid.MustParse(text)
	return &id
}

func (w *azureWorld) connection(token string) *ado.Connection {
	return ado.NewPatConnection(w.info.Azure.OrganizationURL, token)
}

func (w *azureWorld) as(login string) *ado.Connection { return w.connection(w.forge.ClientFor(login)) }

func (w *azureWorld) git(login string) git.Client {
	w.t.Helper()
	c, err := git.NewClient(w.t.Context(), w.as(login))
	must(w.t, err)
	return c
}

func (w *azureWorld) wit(login string) workitemtracking.Client {
	w.t.Helper()
	c, err := workitemtracking.NewClient(w.t.Context(), w.as(login))
	must(w.t, err)
	return c
}

func (w *azureWorld) identities(login string) identity.Client {
	w.t.Helper()
	c, err := identity.NewClient(w.t.Context(), w.as(login))
	must(w.t, err)
	return c
}

func (w *azureWorld) user(login string) emulator.UserInfo {
	w.t.Helper()
	for _, u := range w.forge.Info().Users {
		if u.Login == login {
			return u
		}
	}
	w.t.Fatalf("no user %q", login)
	return emulator.UserInfo{}
}

func (w *azureWorld) repoGUID() string { return w.info.Repositories[0].GUID }

func (w *azureWorld) settle() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 2*time.Minute)
	defer cancel()
	must(w.t, w.forge.Settle(ctx))
}

// clone makes a work tree of a person.
func (w *azureWorld) clone(login string) string {
	w.t.Helper()
	dir := filepath.Join(w.t.TempDir(), "clone")
	w.world.mustGit(w.t.TempDir(), login, "clone", "-q", w.info.Azure.OrganizationURL+"/shop/_git/widget", dir)
	return dir
}

// push commits one file on a branch and pushes it.
func (w *azureWorld) push(login, dir, branch, content string) string {
	w.t.Helper()
	w.world.mustGit(dir, login, "checkout", "-q", "-B", branch)
	must(w.t, os.WriteFile(filepath.Join(dir, "new.txt"), []byte(content), 0o600))
	w.world.mustGit(dir, login, "add", "-A")
	w.world.mustGit(dir, login, "commit", "-q", "-m", "Change "+content)
	w.world.mustGit(dir, login, "push", "-q", "origin", branch)
	return w.world.mustGit(dir, login, "rev-parse", "HEAD")
}

// pull opens a pull request of alice's and returns its id with her clone.
func (w *azureWorld) pull(branch string, draft bool, items ...string) (int, string) {
	w.t.Helper()
	dir := w.clone("alice")
	w.push("alice", dir, branch, "one\n")
	refs := []webapi.ResourceRef{}
	for _, id := range items {
		refs = append(refs, webapi.ResourceRef{Id: ptr(id)})
	}
	pr, err := w.git("alice").CreatePullRequest(w.t.Context(), git.CreatePullRequestArgs{RepositoryId: ptr("widget"), Project: ptr(project),
		GitPullRequestToCreate: &git.GitPullRequest{Title: ptr("A change"), Description: ptr("Why"), SourceRefName: ptr("refs/heads/" + branch),
			TargetRefName: ptr("refs/heads/main"), IsDraft: &draft, WorkItemRefs: &refs}})
	must(w.t, err)
	return *pr.PullRequestId, dir
}

func (w *azureWorld) vote(login string, id, vote int) error {
	_, err := w.git(login).CreatePullRequestReviewer(w.t.Context(), git.CreatePullRequestReviewerArgs{Reviewer: &git.IdentityRefWithVote{Vote: &vote},
		RepositoryId: ptr(w.repoGUID()), PullRequestId: &id, ReviewerId: ptr(w.user(login).GUID)})
	return err
}

func (w *azureWorld) get(id int) *git.GitPullRequest {
	w.t.Helper()
	pr, err := w.git("alice").GetPullRequestById(w.t.Context(), git.GetPullRequestByIdArgs{PullRequestId: &id})
	must(w.t, err)
	return pr
}

func (w *azureWorld) update(login string, id int, change git.GitPullRequest) (*git.GitPullRequest, error) {
	return w.git(login).UpdatePullRequest(w.t.Context(), git.UpdatePullRequestArgs{GitPullRequestToUpdate: &change, RepositoryId: ptr(w.repoGUID()), PullRequestId: &id})
}

// complete merges as it stands now.
func (w *azureWorld) complete(login string, id int, options *git.GitPullRequestCompletionOptions) error {
	_, err := w.update(login, id, git.GitPullRequest{Status: &git.PullRequestStatusValues.Completed,
		LastMergeSourceCommit: w.get(id).LastMergeSourceCommit, CompletionOptions: options})
	return err
}

// refused is the status and the kind of the service's refusal.
func refused(err error) (int, string, string) {
	var value ado.WrappedError
	var pointer *ado.WrappedError
	if errors.As(err, &pointer) {
		value = *pointer
	} else if !errors.As(err, &value) {
		return 0, "", ""
	}
	key, message := "", ""
	if value.TypeKey != nil {
		key = *value.TypeKey
	}
	if value.Message != nil {
		message = *value.Message
	}
	return *value.StatusCode, key, message
}

// item makes a work item and returns its id.
func (w *azureWorld) item(login, title, tags string) int {
	w.t.Helper()
	document := []webapi.JsonPatchOperation{{Op: &webapi.OperationValues.Add, Path: ptr("/fields/System.Title"), Value: title}}
	if tags != "" {
		document = append(document, webapi.JsonPatchOperation{Op: &webapi.OperationValues.Add, Path: ptr("/fields/System.Tags"), Value: tags})
	}
	made, err := w.wit(login).CreateWorkItem(w.t.Context(), workitemtracking.CreateWorkItemArgs{Document: &document, Project: ptr(project), Type: ptr("User Story")})
	must(w.t, err)
	return *made.Id
}

func (w *azureWorld) comment(login string, id int, text string) *workitemtracking.Comment {
	w.t.Helper()
	c, err := w.wit(login).AddComment(w.t.Context(), workitemtracking.AddCommentArgs{Request: &workitemtracking.CommentCreate{Text: &text}, Project: ptr(project), WorkItemId: &id})
	must(w.t, err)
	return c
}
