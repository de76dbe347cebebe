package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/task"
)

// People give git the tokens of people who signed in and let them be kept.
type People interface {
	// GitToken is the person's own, for this repository alone. It fails with
	// ErrNoOwnToken if nothing is kept of them, or with *OwnTokenError if what is
	// kept cannot be used. Any other error says nothing about the token.
	GitToken(ctx context.Context, who forge.Subject, ref forge.RepositoryRef, push bool) (forge.Token, error)
}

// ErrNoOwnToken is a person of whom no token is kept.
var ErrNoOwnToken = errors.New("no token of this person is kept")

// OwnTokenError is a person's token that cannot be used, in words for them.
type OwnTokenError struct{ Why string }

// Error implements error.
func (e *OwnTokenError) Error() string { return "the person's own token cannot be used: " + e.Why }

// mayOwn reports whether a person's own token may be used for the operation.
func (s source) mayOwn(o manifest.Operation) bool {
	return s.e.People != nil && s.who.Subject.Host == forge.GitHub && (o == manifest.Fetch || s.own != "")
}

// proposalOf is the branch to which a person's own token may push: that of the task,
// and no other. Where somebody may pass over a branch's protection, their token does
// without asking them; on a branch that is CoderFlow's own that gives nobody anything.
func proposalOf(id task.ID) ownBranch { return ownBranch("refs/heads/" + id.Branch()) }

// ownBranch is a ref that is a task's own; empty for any other.
type ownBranch string

// landsOn is the branch that a grant pushes to, if it is its task's own.
func landsOn(g approval.Grant) ownBranch {
	if own := proposalOf(g.Task()); g.Ref() == string(own) {
		return own
	}
	return ""
}

// kept is the person's token, or why it cannot be used; ok is false if there is none.
func (s source) kept(ctx context.Context, ref forge.RepositoryRef, o manifest.Operation) (token forge.Token, why string, ok bool, err error) {
	push := o == manifest.Push
	token, err = s.e.People.GitToken(ctx, s.who.Subject, ref, push)
	refused := (*OwnTokenError)(nil)
	switch {
	case errors.Is(err, ErrNoOwnToken):
		return token, "", false, nil
	case errors.As(err, &refused):
		return token, refused.Why, true, nil
	case err != nil:
		return token, "", true, fmt.Errorf("get the own token of %s: %w", s.who.Subject, err)
	}
	err = s.e.Forge.CheckCredential(ctx, ref, token.Value, push)
	if errors.Is(err, forge.ErrForbidden) || errors.Is(err, forge.ErrNotFound) {
		return token, err.Error(), true, nil
	}
	return token, "", true, err
}
