package contract_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bradleyfalzon/ghinstallation/v2"
	"github.com/google/go-github/v62/github"

	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/forge/emulator/contract"
	"github.com/coderflow/coderflow/internal/forge/emulator/contract/contracttest"
)

// world is one local GitHub behind the contract, with everyone who takes part.
type world struct {
	t     *testing.T
	ctx   context.Context
	v     *contract.Validator
	forge *emulator.Forge
	info  emulator.Info

	alice   *github.Client // owns the repository
	bob     *github.Client // may write
	carol   *github.Client // a stranger
	nobody  *github.Client // without a credential
	app     *github.Client // the App with its own JWT
	bot     *github.Client // the App's installation
	head    string         // of the branch feature/x
	pull    int
	webhook string
}

const settleTime = 2 * time.Minute

const (
	owner = "alice"
	repo  = "sample"
	full  = owner + "/" + repo
)

func newWorld(t *testing.T) *world {
	t.Helper()
	v, err := contract.New()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, ctx: t.Context(), v: v}
	manifest := emulator.DefaultApp()
	events, err := contract.Events()
	if err != nil {
		t.Fatal(err)
	}
	manifest.Events = slices.DeleteFunc(events, func(event string) bool { // these come to every App unasked
		return event == "ping" || strings.HasPrefix(event, "installation")
	})
	w.forge, err = emulator.New(emulator.Options{
		Dir: t.TempDir(), App: &manifest, Key: contracttest.Key(t),
		Middleware: func(next http.Handler) http.Handler { return v.Middleware(next, "/api/v3") },
		OnDelivery: func(event string, _ http.Header, body []byte) { v.Delivery(event, body) },
	})
	w.check(err)
	w.check(w.forge.Start(w.ctx))
	t.Cleanup(func() { _ = w.forge.Close() })
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }))
	t.Cleanup(hook.Close)
	w.webhook = hook.URL
	w.settle()
	return w
}

// settle fills the world: people, a repository with two branches, an installed App.
func (w *world) settle() {
	w.t.Helper()
	w.alice, w.bob, w.carol = w.person(owner), w.person("bob"), w.person("carol")
	w.nobody = w.client(nil)
	_, err := w.forge.CreateRepository(owner, repo, map[string]string{"README.md": "# Sample\n", "src/main.go": "package main\n"},
		emulator.RepositoryOptions{Description: "A sample"})
	w.check(err)
	_, err = w.forge.CreateRepository(owner, "hidden", map[string]string{"a": "b\n"}, emulator.RepositoryOptions{Private: true})
	w.check(err)
	w.check(w.forge.AddCollaborator(full, "bob", "write"))
	w.forge.SetWebhookURL(w.webhook)
	_, err = w.forge.Install(full)
	w.check(err)
	_, err = w.forge.Install(owner + "/hidden")
	w.check(err)
	w.info = w.forge.Info()
	transport, err := ghinstallation.NewAppsTransportKeyFromFile(http.DefaultTransport, w.info.AppID, w.info.PrivateKeyFile)
	w.check(err)
	transport.BaseURL = strings.TrimSuffix(w.info.APIURL, "/")
	w.app = w.client(transport)
	installed := ghinstallation.NewFromAppsTransport(transport, w.info.InstallationID)
	installed.InstallationTokenOptions = &github.InstallationTokenOptions{Permissions: &github.InstallationPermissions{
		Contents: github.String("write"), Issues: github.String("write"), PullRequests: github.String("write"),
		Checks: github.String("write"), Statuses: github.String("write"), Deployments: github.String("write"),
	}}
	w.bot = w.client(installed)
	w.head = w.push("feature/x", "src/feature.go", "package main\n\n// A feature.\n", "Add a feature")
}

func (w *world) person(login string) *github.Client {
	w.t.Helper()
	u, err := w.forge.CreateUser(login, emulator.UserOptions{Name: strings.ToUpper(login[:1]) + login[1:]})
	w.check(err)
	return w.client(nil).WithAuthToken(u.Token)
}

func (w *world) client(transport http.RoundTripper) *github.Client {
	w.t.Helper()
	c, err := github.NewClient(&http.Client{Transport: transport}).WithEnterpriseURLs(w.forge.Info().APIURL, w.forge.Info().APIURL)
	w.check(err)
	return c
}

// push commits one file onto a branch of the sample as bob and returns the commit.
func (w *world) push(branch, path, content, message string) string {
	w.t.Helper()
	return w.pushTo(full, "bob", branch, map[string]string{path: content}, message)
}

// pushTo commits files onto a new branch from the default branch, with git over HTTP, and returns the commit. An empty
// README.md is removed.
func (w *world) pushTo(fullName, login, branch string, files map[string]string, message string) string {
	w.t.Helper()
	dir := w.t.TempDir()
	remote := strings.Replace(w.info.GitURL, "://", "://"+login+":"+w.forge.ClientFor(login)+"@", 1) + "/" + fullName + ".git"
	git := func(args ...string) string {
		identity := []string{"-c", "user.name=" + login, "-c", "user.email=" + login + "@example.com"}
		cmd := exec.CommandContext(w.ctx, "git", append(identity, args...)...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0")
		out, err := cmd.CombinedOutput()
		if err != nil {
			w.t.Fatalf("git %s: %v\n%s", args[0], err, out)
		}
		return strings.TrimSpace(string(out))
	}
	git("clone", "-q", remote, ".")
	git("checkout", "-q", "-B", branch)
	for path, content := range files {
		w.check(os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o755))
		w.check(os.WriteFile(filepath.Join(dir, path), []byte(content), 0o644))
		if path == "README.md" && content == "" {
			w.check(os.Remove(filepath.Join(dir, path)))
		}
	}
	git("add", "-A")
	git("commit", "-q", "-m", message)
	git("push", "-q", "-f", "origin", branch)
	return git("rev-parse", "HEAD")
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// must is the value of a call that has to succeed; its panic ends the step that made the call.
func must[T any](value T, _ *github.Response, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// done is must for calls without a value.
func done(_ *github.Response, err error) {
	if err != nil {
		panic(err)
	}
}

// refused is a call that has to be answered with the status.
func refused[T any](status int) func(T, *github.Response, error) {
	return func(_ T, r *github.Response, err error) {
		if r == nil || r.StatusCode != status {
			panic(fmt.Errorf("the answer is not %d: %v", status, err))
		}
	}
}

func TestLocalGitHubKeepsToThePublishedContract(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("git"); err != nil {
		t.Fatal("git is needed: apt-get install git")
	}
	w := newWorld(t)
	for _, step := range slices.Concat(steps, pullSteps, cornerSteps, endSteps) {
		w.perform(step)
	}
	w.quiet()
	findings := w.v.Findings()
	for i, f := range findings {
		if !slices.ContainsFunc(findings[:i], func(g contract.Finding) bool { return sameKind(f, g) }) {
			t.Error(f)
		}
	}
	for _, e := range w.v.UnusedExceptions() {
		t.Errorf("an exception is not needed: %+v", e)
	}
	for _, what := range w.forge.Unknown() {
		t.Errorf("not emulated: %s", what)
	}
	w.checkEverythingWasDriven()
}

// sameKind tells whether two findings differ only in numbers.
func sameKind(a, b contract.Finding) bool {
	return a.Operation == b.Operation && a.Side == b.Side && a.Status == b.Status && a.Pointer == b.Pointer && a.Message == b.Message
}

type step struct {
	name string
	act  func(w *world)
}

// perform runs a step; what panics in it is its failure, and the next steps still run.
func (w *world) perform(s step) {
	defer func() {
		if r := recover(); r != nil {
			w.t.Errorf("%s: %v", s.name, r)
		}
	}()
	s.act(w)
}

// checkEverythingWasDriven asks a second local GitHub for every operation that the steps did not use: it must be one
// that is not emulated.
func (w *world) checkEverythingWasDriven() {
	w.t.Helper()
	other, err := emulator.New(emulator.Options{Dir: w.t.TempDir()})
	w.check(err)
	w.check(other.Start(w.ctx))
	defer func() { _ = other.Close() }()
	person, err := other.CreateUser("owner", emulator.UserOptions{})
	w.check(err)
	_, err = other.CreateRepository("owner", "repo", map[string]string{"a": "b\n"}, emulator.RepositoryOptions{})
	w.check(err)
	all, err := contract.AllOperations()
	w.check(err)
	driven := w.v.OperationsBy(contract.AsApp, contract.AsInstallation, contract.AsOther)
	for _, operation := range all {
		if slices.Contains(driven, operation) {
			continue
		}
		method, path, _ := strings.Cut(operation, " ")
		path = numbered.ReplaceAllString(path, "1")
		path = strings.NewReplacer("{", "", "}", "").Replace(path)
		r, err := http.NewRequestWithContext(w.ctx, method, strings.TrimSuffix(other.Info().APIURL, "/")+path, nil)
		w.check(err)
		r.Header.Set("Authorization", "Bearer "+person.Token)
		answer, err := http.DefaultClient.Do(r)
		w.check(err)
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusNotImplemented {
			w.t.Errorf("%s is emulated, but no step drives it (answer %d)", operation, answer.StatusCode)
		}
	}
}

// numbered are the path parameters that are numbers.
var numbered = regexp.MustCompile(`\{\w+_(id|number)\}`)
