package gitops

import (
	"bytes"
	"fmt"
	"iter"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/task"
)

const (
	testToken = "ghs_testtoken0123456789"
	testTask  = task.ID("aaaaaaaaaaaa")
)

var testRepo = forge.RepositoryRef{Host: forge.GitHub, ID: "100", Owner: "acme", Name: "shop"}

// upstream is a real repository behind git's own smart HTTP backend, which
// wants the token as password.
type upstream struct {
	t        testing.TB
	dir      string // the bare repository
	server   *httptest.Server
	backend  http.Handler // git itself
	url      string
	requests atomic.Int64
	pushes   atomic.Int64 // requests to git-receive-pack
	// before, if set, sees each request before git does and may answer it.
	before func(w http.ResponseWriter, r *http.Request) (answered bool)
}

func newUpstream(t testing.TB) *upstream {
	t.Helper()
	root := t.TempDir()
	u := &upstream{t: t, dir: filepath.Join(root, "acme", "shop.git")}
	hostGit(t, "", "init", "--quiet", "--bare", "--initial-branch=main", u.dir)
	u.git("config", "http.receivepack", "true")
	execPath := strings.TrimSpace(string(hostGit(t, "", "--exec-path")))
	u.backend = &cgi.Handler{
		Path: filepath.Join(execPath, "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null"},
	}
	u.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u.requests.Add(1)
		if user, password, ok := r.BasicAuth(); !ok || user != "x-access-token" || password != testToken {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		if strings.HasSuffix(r.URL.Path, "/git-receive-pack") {
			u.pushes.Add(1)
		}
		if u.before != nil && u.before(w, r) {
			return
		}
		u.backend.ServeHTTP(w, r)
	}))
	t.Cleanup(u.server.Close)
	u.url = u.server.URL + "/acme/shop.git"
	return u
}

// losesAnAnswer lets git take the next push, and nobody hear of it.
func (u *upstream) losesAnAnswer() {
	var lost atomic.Bool
	u.before = func(_ http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/git-receive-pack") || lost.Swap(true) {
			return false
		}
		u.backend.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	}
}

func (u *upstream) remote() Remote {
	return Remote{Repository: testRepo, URL: u.url, Token: forge.Token{Value: testToken}}
}

func (u *upstream) git(args ...string) string {
	u.t.Helper()
	return strings.TrimSpace(string(hostGit(u.t, "", append([]string{"-C", u.dir}, args...)...)))
}

// hook installs a server-side hook.
func (u *upstream) hook(name, script string) {
	u.t.Helper()
	if err := os.WriteFile(filepath.Join(u.dir, "hooks", name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		u.t.Fatal(err)
	}
}

// file is one path of a test's tree.
type file struct{ path, mode, content string }

func text(path, content string) file { return file{path, modeRegular, content} }
func link(path, target string) file  { return file{path, modeSymlink, target} }

// commit makes a commit of exactly these files on a branch of the upstream.
func (u *upstream) commit(branch string, files ...file) string {
	u.t.Helper()
	return commitTo(u.t, u.dir, branch, files...)
}

func commitTo(t testing.TB, dir, branch string, files ...file) string {
	t.Helper()
	var stream bytes.Buffer
	fmt.Fprintf(&stream, "commit refs/heads/%s\ncommitter Up Stream <up@example.com> 1700000000 +0000\ndata 4\ntest\n", branch)
	if len(hostGit(t, "", "-C", dir, "for-each-ref", "refs/heads/"+branch)) > 0 {
		fmt.Fprintf(&stream, "from refs/heads/%s^0\n", branch)
	}
	stream.WriteString("deleteall\n")
	for _, f := range files {
		if f.mode == modeGitlink {
			fmt.Fprintf(&stream, "M 160000 %s %s\n", f.content, quoted(f.path))
			continue
		}
		fmt.Fprintf(&stream, "M %s inline %s\ndata %d\n%s\n", f.mode, quoted(f.path), len(f.content), f.content)
	}
	hostGit(t, stream.String(), "-C", dir, "fast-import", "--quiet", "--force")
	return strings.TrimSpace(string(hostGit(t, "", "-C", dir, "rev-parse", "refs/heads/"+branch)))
}

func quoted(path string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range []byte(path) {
		if c < 0x20 || c >= 0x7f || c == '"' || c == '\\' {
			fmt.Fprintf(&b, "\\%03o", c)
			continue
		}
		b.WriteByte(c)
	}
	return b.String() + `"`
}

// hostGit runs git for the test itself.
func hostGit(t testing.TB, stdin string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "GIT_CONFIG_NOSYSTEM=1", "LC_ALL=C"}
	cmd.Stdin = strings.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("git %s: %v: %s", strings.Join(args, " "), err, stderr.String())
	}
	return out
}

// newGit is a Git in a fresh directory that may talk to the upstream.
func newGit(t testing.TB, u *upstream) *Git {
	t.Helper()
	opts := Options{Dir: filepath.Join(t.TempDir(), "git"), Committer: Identity{Name: "CoderFlow", Email: "bot@coderflow.example"}}
	if u != nil {
		parsed, err := url.Parse(u.url)
		if err != nil {
			t.Fatal(err)
		}
		opts.AllowHTTPHosts = []string{parsed.Host}
	}
	g, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// newBase is a Git with one fetched commit of these files.
func newBase(t testing.TB, files ...file) (*Git, *upstream, string) {
	t.Helper()
	u := newUpstream(t)
	u.commit("main", files...)
	g := newGit(t, u)
	base, err := g.Fetch(t.Context(), u.remote(), "main")
	if err != nil {
		t.Fatal(err)
	}
	return g, u, base
}

// mirrorDir is where the mirror of the test's repository is.
func mirrorDir(g *Git) string { return filepath.Join(g.opts.Dir, "mirrors", "github-100.git") }

// inMirror runs git in the mirror for the test.
func inMirror(t testing.TB, g *Git, args ...string) string {
	t.Helper()
	return string(hostGit(t, "", append([]string{"-C", mirrorDir(g)}, args...)...))
}

func put(path, content string) Change { return changeOf(Regular, path, content) }
func changeOf(kind ChangeKind, path, content string) Change {
	return Change{Path: path, Kind: kind, Size: int64(len(content)), Content: strings.NewReader(content)}
}
func gone(path string) Change { return Change{Path: path, Kind: Deleted} }

// yields gives the changes; it can be read once.
func yields(changes ...Change) Changes {
	return func(yield func(Change, error) bool) {
		for _, c := range changes {
			if !yield(c, nil) {
				return
			}
		}
	}
}

var _ Changes = iter.Seq2[Change, error](nil)

func buildRequest(base string, changes ...Change) BuildRequest {
	return BuildRequest{Repository: testRepo, Base: base, Task: testTask, Revision: 1, Changes: yields(changes...)}
}

// paths are the manifest's paths with their kind.
func paths(manifest []task.PathChange) []string {
	var list []string
	for _, c := range manifest {
		list = append(list, string(c.Kind)+" "+c.Path)
	}
	return list
}

func wantEqual[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func wantList(t testing.TB, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %q\nwant %q", what, got, want)
	}
}
