package receipt

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/gitops"
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
	c.results("checks", c.receipt.Checks, c.story.checks)
	c.results("judges", c.receipt.Judges, c.story.judges)
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
