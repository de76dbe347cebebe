package receipt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/gitops"
	"github.com/coderflow/coderflow/internal/task"
)

// The links that are looked at once the receipt is trusted to be of the commit and to
// say what the log says. Each stands or falls by itself.

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
	link := c.holds("proposal", "computed from the clone (files: %d, bytes of diff: %d); the digest is the approved one", len(p.Manifest), len(p.Diff))
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
// trailers and everything else that a commit can say, to the byte. Author, tree and
// parent were held against the log before.
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
	if err == nil {
		err = c.story.landing.makes(r.Commit)
	}
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

// results tells checks or judges, which the entry of the approval names. That they ran
// on the change is the server's word.
func (c *check) results(name string, list, told []Result) {
	switch {
	case !slices.Equal(list, told):
		c.fails(name, fmt.Errorf("the receipt has %d that the entry of the approval does not have so", len(list)))
	case len(list) == 0:
		c.absent(name, "none")
	default:
		var texts []string
		for _, r := range list {
			texts = append(texts, r.Name+": "+r.Outcome)
		}
		c.holds(name, "when the gate decided: %s", strings.Join(texts, ", "))
	}
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
