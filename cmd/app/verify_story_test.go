package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/task"
)

// clone is the forge's repository as a person has it.
func (w *world) clone() string {
	w.t.Helper()
	dir := filepath.Join(w.t.TempDir(), "clone")
	w.git(w.dir, "clone", "-q", w.forgeURL(), dir)
	return dir
}

// forgeURL is the address of the repository, with tom's rights.
func (w *world) forgeURL() string {
	return w.remoteAs(tom)
}

// An auditor takes a commit from a clone and proves who approved exactly these bytes:
// at the server, and without it.
func TestAnAuditorVerifiesACommitInAClone(t *testing.T) {
	t.Parallel()
	w := newProductionWorld(t)
	issue := w.issue(maria)
	w.say(maria, issue.Topic(), "/coderflow run --env staging")
	proposed := w.taskOf(issue.Number, task.Proposed)
	auditor := newSeat(t, "http://"+w.address, firstOf(w.token(maria)))
	auditor.fails(notFoundStatus, "has no receipt", "receipt", string(proposed.ID))
	key, checkpoint := auditor.write("audit.pub", w.text("/audit/key")), auditor.write("early.checkpoint", w.text("/audit/checkpoint")) // of before the approval
	w.approve(tom, proposed.PullRequest, "Count every item\n\n/coderflow deploy publish channel=stable")
	done := w.taskOf(issue.Number, task.Done)
	merge := w.merge(done.PullRequest)
	dir := w.clone()

	w.step("at the server", func() {
		for _, args := range [][]string{{done.LandedCommit}, {"HEAD"}, {"HEAD^2"}, {done.LandedCommit, "--checkpoint", checkpoint}} {
			out := auditor.must(append([]string{"verify", "--context", "work", "--repo", dir, "--key", key}, args...)...)
			for _, want := range []string{"VERIFIED", "approved one", "tom (" + w.subject(tom) + ")", "maria (" + w.subject(maria) + ")", "staging/publish succeeded with exit status 0", done.LandedCommit} {
				if !strings.Contains(out, want) {
					t.Errorf("verify %s does not say %q:\n%s", args, want, out)
				}
			}
		}
		if out := auditor.must("verify", merge, "--context", "work", "--repo", dir); !strings.Contains(out, "is a merge; its parent "+done.LandedCommit) || !strings.Contains(out, "proves nothing against whoever runs that server") {
			t.Errorf("of the merge:\n%s", out)
		}
	})
	file := filepath.Join(auditor.home, "change.receipt.json")
	w.step("the receipt", func() { w.receiptIsNoted(auditor, done, file) })
	w.step("upstream's own verifiers", func() { w.othersVerify(file, done) })
	w.step("commits that only look like it", func() { w.looksLikeIt(auditor, dir, key, file, done) })
	w.step("the pipelines", func() { w.pipelinesVerify(dir, strings.TrimSpace(w.text("/audit/key")), merge) })
	w.server.kill()
	w.step("without the server", func() {
		out := auditor.must("verify", done.LandedCommit, "--repo", dir, "--receipt", file, "--key", key)
		if !strings.Contains(out, "VERIFIED") || !strings.Contains(out, "policy version") {
			t.Error(out)
		}
		auditor.fails(usageStatus, "--key", "verify", "HEAD", "--repo", dir, "--receipt", file)
		auditor.fails(failedStatus, "not verified", "verify", done.LandedCommit, "--repo", dir, "--receipt", file, "--key", key, "--checkpoint", checkpoint)
	})
}

// receiptIsNoted gets the receipt twice and finds it in the log once.
func (w *world) receiptIsNoted(auditor *seat, done task.Task, file string) {
	w.t.Helper()
	auditor.must("receipt", string(done.ID), "--context", "work", "-o", file)
	auditor.fails(failedStatus, "exists", "receipt", string(done.ID), "--context", "work", "-o", file)
	text, err := os.ReadFile(file)
	if err != nil {
		w.t.Fatal(err)
	}
	if again := auditor.must("receipt", done.ApprovalID, "--context", "work"); again != string(text) {
		w.t.Error("the approval has another receipt than the task")
	}
	if out, _, err := w.cli("receipt", done.ApprovalID, "-c", w.in.config); err != nil || out != string(text) {
		w.t.Errorf("on the server's machine it is another one: %v", err)
	}
	entries, err := w.db().AuditEntries(w.t.Context(), store.AuditFilter{Task: string(done.ID), Limit: 1000})
	if err != nil {
		w.t.Fatal(err)
	}
	sum, found := sha256.Sum256(bytes.TrimSpace(text)), 0
	for _, e := range entries {
		if e.Action == audit.ReceiptIssued && strings.Contains(string(e.Detail), hex.EncodeToString(sum[:])) {
			found++
		}
	}
	if found != 1 {
		w.t.Errorf("the log has the receipt %d times", found)
	}
	stranger := newSeat(w.t, "http://"+w.address, firstOf(w.token(eve)))
	stranger.fails(notFoundStatus, "receipt", "receipt", done.ApprovalID, "--context", "work")
	link := "/approvals/" + done.ApprovalID + "/receipt"
	pr, err := w.pullRequest(w.t.Context(), done.PullRequest)
	if err != nil || !strings.Contains(pr.Body, link) {
		w.t.Errorf("the pull request does not link it: %v\n%s", err, pr.Body)
	}
	w.wait("the link in the check", func(context.Context) (bool, error) {
		checks := w.hub.CheckRuns(sampleRepo, done.LandedCommit)
		return len(checks) == 1 && strings.Contains(checks[0].Summary, link), nil
	})
}

// plainKey is a public key read without our code.
type plainKey struct {
	id  string
	key ed25519.PublicKey
}

func (p plainKey) KeyID() (string, error)   { return p.id, nil }
func (p plainKey) Public() crypto.PublicKey { return p.key }
func (p plainKey) Verify(_ context.Context, data, sig []byte) error {
	if !ed25519.Verify(p.key, data, sig) {
		return errors.New("not signed")
	}
	return nil
}

// othersVerify checks the receipt with what others wrote, and none of our code: the
// envelope, the checkpoint and the proof of each entry.
func (w *world) othersVerify(file string, done task.Task) {
	w.t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		w.t.Fatal(err)
	}
	public := strings.TrimSpace(w.text("/audit/key"))
	parts := strings.SplitN(public, "+", 3)
	raw, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil {
		w.t.Fatal(err)
	}
	var envelope dsse.Envelope
	if err := json.Unmarshal(text, &envelope); err != nil {
		w.t.Fatal(err)
	}
	verifier, err := dsse.NewEnvelopeVerifier(plainKey{parts[0] + "+" + parts[1], raw[1:]})
	if err != nil {
		w.t.Fatal(err)
	}
	if accepted, err := verifier.Verify(w.t.Context(), &envelope); err != nil || len(accepted) != 1 {
		w.t.Errorf("the envelope: %v", err)
	}
	payload, err := envelope.DecodeB64Payload()
	if err != nil {
		w.t.Fatal(err)
	}
	var statement struct {
		Type      string `json:"_type"`
		Subject   []struct{ Digest map[string]string }
		Predicate struct {
			Log struct {
				Checkpoint string
				Entries    []struct {
					Leaf  string
					Proof struct {
						Entry, Size int64
						Hashes      []tlog.Hash
					}
				}
			}
		}
	}
	if err := json.Unmarshal(payload, &statement); err != nil {
		w.t.Fatal(err)
	}
	if statement.Type != "https://in-toto.io/Statement/v1" || statement.Subject[0].Digest["gitCommit"] != done.LandedCommit {
		w.t.Errorf("the statement is %+v", statement)
	}
	noteKey, err := note.NewVerifier(public)
	if err != nil {
		w.t.Fatal(err)
	}
	log := statement.Predicate.Log
	opened, err := note.Open([]byte(log.Checkpoint), note.VerifierList(noteKey))
	if err != nil {
		w.t.Fatal(err)
	}
	tree := w.checkpoint(opened.Text)
	for _, e := range log.Entries {
		if strings.Contains(e.Leaf, `"action":"approval.`) && (strings.Contains(e.Leaf, "channel") || strings.Contains(e.Leaf, "policyVersion")) {
			w.t.Errorf("it tells what was armed, and why: %s", e.Leaf)
		}
		if err := tlog.CheckRecord(e.Proof.Hashes, tree.N, tree.Hash, e.Proof.Entry-1, tlog.RecordHash([]byte(e.Leaf))); err != nil || e.Proof.Size != tree.N {
			w.t.Errorf("entry %d: %v", e.Proof.Entry, err)
		}
	}
	if len(log.Entries) < 8 {
		w.t.Errorf("%d entries", len(log.Entries))
	}
}

// looksLikeIt is what somebody with the right to push can make of the commit.
func (w *world) looksLikeIt(auditor *seat, dir, key, file string, done task.Task) {
	w.t.Helper()
	message := w.git(dir, "log", "-1", "--format=%B", done.LandedCommit)
	squash := w.git(dir, "commit-tree", done.LandedCommit+"^{tree}", "-p", done.LandedCommit+"^1", "-m", message)
	bare := w.git(dir, "commit-tree", done.LandedCommit+"^{tree}", "-p", done.LandedCommit+"^1", "-m", "Mine")
	at := []string{"verify", "--context", "work", "--repo", dir, "--key", key}
	auditor.fails(failedStatus, "not verified: 1 of 1", append(at, squash, "--if-claimed")...)
	auditor.fails(failedStatus, "not verified: 1 of 2", append(at, done.LandedCommit, bare)...)
	auditor.must(append(at, bare, done.LandedCommit, "--if-claimed")...)
	auditor.fails(failedStatus, "not verified", "verify", squash, "--repo", dir, "--receipt", file, "--key", key)
	out, _, code := auditor.run("verify", squash, "--repo", dir, "--receipt", file, "--key", key, "-o", "json")
	var verdicts []struct {
		Valid bool
		Links []struct{ Name, State, Text string }
	}
	if err := json.Unmarshal([]byte(out), &verdicts); err != nil || code != failedStatus || len(verdicts) != 1 || verdicts[0].Valid || !strings.Contains(out, "a squash, a rebase") {
		w.t.Errorf("%v: %s", err, out)
	}
	auditor.fails(notFoundStatus, "no such commit", append(at, "nope")...)
}

// pipelinesVerify runs the templates as the pipelines would: good for what was merged,
// bad as soon as a commit among those that are new only says that CoderFlow made it.
func (w *world) pipelinesVerify(dir, key, merge string) {
	w.t.Helper()
	var out strings.Builder
	if code := run(w.t.Context(), []string{"tokens", "create", "-c", w.in.config, "--for", w.subject(maria), "--name", "verify", "--permission", "tasks:view"}, streams{&out, w.log}); code != 0 {
		w.t.Fatalf("no token: %d", code)
	}
	secret, server := strings.TrimSpace(out.String()), "http://"+w.address
	w.git(dir, "checkout", "-q", "-b", "forged", "origin/main")
	w.git(dir, "commit", "-q", "--allow-empty", "-m", "Mine\n\nCoderflow-Task: aaaaaaaaaaaa")
	w.git(dir, "commit", "-q", "--allow-empty", "-m", "On top")
	w.git(dir, "push", "-q", w.forgeURL(), "forged")
	forged, base := w.git(dir, "rev-parse", "forged"), w.git(dir, "rev-parse", merge+"^1")
	w.git(dir, "checkout", "-q", "-b", "built", merge)
	w.git(dir, "merge", "-q", "--no-ff", "-m", "Merged", "forged")
	for _, p := range []pipeline{
		githubVerify(server, secret, key, w.hub.Info().GitURL, w.hub.ClientFor(tom), base, merge),
		azureVerify(server, secret, key, dir, merge),
	} {
		if said, code := p.run(w.t); code != 0 || !strings.Contains(said, "VERIFIED") || strings.Contains(said, secret) {
			w.t.Errorf("%s: exit status %d\n%s", p.file, code, said)
		}
		p.values["github.event.pull_request.head.sha"], p.values["github.event.pull_request.base.sha"] = forged, merge
		p.values["Build.SourceVersion"] = w.git(dir, "rev-parse", "built")
		if said, code := p.run(w.t); code != failedStatus || !strings.Contains(said, "no receipt") {
			w.t.Errorf("%s with a forged commit: exit status %d\n%s", p.file, code, said)
		}
		p.values["CODERFLOW_AUDIT_KEY"] = strings.Replace(key, key[len(key)-6:], "AAAAA=", 1)
		p.values["vars.CODERFLOW_AUDIT_KEY"] = p.values["CODERFLOW_AUDIT_KEY"]
		if said, code := p.run(w.t); code != failedStatus {
			w.t.Errorf("%s with another key: exit status %d\n%s", p.file, code, said)
		}
	}
}
