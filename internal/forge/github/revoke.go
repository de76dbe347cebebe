package github

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"

	gh "github.com/google/go-github/v62/github"

	"github.com/coderflow/coderflow/internal/forge"
)

// revokeAtOnce is how many tokens are revoked at the same time.
const revokeAtOnce = 8

// RevokeTokens ends, at GitHub, every token of this process for a repository that is
// covered, and forgets it first: whoever asks next gets a fresh one. Tokens that
// could not be revoked are tried again by the next call, whatever it covers. Those
// of organizations, which read who is in a team, stay.
func (a *Adapter) RevokeTokens(ctx context.Context, covers func(forge.RepositoryRef) bool) error {
	m := a.tokens
	m.mu.Lock()
	slots := make([]*slot, 0, len(m.slots))
	for key, s := range m.slots {
		if key.repository != 0 && covers(forge.RepositoryRef{Host: forge.GitHub, ID: strconv.FormatInt(key.repository, 10)}) {
			slots = append(slots, s)
		}
	}
	failed := m.doomed
	m.doomed = nil
	m.mu.Unlock()
	room := make(chan struct{}, revokeAtOnce)
	errs := make([]error, len(slots)+len(failed))
	var work sync.WaitGroup
	for i, g := range failed {
		work.Go(func() { errs[i] = m.revoke(ctx, room, g) })
	}
	for i, s := range slots {
		work.Go(func() {
			g, err := s.taken(ctx)
			if err == nil {
				err = m.revoke(ctx, room, g)
			}
			errs[len(failed)+i] = err
		})
	}
	work.Wait()
	return errors.Join(errs...)
}

// taken empties the slot, after a mint that is under way.
func (s *slot) taken(ctx context.Context) (grant, error) {
	select {
	case s.busy <- struct{}{}:
		defer func() { <-s.busy }()
	case <-ctx.Done():
		return grant{}, ctx.Err()
	}
	g := s.grant
	s.grant = grant{}
	return g, nil
}

// revoke ends one token. One that GitHub does not take any more has ended.
func (m *minter) revoke(ctx context.Context, room chan struct{}, g grant) error {
	if g.token.Value == "" || !g.token.Expires.After(m.adapter.clock()) {
		return nil
	}
	room <- struct{}{}
	defer func() { <-room }()
	_, err := m.adapter.client(&given{m.adapter, g.token.Value}).Apps.RevokeInstallationToken(ctx)
	answered := (*gh.ErrorResponse)(nil)
	if errors.As(err, &answered) && answered.Response != nil && answered.Response.StatusCode == http.StatusUnauthorized {
		return nil
	}
	if err != nil {
		m.mu.Lock()
		m.doomed = append(m.doomed, g)
		m.mu.Unlock()
		return translate("revoke a token of installation "+strconv.FormatInt(g.installation, 10), err)
	}
	m.adapter.log.InfoContext(ctx, "revoked an installation token", "installation", g.installation)
	return nil
}
