package github_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	gh "github.com/google/go-github/v62/github"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/forge/emulator/contract"
	"github.com/coderflow/coderflow/internal/forge/emulator/contract/contracttest"
	"github.com/coderflow/coderflow/internal/forge/github"
)

// world is the local GitHub with App, people and a private repository, held
// against GitHub's published descriptions, and an adapter for it.
type world struct {
	t       *testing.T
	forge   *emulator.Forge
	info    emulator.Info
	ref     forge.RepositoryRef
	users   map[string]forge.User
	adapter *github.Adapter
	ledger  *ledger
	checks  *contract.Validator
}

// anna asks, rob reviews, tess may triage, and otto is a stranger.
func newWorld(t *testing.T, opts emulator.RepositoryOptions) *world {
	t.Helper()
	w := &world{t: t, users: map[string]forge.User{}, ledger: newLedger()}
	var err error
	w.checks, err = contract.New()
	w.must(err)
	m := readManifest(t)
	w.forge, err = emulator.New(emulator.Options{
		Dir:        t.TempDir(),
		Key:        contracttest.Key(t),
		App:        &emulator.AppManifest{Name: "CoderFlow", URL: m.URL, Permissions: m.Permissions, Events: m.Events},
		Middleware: func(next http.Handler) http.Handler { return w.checks.Middleware(next, "/api/v3") },
	})
	w.must(err)
	t.Cleanup(func() { _ = w.forge.Close() })
	w.must(w.forge.Start(t.Context()))
	for login, permission := range map[string]string{"anna": "write", "rob": "maintain", "tess": "triage", "otto": ""} {
		user, err := w.forge.CreateUser(login, emulator.UserOptions{})
		w.must(err)
		w.users[login] = forge.User{Subject: subject(user.ID), Login: login, Kind: forge.Person}
		if permission != "" {
			defer func() { w.must(w.forge.AddCollaborator("acme/shop", login, permission)) }()
		}
	}
	_, err = w.forge.CreateUser("acme", emulator.UserOptions{Organization: true})
	w.must(err)
	opts.Private = true
	id, err := w.forge.CreateRepository("acme", "shop", map[string]string{"README.md": "# Shop\n"}, opts)
	w.must(err)
	_, err = w.forge.Install("acme/shop")
	w.must(err)
	w.info = w.forge.Info()
	w.ref = forge.RepositoryRef{Host: forge.GitHub, ID: strconv.FormatInt(id, 10), Owner: "acme", Name: "shop"}
	w.adapter = w.newAdapter()
	t.Cleanup(w.checkConduct)
	return w
}

// newAdapter returns another adapter for the same App, as a second process has.
func (w *world) newAdapter() *github.Adapter {
	w.t.Helper()
	key, err := os.ReadFile(w.info.PrivateKeyFile)
	w.must(err)
	return newAdapter(w.t, github.Config{
		APIURL: w.info.APIURL, GraphQLURL: w.info.GraphQLURL, GitURL: w.info.GitURL,
		AppID: w.info.AppID, PrivateKey: key, Transport: w.ledger,
	})
}

// checkConduct holds for every test: nothing unknown was asked for, and both sides
// kept to GitHub's descriptions.
func (w *world) checkConduct() {
	if unknown := w.forge.Unknown(); len(unknown) > 0 {
		w.t.Errorf("asked for what the local forge does not know: %v", unknown)
	}
	for _, finding := range w.checks.Findings() {
		w.t.Errorf("not as GitHub describes it: %+v", finding)
	}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func subject(id int64) forge.Subject {
	return forge.Subject{Host: forge.GitHub, ID: strconv.FormatInt(id, 10)}
}

// as is a person's own client.
func (w *world) as(login string) *gh.Client {
	w.t.Helper()
	client, err := gh.NewClient(nil).WithAuthToken(w.forge.ClientFor(login)).WithEnterpriseURLs(w.info.BaseURL, w.info.BaseURL)
	w.must(err)
	return client
}

// issue opens an issue of anna's.
func (w *world) issue(title string, labels ...string) int {
	w.t.Helper()
	request := &gh.IssueRequest{Title: &title, Body: gh.String("body")}
	if len(labels) > 0 {
		request.Labels = &labels
	}
	issue, _, err := w.as("anna").Issues.Create(w.t.Context(), "acme", "shop", request)
	w.must(err)
	return issue.GetNumber()
}

// push pushes one new commit to the branch with the adapter's push token and
// returns its id.
func (w *world) push(branch, content string) string {
	w.t.Helper()
	token, err := w.adapter.PushToken(w.t.Context(), w.ref)
	w.must(err)
	dir := w.t.TempDir()
	w.git(token, dir, "clone", "-q", w.adapter.GitURL(w.ref), ".")
	w.git(token, dir, "checkout", "-q", "-B", branch)
	w.must(os.WriteFile(dir+"/change.txt", []byte(content), 0o600))
	w.git(token, dir, "add", "-A")
	w.git(token, dir, "commit", "-q", "-m", "Change")
	w.git(token, dir, "push", "-q", "--force", "origin", branch)
	return w.git(token, dir, "rev-parse", "HEAD")
}

func (w *world) git(token forge.Token, dir string, args ...string) string {
	w.t.Helper()
	basic := base64.StdEncoding.EncodeToString([]byte("x-access-token:" + token.Value.Reveal()))
	cmd := exec.CommandContext(w.t.Context(), "git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
		"GIT_CONFIG_COUNT=3", "GIT_CONFIG_KEY_0=http.extraHeader", "GIT_CONFIG_VALUE_0=Authorization: Basic "+basic,
		"GIT_CONFIG_KEY_1=user.name", "GIT_CONFIG_VALUE_1=T", "GIT_CONFIG_KEY_2=user.email", "GIT_CONFIG_VALUE_2=t@example.com")
	out, err := cmd.CombinedOutput()
	if err != nil {
		w.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// proposal pushes a branch and opens a pull request from it.
func (w *world) proposal(branch string, draft bool) forge.PullRequest {
	w.t.Helper()
	w.push(branch, branch)
	pr, err := w.adapter.OpenPullRequest(w.t.Context(), w.ref,
		forge.NewPullRequest{Title: "Fix", Body: "Why", Head: branch, Base: "main", Draft: draft})
	w.must(err)
	return pr
}

// ledger is below the adapter and keeps which token was made with which
// permissions, and what was asked with it.
type ledger struct {
	mu      sync.Mutex
	granted map[string]map[string]string // by Authorization
	calls   []entry
}

type entry struct {
	auth, method, path string
	status             int
}

func newLedger() *ledger { return &ledger{granted: map[string]map[string]string{}} }

// RoundTrip implements http.RoundTripper.
func (l *ledger) RoundTrip(req *http.Request) (*http.Response, error) {
	var query []byte
	if strings.HasSuffix(req.URL.Path, "/graphql") && req.GetBody != nil {
		body, _ := req.GetBody()
		query, _ = io.ReadAll(body)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	e := entry{req.Header.Get("Authorization"), req.Method, strings.TrimPrefix(req.URL.EscapedPath(), "/api/v3"), res.StatusCode}
	if bytes.Contains(query, []byte("markPullRequestReadyForReview")) {
		e.method, e.path = "GRAPHQL", "markPullRequestReadyForReview"
	}
	l.calls = append(l.calls, e)
	if strings.HasSuffix(e.path, "/access_tokens") {
		var made struct {
			Token       string            `json:"token"`
			Permissions map[string]string `json:"permissions"`
		}
		body, _ := io.ReadAll(res.Body)
		res.Body = io.NopCloser(bytes.NewReader(body))
		_ = json.Unmarshal(body, &made)
		l.granted["Bearer "+made.Token] = made.Permissions
	}
	return res, nil
}

// count is how often a call was made.
func (l *ledger) count(method, path string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, e := range l.calls {
		if e.method == method && e.path == path {
			n++
		}
	}
	return n
}

// failOnce injects a fault into the next matching request.
func (w *world) failOnce(method, pathEnd string, fault *emulator.Fault) {
	left := 1 // guarded by the emulator, which asks one request at a time
	w.forge.Fail(func(r *http.Request) *emulator.Fault {
		if left == 0 || r.Method != method || !strings.HasSuffix(r.URL.Path, pathEnd) {
			return nil
		}
		left--
		return fault
	})
}
