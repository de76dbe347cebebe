package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/client"
	"github.com/coderflow/coderflow/internal/config"
	"github.com/coderflow/coderflow/internal/engine"
	"github.com/coderflow/coderflow/internal/store"
)

type auditReconcileCmd struct {
	whereFlags
	outputFlag
	Repository string `placeholder:"NAME" help:"Only this one: OWNER/NAME or HOST:ID."`
	Known      bool   `help:"Look at nothing: print what the last looks found."`
}

// Help implements kong.HelpProvider.
func (auditReconcileCmd) Help() string {
	return `Looks for commits with CoderFlow's trailers that no approval made, pushes without an approval, approvals that the forge
does not show any more, landed commits that it does not have any more, and deployments that the log or the forge does not
have. It mends nothing: it says what differs and what to look at next. "not looked at" is not "no difference".

The exit status is 1 if something differs, or if a repository could not be looked at. A server does the same by itself
(reconcile.evidence).

Examples:

  coderflow audit reconcile
  coderflow audit reconcile --repository acme/shop -o json
  coderflow audit reconcile --known`
}

// Run holds the log against the forge.
func (c auditReconcileCmd) Run(ctx context.Context, s streams) error {
	r, err := ask(ctx, c.whereFlags, s,
		func(l local) (audit.Reconciliation, error) {
			if c.Known {
				return reconciler{db: l.Store}.Known(ctx)
			}
			return reconcileHere(ctx, l, c.Repository)
		},
		func(server *client.Client) (audit.Reconciliation, error) {
			return server.Reconcile(ctx, c.Repository, c.Known)
		})
	if err != nil {
		return err
	}
	if err := c.print(s, r, func(t *table) { drawReconciliation(t, r) }); err != nil {
		return err
	}
	switch {
	case len(r.Differences) > 0:
		return fmt.Errorf("the audit log and the forge do not say the same; differences: %d", len(r.Differences))
	case r.Failed > 0:
		return fmt.Errorf("repositories that could not be looked at: %d", r.Failed)
	}
	return nil
}

func drawReconciliation(t *table, r audit.Reconciliation) {
	t.row("REPOSITORY", "LOOKED AT", "BRANCHES", "COMMITS OF OURS", "LANDED TASKS", "APPROVALS", "DEPLOYMENTS")
	for _, l := range r.Looks {
		t.row(l.Name, l.At.UTC().Format(time.RFC3339), l.Branches, l.Commits, l.Tasks, l.Approvals, l.Deployments)
	}
	for _, l := range r.Looks {
		for _, why := range l.NotLooked {
			t.line("not looked at: %s: %s", l.Name, why)
		}
	}
	for _, why := range r.NotLooked {
		t.line("not looked at: %s", why)
	}
	if len(r.Differences) == 0 {
		t.line("no difference in what was looked at")
	}
	for _, d := range r.Differences {
		t.line("✗ %s  %s  since %s\n    %s\n    next: %s", d.Kind, d.Name, d.FoundAt.UTC().Format(time.RFC3339), d.What, d.Next)
		if d.URL != "" {
			t.line("    %s", d.URL)
		}
	}
}

// reconcileHere looks from this machine, beside a server that may run: into a
// directory of its own, which it removes.
func reconcileHere(ctx context.Context, l local, repository string) (r audit.Reconciliation, err error) {
	cfg, err := l.cfg()
	if err != nil {
		return r, err
	}
	dir, err := os.MkdirTemp("", "coderflow-reconcile-")
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	e, err := evidenceEngine(cfg, l.Store, dir)
	if err != nil {
		return r, err
	}
	return e.ReconcileEvidence(ctx, engine.EvidenceQuery{Repository: repository, By: operator(), Bounds: engine.DefaultEvidenceBounds()})
}

// evidenceEngine has what a reconciliation needs: no containers, no gate.
func evidenceEngine(cfg config.Config, db *store.Store, dir string) (*engine.Engine, error) {
	log := slog.New(slog.DiscardHandler)
	hub, err := newForges(cfg, log)
	if err != nil {
		return nil, err
	}
	cfg.DataDir = filepath.Clean(dir)
	git, err := newGit(cfg, log)
	if err != nil {
		return nil, err
	}
	return engine.New(engine.Options{
		Store: engineStore{db}, Forge: hub, Git: git, Committer: committer, Manifests: &rules{store: db, admins: cfg.Admins, image: cfg.Sandbox.Image},
		GitCredentials: cfg.GitCredentials, Logger: log, Now: time.Now, DataDir: dir,
	}), nil
}

// reconciler holds the log against the forge, by the server and in its API.
type reconciler struct {
	db     *store.Store
	engine *engine.Engine
}

// Reconcile implements web.Evidence.
func (e reconciler) Reconcile(ctx context.Context, q engine.EvidenceQuery) (audit.Reconciliation, error) {
	return e.engine.ReconcileEvidence(ctx, q)
}

// Known implements web.Evidence: what the last looks found.
func (e reconciler) Known(ctx context.Context) (r audit.Reconciliation, err error) {
	r.NotLooked = []string{}
	if r.Looks, err = e.db.EvidenceLooks(ctx); err != nil {
		return r, err
	}
	for _, l := range r.Looks {
		if l.At.After(r.At) {
			r.At = l.At
		}
	}
	if len(r.Looks) == 0 {
		r.NotLooked = append(r.NotLooked, "nothing was looked at yet")
	}
	r.Differences, err = e.db.EvidenceDifferences(ctx, "")
	return r, err
}

// evidenceCursor is when a server of this installation last held the log against
// the forge, or meant to.
const evidenceCursor = "evidence"

// evidenceTick is how often a server looks whether it is time. The first look comes
// one interval after the first start.
const evidenceTick = time.Minute

// periodically holds the log against the forge at the interval, whichever server of
// the installation comes first.
func (e reconciler) periodically(interval time.Duration, log *slog.Logger) func(context.Context) error {
	return func(ctx context.Context) error {
		now := time.Now()
		last, err := e.db.Cursor(ctx, evidenceCursor)
		if err != nil {
			return err
		}
		if due := !last.IsZero() && now.Sub(last) >= interval; last.IsZero() || due {
			err := e.db.InTx(ctx, func(tx *store.Tx) error { return tx.SetCursor(ctx, evidenceCursor, now) })
			if err != nil || !due {
				return err
			}
			r, err := e.Reconcile(ctx, engine.EvidenceQuery{By: audit.System, Bounds: engine.DefaultEvidenceBounds()})
			if errors.Is(err, engine.ErrEvidenceBusy) {
				return nil
			}
			log.InfoContext(ctx, "the audit log was held against the forge", "repositories", len(r.Looks), "differences", len(r.Differences),
				"new", r.New, "gone", r.Gone, "failed", r.Failed)
			return err
		}
		return nil
	}
}
