package main

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/config"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
	"github.com/coderflow/coderflow/internal/task"
	"github.com/coderflow/coderflow/internal/token"
	"github.com/coderflow/coderflow/internal/web"
)

func rulesOf(db *store.Store) (*rules, *web.API) {
	r := &rules{store: db}
	return r, newAPI(db, r, apiSite{cfg: config.Config{}}, nil, nil, nil, nil)
}

func setOf(t *testing.T, bindings ...string) *manifest.Set {
	t.Helper()
	set, err := manifest.Parse(map[string][]byte{"a.yaml": []byte(strings.Join(bindings, "---\n"))})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// Of many applications at once, each decided on the same version, one is in force
// and in the audit log; the rest are told that they were too late.
func TestThreat49OfManyApplicationsAtOnceOneWins(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.Store) {
		_, api := rulesOf(db)
		now, err := api.Manifests.InForce(t.Context())
		if err != nil || now.Seq != 0 || now.Set == nil {
			t.Fatalf("before anything is in force: %+v, %v", now, err)
		}
		const many = 8
		results := make([]error, many)
		var all sync.WaitGroup
		for i := range many {
			set := setOf(t, binding(fmt.Sprintf("b%d", i), fmt.Sprintf("github:%d", i+1), "server-admin", "*"))
			all.Go(func() {
				results[i] = api.Manifests.PutInForce(t.Context(), web.ManifestChange{Was: now, Set: set, By: "github:1", Token: "k", Request: "r"})
			})
		}
		all.Wait()
		won := 0
		for _, err := range results {
			if err == nil {
				won++
			} else if !errors.Is(err, task.ErrStale) {
				t.Errorf("the loser is told: %v", err)
			}
		}
		entries, err := db.AuditEntries(t.Context(), store.AuditFilter{})
		if err != nil || won != 1 || len(entries) != 1 || entries[0].Action != audit.ManifestsApplied || !strings.Contains(string(entries[0].Detail), `"by":"API"`) {
			t.Errorf("%d won, %d entries, %v", won, len(entries), err)
		}
		after, err := api.Manifests.InForce(t.Context())
		history, errHistory := api.Manifests.ManifestHistory(t.Context(), 0, 10)
		if err := errors.Join(err, errHistory); err != nil || after.Seq != 1 || len(after.Set.Bindings) != 1 || len(history) != 1 || history[0].AppliedBy != "github:1" {
			t.Errorf("%+v, %+v, %v", after, history, err)
		}
		if older, err := api.Manifests.ManifestHistory(t.Context(), 1, 10); err != nil || len(older) != 0 {
			t.Errorf("before the first: %+v, %v", older, err)
		}
		refused := web.ManifestChange{Was: after, Set: setOf(t, binding("x", "github:9", "viewer", "*")), By: "github:9", Refusals: []string{"no"}}
		if err := api.Manifests.NoteRefusedChange(t.Context(), refused); err != nil {
			t.Fatal(err)
		}
		if entries, err := db.AuditEntries(t.Context(), store.AuditFilter{AfterSeq: 1}); err != nil || len(entries) != 1 || entries[0].Action != audit.ManifestsRefused {
			t.Errorf("%+v, %v", entries, err)
		}
	})
}

// The bound on an owner's tokens holds for requests at once, and a token is kept
// and audited or neither.
func TestTokensOfAnOwnerAreBoundedAtOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.Store) {
		_, api := rulesOf(db)
		owner, now := forge.Subject{Host: forge.Service, ID: "ci"}, time.Now().UTC().Truncate(time.Microsecond)
		fresh := func(id string, life time.Duration) web.TokenChange {
			return web.TokenChange{By: owner, When: now, Token: token.Token{
				ID: id, Name: id, Owner: owner, CreatedAt: now, CreatedBy: "x", ExpiresAt: now.Add(life),
				Scope: token.Scope{Environments: []string{"staging"}},
			}}
		}
		const many, most = 12, 5
		var all sync.WaitGroup
		var mu sync.Mutex
		made := 0
		for i := range many {
			all.Go(func() {
				err := api.TokenDesk.MakeToken(t.Context(), fresh(fmt.Sprintf("k%d", i), time.Hour), token.New().Hash(), most)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					made++
				} else if !errors.Is(err, web.ErrTooManyTokens) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		list, err := api.TokenDesk.OwnedTokens(t.Context(), owner)
		if err != nil || made != most || len(list) != most {
			t.Fatalf("%d made, %d kept, %v", made, len(list), err)
		}
		ended, err := api.TokenDesk.EndToken(t.Context(), web.TokenChange{Token: list[0], By: owner, When: now})
		if err != nil || ended.RevokedBy != "service:ci" || ended.Ended(now) != "revoked" {
			t.Errorf("%+v, %v", ended, err)
		}
		if err := api.TokenDesk.MakeToken(t.Context(), fresh("more", time.Hour), token.New().Hash(), most); err != nil {
			t.Errorf("a revoked one counts: %v", err)
		}
		if others, err := api.TokenDesk.OwnedTokens(t.Context(), forge.Subject{Host: forge.GitHub, ID: "1"}); err != nil || len(others) != 0 {
			t.Errorf("%d of somebody else, %v", len(others), err)
		}
		if everybody, err := api.TokenDesk.OwnedTokens(t.Context(), forge.Subject{}); err != nil || len(everybody) != most+1 {
			t.Errorf("%d of everybody, %v", len(everybody), err)
		}
		entries, err := db.AuditEntries(t.Context(), store.AuditFilter{})
		if err != nil || len(entries) != most+2 {
			t.Errorf("%d entries, %v", len(entries), err)
		}
		if _, err := api.TokenDesk.Token(t.Context(), "none"); !errors.Is(err, task.ErrNotFound) {
			t.Errorf("none: %v", err)
		}
	})
}
