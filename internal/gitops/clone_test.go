package gitops

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/coderflow/coderflow/internal/task"
)

// work is a clone with two commits on main, as a person has it.
type work struct {
	t         testing.TB
	dir       string
	base, tip string
}

func newWork(t testing.TB) *work {
	t.Helper()
	w := &work{t: t, dir: filepath.Join(t.TempDir(), "clone")}
	hostGit(t, "", "init", "--quiet", "--initial-branch=main", w.dir)
	w.base = commitTo(t, w.dir, "main", text("a.txt", "one\ntwo\n"), text("dir/deep/b.txt", "b\n"), text("same/x", "x\n"), text("gone", "g\n"))
	w.tip = commitTo(t, w.dir, "main", text("a.txt", "one\n2\n"), text("dir/deep/b.txt", "b\nb\n"), text("same/x", "x\n"),
		file{"run.sh", modeExecutable, "#!/bin/sh\n"}, link("to", "a.txt"), text("bin", "a\x00b"))
	return w
}

func (w *work) git(args ...string) string {
	w.t.Helper()
	return strings.TrimSpace(string(hostGit(w.t, "", append([]string{"-C", w.dir}, args...)...)))
}

func (w *work) write(name, content string) {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.RemoveAll(path), os.WriteFile(path, []byte(content), 0o755)); err != nil {
		w.t.Fatal(err)
	}
}

// lie puts an object into the clone under an id that is another's.
func (w *work) lie(id, kind, content string) {
	w.t.Helper()
	var packed bytes.Buffer
	z := zlib.NewWriter(&packed)
	fmt.Fprintf(z, "%s %d\x00%s", kind, len(content), content)
	z.Close() //nolint:errcheck // into memory
	w.write(".git/objects/"+id[:2]+"/"+id[2:], packed.String())
}

func (w *work) open() *Clone {
	w.t.Helper()
	c, err := OpenClone(w.t.Context(), w.dir)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := c.Close(); err != nil {
			w.t.Error(err)
		}
	})
	return c
}

// change reads the tip and what it changes.
func (w *work) change() (CommitChange, error) {
	w.t.Helper()
	c := w.open()
	tip, err := c.Commit(w.tip)
	if err != nil {
		return CommitChange{}, err
	}
	base, err := c.Commit(tip.Parents[0])
	if err != nil {
		return CommitChange{}, err
	}
	return c.Change(w.t.Context(), base.Tree, tip.Tree)
}

func TestACloneGivesTheSameChangeAsTheProposalHad(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	g := newGit(t, u)
	base := u.commit("main", text("a.txt", "one\ntwo\n"), text("gone", "g\n"), text("dir/x", "x\n"), text("dir/y", "y\n"))
	if _, err := g.Fetch(t.Context(), u.remote(), "main"); err != nil {
		t.Fatal(err)
	}
	result, err := g.BuildTree(t.Context(), BuildRequest{Repository: testRepo, Base: base, Task: testTask, Revision: 1, Changes: func(yield func(Change, error) bool) {
		for _, c := range []struct {
			path    string
			kind    ChangeKind
			content string
		}{
			{"a.txt", Regular, "one\n2\n"}, {"bin", Regular, "a\x00b"}, {"dir/x", Executable, "x\n"}, {"empty", Regular, ""},
			{"gone", Deleted, ""}, {"new/deep/f", Regular, "f"}, {"to", Symlink, "a.txt"}, {"ü", Regular, "u\n"},
		} {
			if !yield(Change{Path: c.path, Kind: c.kind, Size: int64(len(c.content)), Content: strings.NewReader(c.content)}, nil) {
				return
			}
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	c, err := OpenClone(t.Context(), filepath.Join(g.opts.Dir, mirrorsDir, "github-100.git")) // it is a repository like another
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close() //nolint:errcheck // a test's
	commit, err := c.Commit(base)
	if err != nil {
		t.Fatal(err)
	}
	change, err := c.Change(t.Context(), commit.Tree, result.Tree)
	if err != nil {
		t.Fatal(err)
	}
	want := task.Proposal{Manifest: result.Manifest, Diff: result.Diff}.ComputeDigest()
	if got := (task.Proposal{Manifest: change.Manifest, Diff: change.Diff}).ComputeDigest(); got != want || len(change.Manifest) != 8 {
		t.Errorf("another change:\n%+v\n%s\nwant\n%+v\n%s", change.Manifest, change.Diff, result.Manifest, result.Diff)
	}
}

// A clone is a stranger's: nothing that it is set up to do happens, and nothing of
// it changes what its objects say.
func TestThreat54NothingOfACloneHasAnEffect(t *testing.T) {
	t.Parallel()
	honest := newWork(t)
	want, err := honest.change()
	if err != nil {
		t.Fatal(err)
	}
	trap := "!touch " + filepath.Join(t.TempDir(), "trapped")
	for name, prepare := range map[string]func(w *work){
		"configuration": func(w *work) {
			for key, value := range map[string]string{
				"core.fsmonitor": trap[1:], "core.pager": trap[1:], "diff.external": trap[1:], "core.hooksPath": w.dir, "alias.cat-file": trap,
				"alias.diff-tree": trap, "diff.noprefix": "true", "diff.renames": "copies", "diff.algorithm": "patience", "diff.x.textconv": trap[1:],
				"core.abbrev": "4", "diff.context": "0", "core.alternateRefsCommand": trap[1:], "core.sshCommand": trap[1:], "core.quotePath": "false",
				"remote.o.url": "ext::sh -c " + trap[1:], "remote.o.promisor": "true", "extensions.partialClone": "o", "protocol.ext.allow": "always",
				"include.path": "/dev/zero", "core.bigFileThreshold": "1",
			} {
				w.write(".git/config", mustRead(w.t, filepath.Join(w.dir, ".git/config"))+configLine(key, value))
			}
			w.write(".git/config", "[core]\n\trepositoryformatversion = 1\n"+mustRead(w.t, filepath.Join(w.dir, ".git/config")))
		},
		"attributes": func(w *work) {
			w.write(".git/info/attributes", "* -diff binary diff=x\n")
			w.write(".gitattributes", "* -diff -text\n")
		},
		"a replaced object": func(w *work) {
			w.git("update-ref", "refs/replace/"+w.tip, w.base)
			w.git("update-ref", "refs/replace/"+w.base, w.tip)
		},
		"a graft":        func(w *work) { w.write(".git/info/grafts", w.tip+"\n") },
		"a shallow list": func(w *work) { w.write(".git/shallow", w.tip+"\n") },
		"a commit graph": func(w *work) { w.write(".git/objects/info/commit-graph", "CGPH\x01\x01\x00\x00garbage") },
		"a worktree":     func(w *work) { w.write(".git/index", "garbage") },
		"packed objects": func(w *work) { w.git("repack", "-adq") },
		"an alternate that is not there": func(w *work) {
			w.write(".git/objects/info/alternates", "/nowhere/objects\n/dev/null\n")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWork(t)
			prepare(w)
			got, err := w.change()
			if err != nil || !bytes.Equal(got.Diff, want.Diff) || fmt.Sprint(got.Manifest) != fmt.Sprint(want.Manifest) {
				t.Errorf("%v\n%+v\n%s\nwant\n%+v\n%s", err, got.Manifest, got.Diff, want.Manifest, want.Diff)
			}
		})
	}
	t.Cleanup(func() {
		if _, err := os.Stat(strings.TrimPrefix(trap, "!touch ")); err == nil {
			t.Error("something of the clone was run")
		}
	})
}

func configLine(key, value string) string {
	at := strings.LastIndex(key, ".")
	section, sub, found := strings.Cut(key[:at], ".")
	if found {
		section += ` "` + sub + `"`
	}
	return fmt.Sprintf("[%s]\n\t%s = %q\n", section, key[at+1:], value)
}

func mustRead(t testing.TB, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// An object that is not what its id says is found, whatever it is.
func TestThreat54AnObjectWithAnotherContentIsFound(t *testing.T) {
	t.Parallel()
	probe := newWork(t)
	blob := func(at string) string { return probe.git("rev-parse", probe.tip+":"+at) }
	for name, lie := range map[string]func(w *work){
		"the commit": func(w *work) {
			w.lie(w.tip, "commit", string(hostGit(t, "", "-C", w.dir, "cat-file", "commit", w.base)))
		},
		"the parent": func(w *work) {
			w.lie(w.base, "commit", string(hostGit(t, "", "-C", w.dir, "cat-file", "commit", w.tip)))
		},
		"a tree": func(w *work) {
			w.lie(blob("dir"), "tree", string(hostGit(t, "", "-C", w.dir, "cat-file", "tree", w.base+":dir")))
		},
		"a file":           func(w *work) { w.lie(blob("a.txt"), "blob", "one\n3\n") },
		"a file's kind":    func(w *work) { w.lie(blob("a.txt"), "tree", "one\n2\n") },
		"a commit's kind":  func(w *work) { w.lie(w.tip, "blob", "x") },
		"a file's length":  func(w *work) { w.lie(blob("a.txt"), "blob", "one\n2") },
		"what is no entry": func(w *work) { w.lie(blob("dir"), "tree", "100644 x") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWork(t)
			lie(w)
			if change, err := w.change(); err == nil {
				t.Errorf("it was taken: %s", change.Diff)
			}
		})
	}
}

func TestWhatACloneLacksIsSaid(t *testing.T) {
	t.Parallel()
	w := newWork(t)
	shallow := filepath.Join(t.TempDir(), "shallow")
	hostGit(t, "", "clone", "--quiet", "--depth=1", "file://"+w.dir, shallow)
	if _, err := (&work{t: t, dir: shallow, tip: w.tip}).change(); !errors.Is(err, ErrNotInClone) {
		t.Errorf("a shallow clone: %v", err)
	}
	other := filepath.Join(t.TempDir(), "sha256")
	hostGit(t, "", "init", "--quiet", "--object-format=sha256", other)
	if _, err := OpenClone(t.Context(), other); !errors.Is(err, ErrSHA256) {
		t.Errorf("a SHA-256 clone: %v", err)
	}
	if _, err := OpenClone(t.Context(), t.TempDir()); !errors.Is(err, ErrNoClone) {
		t.Errorf("no clone: %v", err)
	}
}

func TestNamesOfCommits(t *testing.T) {
	t.Parallel()
	w := newWork(t)
	w.git("tag", "light", w.base)
	w.git("-c", "user.name=x", "-c", "user.email=x@example.com", "tag", "-a", "-m", "x", "heavy", w.base)
	w.git("update-ref", "refs/remotes/origin/feature/x", w.base)
	w.git("pack-refs", "--all")
	w.git("update-ref", "refs/heads/late", w.base)
	w.git("worktree", "add", "--quiet", "--detach", filepath.Join(filepath.Dir(w.dir), "second"), w.base)
	for name, want := range map[string]string{
		"HEAD": w.tip, "main": w.tip, "refs/heads/main": w.tip, "light": w.base, "heavy": w.base, "origin/feature/x": w.base, "late": w.base,
		w.tip: w.tip, w.tip[:9]: w.tip, "HEAD~1": w.base, "HEAD^": w.base, "HEAD~0": w.tip, "main^1~0": w.base,
	} {
		if got, err := w.open().Resolve(name); err != nil || got != want {
			t.Errorf("%s is %s, want %s: %v", name, got, want, err)
		}
	}
	for _, name := range []string{"", "nope", "HEAD~2", "HEAD^2", "-n", "../../etc/passwd", "refs/../HEAD", strings.Repeat("0", 40), "HEAD@{1}", ":/x", w.tip + "x", "main:a.txt", "config"} {
		if got, err := w.open().Resolve(name); err == nil {
			t.Errorf("%q is %s", name, got)
		}
	}
	second := &work{t: t, dir: filepath.Join(filepath.Dir(w.dir), "second")}
	if got, err := second.open().Resolve("HEAD"); err != nil || got != w.base {
		t.Errorf("HEAD of another work tree is %s: %v", got, err)
	}
}

// Files of the clone that would stop or fill whoever reads them.
func TestThreat54RefsOfACloneAreReadWithinBounds(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(w *work) error{
		"a pipe":   func(w *work) error { return syscall.Mkfifo(filepath.Join(w.dir, ".git/refs/heads/x"), 0o600) },
		"a circle": func(w *work) error { w.write(".git/refs/heads/x", "ref: refs/heads/x\n"); return nil },
		"a link out": func(w *work) error {
			w.write("../secret", w.base+"\n")
			return os.Symlink("../../../../secret", filepath.Join(w.dir, ".git/refs/heads/x"))
		},
		"packed refs without end": func(w *work) error { return os.Symlink("/dev/zero", filepath.Join(w.dir, ".git/packed-refs")) },
		"no id":                   func(w *work) error { w.write(".git/refs/heads/x", "x\n"); return nil },
		"a ref outside":           func(w *work) error { w.write(".git/refs/heads/x", "ref: ../secret\n"); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWork(t)
			if err := prepare(w); err != nil {
				t.Fatal(err)
			}
			if got, err := w.open().Resolve("x"); err == nil {
				t.Errorf("it is %s", got)
			}
			if got, err := w.open().Resolve(w.tip); err != nil || got != w.tip {
				t.Errorf("the commit itself: %v", err)
			}
		})
	}
}
