package policy_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/task"
)

// raised reports whether a rule with the pattern raises what the change needs.
func raised(pattern string, paths ...task.PathChange) bool {
	gate := policy.Gate{Rules: []policy.GateRule{{Name: "r", Paths: []string{pattern}, Approvals: 2}}}
	return gate.Require(policy.Change{Paths: paths}).Approvals == 2
}

func changed(path string) task.PathChange {
	return task.PathChange{Path: path, Kind: task.Modified, OldMode: "100644", NewMode: "100644", Added: 1}
}

func TestPatternsOfPaths(t *testing.T) {
	t.Parallel()
	for pattern, rows := range map[string]struct{ yes, no []string }{
		".github/workflows/**": {
			[]string{".github/workflows/ci.yml", ".github/workflows/a/b.yml", ".github/workflows"},
			[]string{".github/workflow/ci.yml", "x/.github/workflows/ci.yml", ".github", "github/workflows/ci.yml"},
		},
		"**/*.sql":        {[]string{"a.sql", "db/a.sql", "db/x/a.sql"}, []string{"a.sql.txt", "asql"}},
		"db/**/down.sql":  {[]string{"db/down.sql", "db/1/2/down.sql"}, []string{"down.sql", "db/1/up.sql"}},
		"deploy.sh":       {[]string{"deploy.sh"}, []string{"x/deploy.sh", "deploy.sh/x"}},
		"src/*/main.go":   {[]string{"src/a/main.go"}, []string{"src/main.go", "src/a/b/main.go"}},
		"v[0-9]/?.txt":    {[]string{"v1/a.txt"}, []string{"va/a.txt", "v1/aa.txt"}},
		"**":              {[]string{"a", "a/b"}, nil},
		"a/**/**/b/**/*c": {[]string{"a/b/c", "a/x/y/b/z/xc"}, []string{"a/c", "a/b"}},
	} {
		for _, path := range rows.yes {
			if !raised(pattern, changed(path)) {
				t.Errorf("%s does not match %s", pattern, path)
			}
		}
		for _, path := range rows.no {
			if raised(pattern, changed(path)) {
				t.Errorf("%s matches %s", pattern, path)
			}
		}
	}
}

// A rule by path stands whatever is done to the path: it is deleted, renamed away
// or there, spelt so that another file system takes it for the same, or reached
// through a link.
func TestThreat36ARuleByPathCannotBeDodged(t *testing.T) {
	t.Parallel()
	link := func(path string) task.PathChange {
		return task.PathChange{Path: path, Kind: task.Added, NewMode: "120000", Added: 1}
	}
	for name, change := range map[string][]task.PathChange{
		"deleted":            {{Path: ".github/workflows/ci.yml", Kind: task.Deleted, OldMode: "100644", Removed: 9}},
		"renamed away":       {{Path: ".github/workflows/ci.yml", Kind: task.Deleted, OldMode: "100644"}, {Path: "x", Kind: task.Added, NewMode: "100644"}},
		"renamed there":      {{Path: "x", Kind: task.Deleted, OldMode: "100644"}, {Path: ".github/workflows/ci.yml", Kind: task.Added, NewMode: "100644"}},
		"another case":       {changed(".GitHub/WorkFlows/ci.yml")},
		"an invisible":       {changed(".github/work\u200cflows/ci.yml")},
		"dots at the end":    {changed(".github./workflows /ci.yml")},
		"only its mode":      {{Path: ".github/workflows/ci.yml", Kind: task.Modified, OldMode: "100644", NewMode: "100755"}},
		"made a link":        {link(".github/workflows/ci.yml")},
		"directory a link":   {link(".github/workflows")},
		"above a link":       {link(".github")},
		"link in other case": {link(".GITHUB")},
		"a submodule there":  {{Path: ".github", Kind: task.Added, NewMode: "160000"}},
		"a link removed":     {{Path: ".github", Kind: task.Deleted, OldMode: "120000"}},
		"among many":         append(slicesOf(400), changed(".github/workflows/ci.yml")),
	} {
		if !raised(".github/workflows/**", change...) {
			t.Errorf("%s: the rule does not match", name)
		}
	}
	if raised(".github/workflows/**", link("docs"), link(".github2"), changed(".github")) {
		t.Error("links elsewhere match too")
	}
	if !raised("é/**", changed("É/x")) || !raised("\u00e9/**", changed("e\u0301/x")) {
		t.Error("another normalization does not match")
	}
}

func slicesOf(n int) []task.PathChange {
	list := make([]task.PathChange, n)
	for i := range list {
		list[i] = changed("docs/x.md")
	}
	return list
}

func TestPatternsThatWouldMatchNothingAreRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "/a", "a/", "a//b", "./a", "a/../b", "{a,b}", `a\b`, "!a", "a**", "**b/c", "[a", "a/***/b"} {
		if policy.CheckGlob(text) == nil {
			t.Errorf("%q is taken", text)
		}
	}
	for _, text := range []string{"a", "**", ".github/workflows/**", "**/*.sql", "v[0-9]/?"} {
		if err := policy.CheckGlob(text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// What a file system takes for the same name never matches less than the name itself.
func TestFoldingOnlyAddsMatches(t *testing.T) {
	t.Parallel()
	parts := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "B", "é", "x.go", "**", "*.go", "?", "[a-c]"}), 1, 5)
	names := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "É", "x.go", "X.GO", "c"}), 1, 5)
	rapid.Check(t, func(t *rapid.T) {
		pattern, name := parts.Draw(t, "pattern"), names.Draw(t, "name")
		if plainMatch(pattern, name) && !raised(joined(pattern), changed(joined(name))) {
			t.Fatalf("%v does not match %v", pattern, name)
		}
	})
}
