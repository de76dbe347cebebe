package main

import (
	"context"
	"errors"

	"github.com/coderflow/coderflow/internal/engine"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/store"
)

// withStoredMembers puts into a set who is in its teams at the forge, as the
// server read it last. It asks no forge.
func withStoredMembers(ctx context.Context, db *store.Store, set *manifest.Set) (*manifest.Set, error) {
	teams := set.ForgeTeams()
	if len(teams) == 0 {
		return set, nil
	}
	members, err := storedMembers(db).Current(ctx, teams, engine.MembershipAge)
	if err != nil {
		return nil, err
	}
	return set.WithMembers(members), nil
}

// TeamBySlug implements manifest.TeamResolver.
func (l logins) TeamBySlug(ctx context.Context, host, organization, slug string) (forge.TeamRef, error) {
	hub, err := l.forge()
	if err != nil {
		return forge.TeamRef{}, err
	}
	return hub.TeamBySlug(ctx, host, organization, slug)
}

// TeamBySlug implements manifest.TeamResolver.
func (s apiSite) TeamBySlug(ctx context.Context, host, organization, slug string) (forge.TeamRef, error) {
	teams, can := s.Resolver.(manifest.TeamResolver)
	if !can {
		return forge.TeamRef{}, errors.New("the server's forge has no teams")
	}
	return teams.TeamBySlug(ctx, host, organization, slug)
}
