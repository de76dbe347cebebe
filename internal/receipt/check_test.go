package receipt_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/gitops"
	"github.com/coderflow/coderflow/internal/receipt"
	"github.com/coderflow/coderflow/internal/receipt/receipttest"
	"github.com/coderflow/coderflow/internal/task"
)

func check(t *testing.T, w *receipttest.World, commit string, e receipt.Evidence) receipt.Verdict {
	t.Helper()
	if e.Key == "" {
		e.Key = w.Key.Public()
	}
	clone := w.Clone()
	object, err := clone.Commit(commit)
	if err != nil {
		t.Fatal(err)
	}
	return receipt.Check(t.Context(), clone, object, e)
}

// broken are the links that fail.
func broken(v receipt.Verdict) (names []string) {
	for _, l := range v.Links {
		if l.State == receipt.Fails {
			names = append(names, l.Name)
		}
	}
	return names
}

func TestAReceiptHoldsForTheCommitThatItIsOf(t *testing.T) {
	t.Parallel()
	for _, others := range []int{0, 1, 50} {
		w := receipttest.New(t, others)
		v := check(t, w, w.Commit, receipt.Evidence{Envelope: w.Seal(w.Statement())})
		text, _ := json.MarshalIndent(v, "", " ")
		if !v.Valid || !v.Claimed || len(v.Links) != 13 || broken(v) != nil {
			t.Errorf("%s", text)
		}
		for _, want := range []string{"alice (github:1)", "bob (github:2)", "carol (github:3)", "production/publish succeeded with exit status 0", "pushed to refs/heads/coderflow/aaaaaaaaaaaa", "the message is the proposed one"} {
			if !strings.Contains(string(text), want) {
				t.Errorf("it does not say %q: %s", want, text)
			}
		}
	}
}

// Whoever has the key can sign any receipt. What they sign must still fit the commit,
// the log and itself.
func TestThreat54ALyingReceiptIsFoundAndTheLinkIsNamed(t *testing.T) {
	t.Parallel()
	w := receipttest.New(t, 3)
	mallory := forge.User{Subject: forge.Subject{Host: forge.GitHub, ID: "66"}, Login: "mallory", Kind: forge.Person}
	for name, lie := range map[string]struct {
		change func(s *receipt.Statement)
		link   string
	}{
		"another type":      {func(s *receipt.Statement) { s.Type = "https://in-toto.io/Statement/v0.1" }, "receipt"},
		"another predicate": {func(s *receipt.Statement) { s.PredicateType = "https://slsa.dev/provenance/v1" }, "receipt"},
		"no subject":        {func(s *receipt.Statement) { s.Subject = nil }, "subject"},
		"a third subject":   {func(s *receipt.Statement) { s.Subject = append(s.Subject, s.Subject[0]) }, "subject"},
		"another commit": {func(s *receipt.Statement) {
			s.Subject[0].Digest = map[string]string{"gitCommit": w.Proposal.BaseCommit}
		}, "subject"},
		"a subject of two digests": {func(s *receipt.Statement) { s.Subject[0].Digest["sha256"] = "x" }, "subject"},
		"another tree": {func(s *receipt.Statement) {
			s.Predicate.Proposal.Tree = strings.Repeat("1", 40)
			s.Subject[1].Digest["gitTree"] = strings.Repeat("1", 40)
		}, "subject"},
		"another approver": {func(s *receipt.Statement) { s.Predicate.Approvers[0].Author = mallory }, "record"},
		"an approver more": {func(s *receipt.Statement) {
			s.Predicate.Approvers = append(s.Predicate.Approvers, approval.Reviewed{ID: "9", Author: mallory})
		}, "record"},
		"an approver less":    {func(s *receipt.Statement) { s.Predicate.Approvers = s.Predicate.Approvers[:1] }, "record"},
		"another review":      {func(s *receipt.Statement) { s.Predicate.Approvers[1].URL = "https://elsewhere.example" }, "record"},
		"another push":        {func(s *receipt.Statement) { s.Predicate.Push.Ref = "refs/heads/main" }, "record"},
		"another outcome":     {func(s *receipt.Statement) { s.Predicate.Push.Outcome = "kept" }, "record"},
		"a deployment less":   {func(s *receipt.Statement) { s.Predicate.Deployments = []receipt.Deployment{} }, "record"},
		"a better exit":       {func(s *receipt.Statement) { s.Predicate.Deployments[0].State = "failed" }, "record"},
		"another requester":   {func(s *receipt.Statement) { s.Predicate.Request.By = mallory.Subject.String() }, "record"},
		"another account":     {func(s *receipt.Statement) { s.Predicate.Request.Requester = mallory }, "record"},
		"another time":        {func(s *receipt.Statement) { s.Predicate.ApprovedAt = receipttest.Moment.AddDate(1, 0, 0) }, "record"},
		"another approval":    {func(s *receipt.Statement) { s.Predicate.Approval = "x" }, "record"},
		"another task":        {func(s *receipt.Statement) { s.Predicate.Task = "bbbbbbbbbbbb" }, "record"},
		"another environment": {func(s *receipt.Statement) { s.Predicate.Environment = "test" }, "record"},
		"another repository":  {func(s *receipt.Statement) { s.Predicate.Repository.Key = "github:101" }, "record"},
		"another base":        {func(s *receipt.Statement) { s.Predicate.Proposal.Base = w.Commit }, "record"},
		"another digest":      {func(s *receipt.Statement) { s.Predicate.Proposal.Digest = "sha256:00" }, "record"},
		"a risk less":         {func(s *receipt.Statement) { s.Predicate.Proposal.Risks = []receipt.Risk{} }, "proposal"},
		"another risk's path": {func(s *receipt.Statement) { s.Predicate.Proposal.Risks[0].Path = "a\ufffd.txt" }, "proposal"},
		"another policy":      {func(s *receipt.Statement) { s.Predicate.Proposal.PolicyVersion = "8" }, "proposal"},
		"another base branch": {func(s *receipt.Statement) { s.Predicate.Proposal.BaseBranch = "dev" }, "proposal"},
		"another revision":    {func(s *receipt.Statement) { s.Predicate.Proposal.Revision = 2 }, "proposal"},
		"another login":       {func(s *receipt.Statement) { s.Predicate.Request.Requester.Login = "mallory" }, "authorship"},
		"another committer":   {func(s *receipt.Statement) { s.Predicate.Commit.Committer.Name = "X" }, "authorship"},
		"another date":        {func(s *receipt.Statement) { s.Predicate.Commit.At = s.Predicate.Commit.At.AddDate(0, 0, 1) }, "authorship"},
		"another message":     {func(s *receipt.Statement) { s.Predicate.Commit.Message = "x\n" }, "authorship"},
		"no entries":          {func(s *receipt.Statement) { s.Predicate.Log.Entries = []receipt.Entry{} }, "log"},
		"an entry twice": {func(s *receipt.Statement) {
			l := &s.Predicate.Log
			l.Entries = append(l.Entries, l.Entries[len(l.Entries)-1])
		}, "record"},
		"entries in another order": {func(s *receipt.Statement) { slices.Reverse(s.Predicate.Log.Entries) }, "record"},
		"a changed entry": {func(s *receipt.Statement) {
			e := &s.Predicate.Log.Entries[2]
			e.Leaf = strings.ReplaceAll(e.Leaf, "bob", "eve")
		}, "log"},
		"the proof of another":    {func(s *receipt.Statement) { l := s.Predicate.Log.Entries; l[1].Proof = l[2].Proof }, "log"},
		"a proof cut short":       {func(s *receipt.Statement) { p := &s.Predicate.Log.Entries[0].Proof; p.Hashes = p.Hashes[1:] }, "log"},
		"a proof of another size": {func(s *receipt.Statement) { s.Predicate.Log.Entries[0].Proof.Size++ }, "log"},
		"no checkpoint":           {func(s *receipt.Statement) { s.Predicate.Log.Checkpoint = "" }, "log"},
		"a check that is none":    {func(s *receipt.Statement) { s.Predicate.Checks = []receipt.Result{{Name: "test", Outcome: "ok"}} }, "checks"},
		"a check left out":        {func(s *receipt.Statement) { s.Predicate.Checks = []receipt.Result{} }, "checks"},
		"a check that failed":     {func(s *receipt.Statement) { s.Predicate.Checks[0].Outcome = "failed" }, "checks"},
		"another check":           {func(s *receipt.Statement) { s.Predicate.Checks[0].Definition = "sha256:e" }, "checks"},
		"a judge that is none":    {func(s *receipt.Statement) { s.Predicate.Judges = []receipt.Result{{Name: "j", Outcome: "approve"}} }, "judges"},
		"an approval left out":    {func(s *receipt.Statement) { l := &s.Predicate.Log; l.Entries = slices.Delete(l.Entries, 2, 3) }, "record"},
		"a push left out":         {func(s *receipt.Statement) { l := &s.Predicate.Log; l.Entries = slices.Delete(l.Entries, 4, 5) }, "record"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := w.Statement()
			lie.change(&s)
			v := check(t, w, w.Commit, receipt.Evidence{Envelope: w.Seal(s)})
			if v.Valid || !slices.Contains(broken(v), lie.link) {
				t.Errorf("fails: %v, want %s\n%+v", broken(v), lie.link, v.Links)
			}
		})
	}
}

// What a server that writes its own log could try: entries that do not belong
// together, each of them proven.
func TestThreat54EntriesThatDoNotBelongTogetherAreFound(t *testing.T) {
	t.Parallel()
	const review = "https://forge.example/acme/shop/pull/7#pullrequestreview-12"
	for name, lie := range map[string]func(w *receipttest.World){
		"a second push": func(w *receipttest.World) {
			w.Add(audit.System, audit.PushDone, map[string]any{"approval": w.Approval.ID, "commit": w.Commit, "ref": "refs/heads/x"})
		},
		"a second approval": func(w *receipttest.World) {
			w.Add("github:2", audit.ApprovalRecorded, map[string]any{"approval": w.Approval.ID, "digest": w.Approval.Digest, "review": review, "reviews": w.Approval.Reviews, "landing": receipt.LandingOf(w.Approval, receipttest.Bot)})
		},
		"another approval's": func(w *receipttest.World) {
			w.Add(audit.System, audit.DeployEnded, map[string]any{"approval": "b", "deployment": "d2"})
		},
		"a deployment of other bytes": func(w *receipttest.World) {
			w.Add(audit.System, audit.DeployEnded, map[string]any{"approval": w.Approval.ID, "deployment": "d2", "environment": "production", "covers": "landed", "commit": w.Proposal.BaseCommit})
		},
		"what does not belong there": func(w *receipttest.World) {
			w.Add(audit.System, audit.SecretSet, map[string]any{"approval": w.Approval.ID})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := receipttest.New(t, 2)
			s := w.Statement()
			lie(w)
			last := w.Entries[len(w.Entries)-1]
			leaf, err := last.Leaf()
			if err != nil {
				t.Fatal(err)
			}
			s.Predicate.Log.Checkpoint = string(w.Sign())
			s.Predicate.Log.Entries = append(s.Predicate.Log.Entries, receipt.Entry{Leaf: string(leaf)})
			for i := range s.Predicate.Log.Entries {
				p, err := audit.ProveInclusion(&w.Log, w.Entries[i].Seq, w.Log.Size())
				if err != nil {
					t.Fatal(err)
				}
				s.Predicate.Log.Entries[i].Proof = p
			}
			if v := check(t, w, w.Commit, receipt.Evidence{Envelope: w.Seal(s)}); !slices.Equal(broken(v), []string{"record"}) {
				t.Errorf("fails: %v\n%+v", broken(v), v.Links)
			}
		})
	}
}

// An entry whose line has another number than its place in the log is two entries.
func TestThreat54AnEntryIsWhereItsNumberSays(t *testing.T) {
	t.Parallel()
	w := receipttest.New(t, 2)
	s := w.Statement()
	last := &s.Predicate.Log.Entries[len(s.Predicate.Log.Entries)-1]
	number := w.AppendLeaf([]byte(last.Leaf)) // again, further on
	s.Predicate.Log.Checkpoint = string(w.Sign())
	for i := range s.Predicate.Log.Entries {
		at := w.Entries[i].Seq
		if &s.Predicate.Log.Entries[i] == last {
			at = number
		}
		p, err := audit.ProveInclusion(&w.Log, at, w.Log.Size())
		if err != nil {
			t.Fatal(err)
		}
		s.Predicate.Log.Entries[i].Proof = p
	}
	if v := check(t, w, w.Commit, receipt.Evidence{Envelope: w.Seal(s)}); !slices.Equal(broken(v), []string{"log"}) {
		t.Errorf("fails: %v\n%+v", broken(v), v.Links)
	}
}

// What became of a commit: kept, or pushed with a lost answer.
func TestEachEndOfALandingHasAReceipt(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]struct {
		action audit.Action
		detail map[string]any
		says   string
	}{
		"kept":  {audit.CommitKept, map[string]any{"outcome": "nothing was pushed"}, "kept, as the approval asked"},
		"found": {audit.PushDone, map[string]any{"ref": "refs/heads/coderflow/aaaaaaaaaaaa", "outcome": "found at the forge"}, "found at the forge to refs/heads/coderflow/aaaaaaaaaaaa, from cccc"},
		"there": {audit.PushDone, map[string]any{"ref": "refs/heads/coderflow/aaaaaaaaaaaa", "outcome": map[string]any{"AlreadyPushed": true}}, "was there already"},
	} {
		w := receipttest.New(t, 1)
		w.Entries = w.Entries[:4]
		if end.action == audit.CommitKept {
			w.Entries = w.Entries[:3]
		}
		end.detail["approval"], end.detail["commit"] = w.Approval.ID, w.Commit
		w.Add(audit.System, end.action, end.detail)
		v := check(t, w, w.Commit, receipt.Evidence{Envelope: w.Seal(w.Statement())})
		if text, _ := json.Marshal(v); !v.Valid || !strings.Contains(string(text), end.says) {
			t.Errorf("%s: %s", name, text)
		}
	}
}

// What the approval did not say cannot be said later, in the commit and its receipt.
func TestThreat54WhatTheCommitSaysIsInTheLogsApproval(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(w *receipttest.World, bot *gitops.Identity){
		"another date":      func(w *receipttest.World, _ *gitops.Identity) { w.Approval.At = w.Approval.At.AddDate(-27, 0, 0) },
		"another committer": func(_ *receipttest.World, bot *gitops.Identity) { bot.Name = "Linus Torvalds" },
		"another message": func(w *receipttest.World, _ *gitops.Identity) {
			w.Approval.Message = strings.Replace(w.Approval.Message, "Change two", "Bob signs off on everything", 1)
		},
	} {
		w, bot := receipttest.New(t, 1), receipttest.Bot
		approved, was := w.Entries[2].Detail, w.Commit
		change(w, &bot)
		l := w.Landing()
		l.Committer = bot
		_, content, err := l.Object()
		if err != nil {
			t.Fatal(err)
		}
		w.Commit = w.Write("commit", content)
		old := w.Entries
		w.Entries = nil
		for _, e := range old {
			w.Add(e.Actor, e.Action, json.RawMessage(strings.ReplaceAll(string(e.Detail), was, w.Commit)))
		}
		source := receipt.Source{Approval: w.Approval, Proposal: w.Proposal, Committer: bot, Entries: w.Entries, Checkpoint: w.Sign(),
			Prove: func(entry int64) (audit.Inclusion, error) { return audit.ProveInclusion(&w.Log, entry, w.Log.Size()) }}
		if _, err := receipt.Build(source); err == nil || string(w.Entries[2].Detail) != string(approved) {
			t.Errorf("%s: a receipt is made", name)
		}
		// Whoever has the key makes it all the same.
		source.Entries = slices.Clone(w.Entries)
		source.Entries[2].Detail = json.RawMessage(lies(t, source.Entries[2].Detail, receipt.LandingOf(w.Approval, bot)))
		s, err := receipt.Build(source)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := w.Entries[2].Leaf()
		if err != nil {
			t.Fatal(err)
		}
		s.Predicate.Log.Entries[2].Leaf = string(leaf)
		if v := check(t, w, w.Commit, receipt.Evidence{Envelope: w.Seal(s)}); v.Valid || !slices.Equal(broken(v), []string{"authorship"}) {
			t.Errorf("%s: %v", name, broken(v))
		}
	}
}

// lies is the entry of an approval that says something else of its commit.
func lies(t *testing.T, detail json.RawMessage, l receipt.Landing) []byte {
	t.Helper()
	var said map[string]any
	err := json.Unmarshal(detail, &said)
	said["landing"] = l
	changed, encoding := json.Marshal(said)
	if err := errors.Join(err, encoding); err != nil {
		t.Fatal(err)
	}
	return changed
}

// A receipt is for one commit: not for its parent, for a copy under another author or
// with another message, with another tree, signed, or with a second parent.
func TestThreat50ACommitThatOnlyLooksLikeTheApprovedOneHasNoReceipt(t *testing.T) {
	t.Parallel()
	w := receipttest.New(t, 1)
	sealed := w.Seal(w.Statement())
	_, content, err := w.Landing().Object()
	if err != nil {
		t.Fatal(err)
	}
	change := func(from, to string) string {
		changed := strings.Replace(string(content), from, to, 1)
		if changed == string(content) {
			t.Fatalf("there is no %q in %s", from, content)
		}
		return w.Write("commit", []byte(changed))
	}
	for name, commit := range map[string]string{
		"the parent":         w.Proposal.BaseCommit,
		"another author":     change("author Bob", "author Eve"),
		"another date":       change(" +0000\ncommitter", " +0100\ncommitter"),
		"a header more":      change("\n\nChange", "\ngpgsig x\n\nChange"),
		"a parent more":      change("\nauthor", "\nparent "+w.Proposal.BaseCommit+"\nauthor"),
		"another message":    change("Change two", "Change it"),
		"without a trailer":  change("Approved-by: carol (github:3)\n", ""),
		"the tree of before": change(w.Proposal.Tree, w.In("rev-parse", w.Proposal.BaseCommit+"^{tree}")),
	} {
		v := check(t, w, commit, receipt.Evidence{Envelope: sealed})
		if v.Valid || !slices.Equal(broken(v), []string{"subject"}) {
			t.Errorf("%s: %v", name, broken(v))
		}
		// And with a receipt that its liar signed for it:
		s := w.Statement()
		s.Predicate.Commit.ID, s.Subject[0].Digest["gitCommit"] = commit, commit
		object, err := w.Clone().Commit(commit)
		if err != nil {
			t.Fatal(err)
		}
		s.Predicate.Proposal.Tree, s.Subject[1].Digest["gitTree"] = object.Tree, object.Tree
		if v := check(t, w, commit, receipt.Evidence{Envelope: w.Seal(s)}); v.Valid {
			t.Errorf("%s: a receipt that says so is taken", name)
		}
	}
}

func TestThreat54AReceiptOfAnotherKeyOrThatIsNoneIsRefused(t *testing.T) {
	t.Parallel()
	w, other := receipttest.New(t, 1), receipttest.New(t, 1)
	sealed := w.Seal(w.Statement())
	payload, err := audit.OpenEnvelope(sealed, receipt.PayloadType, w.Key.Public())
	if err != nil {
		t.Fatal(err)
	}
	resealed := func(text string) []byte {
		if text == string(payload) {
			t.Fatal("nothing was changed")
		}
		out, err := w.Key.Seal(receipt.PayloadType, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for name, e := range map[string]receipt.Evidence{
		"nothing":          {},
		"another key":      {Envelope: sealed, Key: other.Key.Public()},
		"another's":        {Envelope: other.Seal(w.Statement())},
		"no key":           {Envelope: sealed, Key: "x"},
		"cut short":        {Envelope: sealed[:len(sealed)/2]},
		"endless":          {Envelope: append(make([]byte, audit.MaxEnvelope), sealed...)},
		"a key twice":      {Envelope: resealed(strings.Replace(string(payload), `"task":`, `"task":"x","task":`, 1))},
		"an unknown key":   {Envelope: resealed(strings.Replace(string(payload), `"task":`, `"x":1,"task":`, 1))},
		"other letters":    {Envelope: resealed(strings.Replace(string(payload), `"approvers":`, `"Approvers":`, 1))},
		"blanks":           {Envelope: resealed(string(payload) + "x")},
		"a list of papers": {Envelope: resealed("[" + string(payload) + "]")},
	} {
		if v := check(t, w, w.Commit, e); v.Valid || !slices.Equal(broken(v), []string{"receipt"}) {
			t.Errorf("%s: %v", name, broken(v))
		}
	}
	if v := check(t, w, w.Commit, receipt.Evidence{Envelope: other.Seal(other.Statement()), Key: other.Key.Public()}); v.Valid && w.Commit != other.Commit {
		t.Error("the receipt of another commit was taken")
	}
}

// Whoever kept a checkpoint finds a log that was written anew, even by who has the key.
func TestThreat54AKeptCheckpointBindsTheLog(t *testing.T) {
	t.Parallel()
	w := receipttest.New(t, 5)
	sealed, same := w.Seal(w.Statement()), w.Sign()
	size := w.Log.Size()
	w.Others(4)
	later := w.Sign()
	prove := func(_ context.Context, from, to int64) (audit.Consistency, error) {
		return audit.ProveConsistency(&w.Log, from, to)
	}
	forged, err := w.Key.Sign(size-2, [32]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	rewritten, err := w.Key.Sign(size, [32]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		e  receipt.Evidence
		ok bool
	}{
		"of the same size":       {receipt.Evidence{Kept: [][]byte{same}}, true},
		"later":                  {receipt.Evidence{Kept: [][]byte{same, later}, Consistency: prove}, true},
		"later, without a proof": {receipt.Evidence{Kept: [][]byte{later}}, false},
		"another root":           {receipt.Evidence{Kept: [][]byte{rewritten}}, false},
		"another beginning":      {receipt.Evidence{Kept: [][]byte{forged}, Consistency: prove}, false},
		"no checkpoint":          {receipt.Evidence{Kept: [][]byte{[]byte("x")}}, false},
		"the server has no proof": {receipt.Evidence{Kept: [][]byte{later}, Consistency: func(context.Context, int64, int64) (audit.Consistency, error) {
			return audit.Consistency{}, errors.New("no")
		}}, false},
		"a proof of other sizes": {receipt.Evidence{Kept: [][]byte{later}, Consistency: func(ctx context.Context, _, to int64) (audit.Consistency, error) { return prove(ctx, to, to) }}, false},
	} {
		c.e.Envelope = sealed
		if v := check(t, w, w.Commit, c.e); v.Valid != c.ok {
			t.Errorf("%s: %+v", name, v.Links[len(v.Links)-1])
		}
	}
}

func TestEntriesAreChosenForAnApproval(t *testing.T) {
	t.Parallel()
	w := receipttest.New(t, 0)
	w.Add(audit.System, audit.ApprovalRecorded, map[string]any{"approval": "other"})
	w.Add(audit.System, audit.ProposalRecorded, map[string]any{"digest": "other"})
	w.Add(audit.System, audit.ContainerStarted, map[string]any{})
	all := func(string) bool { return true }
	chosen, hidden, err := receipt.Select(w.Entries, w.Approval.ID, w.Proposal.Digest, all)
	if err != nil || len(chosen) != 7 || hidden != 0 {
		t.Errorf("%d, %d: %v", len(chosen), hidden, err)
	}
	chosen, hidden, err = receipt.Select(w.Entries, w.Approval.ID, w.Proposal.Digest, func(string) bool { return false })
	if err != nil || len(chosen) != 5 || hidden != 1 {
		t.Errorf("without deployments: %d, %d: %v", len(chosen), hidden, err)
	}
	for _, more := range []string{`"armed":[{"environment":"secret"}]`, `"decision":{}`, `"replay":{"facts":{}}`, `"armed":null`} {
		log := slices.Clone(w.Entries)
		log[2].Detail = json.RawMessage(strings.Replace(string(log[2].Detail), "{", "{"+more+",", 1))
		if got, _, err := receipt.Select(log, w.Approval.ID, w.Proposal.Digest, all); !errors.Is(err, receipt.ErrTellsMore) || got != nil {
			t.Errorf("an approval that tells %s: %v", more, err)
		}
	}
	source := receipt.Source{Approval: w.Approval, Proposal: w.Proposal, Committer: receipttest.Bot, Entries: chosen[:4]}
	if _, err := receipt.Build(source); !errors.Is(err, receipt.ErrNothingLanded) {
		t.Errorf("before the push: %v", err)
	}
	source.Entries, source.Proposal.Message = chosen, "another"
	if _, err := receipt.Build(source); !errors.Is(err, task.ErrDigest) {
		t.Errorf("a proposal that was changed: %v", err)
	}
	source.Proposal.Message, source.Committer.Name = w.Proposal.Message, "Another"
	if _, err := receipt.Build(source); err == nil {
		t.Error("a commit that is not the landed one has a receipt")
	}
}
