package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/config"
	"github.com/coderflow/coderflow/internal/engine"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/task"
	"github.com/coderflow/coderflow/internal/web"
)

// apiManifests are the versions of the manifests in the API's words. What an
// apply on the server's machine does is done by the same functions.
type apiManifests struct {
	db    *store.Store
	rules *rules
}

// InForce implements web.Manifests.
func (m apiManifests) InForce(ctx context.Context) (web.InForce, error) {
	active, err := m.db.ActiveManifest(ctx)
	if errors.Is(err, task.ErrNotFound) {
		active, err = store.Manifest{}, nil
	}
	if err != nil {
		return web.InForce{}, err
	}
	now := web.InForce{Seq: active.Seq, Version: active.Version, AppliedAt: active.AppliedAt, AppliedBy: active.AppliedBy}
	if active.Seq == 0 {
		now.Set, err = manifest.Parse(nil)
	} else {
		now.Set, err = parseStored(active)
	}
	if err != nil {
		return web.InForce{}, err
	}
	decides := now.Set
	if teams := now.Set.ForgeTeams(); len(teams) > 0 {
		members, err := m.rules.memberships().Current(ctx, teams, engine.MembershipAge)
		if err != nil {
			return web.InForce{}, err
		}
		decides = m.rules.join(now.Set, members)
	}
	now.Policy = decides.Policy(m.rules.admins...)
	return now, nil
}

// ManifestHistory implements web.Manifests.
func (m apiManifests) ManifestHistory(ctx context.Context, before int64, limit int) ([]web.InForce, error) {
	all, err := m.db.ManifestHistoryBefore(ctx, before, limit)
	if err != nil {
		return nil, err
	}
	list := make([]web.InForce, len(all))
	for i, a := range all {
		list[i] = web.InForce{Seq: a.Seq, Version: a.Version, AppliedAt: a.AppliedAt, AppliedBy: a.AppliedBy}
	}
	return list, nil
}

// PutInForce implements web.Manifests.
func (m apiManifests) PutInForce(ctx context.Context, c web.ManifestChange) error {
	err := replace(ctx, m.db, before(c), c.Set, c.By, auditDetail(c))
	if stale := (*store.ManifestStaleError)(nil); errors.As(err, &stale) {
		return errors.Join(task.ErrStale, err)
	}
	return err
}

// NoteRefusedChange implements web.Manifests.
func (m apiManifests) NoteRefusedChange(ctx context.Context, c web.ManifestChange) error {
	return m.db.InTx(ctx, func(tx *store.Tx) error {
		return auditManifests(ctx, tx, audit.ManifestsRefused, c.By, before(c), c.Set, auditDetail(c))
	})
}

func before(c web.ManifestChange) inForce {
	return inForce{seq: c.Was.Seq, version: c.Was.Version, set: c.Was.Set}
}

func auditDetail(c web.ManifestChange) map[string]any {
	detail := map[string]any{"changes": objectsOf(c.Changes), "by": "API", "token": c.Token, "request": c.Request}
	if len(c.Refusals) > 0 {
		detail["refusals"] = c.Refusals
	}
	return detail
}

// apiSite is what manifests meet on this server.
type apiSite struct {
	manifest.Resolver
	cfg config.Config
}

// PolicyOf implements web.Site. Who is in teams at the forge is no part of a
// change, so that the forge is not asked about teams that somebody only names.
func (s apiSite) PolicyOf(set *manifest.Set) *policy.Policy { return set.Policy(s.cfg.Admins...) }

// CheckSet implements web.Site.
func (s apiSite) CheckSet(set *manifest.Set, environment string) error {
	e, known := set.Environments[environment]
	if !known {
		return fmt.Errorf("there is no environment %q", environment)
	}
	return checkProviders(&manifest.Set{Environments: map[string]manifest.Environment{environment: e}}, s.cfg.Models)
}
