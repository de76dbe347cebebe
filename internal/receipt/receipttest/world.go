// Package receipttest makes a clone with one landed commit and a log that has it, for
// tests and benchmarks of receipts.
package receipttest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/gitops"
	"github.com/coderflow/coderflow/internal/receipt"
	"github.com/coderflow/coderflow/internal/task"
)

// World is a clone, what landed in it, and the log.
type World struct {
	TB       testing.TB
	Dir      string // of the clone
	Commit   string // the landed one
	Approval approval.Record
	Proposal task.Proposal
	Key      audit.Key
	Log      Log
	Entries  []audit.Entry // of the receipt
}

// Log is an audit log in memory.
type Log struct {
	size   int64
	hashes []tlog.Hash
}

// ReadHashes implements tlog.HashReader.
func (l *Log) ReadHashes(positions []int64) ([]tlog.Hash, error) {
	found := make([]tlog.Hash, len(positions))
	for i, p := range positions {
		found[i] = l.hashes[p]
	}
	return found, nil
}

// Size is how many entries there are.
func (l *Log) Size() int64 { return l.size }

// Moment is when everything happens.
var Moment = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// Who takes part.
var (
	Alice = forge.User{Subject: forge.Subject{Host: forge.GitHub, ID: "1"}, Login: "alice", Name: "Alice", Kind: forge.Person}
	Bob   = forge.User{Subject: forge.Subject{Host: forge.GitHub, ID: "2"}, Login: "bob", Name: "Bob", Kind: forge.Person}
	Carol = forge.User{Subject: forge.Subject{Host: forge.GitHub, ID: "3"}, Login: "carol", Name: "Carol", Kind: forge.Person}
	Bot   = gitops.Identity{Name: "CoderFlow", Email: "coderflow@users.noreply.github.com"}
)

// New makes a world whose log has others of so many entries before and after.
func New(t testing.TB, others int) *World {
	t.Helper()
	w := &World{TB: t, Dir: filepath.Join(t.TempDir(), "clone")}
	w.Git("", "init", "--quiet", "--initial-branch=main", w.Dir)
	base := w.fastImport("main", map[string]string{"a.txt": "one\ntwo\n", "dir/b.txt": "b\n"})
	next := w.fastImport("scratch", map[string]string{"a.txt": "one\n2\n", "dir/b.txt": "b\n", "new.txt": "n\n"})
	w.propose(base, w.In("rev-parse", next+"^{tree}"))
	w.approve()
	private, err := audit.NewKey("coderflow.example.com/audit")
	if err != nil {
		t.Fatal(err)
	}
	if w.Key, err = audit.ParseKey(private); err != nil {
		t.Fatal(err)
	}
	w.Others(others)
	w.write()
	w.Others(others)
	return w
}

// Git runs git for the test itself.
func (w *World) Git(stdin string, args ...string) string {
	w.TB.Helper()
	cmd := exec.Command("git", args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "GIT_CONFIG_NOSYSTEM=1", "LC_ALL=C"}
	cmd.Stdin = strings.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		w.TB.Fatalf("git %s: %v: %s", strings.Join(args, " "), err, stderr.String())
	}
	return strings.TrimSuffix(string(out), "\n")
}

// In runs git in the clone.
func (w *World) In(args ...string) string {
	w.TB.Helper()
	return w.Git("", append([]string{"-C", w.Dir}, args...)...)
}

func (w *World) fastImport(branch string, files map[string]string) string {
	w.TB.Helper()
	var stream bytes.Buffer
	fmt.Fprintf(&stream, "commit refs/heads/%s\ncommitter Up Stream <up@example.com> 1700000000 +0000\ndata 4\ntest\ndeleteall\n", branch)
	for path, content := range files {
		fmt.Fprintf(&stream, "M 100644 inline %s\ndata %d\n%s\n", path, len(content), content)
	}
	w.Git(stream.String(), "-C", w.Dir, "fast-import", "--quiet", "--force")
	return w.In("rev-parse", "refs/heads/"+branch)
}

// Write stores an object in the clone.
func (w *World) Write(kind string, content []byte) string {
	w.TB.Helper()
	return w.Git(string(content), "-C", w.Dir, "hash-object", "-t", kind, "-w", "--stdin", "--literally")
}

func (w *World) propose(base, tree string) {
	w.TB.Helper()
	clone := w.Clone()
	change, err := clone.Change(w.TB.Context(), w.In("rev-parse", base+"^{tree}"), tree)
	if err != nil {
		w.TB.Fatal(err)
	}
	w.Proposal = task.Proposal{
		Task: "aaaaaaaaaaaa", Revision: 1, Repository: forge.RepositoryRef{Host: forge.GitHub, ID: "100", Owner: "acme", Name: "shop"},
		BaseBranch: "main", BaseCommit: base, Tree: tree, Manifest: change.Manifest, Diff: change.Diff, Message: "Change two",
		PolicyVersion: "7", Risks: []task.Risk{{Name: "bidi", Path: "a\xff.txt", Line: 2, Why: "<why>", Excerpt: "2"}},
	}
	w.Proposal.Digest = w.Proposal.ComputeDigest()
}

// approve makes the approval and its commit.
func (w *World) approve() {
	w.TB.Helper()
	p := w.Proposal
	const review = "https://forge.example/acme/shop/pull/7#pullrequestreview-"
	r := approval.Record{
		ID: strings.Repeat("a1", 12), Task: p.Task, Revision: 1, Digest: p.Digest, Environment: "production", Repository: p.Repository, PullRequest: 7,
		ReviewID: "12", ReviewURL: review + "12", Approver: Bob, Requester: Alice, At: Moment,
		Reviews: []approval.Reviewed{{ID: "11", URL: review + "11", Author: Carol}, {ID: "12", URL: review + "12", Author: Bob}},
	}
	r.Message = p.Message + "\n\n" + strings.Join(approval.Trailers(p.Task, p.Digest, r.ReviewURL, Alice, []forge.User{Carol}), "\n") + "\n"
	w.Approval = r
	id, content, err := w.Landing().Object()
	if err != nil {
		w.TB.Fatal(err)
	}
	if w.Commit = w.Write("commit", content); w.Commit != id {
		w.TB.Fatalf("git has the commit as %s, not as %s", w.Commit, id)
	}
	w.In("update-ref", "refs/heads/main", w.Commit)
}

// Landing is what the commit says.
func (w *World) Landing() gitops.Landing {
	return gitops.Landing{
		Tree: w.Proposal.Tree, Parent: w.Proposal.BaseCommit, Author: w.Approval.Approver, Committer: Bot, At: w.Approval.At, Message: w.Approval.Message,
	}
}

// write puts the entries of the story into the log.
func (w *World) write() {
	w.TB.Helper()
	r, p, ref := w.Approval, w.Proposal, "refs/heads/coderflow/aaaaaaaaaaaa"
	run := map[string]any{
		"deployment": "d1", "environment": "production", "profile": "publish", "profileVersion": "3", "commit": w.Commit, "covers": "landed",
		"requestedBy": Bob.Subject, "approval": r.ID, "state": "running",
	}
	ended := map[string]any{"exitCode": 0}
	for k, v := range run {
		ended[k] = v
	}
	ended["state"] = "succeeded"
	w.Add(Alice.Subject.String(), audit.TaskCreated, map[string]any{
		"url": "https://forge.example/acme/shop/issues/6#comment-1", "repository": p.Repository.Key(), "text": task.Snapshot{Title: "two"}.Digest(),
	})
	w.Add(audit.System, audit.ProposalRecorded, map[string]any{"base": p.BaseCommit, "tree": p.Tree, "digest": p.Digest})
	w.Add(Bob.Subject.String(), audit.ApprovalRecorded, map[string]any{"approval": r.ID, "digest": r.Digest, "review": r.ReviewURL, "reviews": r.Reviews, "landing": receipt.LandingOf(r, Bot),
		"checks": []receipt.Result{{Examination: "eeeeeeeeeeee", Name: "tests", Attempt: 1, Definition: "sha256:d", Outcome: "passed"}}, "judges": []receipt.Result{}})
	w.Add(audit.System, audit.PushIntent, map[string]any{
		"approval": r.ID, "commit": w.Commit, "tree": p.Tree, "parent": p.BaseCommit, "ref": ref, "expected": strings.Repeat("c", 40),
	})
	w.Add(audit.System, audit.PushDone, map[string]any{"approval": r.ID, "commit": w.Commit, "ref": ref, "outcome": gitops.PushOutcome{Commit: w.Commit}})
	w.Add(audit.System, audit.DeployStarted, run)
	w.Add(audit.System, audit.DeployEnded, ended)
}

// Add writes an entry that belongs to the receipt.
func (w *World) Add(actor string, action audit.Action, detail any) {
	w.TB.Helper()
	e, err := audit.New(Moment, actor, action, detail)
	if err != nil {
		w.TB.Fatal(err)
	}
	e.Task, e.Environment = string(w.Proposal.Task), "production"
	w.Entries = append(w.Entries, w.append(e))
}

// Others writes entries that do not.
func (w *World) Others(n int) {
	w.TB.Helper()
	for range n {
		w.append(audit.Entry{At: Moment, Actor: audit.System, Action: audit.TaskMoved, Detail: json.RawMessage(`{}`)})
	}
}

func (w *World) append(e audit.Entry) audit.Entry {
	w.TB.Helper()
	w.Log.size++
	e.Seq = w.Log.size
	_, hashes, err := e.Hashes(&w.Log)
	if err != nil {
		w.TB.Fatal(err)
	}
	w.Log.hashes = append(w.Log.hashes, hashes...)
	return e
}

// AppendLeaf puts any line into the log and returns the number of its entry.
func (w *World) AppendLeaf(leaf []byte) int64 {
	w.TB.Helper()
	hashes, err := tlog.StoredHashes(w.Log.size, leaf, &w.Log)
	if err != nil {
		w.TB.Fatal(err)
	}
	w.Log.size++
	w.Log.hashes = append(w.Log.hashes, hashes...)
	return w.Log.size
}

// Sign makes a checkpoint of the log as it is.
func (w *World) Sign() []byte {
	w.TB.Helper()
	root, err := tlog.TreeHash(w.Log.size, &w.Log)
	if err != nil {
		w.TB.Fatal(err)
	}
	note, err := w.Key.Sign(w.Log.size, root)
	if err != nil {
		w.TB.Fatal(err)
	}
	return note
}

// Statement makes the receipt of the entries.
func (w *World) Statement() receipt.Statement {
	w.TB.Helper()
	s, err := receipt.Build(receipt.Source{
		Approval: w.Approval, Proposal: w.Proposal, Committer: Bot, Entries: w.Entries, Checkpoint: w.Sign(),
		Prove: func(entry int64) (audit.Inclusion, error) { return audit.ProveInclusion(&w.Log, entry, w.Log.size) },
	})
	if err != nil {
		w.TB.Fatal(err)
	}
	return s
}

// Seal signs a statement.
func (w *World) Seal(s receipt.Statement) []byte {
	w.TB.Helper()
	sealed, err := s.Seal(w.Key)
	if err != nil {
		w.TB.Fatal(err)
	}
	return sealed
}

// Clone opens the clone.
func (w *World) Clone() *gitops.Clone {
	w.TB.Helper()
	c, err := gitops.OpenClone(w.TB.Context(), w.Dir)
	if err != nil {
		w.TB.Fatal(err)
	}
	w.TB.Cleanup(func() {
		if err := c.Close(); err != nil {
			w.TB.Error(err)
		}
	})
	return c
}
