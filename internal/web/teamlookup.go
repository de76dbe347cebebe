package web

import (
	"context"
	"errors"
	"fmt"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/policy"
)

// TeamBySlug implements manifest.TeamResolver, within the same bounds as logins:
// the App may see teams that the caller does not.
func (l *lookups) TeamBySlug(ctx context.Context, host, organization, slug string) (forge.TeamRef, error) {
	teams, can := l.Resolver.(manifest.TeamResolver)
	switch {
	case !can:
		return forge.TeamRef{}, errors.New("this server does not look up teams; write their numbers")
	case !l.s.somewhere(policy.TeamsManage):
		return forge.TeamRef{}, errors.New("teams are looked up only for those who manage a team somewhere")
	}
	if l.made++; l.made > maxLookups {
		return forge.TeamRef{}, fmt.Errorf("at most %d logins and teams are looked up in one change; write numbers", maxLookups)
	}
	ref, err := teams.TeamBySlug(ctx, host, organization, slug)
	if err != nil && !errors.Is(err, forge.ErrNotFound) {
		l.s.c.s.Logger.WarnContext(ctx, "a team was not looked up", "request", requestID(l.s.c), "error", err)
		err = errors.New("it does not answer; the server's log has the details")
	}
	return ref, err
}
