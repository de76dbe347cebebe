package web

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
)

// lookups asks the forge for a few logins and teams, for those who could use the
// answer. What is wrong with the forge is in the server's log.
type lookups struct {
	site Site
	s    *sight
	made int
}

// UserByLogin implements manifest.Resolver.
func (l *lookups) UserByLogin(ctx context.Context, host, login string) (forge.User, error) {
	if err := l.permit(policy.BindingsManage, policy.TeamsManage); err != nil {
		return forge.User{}, err
	}
	user, err := l.site.UserByLogin(ctx, host, login)
	return user, l.told(ctx, err)
}

// TeamBySlug implements manifest.TeamResolver. The App may see teams at the forge
// that the caller does not.
func (l *lookups) TeamBySlug(ctx context.Context, host, organization, slug string) (forge.TeamRef, error) {
	if err := l.permit(policy.TeamsManage); err != nil {
		return forge.TeamRef{}, err
	}
	team, err := l.site.TeamBySlug(ctx, host, organization, slug)
	return team, l.told(ctx, err)
}

// permit lets those ask who hold one of the permissions somewhere.
func (l *lookups) permit(permissions ...policy.Permission) error {
	if !slices.ContainsFunc(permissions, l.s.somewhere) {
		return errors.New("names are looked up only for those who manage bindings or a team somewhere")
	}
	if l.made++; l.made > maxLookups {
		return fmt.Errorf("at most %d names are looked up in one change; write numbers", maxLookups)
	}
	return nil
}

func (l *lookups) told(ctx context.Context, err error) error {
	if err == nil || errors.Is(err, forge.ErrNotFound) {
		return err
	}
	l.s.c.s.Logger.WarnContext(ctx, "a name was not looked up at the forge", "request", requestID(l.s.c), "error", err)
	return errors.New("it does not answer; the server's log has the details")
}
