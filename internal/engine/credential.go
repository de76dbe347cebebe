package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/manifest"
)

// GitCredentials are the server's own, by the names that git providers use.
type GitCredentials map[string]forge.Secret

// source finds the credential for one git operation: that of a git provider for
// the repository, whoever acts's own, that of a provider for a team of theirs, and
// last the App's. Everything is looked up at the moment it is used.
//
// It is a [forge.TokenSource] in what it has, so that a credential that lands
// something is minted from a grant here too; see approval.Grant.Credential.
type source struct {
	e   *Engine
	who forge.User // requested what is fetched or published, approved what lands
	// own is what is pushed to, if it is the task's own branch; otherwise no person's
	// own token pushes.
	own ownBranch
}

// CredentialError is a credential of a git provider, or of a person, that cannot be
// used, and that lets no other source take its place.
type CredentialError struct {
	Provider string // empty: a person's own
	Person   forge.Subject
	Why      string
}

// Error implements error.
func (e *CredentialError) Error() string {
	if e.Provider == "" {
		return fmt.Sprintf("the own token of %s cannot be used: %s", e.Person, e.Why)
	}
	return fmt.Sprintf("the credential of git provider %q cannot be used: %s", e.Provider, e.Why)
}

// ReadToken can fetch.
func (s source) ReadToken(ctx context.Context, ref forge.RepositoryRef) (forge.Token, error) {
	return s.token(ctx, ref, manifest.Fetch, s.e.Forge.ReadToken)
}

// PushToken can push. Who may ask for it is held by a test of the architecture.
func (s source) PushToken(ctx context.Context, ref forge.RepositoryRef) (forge.Token, error) {
	return s.token(ctx, ref, manifest.Push, s.e.Forge.PushToken)
}

type mint func(context.Context, forge.RepositoryRef) (forge.Token, error)

func (s source) token(ctx context.Context, ref forge.RepositoryRef, o manifest.Operation, app mint) (forge.Token, error) {
	set, err := s.e.Manifests.Manifests(ctx)
	if err != nil {
		return forge.Token{}, fmt.Errorf("read the manifests: %w", err)
	}
	var passed []string
	asked := !s.mayOwn(o)
	for _, p := range set.GitProviders(ref, o, set.Policy(s.e.Admins...).TeamsOf(s.who.Subject)) {
		if len(p.Repositories) == 0 && !asked { // those for the repository came before
			asked = true
			if token, found, err := s.person(ctx, ref, o, &passed); found || err != nil {
				return token, err
			}
		}
		token, why, err := s.provided(ctx, p, ref, o)
		switch {
		case err != nil:
			return forge.Token{}, fmt.Errorf("check the credential of git provider %q: %w", p.Name, err)
		case why == "":
			return after(token, passed), nil
		case !p.Fallback:
			return forge.Token{}, &CredentialError{Provider: p.Name, Why: why}
		}
		s.e.Logger.WarnContext(ctx, "the credential of a git provider cannot be used", "provider", p.Name, "repository", ref.Key(), "why", why)
		passed = append(passed, fmt.Sprintf("git provider %q cannot be used: %s", p.Name, why))
	}
	if !asked {
		if token, found, err := s.person(ctx, ref, o, &passed); found || err != nil {
			return token, err
		}
	}
	token, err := app(ctx, ref)
	return after(token, passed), err
}

// person is the own token of whoever acts, if it can be used; what stands against it
// is added to passed, or is an error where nothing may take its place.
func (s source) person(ctx context.Context, ref forge.RepositoryRef, o manifest.Operation, passed *[]string) (token forge.Token, found bool, err error) {
	token, why, kept, err := s.kept(ctx, ref, o)
	switch {
	case err != nil || !kept:
		return forge.Token{}, false, err
	case why == "":
		return after(token, *passed), true, nil
	case !s.e.OwnFallback:
		return forge.Token{}, false, &CredentialError{Person: s.who.Subject, Why: why}
	}
	s.e.Logger.WarnContext(ctx, "a person's own token cannot be used", "subject", s.who.Subject.String(), "repository", ref.Key(), "why", why)
	*passed = append(*passed, fmt.Sprintf("own token of %s cannot be used: %s", s.who.Subject, why))
	return forge.Token{}, false, nil
}

// after says in the token's source what was passed over.
func after(token forge.Token, passed []string) forge.Token {
	if len(passed) > 0 {
		token.Source += " (" + strings.Join(passed, "; ") + ")"
	}
	return token
}

// provided is a provider's credential, or why it cannot be used. An error says
// nothing about the credential: the forge could not be asked.
func (s source) provided(ctx context.Context, p manifest.GitProvider, ref forge.RepositoryRef, o manifest.Operation) (token forge.Token, why string, err error) {
	secret, known := s.e.GitCredentials[p.Credential]
	if !known {
		return token, fmt.Sprintf("the server has no credential %q (coderflow.yaml, section gitCredentials)", p.Credential), nil
	}
	err = s.e.Forge.CheckCredential(ctx, ref, secret, o == manifest.Push)
	if errors.Is(err, forge.ErrForbidden) || errors.Is(err, forge.ErrNotFound) {
		return token, err.Error(), nil
	}
	if err != nil {
		return token, "", err
	}
	return forge.Token{Value: secret, Source: fmt.Sprintf("git provider %q, credential %q", p.Name, p.Credential)}, "", nil
}
