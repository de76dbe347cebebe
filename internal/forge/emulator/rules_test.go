package emulator_test

import (
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/forge/emulator"
)

// What a forge refuses is told over git's own protocol, in GitHub's words.
func TestRulesetsRefusePushesInGitHubsWords(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, token := w.bot(nil)
	dir := w.clone("alice")
	w.commit(dir, "main", "a.txt", "a\n")
	push := func(rules []emulator.Ruleset, ref string) string {
		t.Helper()
		must(t, w.forge.SetRulesets(repoName, rules...))
		out, err := w.git(dir, "x-access-token", token, "push", "origin", "HEAD:refs/heads/"+ref)
		if err == nil {
			return ""
		}
		return out
	}
	for _, c := range []struct {
		rules emulator.Ruleset
		ref   string
		says  string
	}{
		{emulator.Ruleset{Branches: []string{"main"}, PullRequest: true}, "main", "- Changes must be made through a pull request."},
		{emulator.Ruleset{Branches: []string{"release/*"}, NoCreation: true}, "release/1", "- Cannot create ref due to creations being restricted."},
		{emulator.Ruleset{Branches: []string{"main"}, Signed: true}, "main", "- Commits must have verified signatures."},
	} {
		out := push([]emulator.Ruleset{c.rules}, c.ref)
		for _, want := range []string{"remote: error: GH013: Repository rule violations found for refs/heads/" + c.ref + ".", "remote: " + c.says, "remote rejected"} {
			if !strings.Contains(out, want) {
				t.Errorf("%+v: %q is not said:\n%s", c.rules, want, out)
			}
		}
	}
	if out := push([]emulator.Ruleset{{Branches: []string{"main"}, PullRequest: true, Bypass: []string{w.info.AppSlug}}}, "main"); out != "" {
		t.Errorf("an App that it does not bind: %s", out)
	}
}

func TestAnArchivedRepositoryIsReadOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, token := w.bot(nil)
	dir := w.clone("alice")
	w.commit(dir, "main", "a.txt", "a\n")
	must(t, w.forge.Archive(repoName, true))
	out, err := w.git(dir, "x-access-token", token, "push", "origin", "main")
	if err == nil || !strings.Contains(out, "error: 403") || !strings.Contains(out, "This repository was archived so it is read-only.") {
		t.Errorf("push: %v %s", err, out)
	}
	if out, err := w.git(dir, "x-access-token", token, "fetch", "-q", "origin"); err != nil {
		t.Errorf("fetch: %s", out)
	}
	must(t, w.forge.Archive(repoName, false))
	if out, err := w.git(dir, "x-access-token", token, "push", "-q", "origin", "main"); err != nil {
		t.Errorf("out of the archive: %s", out)
	}
}
