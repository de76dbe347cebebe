package gitops

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/task"
)

// Everything that can make git start a program is tried, with a canary each: in
// the agent's files, in the base's files, and in the configuration that a host's
// user or system could have. Seen to fail without core.hooksPath (the hooks
// post-index-change and reference-transaction ran) and without an empty
// credential.helper. The rest has no work tree or attribute to start from, with
// or without its setting.
func TestThreat26NothingOfARepositoryRuns(t *testing.T) {
	t.Parallel()
	canary := filepath.Join(t.TempDir(), "canary")
	script := filepath.Join(t.TempDir(), "evil")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho \"$0 $*\" >>"+canary+"\ncat\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	attributes := "* filter=evil diff=evil merge=evil\n*.c diff=evil working-tree-encoding=UTF-16 ident\n"
	config := fmt.Sprintf(`[core]
	repositoryformatversion = 0
	bare = true
	fsmonitor = %[1]s
	hooksPath = %[2]s
	attributesFile = %[2]s/attributes
	editor = %[1]s
	pager = %[1]s
	sshCommand = %[1]s
	alternateRefsCommand = %[1]s
	askPass = %[1]s
[filter "evil"]
	clean = %[1]s clean
	smudge = %[1]s smudge
	process = %[1]s process
	required = true
[diff]
	external = %[1]s
[diff "evil"]
	command = %[1]s
	textconv = %[1]s
[credential]
	helper = "!%[1]s"
[uploadpack]
	packObjectsHook = %[1]s
[gpg]
	program = %[1]s
[commit]
	gpgSign = true
`, script, filepath.Dir(script))
	for _, hook := range []string{"reference-transaction", "pre-push", "post-index-change", "pre-auto-gc", "pre-commit", "post-commit", "attributes"} {
		content := "#!/bin/sh\nexec " + script + " hook " + hook + "\n"
		if hook == "attributes" {
			content = attributes
		}
		if err := os.WriteFile(filepath.Join(filepath.Dir(script), hook), []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	g, u, base := newBase(t, text("a.c", "int a;\n"), text(".gitattributes", attributes), text("dir/.gitattributes", attributes), text("dir/b.c", "int b;\n"))
	changes := []Change{
		put("a.c", "int aa;\n"), put("dir/b.c", "int bb;\n"), put("c.c", "int c; $Id$\n"), put(".gitattributes", attributes+"*.h diff=evil\n"),
		put("nested/config", config), put("nested/HEAD", "ref: refs/heads/main\n"), put("nested/hooks/post-checkout", "#!/bin/sh\n"+script+"\n"),
		put(".gitmodules", "[submodule \"x\"]\n\tpath = x\n\turl = https://example.com/x\n"),
	}
	whole := func(g *Git) {
		t.Helper()
		r, err := g.BuildTree(t.Context(), buildRequest(base, changes...))
		if err != nil {
			t.Fatal(err)
		}
		carrier, err := g.Carrier(t.Context(), CarrierRequest{Repository: testRepo, Base: base, Task: testTask, Patch: r.Diff, Subject: "s", Date: time.Unix(1, 0)})
		if err != nil {
			t.Fatal(err)
		}
		if err := g.PublishProposal(t.Context(), u.remote(), testTask, carrier, ""); err != nil {
			t.Fatal(err)
		}
		if err := g.Bundle(t.Context(), testRepo, base, filepath.Join(t.TempDir(), "b")); err != nil {
			t.Fatal(err)
		}
	}
	whole(g)
	noCanary(t, canary, "agent's and base's files")

	// The same with a hostile configuration in the mirror and in a quarantine,
	// as if their checks were not there.
	for i := range changes {
		changes[i].Content.(io.Seeker).Seek(0, io.SeekStart) //nolint:errcheck // strings.Reader
	}
	m := mirror{dir: mirrorDir(g), key: testRepo.Key()}
	if err := os.WriteFile(filepath.Join(m.dir, "config"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	q, err := g.newQuarantine(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(q.file("config"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	b := &build{g: g, q: q, req: BuildRequest{Base: base}, limits: DefaultLimits}
	if _, err := b.patch(t.Context(), base); err != nil {
		t.Fatal(err)
	}
	if err := q.readBase(t.Context(), base); err != nil {
		t.Fatal(err)
	}
	if _, err := q.writeTree(t.Context(), nil, baseMap(t, g, m, base)); err != nil {
		t.Fatal(err)
	}
	other := hostGit(t, "100644 blob "+entryOf(t, g, m, base, "a.c").Blob+"\ta.c\n", "-C", m.dir, "mktree")
	if out, err := b.patch(t.Context(), strings.TrimSpace(string(other))); err != nil || len(out) == 0 {
		t.Fatalf("diff: %v", err)
	}
	if err := q.admit(t.Context(), base, base, "refs/coderflow/x"); err != nil {
		t.Fatal(err)
	}
	if _, err := g.run(t.Context(), invocation{gitDir: m.dir, args: []string{"update-ref", "refs/coderflow/y", base}}); err != nil {
		t.Fatal(err)
	}
	remote := u.remote()
	if _, err := g.run(t.Context(), invocation{gitDir: m.dir, remote: &remote, args: []string{"push", "--quiet", "--no-verify", remote.URL, base + ":refs/heads/pushed"}}); err != nil {
		t.Fatal(err)
	}
	noCanary(t, canary, "a hostile configuration")
}

func noCanary(t *testing.T, canary, what string) {
	t.Helper()
	if seen, err := os.ReadFile(canary); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("%s: a program ran: %s (%v)", what, seen, err)
	}
}

func baseMap(t *testing.T, g *Git, m mirror, commit string) map[string]BaseEntry {
	t.Helper()
	entries, err := g.listTree(t.Context(), m, commit)
	if err != nil {
		t.Fatal(err)
	}
	byPath := map[string]BaseEntry{}
	for _, e := range entries {
		byPath[e.Path] = e
	}
	return byPath
}

func entryOf(t *testing.T, g *Git, m mirror, commit, path string) BaseEntry {
	return baseMap(t, g, m, commit)[path]
}

// .gitmodules is refused where fsck refuses it; what passes is a named risk.
func TestThreat26SubmoduleFilesThatAttackGitAreRefused(t *testing.T) {
	t.Parallel()
	g, _, base := newBase(t, text("a", "1\n"))
	for _, evil := range []string{
		"[submodule \"../../x\"]\n\tpath = x\n\turl = https://example.com/x\n",
		"[submodule \"x\"]\n\tpath = x\n\turl = --upload-pack=touch\n",
		"[submodule \"x\"]\n\tpath = -x\n\turl = https://example.com/x\n",
		"[submodule \"x\"]\n\tpath = x\n\tupdate = !touch pwned\n\turl = https://example.com/x\n",
	} {
		wantRefused(t, g, base, []Change{put(".gitmodules", evil)}, "26 ")
	}
	r := build1(t, g, base, put(".gitmodules", "[submodule \"x\"]\n\tpath = x\n\turl = https://example.com/x\n"))
	wantRisks(t, r, "gitmodules .gitmodules")
}

func TestThreat30SizesAndCounts(t *testing.T) {
	t.Parallel()
	g, _, base := newBase(t, text("a", "1\n"), text("big", strings.Repeat("b", 5000)))
	limits := Limits{MaxFiles: 3, MaxFileBytes: 1000, MaxTotalBytes: 2000, MaxDiffBytes: 1 << 20, MaxSeen: 20}
	refused := func(name string, limits Limits, rule string, changes Changes) {
		t.Helper()
		started := time.Now()
		_, err := g.BuildTree(t.Context(), BuildRequest{Repository: testRepo, Base: base, Task: testTask, Changes: changes, Limits: limits})
		var e *RefusedError
		if !errors.As(err, &e) || e.Problems[0].Rule != rule {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(started); took > 30*time.Second {
			t.Errorf("%s took %s", name, took)
		}
	}
	refused("a sparse terabyte", limits, "30", yields(Change{Path: "t", Kind: Regular, Size: 1 << 40, Content: zeros{}}))
	refused("many bytes", limits, "30", yields(put("x", strings.Repeat("x", 900)), put("y", strings.Repeat("y", 900)), put("z", strings.Repeat("z", 900))))
	refused("many files", limits, "30", yields(put("w", "w"), put("x", "x"), put("y", "y"), put("z", "z")))
	refused("a negative size", limits, "30", yields(Change{Path: "n", Kind: Regular, Size: -1, Content: zeros{}}))
	refused("a long link", limits, "30", yields(Change{Path: "n", Kind: Symlink, Size: 1 << 20, Content: zeros{}}))
	refused("a long diff", Limits{MaxDiffBytes: 500}, "31", yields(put("x", strings.Repeat("line\n", 300))))
	refused("endless changes", Limits{MaxSeen: 5000}, "30", func(yield func(Change, error) bool) {
		for i := 0; yield(gone(fmt.Sprint(i)), nil); i++ {
		}
	})
	refused("endless files", Limits{}, "30", func(yield func(Change, error) bool) {
		for i := 0; yield(put(fmt.Sprint("f", i), "x"), nil); i++ {
		}
	})
	// What the base has may be as large as it is, while it stays as it is.
	if _, err := g.BuildTree(t.Context(), BuildRequest{
		Repository: testRepo, Base: base, Task: testTask, Limits: limits, Changes: yields(put("big", strings.Repeat("b", 5000)), put("a", "2\n")),
	}); err != nil {
		t.Errorf("an unchanged large file: %v", err)
	}
	refused("a changed large file", limits, "30", yields(put("big", strings.Repeat("B", 5000))))
}

// zeros is content without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestContentMustHaveTheAnnouncedSize(t *testing.T) {
	t.Parallel()
	g, _, base := newBase(t, text("a", "1\n"))
	broken := errors.New("the stream broke")
	for name, c := range map[string]struct {
		changes Changes
		want    error
	}{
		"short":  {yields(Change{Path: "x", Kind: Regular, Size: 10, Content: strings.NewReader("short")}), errContentSize},
		"long":   {yields(Change{Path: "x", Kind: Regular, Size: 2, Content: strings.NewReader("long")}), errContentSize},
		"none":   {yields(Change{Path: "x", Kind: Regular, Size: 2}), errContentSize},
		"broken": {yields(Change{Path: "x", Kind: Regular, Size: 2, Content: io.MultiReader(strings.NewReader("x"), failing{broken})}), broken},
		"ends in an error": {func(yield func(Change, error) bool) {
			if yield(put("x", "x"), nil) {
				yield(Change{}, broken)
			}
		}, broken},
	} {
		before := inMirror(t, g, "count-objects", "-v")
		_, err := g.BuildTree(t.Context(), BuildRequest{Repository: testRepo, Base: base, Task: testTask, Changes: c.changes})
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		wantEqual(t, name+": mirror", inMirror(t, g, "count-objects", "-v"), before)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// Seen to fail with a work tree or an index where git looks for attributes:
// "-diff" turns the patch into base85 and the counts into "-".
func TestThreat31AttributesHideNothing(t *testing.T) {
	t.Parallel()
	hiding := "* -diff\n*.go linguist-generated binary diff=custom -text\n[attr]hide -diff -text\n*.c hide\n"
	g, _, base := newBase(t, text("base.go", "one\n"), text(".gitattributes", hiding), text("d/.gitattributes", "* binary\n"), text("d/x", "one\n"))
	r := build1(t, g, base, put("base.go", "two\n"), put("new.c", "int main;\n"), put("d/x", "two\n"), put("e/.gitattributes", "* -diff\n"), put("e/y", "y\n"))
	for _, want := range []string{"-one\n+two\n", "+int main;\n", "+y\n", "+* -diff\n", "diff --git a/d/x b/d/x"} {
		if !strings.Contains(string(r.Diff), want) {
			t.Errorf("the diff lacks %q:\n%s", want, r.Diff)
		}
	}
	if strings.Contains(string(r.Diff), "Binary") || strings.Contains(string(r.Diff), "binary patch") {
		t.Errorf("something is shown as binary:\n%s", r.Diff)
	}
	for _, c := range r.Manifest {
		if c.Binary || c.Added < 1 {
			t.Errorf("%s: %+v", c.Path, c)
		}
	}
	wantRisks(t, r, "gitattributes e/.gitattributes")
}

func TestThreat31BinaryFilesAreInTheDiffAndNamed(t *testing.T) {
	t.Parallel()
	g, _, base := newBase(t, text("a", "1\n"))
	r := build1(t, g, base, put("code.go", "package x\n\x00func evil() {}\n"))
	wantRisks(t, r, "binary code.go")
	if !strings.Contains(string(r.Diff), "GIT binary patch\nliteral 26\n") {
		t.Errorf("diff:\n%s", r.Diff)
	}
	if c := r.Manifest[0]; !c.Binary || c.Added != -1 || c.Removed != -1 || c.Size != 26 {
		t.Errorf("manifest: %+v", c)
	}
}

func TestThreat32HiddenCharactersAreNamedWithTheirLine(t *testing.T) {
	t.Parallel()
	g, _, base := newBase(t, text("old", "fine\nalready\u202ehere\n"))
	r := build1(t, g, base,
		put("old", "fine\nalready\u202ehere\nadded\n"),
		put("new.go", "\ufeffa\nb\u202e\nc\n\nd\u200be\nf\ufeff\n++ x\u2066\ntag\U000e0041\nesc\x1b[2J\r\nok\té\r\n"),
		put("dir \"q\"/\u00e9.txt", "x\u00ad\n"), put("na\u202eme", "x\n"))
	var got []string
	for _, risk := range r.Risks {
		got = append(got, fmt.Sprintf("%s %s:%d %s", risk.Name, risk.Path, risk.Line, risk.Why))
	}
	direction, unseen := ", which changes the direction of text", ", which cannot be seen"
	wantList(t, "risks", got, []string{
		"hidden-characters na\u202eme:0 its name contains U+202E" + direction,
		"hidden-characters dir \"q\"/\u00e9.txt:1 contains U+00AD" + unseen,
		"hidden-characters new.go:2 contains U+202E" + direction,
		"hidden-characters new.go:5 contains U+200B" + unseen,
		"hidden-characters new.go:6 contains U+FEFF" + unseen,
		"hidden-characters new.go:7 contains U+2066" + direction,
		"hidden-characters new.go:8 contains U+E0041" + unseen,
		"hidden-characters new.go:9 contains the control character U+001B",
	})
}

func TestThreat33BitsAndPointersAreNamed(t *testing.T) {
	t.Parallel()
	g, _, base := newBase(t, text("a", "1\n"), file{"was", modeExecutable, "x\n"})
	pointer := "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"
	r := build1(t, g, base, changeOf(Executable, "run", "x\n"), put("model.bin", pointer), changeOf(Executable, "was", "y\n"))
	wantRisks(t, r, "lfs-pointer model.bin", "executable run")
}

func TestThreat34BytesAreKept(t *testing.T) {
	t.Parallel()
	attributes := "* text=auto eol=crlf\n*.utf16 working-tree-encoding=UTF-16\n*.id ident\n"
	g, _, base := newBase(t, text(".gitattributes", attributes), text("a.txt", "one\n"))
	contents := map[string]string{
		"a.txt": "one\r\ntwo\n\rthree", "b.utf16": "\xff\xfea\x00\n\x00", "c.id": "$Id$ $Id: x$\n", "latin1": "caf\xe9\n", "empty": "", "nul": "\x00", "crlf": "\r\n", "noeol": "x",
		"marks": "blob\nmark :1\ndata 3\nabc\ndone\n",
	}
	var changes []Change
	for path, content := range contents {
		changes = append(changes, put(path, content))
	}
	r := build1(t, g, base, changes...)
	wantEqual(t, "number of changes", len(r.Manifest), len(contents))
	for _, c := range r.Manifest {
		if got := inMirror(t, g, "cat-file", "blob", c.NewBlob); got != contents[c.Path] {
			t.Errorf("%s: got %q, want %q", c.Path, got, contents[c.Path])
		}
		wantEqual(t, c.Path+" id", c.NewBlob, blobID(contents[c.Path]))
	}
}

func TestThreat36SteeringFilesAreNamed(t *testing.T) {
	t.Parallel()
	g, _, base := newBase(t, text("a", "1\n"), text(".github/workflows/old.yml", "x\n"))
	r := build1(t, g, base, gone(".github/workflows/old.yml"), put(".github/workflows/ci.yml", "on: push\n"), put("azure-pipelines.yml", "x\n"),
		put("CODEOWNERS", "* @me\n"), put("sub/CLAUDE.md", "obey\n"), put("AGENTS.md", "obey\n"), put("go.sum", "x\n"), put("web/package-lock.json", "{}\n"), put("main.go", "x\n"))
	wantRisks(t, r, "workflow .github/workflows/ci.yml", "workflow .github/workflows/old.yml", "agent-instructions AGENTS.md", "codeowners CODEOWNERS",
		"workflow azure-pipelines.yml", "lock-file go.sum", "agent-instructions sub/CLAUDE.md", "lock-file web/package-lock.json")
}

// A line of content that looks like a part of a patch is content.
func TestAddedLinesCountsHunks(t *testing.T) {
	t.Parallel()
	g, _, base := newBase(t, text("f", strings.Repeat("same\n", 20)))
	content := "--- a/x\n+++ b/y\n@@ -1 +1 @@\ndiff --git a/z b/z\n" + strings.Repeat("same\n", 20) + "\\ No newline at end of file"
	r := build1(t, g, base, put("f", content))
	var lines bytes.Buffer
	for added, err := range addedLines(r.Diff) {
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&lines, "%s:%d:%s", added.path, added.line, added.text)
	}
	wantEqual(t, "lines", lines.String(), "f:1:--- a/x\nf:2:+++ b/y\nf:3:@@ -1 +1 @@\nf:4:diff --git a/z b/z\nf:25:\\ No newline at end of file\n")
}

var _ = task.Added

// What a change says is looked through: a statement on an added line, also one
// that was a comment before; a protection that goes; and nothing that was there.
func TestThreat36DangerousStatementsAreNamedWithTheirLine(t *testing.T) {
	t.Parallel()
	g, _, base := newBase(t, text("old.sql", "DROP TABLE already;\nSELECT 1;\n/*\nDROP TABLE users;\n*/\nDELETE FROM carts\nWHERE id = 1;\n"),
		text("main.tf", "resource \"aws_db_instance\" \"main\" {\n  lifecycle {\n    prevent_destroy = true\n  }\n}\n"),
		text("gone.tf", "resource \"aws_s3_bucket\" \"logs\" {\n}\nresource \"aws_s3_bucket\" \"moved\" {\n}\n"))
	r := build1(t, g, base,
		put("old.sql", "DROP TABLE already;\nSELECT 1;\nDROP TABLE users;\nDELETE FROM carts\n;\n"),
		put("run.sh", "#!/bin/sh\nset -e\n# rm -rf /\nrm -rf \"$DATA\"/*\n"), put("main.tf", "resource \"aws_db_instance\" \"main\" {\n  lifecycle {\n  }\n}\n"),
		gone("gone.tf"), put("new.tf", "resource \"aws_s3_bucket\" \"moved\" {\n}\n"), put("notes.md", "DROP TABLE users;\n"))
	var got []string
	for _, risk := range r.Risks {
		got = append(got, fmt.Sprintf("%s %s:%d %v %s", risk.Rule, risk.Path, risk.Line, risk.Removed, risk.Excerpt))
	}
	wantList(t, "risks", got, []string{
		`tf-resource-removed gone.tf:1 true resource aws_s3_bucket logs {`,
		`tf-protection-removed main.tf:3 true prevent_destroy = true`,
		`sql-drop-table old.sql:3 false DROP TABLE USERS`,
		`sql-delete-all old.sql:4 false DELETE FROM CARTS`,
		`rm-recursive run.sh:4 false rm -rf $DATA/*`,
	})
}

// Seen to fail without the scan: the tree is built and its objects are kept.
func TestThreat35ForeignSecretsStopAProposalByNameAndNeverByValue(t *testing.T) {
	t.Parallel()
	key := "AKIA" + "Q7ZK2MWX5RNB3HVT"
	g, _, base := newBase(t, text("has.txt", key+"\n"))
	for name, c := range map[string]struct {
		kind          ChangeKind
		path, content string
		want          string
	}{
		"a line":          {Regular, "a.txt", "one\nkey = " + key + "\n", "35 a.txt:2"},
		"a name":          {Regular, "d/" + key + ".txt", "x\n", "35 d/….txt"},
		"a link's target": {Symlink, "l", "x/" + key, "35 l"},
		"a binary":        {Regular, "b", "\x00" + key + "\x00", "35 b"},
	} {
		wantRefused(t, g, base, []Change{changeOf(c.kind, c.path, c.content)}, c.want)
		_, err := g.BuildTree(t.Context(), buildRequest(base, changeOf(c.kind, c.path, c.content)))
		if err == nil || strings.Contains(err.Error(), key[:12]) || !strings.Contains(err.Error(), "aws-access-key") {
			t.Errorf("%s: %v", name, err)
		}
	}
	wantRisks(t, build1(t, g, base, put("has.txt", key+"\nmore\n")))
	wantRisks(t, build1(t, g, base, put("x", "AKIAIOSFODNN7EXAMPLE\n")))
}

func TestThreat35WhatAnEnvironmentLetsThroughIsARisk(t *testing.T) {
	t.Parallel()
	key := "AKIA" + "Q7ZK2MWX5RNB3HVT"
	g, _, base := newBase(t, text("a", "1\n"))
	req := buildRequest(base, put("testdata/k", key+"\n"))
	req.AllowSecrets = func(path string) bool { return path == "testdata/k" }
	r, err := g.BuildTree(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if wantRisks(t, r, "secret-pattern testdata/k"); t.Failed() {
		return
	}
	if risk := r.Risks[0]; risk.Line != 1 || strings.Contains(fmt.Sprint(risk), key[:12]) {
		t.Errorf("risk: %+v", risk)
	}
	req = buildRequest(base, put("src/k", key+"\n"))
	req.AllowSecrets = func(path string) bool { return path == "testdata/k" }
	if _, err := g.BuildTree(t.Context(), req); err == nil {
		t.Error("a secret elsewhere went through")
	}
}
