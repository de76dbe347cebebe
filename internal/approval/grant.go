package approval

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/task"
)

// Grant is the permission to land one proposal, or to run one deployment of what
// landed. Only [Gate.Redeem] and [Gate.RedeemDeployment] make one: the fields are unexported, the zero
// value is refused by [Grant.Check], and it cannot be encoded or decoded. It is
// worth what the forge and the policy said when it was minted, so it is used at
// once and never kept; jobs carry the approval's id instead.
type Grant struct {
	record  Record
	base    string
	tree    string
	carrier string
	// run is the one deployment that the grant is for; nil: it is for landing.
	run      *Deployment
	decision policy.Decision
	// minted is set by the gate alone.
	minted bool
}

// ErrNoGrant is an effect attempted without a grant of the gate.
var ErrNoGrant = errors.New("no grant: only the approval gate can permit this")

// Check fails with ErrNoGrant unless the gate minted g. Everything that acts on
// a Grant calls it first.
func (g Grant) Check() error {
	if !g.minted {
		return ErrNoGrant
	}
	return nil
}

// MarshalJSON refuses: a grant is never stored or sent.
func (g Grant) MarshalJSON() ([]byte, error) {
	return nil, errors.New("an approval grant is never serialized")
}

// MarshalText refuses: a grant is never stored or sent.
func (g Grant) MarshalText() ([]byte, error) { return g.MarshalJSON() }

// GobEncode refuses: a grant is never stored or sent.
func (g Grant) GobEncode() ([]byte, error) { return g.MarshalJSON() }

// UnmarshalJSON refuses: a grant cannot be made from data.
func (g *Grant) UnmarshalJSON([]byte) error { return ErrNoGrant }

// GobDecode refuses: a grant cannot be made from data.
func (g *Grant) GobDecode([]byte) error { return ErrNoGrant }

// ApprovalID names the approval behind the grant.
func (g Grant) ApprovalID() string { return g.record.ID }

// Task is the task whose proposal was approved.
func (g Grant) Task() task.ID { return g.record.Task }

// Repository is where the commit goes.
func (g Grant) Repository() forge.RepositoryRef { return g.record.Repository }

// Base is the parent of the commit.
func (g Grant) Base() string { return g.base }

// Tree is the tree of the commit.
func (g Grant) Tree() string { return g.tree }

// Push reports whether the commit may leave CoderFlow. A grant that pushes nothing
// gives no credential either.
func (g Grant) Push() bool { return g.minted && g.run == nil && !g.record.NoPush }

// Ref is the full name of the ref to push.
func (g Grant) Ref() string { return g.record.Ref() }

// NewRef reports whether the push makes the ref, which must not exist.
func (g Grant) NewRef() bool { return g.record.OnOtherBranch() && g.record.NewTarget }

// ExpectedOld is what the ref must point to at the push; empty only for a ref
// that the push makes. On another branch that is the commit's parent, so that
// the push is a plain fast-forward.
func (g Grant) ExpectedOld() string {
	switch {
	case g.NewRef():
		return ""
	case g.record.OnOtherBranch():
		return g.base
	}
	return g.carrier
}

// Message is the commit's whole message.
func (g Grant) Message() string { return g.record.Message }

// Author is the approver.
func (g Grant) Author() forge.User { return g.record.Approver }

// Date is both dates of the commit.
func (g Grant) Date() time.Time { return g.record.At }

// Deployment is the one run that the grant permits; false if it is for landing.
func (g Grant) Deployment() (Deployment, bool) {
	if !g.minted || g.run == nil {
		return Deployment{}, false
	}
	d := *g.run
	d.Parameters = maps.Clone(d.Parameters)
	return d, true
}

// Decision is under what a deployment was permitted.
func (g Grant) Decision() policy.Decision { return g.decision }

// Credential is the write credential of one landing.
type Credential struct {
	repository string
	token      forge.Token
}

// pushTokens is the part of a forge that mints push credentials.
type pushTokens interface {
	PushToken(ctx context.Context, ref forge.RepositoryRef) (forge.Token, error)
}

// Credential mints the write credential for the grant's repository. There is no
// other way to one for landing.
func (g Grant) Credential(ctx context.Context, source pushTokens) (Credential, error) {
	if err := g.Check(); err != nil {
		return Credential{}, err
	}
	if !g.Push() {
		return Credential{}, fmt.Errorf("approval %s pushes nothing: %w", g.record.ID, ErrNoGrant)
	}
	token, err := source.PushToken(ctx, g.record.Repository)
	if err != nil {
		return Credential{}, fmt.Errorf("mint the credential for landing %s: %w", g.record.Task, err)
	}
	return Credential{repository: g.record.Repository.Key(), token: token}, nil
}

// Source names where the credential is from, for the audit log.
func (c Credential) Source() string { return c.token.Source }

// TokenFor returns the token if the credential was minted for the grant's repository.
func (c Credential) TokenFor(g Grant) (forge.Token, error) {
	if err := g.Check(); err != nil {
		return forge.Token{}, err
	}
	if c.repository == "" || c.repository != g.record.Repository.Key() {
		return forge.Token{}, fmt.Errorf("the credential is not for %s: %w", g.record.Repository.Key(), ErrNoGrant)
	}
	return c.token, nil
}
