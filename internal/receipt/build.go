package receipt

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/gitops"
	"github.com/coderflow/coderflow/internal/task"
)

// Source is what a receipt is made of.
type Source struct {
	Approval  approval.Record
	Proposal  task.Proposal // the revision that was approved
	Committer gitops.Identity
	// Entries are those that [Select] chose, Hidden what it left out.
	Entries []audit.Entry
	Hidden  int
	// Checkpoint is a signed note that covers all of them, and Prove proves one in it.
	Checkpoint []byte
	Prove      func(entry int64) (audit.Inclusion, error)
}

// Build makes the statement. It fails with ErrNothingLanded before there is a commit,
// and if what is stored does not fit together: such a receipt would not hold.
func Build(s Source) (Statement, error) {
	var none Statement
	if err := s.Proposal.Verify(); err != nil {
		return none, err
	}
	told, err := read(s.Approval.ID, s.Entries)
	if err != nil {
		return none, fmt.Errorf("read the audit log about approval %s: %w", s.Approval.ID, err)
	}
	told.Request.Requester = s.Approval.Requester
	id, _, err := s.landing().Object()
	if err != nil {
		return none, fmt.Errorf("make the commit of approval %s again: %w", s.Approval.ID, err)
	}
	if id != told.landed.Commit || told.digest != s.Proposal.Digest || s.Approval.Digest != s.Proposal.Digest {
		return none, fmt.Errorf("approval %s makes commit %.12s of %s, and the audit log has %.12s of %s",
			s.Approval.ID, id, s.Proposal.Digest, told.landed.Commit, told.digest)
	}
	r := Receipt{
		Approval: s.Approval.ID, Task: string(s.Approval.Task), Environment: s.Approval.Environment,
		Repository: Repository{Key: s.Approval.Repository.Key(), Name: s.Approval.Repository.FullName()},
		Proposal:   pinned(s.Proposal), Record: told.Record, Checks: told.checks, Judges: told.judges, DeploymentsNotShown: s.Hidden,
		Commit: Commit{ID: id, Committer: Identity(s.Committer), At: s.Approval.At.UTC().Truncate(time.Second), Message: s.Approval.Message},
		Log:    Log{Checkpoint: string(s.Checkpoint), Entries: []Entry{}},
	}
	if err := told.landing.makes(r.Commit); err != nil {
		return none, fmt.Errorf("the commit of approval %s: %w", s.Approval.ID, err)
	}
	for _, e := range s.Entries {
		proven, err := s.prove(e)
		if err != nil {
			return none, err
		}
		r.Log.Entries = append(r.Log.Entries, proven)
	}
	return statement(r), nil
}

func (s Source) landing() gitops.Landing {
	return gitops.Landing{
		Tree: s.Proposal.Tree, Parent: s.Proposal.BaseCommit, Author: s.Approval.Approver, Committer: s.Committer,
		At: s.Approval.At, Message: s.Approval.Message,
	}
}

func (s Source) prove(e audit.Entry) (Entry, error) {
	leaf, err := e.Leaf()
	if err != nil {
		return Entry{}, err
	}
	if _, err := audit.ParseLeaf(leaf); err != nil { // nobody else could read it either
		return Entry{}, err
	}
	proof, err := s.Prove(e.Seq)
	return Entry{Leaf: string(leaf), Proof: proof}, err
}

func pinned(p task.Proposal) Proposal {
	out := Proposal{
		Revision: p.Revision, BaseBranch: Raw(p.BaseBranch), Base: p.BaseCommit, Tree: p.Tree, Ignored: p.Ignored, Risks: []Risk{},
		Message: p.Message, PolicyVersion: p.PolicyVersion, Digest: p.Digest,
	}
	for _, r := range p.Risks {
		out.Risks = append(out.Risks, Risk{
			Name: r.Name, Rule: r.Rule, Path: Raw(r.Path), Line: r.Line, Removed: r.Removed, Why: r.Why, Excerpt: r.Excerpt, More: r.More,
		})
	}
	return out
}

// proposal is what was pinned, with the change as the clone has it.
func (r Receipt) proposal(change gitops.CommitChange) (task.Proposal, error) {
	repository, err := forge.ParseSubject(r.Repository.Key) // a repository's id has the same form
	if err != nil {
		return task.Proposal{}, fmt.Errorf("the repository: %w", err)
	}
	p := task.Proposal{
		Task: task.ID(r.Task), Revision: r.Proposal.Revision, Repository: forge.RepositoryRef{Host: repository.Host, ID: repository.ID},
		BaseBranch: string(r.Proposal.BaseBranch), BaseCommit: r.Proposal.Base, Tree: r.Proposal.Tree, Manifest: change.Manifest,
		Diff: change.Diff, Message: r.Proposal.Message, PolicyVersion: r.Proposal.PolicyVersion, Digest: r.Proposal.Digest,
		Ignored: r.Proposal.Ignored,
	}
	for _, risk := range r.Proposal.Risks {
		p.Risks = append(p.Risks, task.Risk{
			Name: risk.Name, Rule: risk.Rule, Path: string(risk.Path), Line: risk.Line, Removed: risk.Removed, Why: risk.Why,
			Excerpt: risk.Excerpt, More: risk.More,
		})
	}
	return p, nil
}

func statement(r Receipt) Statement {
	return Statement{Type: statementType, PredicateType: PredicateType, Predicate: r, Subject: []Subject{
		{Name: "commit", Digest: map[string]string{"gitCommit": r.Commit.ID}},
		{Name: "tree", Digest: map[string]string{"gitTree": r.Proposal.Tree}},
	}}
}

// Seal signs a statement and returns the envelope.
func (s Statement) Seal(key audit.Key) ([]byte, error) {
	payload, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encode the receipt: %w", err)
	}
	return key.Seal(PayloadType, payload)
}

// Open reads a receipt that the public key must have signed. It checks its form and
// nothing that it says.
func Open(envelope []byte, public string) (Statement, error) {
	payload, err := audit.OpenEnvelope(envelope, PayloadType, public)
	if err != nil {
		return Statement{}, err
	}
	var s Statement
	if err := audit.Decode(payload, &s); err != nil {
		return Statement{}, fmt.Errorf("the receipt cannot be read; was it made by a newer version? %w", err)
	}
	if s.Type != statementType || s.PredicateType != PredicateType {
		return Statement{}, fmt.Errorf("it is a %.100q about %.100q, and no receipt of this version", s.Type, s.PredicateType)
	}
	return s, nil
}
