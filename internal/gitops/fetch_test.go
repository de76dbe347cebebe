package gitops

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/forge"
)

func TestFetchBringsOneBranchAndReturnsItsCommit(t *testing.T) {
	t.Parallel()
	g, u, base := newBase(t, text("a.txt", "one\n"), text("dir/b.txt", "two\n"), link("l", "a.txt"))
	u.commit("secret", text("secret.txt", "other branch\n"))
	wantEqual(t, "commit", base, u.git("rev-parse", "main"))
	entries, err := g.BaseTree(t.Context(), testRepo, base)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Mode+" "+e.Path)
	}
	wantList(t, "base tree", got, []string{"100644 a.txt", "100644 dir/b.txt", "120000 l"})
	wantEqual(t, "size", entries[0].Size, 4)
	if refs := inMirror(t, g, "for-each-ref", "--format=%(refname)"); strings.Contains(refs, "secret") {
		t.Errorf("refs of other branches came along: %s", refs)
	}
}

func TestFetchFollowsARewrittenBranchAndKeepsTheOldCommit(t *testing.T) {
	t.Parallel()
	g, u, old := newBase(t, text("a", "1"))
	u.git("update-ref", "-d", "refs/heads/main")
	u.commit("main", text("a", "2"))
	fresh, err := g.Fetch(t.Context(), u.remote(), "main")
	if err != nil {
		t.Fatal(err)
	}
	if fresh == old {
		t.Fatal("the branch was not rewritten")
	}
	inMirror(t, g, "-c", "gc.pruneExpire=now", "gc", "--quiet", "--prune=now")
	if _, err := g.BaseTree(t.Context(), testRepo, old); err != nil {
		t.Errorf("the old base was collected: %v", err)
	}
}

func TestFetchAfterABranchBecameADirectory(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	u.commit("a", text("a", "1"))
	g := newGit(t, u)
	if _, err := g.Fetch(t.Context(), u.remote(), "a"); err != nil {
		t.Fatal(err)
	}
	u.git("update-ref", "-d", "refs/heads/a")
	u.commit("a/b", text("a", "2"))
	if _, err := g.Fetch(t.Context(), u.remote(), "a/b"); err != nil {
		t.Fatal(err)
	}
}

func TestFetchOfAMissingBranchSaysSo(t *testing.T) {
	t.Parallel()
	g, u, _ := newBase(t, text("a", "1"))
	if _, err := g.Fetch(t.Context(), u.remote(), "nope"); !errors.Is(err, ErrNoBranch) {
		t.Errorf("fetch: %v", err)
	}
	if _, err := g.RemoteHead(t.Context(), u.remote(), "nope"); !errors.Is(err, ErrNoBranch) {
		t.Errorf("head: %v", err)
	}
	// ls-remote takes names as patterns; a longer name that ends the same is another branch.
	u.commit("x/refs/heads/nope", text("a", "1"))
	if _, err := g.RemoteHead(t.Context(), u.remote(), "nope"); !errors.Is(err, ErrNoBranch) {
		t.Errorf("head of a longer name: %v", err)
	}
}

func TestFetchOfASHA256RepositorySaysSo(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	if err := os.RemoveAll(u.dir); err != nil {
		t.Fatal(err)
	}
	hostGit(t, "", "init", "--quiet", "--bare", "--initial-branch=main", "--object-format=sha256", u.dir)
	u.commit("main", text("a", "1"))
	if _, err := newGit(t, u).Fetch(t.Context(), u.remote(), "main"); !errors.Is(err, ErrSHA256) {
		t.Errorf("got %v", err)
	}
}

func TestBranchNamesFollowGitsRules(t *testing.T) {
	t.Parallel()
	g, u, _ := newBase(t, text("a", "1"))
	for _, bad := range []string{
		"", "-x", "--upload-pack=x", "a..b", "a b", "a~1", "a^", "a:b", "a?", "a*", "a[", "a\\b", "/a", "a/", "a//b",
		".a", "a/.b", "a.lock", "a.lock/b", "a.", "@", "HEAD", "a@{1}", "a\nb", "a\x00b", "a\x7fb", "a\u202eb", strings.Repeat("x", 251),
	} {
		if _, err := g.Fetch(t.Context(), u.remote(), bad); err == nil || !strings.Contains(err.Error(), "branch name") {
			t.Errorf("branch %q: %v", bad, err)
		}
	}
	for _, good := range []string{"main", "feature/x", "release-1.2", "a@b", "ä", "-", "x-"} {
		if err := checkBranch(good); (err == nil) != (good != "-") {
			t.Errorf("branch %q: %v", good, err)
		}
	}
}

func TestURLsOutsideTheAllowListAreNotContacted(t *testing.T) {
	t.Parallel()
	g, u, _ := newBase(t, text("a", "1"))
	before := u.requests.Load()
	host := strings.TrimPrefix(u.server.URL, "http://")
	_, port, _ := strings.Cut(host, ":")
	for _, bad := range []string{
		u.dir, "file://" + u.dir, "ssh://" + host + "/x", "git://" + host + "/x", "ext::sh -c true", "http://localhost:" + port + "/acme/shop.git",
		"http://user:pw@" + host + "/acme/shop.git", u.url + "?x=1", u.url + "#x", "--upload-pack=touch", "https:///x", "http://" + host + "/a b",
	} {
		remote := u.remote()
		remote.URL = bad
		if _, err := g.Fetch(t.Context(), remote, "main"); err == nil {
			t.Errorf("URL %q was accepted", bad)
		}
	}
	wantEqual(t, "requests", u.requests.Load(), before)
}

func TestFetchDoesNotFollowRedirects(t *testing.T) {
	t.Parallel()
	g, u, _ := newBase(t, text("a", "1"))
	other := newUpstream(t)
	other.commit("main", text("a", "2"))
	u.before = func(w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, other.server.URL+r.URL.String(), http.StatusFound)
		return true
	}
	var failed *RemoteError
	if _, err := g.Fetch(t.Context(), u.remote(), "main"); !errors.As(err, &failed) {
		t.Errorf("got %v", err)
	}
	wantEqual(t, "requests at the other place", other.requests.Load(), 0)
}

// The credential is checked where it could be left behind: the mirror's files,
// the error, and (by a canary in git's place) arguments and environment.
func TestCredentialIsNowhereButInThePipe(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	u.commit("main", text("a", "1"))
	g := newGit(t, u)
	record := filepath.Join(t.TempDir(), "seen")
	spy := filepath.Join(t.TempDir(), "git")
	script := "#!/bin/sh\n{ tr '\\0' '\\n' </proc/$$/cmdline; tr '\\0' '\\n' </proc/$$/environ; env; } >>" + record + "\nexec " + g.program + " \"$@\"\n"
	if err := os.WriteFile(spy, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	real := g.program
	g.program = spy
	if _, err := g.Fetch(t.Context(), u.remote(), "main"); err != nil {
		t.Fatal(err)
	}
	g.program = real
	wrong := u.remote()
	wrong.Token = forge.Token{Value: "ghs_wrongtoken"}
	_, err := g.Fetch(t.Context(), wrong, "main")
	if err == nil || strings.Contains(err.Error(), "ghs_wrongtoken") {
		t.Errorf("wrong token: %v", err)
	}
	seen, readErr := os.ReadFile(record)
	if readErr != nil || len(seen) == 0 {
		t.Fatalf("the spy saw nothing: %v", readErr)
	}
	if strings.Contains(string(seen), testToken) {
		t.Error("the token is in an argument or in the environment")
	}
	walkErr := filepath.Walk(g.opts.Dir, func(path string, info os.FileInfo, err error) error {
		if err != nil || !info.Mode().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if strings.Contains(string(content), testToken) {
			t.Errorf("the token is in %s", path)
		}
		return err
	})
	if walkErr != nil {
		t.Fatal(walkErr)
	}
}

func TestBundleHoldsExactlyOneCommitWithItsHistory(t *testing.T) {
	t.Parallel()
	g, u, _ := newBase(t, text("a", "1"))
	secret := u.commit("secret", text("secret.txt", "other branch"))
	if _, err := g.Fetch(t.Context(), u.remote(), "secret"); err != nil {
		t.Fatal(err)
	}
	base := u.commit("main", text("a", "2"))
	if _, err := g.Fetch(t.Context(), u.remote(), "main"); err != nil {
		t.Fatal(err)
	}
	bundle := filepath.Join(t.TempDir(), "bundle")
	if err := g.Bundle(t.Context(), testRepo, base, bundle); err != nil {
		t.Fatal(err)
	}
	clone := filepath.Join(t.TempDir(), "clone")
	hostGit(t, "", "clone", "--quiet", bundle, clone)
	wantEqual(t, "HEAD", strings.TrimSpace(string(hostGit(t, "", "-C", clone, "rev-parse", "HEAD"))), base)
	wantEqual(t, "history", strings.TrimSpace(string(hostGit(t, "", "-C", clone, "rev-list", "--count", "HEAD"))), "2")
	objects := string(hostGit(t, "", "-C", clone, "cat-file", "--batch-all-objects", "--batch-check"))
	if strings.Contains(objects, secret) {
		t.Error("another branch's commit is in the bundle")
	}
}

func TestAMirrorThatSomebodyConfiguredIsNotUsed(t *testing.T) {
	t.Parallel()
	for name, plant := range map[string]string{
		"config":            "[core]\n\trepositoryformatversion = 0\n\tbare = true\n[url \"https://evil.example/\"]\n\tinsteadOf = http://\n",
		"hooks/post-update": "#!/bin/sh\n", "info/attributes": "* -diff\n", "objects/info/alternates": "/elsewhere\n",
	} {
		g, u, base := newBase(t, text("a", "1"))
		path := filepath.Join(mirrorDir(g), name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(plant), 0o755); err != nil {
			t.Fatal(err)
		}
		if _, err := g.Fetch(t.Context(), u.remote(), "main"); err == nil {
			t.Errorf("%s: fetched", name)
		}
		if _, err := g.BaseTree(t.Context(), testRepo, base); err == nil {
			t.Errorf("%s: listed", name)
		}
	}
}

// A server can call anything a branch. A base is a commit, or there is none.
func TestThreat26ABaseIsACommitWhateverABranchNames(t *testing.T) {
	t.Parallel()
	g, u, base := newBase(t, text("a", "1\n"))
	u.git("-c", "user.name=x", "-c", "user.email=x@example.com", "tag", "-a", "-m", "x", "t", base)
	for name, id := range map[string]string{"tag": u.git("rev-parse", "t"), "tree": u.git("rev-parse", base+"^{tree}")} {
		// Git itself writes no such branch.
		if err := os.WriteFile(filepath.Join(u.dir, "refs", "heads", name), []byte(id+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := g.Fetch(t.Context(), u.remote(), "tag"); err != nil || got != base {
		t.Errorf("a branch that names a tag gives %q, %v; want the commit %s", got, err, base)
	}
	if got, err := g.Fetch(t.Context(), u.remote(), "tree"); err == nil {
		t.Errorf("a branch that names a tree gives the base %q", got)
	}
}
