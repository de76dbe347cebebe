package emulator_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bradleyfalzon/ghinstallation/v2"
	"github.com/google/go-github/v62/github"

	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/forge/emulator/contract/contracttest"
)

const repoName = "acme/widget"

// world is one running forge with four people, a repository, and the App installed on it.
type world struct {
	t     *testing.T
	forge *emulator.Forge
	info  emulator.Info
	hooks *receiver
	clock *clock
}

// clock is a settable time.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// receiver keeps the webhooks it gets.
type receiver struct {
	mu  sync.Mutex
	got []received
	url string
}

type received struct {
	event  string
	guid   string
	header http.Header
	body   []byte
}

func (rc *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	rc.mu.Lock()
	defer rc.mu.Unlock()
	rc.got = append(rc.got, received{r.Header.Get("X-GitHub-Event"), r.Header.Get("X-GitHub-Delivery"), r.Header, body})
	w.WriteHeader(http.StatusAccepted)
}

// events returns "event.action" of everything received.
func (rc *receiver) events() []string {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	var out []string
	for _, g := range rc.got {
		var payload struct{ Action string }
		_ = json.Unmarshal(g.body, &payload)
		out = append(out, strings.TrimSuffix(g.event+"."+payload.Action, "."))
	}
	return out
}

// last returns the newest payload of an event.
func (rc *receiver) last(t *testing.T, event string) map[string]any {
	t.Helper()
	rc.mu.Lock()
	defer rc.mu.Unlock()
	for i := len(rc.got) - 1; i >= 0; i-- {
		if rc.got[i].event == event {
			var payload map[string]any
			if err := json.Unmarshal(rc.got[i].body, &payload); err != nil {
				t.Fatal(err)
			}
			return payload
		}
	}
	t.Fatalf("no %s event came", event)
	return nil
}

func newWorld(t *testing.T, change ...func(*emulator.Options)) *world {
	t.Helper()
	// The clock stands still unless a test moves it; it starts at the real time, since clients compare
	// expiry dates with theirs.
	w := &world{t: t, clock: &clock{now: time.Now()}, hooks: &receiver{}}
	opts := emulator.Options{Dir: t.TempDir(), Now: w.clock.Now, Key: contracttest.Key(t)}
	for _, c := range change {
		c(&opts)
	}
	forge, err := emulator.New(opts)
	must(t, err)
	w.forge = forge
	t.Cleanup(func() { _ = forge.Close() })
	must(t, forge.Start(t.Context()))
	for _, login := range []string{"owner", "alice", "bob", "mallory"} {
		_, err := forge.CreateUser(login, emulator.UserOptions{Name: strings.ToUpper(login[:1]) + login[1:]})
		must(t, err)
	}
	_, err = forge.CreateUser("acme", emulator.UserOptions{Organization: true})
	must(t, err)
	_, err = forge.CreateRepository("acme", "widget", map[string]string{"README.md": "# Widget\n", "src/main.go": "package main\n"},
		emulator.RepositoryOptions{Private: true})
	must(t, err)
	must(t, forge.AddCollaborator(repoName, "owner", "admin"))
	must(t, forge.AddCollaborator(repoName, "alice", "write"))
	must(t, forge.AddCollaborator(repoName, "bob", "write"))
	server := httptest.NewServer(w.hooks)
	t.Cleanup(server.Close)
	w.hooks.url = server.URL
	forge.SetWebhookURL(server.URL)
	_, err = forge.Install(repoName)
	must(t, err)
	w.info = forge.Info()
	t.Cleanup(func() {
		if unknown := forge.Unknown(); len(unknown) > 0 && !t.Failed() && !strings.Contains(t.Name(), "Unknown") {
			t.Errorf("asked for what is not emulated: %v", unknown)
		}
	})
	return w
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) settle() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 2*time.Minute)
	defer cancel()
	must(w.t, w.forge.Settle(ctx))
}

func (w *world) client(transport http.RoundTripper) *github.Client {
	w.t.Helper()
	c, err := github.NewClient(&http.Client{Transport: transport}).WithEnterpriseURLs(w.info.BaseURL, w.info.BaseURL)
	must(w.t, err)
	return c
}

// as is a client that acts as a person.
func (w *world) as(login string) *github.Client {
	return w.client(nil).WithAuthToken(w.forge.ClientFor(login))
}

// app is a client with the App's own JWT.
func (w *world) app() *github.Client {
	transport, err := ghinstallation.NewAppsTransportKeyFromFile(http.DefaultTransport, w.info.AppID, w.info.PrivateKeyFile)
	must(w.t, err)
	transport.BaseURL = strings.TrimSuffix(w.info.APIURL, "/")
	return w.client(transport)
}

// bot is a client with an installation token that is narrowed as opts say.
func (w *world) bot(opts *github.InstallationTokenOptions) (*github.Client, string) {
	w.t.Helper()
	token, _, err := w.app().Apps.CreateInstallationToken(w.t.Context(), w.info.InstallationID, opts)
	must(w.t, err)
	return w.client(nil).WithAuthToken(token.GetToken()), token.GetToken()
}

// git runs git in dir with credentials for one user name and token; it returns the combined output.
func (w *world) git(dir, user, token string, args ...string) (string, error) {
	header := "http.extraHeader=Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+token))
	cmd := exec.Command("git", append([]string{"-c", header, "-c", "user.name=Test", "-c", "user.email=test@example.com"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (w *world) mustGit(dir, login string, args ...string) string {
	w.t.Helper()
	out, err := w.git(dir, login, w.forge.ClientFor(login), args...)
	if err != nil {
		w.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(out)
}

// clone makes a work tree of a person.
func (w *world) clone(login string) string {
	w.t.Helper()
	dir := filepath.Join(w.t.TempDir(), "clone")
	w.mustGit(w.t.TempDir(), login, "clone", "-q", w.info.GitURL+"/"+repoName+".git", dir)
	return dir
}

// commit writes one file and commits it on a branch.
func (w *world) commit(dir, branch, path, content string) string {
	w.t.Helper()
	w.mustGit(dir, "alice", "checkout", "-q", "-B", branch)
	file := filepath.Join(dir, path)
	must(w.t, os.MkdirAll(filepath.Dir(file), 0o700))
	must(w.t, os.WriteFile(file, []byte(content), 0o600))
	w.mustGit(dir, "alice", "add", "-A")
	w.mustGit(dir, "alice", "commit", "-q", "-m", "Change "+path)
	return w.mustGit(dir, "alice", "rev-parse", "HEAD")
}

// pull opens a pull request of alice's from a new branch and returns it with her clone.
func (w *world) pull(branch string, draft bool) (*github.PullRequest, string) {
	w.t.Helper()
	dir := w.clone("alice")
	w.commit(dir, branch, "new.txt", "new\n")
	w.mustGit(dir, "alice", "push", "-q", "origin", branch)
	pr, _, err := w.as("alice").PullRequests.Create(w.t.Context(), "acme", "widget", &github.NewPullRequest{
		Title: github.String("A change"), Head: &branch, Base: github.String("main"), Body: github.String("Why"), Draft: &draft})
	must(w.t, err)
	return pr, dir
}

// status is the HTTP status of a go-github error, or 0.
func status(err error) int {
	if e, is := err.(*github.ErrorResponse); is {
		return e.Response.StatusCode
	}
	return 0
}
