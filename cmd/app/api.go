package main

import (
	"context"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/engine"
	"github.com/coderflow/coderflow/internal/secret"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/task"
	"github.com/coderflow/coderflow/internal/token"
	"github.com/coderflow/coderflow/internal/web"
)

// apiStore is the store in the API's words.
type apiStore struct{ *store.Store }

func newAPI(db *store.Store, rules *rules, site apiSite, keys *secret.Keyring, e *engine.Engine, kept *purse, w *witness) *web.API {
	s := apiStore{db}
	return &web.API{
		Tokens: s, TokenDesk: tokenDesk{s, kept}, GitTokens: keptTokens{db}, SecretDesk: secretDesk{db, keys}, Policies: rules, Tasks: s, TaskBook: s, Comparisons: comparisons{e}, Records: s, Deployments: apiDeployments{db, e}, Receipts: apiReceipts{db, newReceipts(db, w)}, Chains: chains{db}, Evidence: reconciler{db, e},
		Freezes: freezeDesk{db}, Nodes: nodeDesk{db, rules}, Manifests: apiManifests{db, rules}, Site: site, Format: formatOf,
	}
}

// apiDeployments are the runs in the store, and the engine that is asked for one.
type apiDeployments struct {
	*store.Store
	engine *engine.Engine
}

// RequestDeployment implements web.Deployments.
func (d apiDeployments) RequestDeployment(ctx context.Context, r engine.DeployRequest) (deploy.Run, error) {
	return d.engine.RequestDeployment(ctx, r)
}

// TokenRefused implements web.Tokens.
func (s apiStore) TokenRefused(ctx context.Context, k token.Token, when time.Time) error {
	return s.InTx(ctx, func(tx *store.Tx) error {
		first, err := tx.NoteRefusedUse(ctx, k.ID, when)
		if err != nil || !first {
			return err
		}
		return auditToken(ctx, tx, when, k.Owner.String(), token.RefusedUse, k.ID, map[string]any{"why": k.Ended(when)})
	})
}

func auditToken(ctx context.Context, tx *store.Tx, when time.Time, actor string, action audit.Action, id string, detail map[string]any) error {
	detail["token"] = id
	entry, err := audit.New(when, actor, action, detail)
	if err != nil {
		return err
	}
	return tx.Audit(ctx, entry)
}

// TaskPage implements web.Tasks.
func (s apiStore) TaskPage(ctx context.Context, q web.TaskQuery) ([]task.Task, error) {
	filter := store.TaskFilter{
		States: q.States, Environments: q.Environments, Repository: q.Repository, Requester: q.Requester, Text: q.Text, Limit: q.Limit,
	}
	if filter.Environments == nil {
		filter.Environments = []string{} // nil would be all
	}
	return s.TaskList(ctx, filter, q.Before)
}

// CancelTask implements web.Tasks.
func (s apiStore) CancelTask(ctx context.Context, c web.Cancellation) error {
	detail := map[string]any{"by": "API", "token": c.Token, "request": c.Request}
	return s.InTx(ctx, func(tx *store.Tx) error {
		return engine.RequestCancel(ctx, tx, time.Now(), c.Task, c.By.String(), detail)
	})
}

// AuditPage implements web.Records.
func (s apiStore) AuditPage(ctx context.Context, q web.AuditQuery) (page []audit.Entry, next int64, err error) {
	page, err = s.AuditEntries(ctx, store.AuditFilter{
		Task: q.Task, Environment: q.Environment, Environments: q.Environments, Actor: q.Actor, Actions: q.Actions, Repository: q.Repository,
		Since: q.Since, Until: q.Until, AfterSeq: q.After, Newest: q.Newest, Limit: q.Limit + 1, // one more: is there a next page?
	})
	if err != nil {
		return nil, 0, err
	}
	if len(page) > q.Limit {
		page = page[:q.Limit]
		next = page[q.Limit-1].Seq
	}
	return page, next, nil
}
