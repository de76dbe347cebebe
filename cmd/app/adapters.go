package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/config"
	"github.com/coderflow/coderflow/internal/engine"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/github"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/task"
	"github.com/coderflow/coderflow/internal/telemetry"
	"github.com/coderflow/coderflow/internal/web"
)

// engineStore is the store in the engine's words: only the type of the
// transaction differs.
type engineStore struct{ *store.Store }

// InTx implements engine.Store.
func (s engineStore) InTx(ctx context.Context, f func(engine.Tx) error) error {
	return s.Store.InTx(ctx, func(tx *store.Tx) error { return f(tx) })
}

// TaskLog implements engine.Reader.
func (s engineStore) TaskLog(ctx context.Context, id task.ID) ([]audit.Entry, error) {
	return chains(s).TaskLog(ctx, id)
}

// rules are the manifests in force. For every decision the store is asked which
// version that is, so that a revoked role is revoked everywhere at once; only
// when it is another one than last time is it read, checked and compiled. The
// members of teams at the forge are put into it anew each time.
type rules struct {
	store  *store.Store
	admins []forge.Subject
	image  string // for environments that name none
	// teams asks the forge for members of teams; nil: only what is stored is known.
	teams *engine.Memberships

	mu     sync.Mutex
	last   store.Manifest // without its content
	set    *manifest.Set  // of last, without members
	joined map[string]*manifest.Set
}

// Manifests implements engine.Manifests.
func (r *rules) Manifests(ctx context.Context) (*manifest.Set, error) {
	return r.current(ctx, engine.MembershipAge)
}

// current is what is in force. Members of teams at the forge that are known since
// longer than reread are read again first.
func (r *rules) current(ctx context.Context, reread time.Duration) (*manifest.Set, error) {
	set, err := r.inForce(ctx)
	if err != nil {
		return nil, err
	}
	teams := set.ForgeTeams()
	if len(teams) == 0 {
		return set, nil
	}
	members, err := r.memberships().Current(ctx, teams, reread)
	if err != nil {
		return nil, err
	}
	return r.join(set, members), nil
}

func (r *rules) memberships() *engine.Memberships {
	if r.teams != nil {
		return r.teams
	}
	return storedMembers(r.store)
}

// storedMembers knows what the server read, for commands beside it.
func storedMembers(db *store.Store) *engine.Memberships {
	return &engine.Memberships{Store: db, Logger: slog.New(slog.DiscardHandler), Now: time.Now}
}

// join keeps the sets of the last few memberships, each with its compiled policy.
func (r *rules) join(set *manifest.Set, members map[string]manifest.Membership) *manifest.Set {
	joined := set.WithMembers(members)
	key := joined.MembersKey()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.set != set { // another version is in force by now
		return joined
	}
	if known, ok := r.joined[key]; ok {
		return known
	}
	if len(r.joined) >= maxJoined {
		clear(r.joined)
	}
	r.joined[key] = joined
	return joined
}

const maxJoined = 8

func (r *rules) inForce(ctx context.Context) (*manifest.Set, error) {
	newest, err := r.store.ManifestHistory(ctx, 1)
	if err != nil {
		return nil, fmt.Errorf("read which manifests are in force: %w", err)
	}
	if len(newest) == 0 {
		return nil, fmt.Errorf("read which manifests are in force: %w", task.ErrNotFound)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.set != nil && r.last.Seq == newest[0].Seq && r.last.Version == newest[0].Version {
		return r.set, nil
	}
	active, err := r.store.ActiveManifest(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the manifests in force: %w", err)
	}
	set, err := parseStored(active)
	if err != nil {
		return nil, err
	}
	r.set, r.joined = set.WithImage(r.image), map[string]*manifest.Set{}
	active.Content = nil
	r.last = active
	return r.set, nil
}

// parseStored reads stored manifests and holds them to their version.
func parseStored(m store.Manifest) (*manifest.Set, error) {
	set, err := manifest.ParseCanonical(m.Content)
	if err != nil {
		return nil, err
	}
	if set.Version != m.Version {
		return nil, fmt.Errorf("the stored manifests are not those of version %s: somebody changed them", m.Version)
	}
	return set, nil
}

// Policy implements approval.Policies and web.Policies.
func (r *rules) Policy(ctx context.Context) (*policy.Policy, error) {
	set, err := r.Manifests(ctx)
	if err != nil {
		return nil, err
	}
	return set.Policy(r.admins...), nil
}

// gateRules are the rules for approvals: who left a team at the forge a moment
// ago does not approve any more.
type gateRules struct{ *rules }

// Policy implements approval.Policies.
func (r gateRules) Policy(ctx context.Context) (*policy.Policy, error) {
	set, err := r.current(ctx, engine.ApprovalAge)
	if err != nil {
		return nil, err
	}
	return set.Policy(r.admins...), nil
}

// Check implements approval.Armory.
func (r *rules) Check(ctx context.Context, environment string, a approval.Arming) (approval.Arming, error) {
	set, err := r.Manifests(ctx)
	if err != nil {
		return a, err
	}
	return set.Check(ctx, environment, a)
}

// Standing implements approval.Armory.
func (r *rules) Standing(ctx context.Context, environment string) ([]approval.Arming, error) {
	set, err := r.Manifests(ctx)
	if err != nil {
		return nil, err
	}
	return set.Standing(ctx, environment)
}

// githubHook is GitHub's webhook in the server's words.
type githubHook struct{ *github.Webhook }

// Delivery implements web.Webhook.
func (h githubHook) Delivery(header http.Header, body []byte) (forge.Delivery, error) {
	d, err := github.DeliveryOf(header)
	if err != nil {
		return forge.Delivery{}, err
	}
	events, err := h.Decode(d.Event, body)
	if err != nil {
		return forge.Delivery{}, err
	}
	return forge.Delivery{ID: d.GUID, Host: forge.GitHub, Event: d.Event, Headers: d.Header, Events: events}, nil
}

// newWebhooks are those of the forges that are configured; the others are nil.
func newWebhooks(cfg config.Config) (onGitHub, onAzure web.Webhook, err error) {
	if cfg.GitHub != nil {
		hook, err := github.NewWebhook([]byte(cfg.GitHub.WebhookSecret.Reveal()))
		if err != nil {
			return nil, nil, err
		}
		onGitHub = githubHook{hook}
	}
	if cfg.AzureDevOps != nil {
		if onAzure, err = newAzureWebhook(cfg.AzureDevOps.Webhook); err != nil {
			return nil, nil, err
		}
	}
	return onGitHub, onAzure, nil
}

// bootstrap applies manifests to a database that has none.
func bootstrap(ctx context.Context, db *store.Store, dir string, log *slog.Logger) error {
	_, err := db.ActiveManifest(ctx)
	if !errors.Is(err, task.ErrNotFound) {
		return err // there is one, or the database fails
	}
	set, err := manifest.Parse(nil)
	if dir != "" {
		set, err = manifest.Load(dir)
	}
	if err != nil {
		return err
	}
	log.InfoContext(ctx, "manifests put in force", "version", set.Version, "from", dir)
	err = replace(ctx, db, inForce{}, set, audit.System, nil)
	if stale := (*store.ManifestStaleError)(nil); errors.As(err, &stale) || errors.Is(err, task.ErrStale) {
		return nil // another server was faster
	}
	return err
}

func newLogger(c config.Log, w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.Level}
	if c.Format == "json" {
		return slog.New(telemetry.NewHandler(slog.NewJSONHandler(w, options)))
	}
	return slog.New(telemetry.NewHandler(slog.NewTextHandler(w, options)))
}

// operator names who runs a command on the server's machine, for the audit log.
func operator() string {
	for _, variable := range []string{"SUDO_USER", "USER"} {
		if name := os.Getenv(variable); name != "" {
			return "local:" + name
		}
	}
	return fmt.Sprintf("local:uid%d", os.Getuid())
}
