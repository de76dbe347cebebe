package receipt

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/gitops"
	"github.com/coderflow/coderflow/internal/task"
)

// Clone is the repository that a commit is verified in. It vouches for nothing.
type Clone interface {
	// Commit reads a commit whose content has that id.
	Commit(id string) (gitops.CommitObject, error)
	// Change computes what lies between two trees.
	Change(ctx context.Context, before, after string) (gitops.CommitChange, error)
}

// Evidence is what a commit is held against.
type Evidence struct {
	Envelope []byte
	// Key is the public key of the log, which the verifier trusts.
	Key string
	// Kept are checkpoints that the verifier kept from before, and Consistency gets
	// the proof between two sizes; nil: only those of the receipt's size are compared.
	Kept        [][]byte
	Consistency func(ctx context.Context, from, to int64) (audit.Consistency, error)
}

// check is one verification under way.
type check struct {
	Verdict
	clone    Clone
	evidence Evidence
	commit   gitops.CommitObject
	receipt  Receipt
	entries  []audit.Entry
	story    story
}

// Check verifies that a commit of the clone is, to the byte, what the receipt says
// was approved, by whom, and that the log has it. Nothing is believed but the key.
func Check(ctx context.Context, clone Clone, commit gitops.CommitObject, evidence Evidence) Verdict {
	c := &check{clone: clone, evidence: evidence, commit: commit}
	c.Verdict = Verdict{Asked: commit.ID, Commit: commit.ID, Claimed: approval.Claims(commit.Message), Valid: true, Links: []Link{}}
	c.holds("commit", "%s: its content has that id", commit.ID)
	if why := c.trusted(); why != "" {
		c.rest(why)
		return c.Verdict
	}
	c.request()
	c.proposal(ctx)
	c.approvers()
	c.authorship()
	c.push()
	c.deployments()
	c.results("checks", c.receipt.Checks)
	c.results("judges", c.receipt.Judges)
	c.kept(ctx)
	return c.Verdict
}

// trusted goes as far as the signature, the proofs and what the entries say. Unless
// all of that holds, the rest would be somebody's word.
func (c *check) trusted() (why string) {
	s, err := Open(c.evidence.Envelope, c.evidence.Key)
	if err != nil {
		c.fails("receipt", err)
		return "what the key did not sign says nothing"
	}
	c.receipt = s.Predicate
	c.holds("receipt", "signed by the key of the log")
	if err := c.subject(s); err != nil {
		c.fails("subject", err)
		return "the receipt is of something else"
	}
	c.holds("subject", "the receipt is of this commit and tree %s", c.commit.Tree)
	checkpoint, err := c.proven()
	if err != nil {
		c.fails("log", err)
		return "what is not in the log is not on record"
	}
	link := c.holds("log", "%d entries, proven in the signed checkpoint of %d of the log %s", len(c.entries), checkpoint.Size, checkpoint.Origin)
	for _, e := range c.entries {
		link.detail("entry %d  %s  %s by %s", e.Seq, e.At.Format("2006-01-02T15:04:05Z"), e.Action, e.Actor)
	}
	if err := c.recorded(); err != nil {
		c.fails("record", err)
		return "the receipt does not say what its entries say"
	}
	c.holds("record", "the receipt says what its entries say, and they agree")
	return ""
}

func (c *check) subject(s Statement) error {
	want := statement(s.Predicate).Subject
	same := len(s.Subject) == len(want)
	for i := range want {
		same = same && s.Subject[i].Name == want[i].Name && len(s.Subject[i].Digest) == 1
		for algorithm, id := range want[i].Digest {
			same = same && s.Subject[i].Digest[algorithm] == id
		}
	}
	switch {
	case !same:
		return errors.New("the receipt does not say of what it is")
	case s.Predicate.Commit.ID != c.commit.ID:
		return fmt.Errorf("the receipt is of commit %.40s, not of this one%s", s.Predicate.Commit.ID, c.copied())
	case s.Predicate.Proposal.Tree != c.commit.Tree:
		return fmt.Errorf("the receipt is of tree %.40s, and the commit has %s", s.Predicate.Proposal.Tree, c.commit.Tree)
	}
	return nil
}

// copied explains what squash and rebase make.
func (c *check) copied() string {
	if !c.Claimed {
		return ""
	}
	return "; a squash, a rebase or a cherry-pick repeats the words of a commit and is another one, which nobody approved"
}

// maxEntries bounds what a receipt carries.
const maxEntries = 10_000

// proven checks every entry against the receipt's own checkpoint.
func (c *check) proven() (audit.Checkpoint, error) {
	checkpoint, err := audit.OpenCheckpoint([]byte(c.receipt.Log.Checkpoint), c.evidence.Key)
	if err != nil {
		return checkpoint, err
	}
	if n := len(c.receipt.Log.Entries); n == 0 || n > maxEntries {
		return checkpoint, fmt.Errorf("the receipt carries %d entries", n)
	}
	for _, proven := range c.receipt.Log.Entries {
		e, err := audit.ParseLeaf([]byte(proven.Leaf))
		if err != nil {
			return checkpoint, err
		}
		if e.Seq != proven.Proof.Entry {
			return checkpoint, fmt.Errorf("entry %d has the proof of entry %d", e.Seq, proven.Proof.Entry)
		}
		if err := proven.Proof.Check([]byte(proven.Leaf), checkpoint); err != nil {
			return checkpoint, err
		}
		c.entries = append(c.entries, e)
	}
	return checkpoint, nil
}

// recorded makes the record anew of the entries, and compares.
func (c *check) recorded() (err error) {
	r := c.receipt
	if c.story, err = read(r.Approval, c.entries); err != nil {
		return err
	}
	c.story.Request.Requester = r.Request.Requester
	ours, err := json.Marshal(c.story.Record)
	if err != nil {
		return err
	}
	theirs, err := json.Marshal(r.Record)
	if err != nil {
		return err
	}
	switch {
	case !bytes.Equal(ours, theirs):
		return errors.New("who asked, who approved, what was pushed or what was deployed is told otherwise than in the log")
	case c.story.landed.Commit != r.Commit.ID:
		return fmt.Errorf("the log has commit %.40s", c.story.landed.Commit)
	case c.story.task != r.Task || c.story.environment != r.Environment || c.story.repository != r.Repository.Key:
		return errors.New("the log has another task, environment or repository")
	case c.story.digest != r.Proposal.Digest || c.story.proposed.Tree != r.Proposal.Tree || c.story.proposed.Base != r.Proposal.Base:
		return errors.New("the log has another proposal")
	case r.Request.Requester.Subject.String() != r.Request.By:
		return fmt.Errorf("it was asked by %s, and not by %s", r.Request.By, r.Request.Requester.Subject)
	}
	return nil
}

func (c *check) request() {
	link := c.holds("request", "asked by %s on %s", person(c.receipt.Request.Requester), c.receipt.Request.At.Format("2006-01-02 15:04 MST"))
	link.detail("%s", c.receipt.Request.URL)
	if c.receipt.Request.Text != "" { // logs of before have none
		link.detail("text %s", c.receipt.Request.Text)
	}
}

// proposal computes the change from the clone and the digest from it.
func (c *check) proposal(ctx context.Context) {
	change, err := c.change(ctx)
	if err != nil {
		c.fails("proposal", err)
		return
	}
	p, err := c.receipt.proposal(change)
	if err == nil {
		err = p.Verify()
	}
	if err != nil {
		if errors.Is(err, task.ErrDigest) {
			err = fmt.Errorf("the change in the clone is not the one that was approved: its digest is %s, and the approved one %s%s", p.ComputeDigest(), p.Digest, binaries(p))
		}
		c.fails("proposal", err)
		return
	}
	link := c.holds("proposal", "%d files, %d bytes of diff, computed from the clone; the digest is the approved one", len(p.Manifest), len(p.Diff))
	link.detail("%s", p.Digest)
	link.detail("policy version %s, risks shown to the reviewers: %d", p.PolicyVersion, len(p.Risks))
}

// binaries tells of the one case in which an honest clone can fail.
func binaries(p task.Proposal) string {
	if !slices.ContainsFunc(p.Manifest, func(c task.PathChange) bool { return c.Binary }) {
		return ""
	}
	return "; it has binary files, whose diff depends on how git was built to compress: if nothing else fails, verify with the git of Debian or Ubuntu"
}

func (c *check) change(ctx context.Context) (gitops.CommitChange, error) {
	if len(c.commit.Parents) != 1 || c.commit.Parents[0] != c.receipt.Proposal.Base {
		return gitops.CommitChange{}, fmt.Errorf("the commit has the parents %s, and what was approved is on top of %s", c.commit.Parents, c.receipt.Proposal.Base)
	}
	parent, err := c.clone.Commit(c.commit.Parents[0])
	if err == nil {
		var change gitops.CommitChange
		if change, err = c.clone.Change(ctx, parent.Tree, c.commit.Tree); err == nil {
			return change, nil
		}
	}
	if errors.Is(err, gitops.ErrNotInClone) {
		err = fmt.Errorf("%w; if the clone is shallow or partial, fetch the commit with its parent: git fetch --depth=2 --refetch origin %s", err, c.commit.ID)
	}
	return gitops.CommitChange{}, err
}

func (c *check) approvers() {
	link := c.holds("approval", "by %d, entry %d, %s", len(c.receipt.Approvers), c.story.numbers[audit.ApprovalRecorded], c.receipt.ApprovedAt.Format("2006-01-02 15:04 MST"))
	for _, r := range c.receipt.Approvers {
		link.detail("%s  %s", person(r.Author), r.URL)
	}
}

// authorship makes the commit anew from the approval: author, dates, message,
// trailers and everything else that a commit can say, to the byte.
func (c *check) authorship() {
	r := c.receipt
	author, others := r.Approvers[0].Author, []forge.User{}
	for _, o := range r.Approvers[1:] {
		others = append(others, o.Author)
	}
	_, content, err := gitops.Landing{
		Tree: r.Proposal.Tree, Parent: r.Proposal.Base, Author: author, Committer: gitops.Identity(r.Commit.Committer),
		At: r.Commit.At, Message: r.Commit.Message,
	}.Object()
	if err == nil && !bytes.Equal(content, c.commit.Content) {
		err = errors.New("author, dates, message or headers of the commit are not those that the approval makes")
	}
	var words string
	if err == nil {
		words, err = approval.Words(c.commit.Message, approval.Trailers(task.ID(r.Task), r.Proposal.Digest, r.Approvers[0].URL, r.Request.Requester, others))
	}
	if err != nil {
		c.fails("authorship", err)
		return
	}
	link := c.holds("authorship", "author, dates, message and trailers are those that the approval makes, to the byte")
	if words == r.Proposal.Message {
		link.detail("the message is the proposed one")
		return
	}
	link.detail("the message is the reviewer's own")
}

func (c *check) push() {
	p := c.receipt.Push
	if p.Outcome == kept {
		c.holds("push", "none: the commit was made and kept, as the approval asked")
		return
	}
	from := p.Expected
	if from == "" {
		from = "nothing"
	}
	c.holds("push", "%s to %s, from %s, entry %d", p.Outcome, p.Ref, from, c.story.numbers[audit.PushDone])
}

func (c *check) deployments() {
	if len(c.receipt.Deployments) == 0 {
		c.absent("deployments", "none%s", notShown(c.receipt.DeploymentsNotShown))
		return
	}
	link := c.holds("deployments", "%d%s", len(c.receipt.Deployments), notShown(c.receipt.DeploymentsNotShown))
	for _, d := range c.receipt.Deployments {
		exit := ""
		if d.ExitCode != nil {
			exit = fmt.Sprintf(" with exit status %d", *d.ExitCode)
		}
		link.detail("%s/%s %s%s, %s commit %.12s, %s, requested by %s", d.Environment, d.Profile, d.State, exit, d.Covers, d.Commit, d.At.Format("2006-01-02 15:04 MST"), d.RequestedBy)
	}
}

func notShown(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" shown; %d in environments that whoever fetched the receipt may not look at", n)
}

func (c *check) results(name string, list []Result) {
	if len(list) == 0 {
		c.absent(name, "none")
		return
	}
	c.fails(name, fmt.Errorf("the receipt has %d, which this version cannot verify", len(list)))
}

// kept holds checkpoints of before against the receipt's: a log that was written
// anew since does not lead to it.
func (c *check) kept(ctx context.Context) {
	now, _ := audit.OpenCheckpoint([]byte(c.receipt.Log.Checkpoint), c.evidence.Key) // it was opened before
	for _, note := range c.evidence.Kept {
		size, err := c.compare(ctx, note, now)
		if err != nil {
			c.fails("checkpoint", err)
			continue
		}
		c.holds("checkpoint", "the kept one of %d entries is of the same log", size)
	}
}

func (c *check) compare(ctx context.Context, note []byte, now audit.Checkpoint) (size int64, err error) {
	old, err := audit.OpenCheckpoint(note, c.evidence.Key)
	if err != nil {
		return 0, fmt.Errorf("the kept checkpoint: %w", err)
	}
	first, second := old, now
	if old.Size > now.Size {
		first, second = now, old
	}
	proof := audit.Consistency{From: first.Size, To: second.Size}
	if first.Size != second.Size && first.Size > 0 {
		if c.evidence.Consistency == nil {
			return 0, fmt.Errorf("the kept checkpoint is of %d entries and the receipt's of %d: to compare them takes a proof of the server's; give --server or --context", old.Size, now.Size)
		}
		if proof, err = c.evidence.Consistency(ctx, first.Size, second.Size); err != nil {
			return 0, fmt.Errorf("get the proof that the log of %d entries leads to that of %d: %w", first.Size, second.Size, err)
		}
	}
	return old.Size, proof.Check(first, second)
}

func person(u forge.User) string { return u.Login + " (" + u.Subject.String() + ")" }
