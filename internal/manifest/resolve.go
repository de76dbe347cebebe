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

// TeamResolver is a [Resolver] that also finds teams.
type TeamResolver interface {
	// TeamBySlug returns the team, or an error that is forge.ErrNotFound.
	TeamBySlug(ctx context.Context, host, organization, slug string) (forge.TeamRef, error)
}

// asker asks a resolver on behalf of one load.
type asker struct {
	user func(host, login string) (forge.User, error)
	team func(*ForgeTeam) (forge.TeamRef, error)
}

// lookup asks for each login once, and a forge that does not answer only once.
func lookup(ctx context.Context, r Resolver) *asker {
	if r == nil {
		return nil
	}
	type answer struct {
		user forge.User
		err  error
	}
	known := map[forge.Subject]answer{} // its id is a login here
	down := map[string]error{}
	note := func(host string, err error) {
		if err != nil && !errors.Is(err, forge.ErrNotFound) {
			down[host] = err
		}
	}
	return &asker{
		user: func(host, login string) (forge.User, error) {
			key := forge.Subject{Host: host, ID: strings.ToLower(login)}
			if a, asked := known[key]; asked || down[host] != nil {
				return a.user, errors.Join(a.err, down[host])
			}
			user, err := r.UserByLogin(ctx, host, login)
			note(host, err)
			known[key] = answer{user, err}
			return user, err
		},
		team: func(f *ForgeTeam) (forge.TeamRef, error) {
			teams, can := r.(TeamResolver)
			switch {
			case !can:
				return forge.TeamRef{}, errors.New("it is not asked for teams here; give both ids")
			case down[f.Host] != nil:
				return forge.TeamRef{}, down[f.Host]
			}
			ref, err := teams.TeamBySlug(ctx, f.Host, f.Organization, f.Team)
			note(f.Host, err)
			return ref, err
		},
	}
}

// resolveTeam puts the numbers of a team at the forge beside its names.
func (b *builder) resolveTeam(f *ForgeTeam, r *reporter) {
	if f.TeamID != "" || len(r.reported) > 0 {
		return
	}
	const path = "spec.forge"
	if b.lookup == nil {
		r.wrong(path, "only `coderflow apply` asks the forge for the numbers of a team; write organizationID and teamID here")
		return
	}
	found, err := b.lookup.team(f)
	switch {
	case errors.Is(err, forge.ErrNotFound):
		r.wrong(path, "%s shows no team %s/%s to %s", f.Host, f.Organization, f.Team, teamHelp(f.Host))
	case err != nil:
		r.wrong(path, "the forge could not be asked for team %s/%s: %v", f.Organization, f.Team, err)
	case found.Host != f.Host || !forge.ValidID(f.Host, found.ID) || !forge.ValidID(f.Host, found.OrganizationID) || !strings.EqualFold(found.Slug, f.Team):
		r.wrong(path, "the forge answered about another team than %s/%s", f.Organization, f.Team)
	default:
		f.OrganizationID, f.TeamID = ForgeID(found.OrganizationID), ForgeID(found.ID)
		f.Organization, f.Team = found.Organization, found.Slug
	}
}

// teamHelp ends the sentence that a team is not shown.
func teamHelp(host string) string {
	if host == forge.AzureDevOps {
		return "CoderFlow's account; is there a project of that name with such a team, and may the account read the project?"
	}
	return "the App; is the App installed on the organization, with the permission members: read?"
}

// resolve puts the id in the place of a login.
func (b *builder) resolve(p Principal, path string, w wrong) Principal {
	if !p.unresolved() {
		return p
	}
	if b.lookup == nil {
		w(path, "@%s is a login, and only `coderflow apply` asks the forge for its number; write %s:ID here", p.Login, p.host)
		return Principal{}
	}
	user, err := b.lookup.user(p.host, p.Login)
	switch {
	case errors.Is(err, forge.ErrNotFound):
		w(path, "there is no account @%s at %s", p.Login, p.host)
	case err != nil:
		w(path, "the forge could not be asked who @%s is: %v", p.Login, err)
	case !forge.ValidID(p.host, user.Subject.ID) || user.Subject.Host != p.host || !strings.EqualFold(user.Login, p.Login):
		w(path, "the forge answered about somebody else than @%s", p.Login)
	case user.Kind != forge.Person:
		w(path, "@%s is not a person but a %s account", p.Login, user.Kind)
	default:
		return Principal{Subject: user.Subject, Login: user.Login}
	}
	return Principal{}
}
