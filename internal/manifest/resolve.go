package manifest

import (
	"context"
	"errors"
	"strings"

	"github.com/coderflow/coderflow/internal/forge"
)

// Resolver asks the forge who has a login at present.
type Resolver interface {
	// UserByLogin returns the account, or an error that is forge.ErrNotFound.
	UserByLogin(ctx context.Context, host, login string) (forge.User, error)
}

// ResolverFunc is a function as a [Resolver].
type ResolverFunc func(ctx context.Context, host, login string) (forge.User, error)

// UserByLogin implements [Resolver].
func (f ResolverFunc) UserByLogin(ctx context.Context, host, login string) (forge.User, error) {
	return f(ctx, host, login)
}

// lookup is a resolver that asks for each login once.
func lookup(ctx context.Context, r Resolver) func(login string) (forge.User, error) {
	if r == nil {
		return nil
	}
	type answer struct {
		user forge.User
		err  error
	}
	known := map[string]answer{}
	var down error // the forge does not answer: it is not asked again for every login
	return func(login string) (forge.User, error) {
		key := strings.ToLower(login)
		if a, asked := known[key]; asked || down != nil {
			return a.user, errors.Join(a.err, down)
		}
		user, err := r.UserByLogin(ctx, forge.GitHub, login)
		if err != nil && !errors.Is(err, forge.ErrNotFound) {
			down = err
		}
		known[key] = answer{user, err}
		return user, err
	}
}

// resolve puts the number in the place of a login.
func (b *builder) resolve(p Principal, path string, w wrong) Principal {
	if !p.unresolved() {
		return p
	}
	if b.lookup == nil {
		w(path, "@%s is a login, and only `coderflow apply` asks the forge for its number; write %s:ID here", p.Login, forge.GitHub)
		return Principal{}
	}
	user, err := b.lookup(p.Login)
	switch {
	case errors.Is(err, forge.ErrNotFound):
		w(path, "there is no account @%s at %s", p.Login, forge.GitHub)
	case err != nil:
		w(path, "the forge could not be asked who @%s is: %v", p.Login, err)
	case user.Subject.IsZero() || user.Subject.Host != forge.GitHub || !strings.EqualFold(user.Login, p.Login):
		w(path, "the forge answered about somebody else than @%s", p.Login)
	case user.Kind != forge.Person:
		w(path, "@%s is not a person but a %s account", p.Login, user.Kind)
	default:
		return Principal{Subject: user.Subject, Login: user.Login}
	}
	return Principal{}
}
