package gitops

import (
	"errors"
	"fmt"
	"strings"
)

// Errors that callers branch on.
var (
	// ErrNoChange means that the result tree equals the base tree.
	ErrNoChange = errors.New("the changes leave the tree as it was")
	// ErrNoBranch is a branch that the remote does not have.
	ErrNoBranch = errors.New("the remote has no such branch")
	// ErrSHA256 is a repository in git's SHA-256 format.
	ErrSHA256 = errors.New("repositories with SHA-256 object ids are not supported yet")
	// ErrObjectMissing is an object that the mirror does not have, or not of that type.
	ErrObjectMissing = errors.New("the mirror does not have the object")
)

// Problem is one reason why a change cannot become a proposal.
type Problem struct {
	Path string // raw bytes; escape before showing
	Rule string // threat id in THREATS.md, for example "27"
	Why  string
}

// RefusedError is a change that no approval can lift. It lists everything that
// is wrong with it, up to a bound.
type RefusedError struct {
	Problems []Problem
	// More counts problems beyond those listed.
	More int
}

// Error implements error. Paths are quoted.
func (e *RefusedError) Error() string {
	var texts []string
	for _, p := range e.Problems[:min(len(e.Problems), 10)] {
		if p.Path == "" {
			texts = append(texts, p.Why)
			continue
		}
		texts = append(texts, fmt.Sprintf("%.200q: %s", p.Path, p.Why))
	}
	text := "the change is refused: " + strings.Join(texts, "; ")
	if hidden := len(e.Problems) - len(texts) + e.More; hidden > 0 {
		text += fmt.Sprintf("; and %d more", hidden)
	}
	return text
}

// RemoteError is a fetch, push or look at a remote that did not work for a
// reason other than a decision of the remote about the ref.
type RemoteError struct {
	Operation string
	Words     string // git's own, made safe to show
	Err       error
}

// Error implements error.
func (e *RemoteError) Error() string { return e.Operation + ": " + e.Words }

// Unwrap returns the cause.
func (e *RemoteError) Unwrap() error { return e.Err }

// MovedError is a ref that is not where it must be for a push: somebody else
// moved, made or deleted it. Nothing was pushed.
type MovedError struct {
	Ref      string
	Expected string // empty: it should not have existed
	Found    string // empty: it does not exist
}

// Error implements error.
func (e *MovedError) Error() string {
	return fmt.Sprintf("somebody else moved %s: it should be at %s and is at %s; nothing was pushed",
		e.Ref, orNothing(e.Expected), orNothing(e.Found))
}

func orNothing(id string) string {
	if id == "" {
		return "nothing"
	}
	return id
}

// PushRefusedError is a push that the forge refused: a protected branch, a hook.
type PushRefusedError struct {
	Ref   string
	Words string // the forge's own, made safe to show as text
}

// Error implements error.
func (e *PushRefusedError) Error() string {
	return fmt.Sprintf("the forge refused the push to %s: %s", e.Ref, e.Words)
}
