package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/coderflow/coderflow/internal/atonce"
	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/gitops"
	"github.com/coderflow/coderflow/internal/task"
)

// A proposal is made on one node, and any node can go on with it: what its tree has and
// its base's has not is in the database, and the base is at the forge. Each step that
// works with these objects brings them first, which on the node that made them is one look
// at its mirror. Everything else that a step finds in a mirror is made again, byte by byte
// the same: the carriers, and the commit of an approval.

// resultOf names a proposal's result to a mirror.
func resultOf(p task.Proposal) gitops.ResultRequest {
	return gitops.ResultRequest{Repository: p.Repository, Task: p.Task, Revision: p.Revision, Base: p.BaseCommit, Tree: p.Tree}
}

// bring has this node's mirror hold the proposal's base and result. Its base is fetched as
// who may. It fails with gitops.ErrObjectMissing if they are nowhere to be had.
func (e *Engine) bring(ctx context.Context, t *task.Task, who forge.User, p task.Proposal) error {
	var based, held bool
	err := atonce.Do(
		func() (err error) { based, err = e.Git.HoldsBase(ctx, p.Repository, p.BaseCommit); return err },
		func() (err error) { held, err = e.Git.HoldsResult(ctx, resultOf(p)); return err },
	)
	if err != nil || based && held {
		return err
	}
	if err := p.Verify(); err != nil {
		return fmt.Errorf("bring revision %d of task %s here: %w", p.Revision, p.Task, err)
	}
	detail := map[string]any{"node": e.Node, "revision": p.Revision, "digest": p.Digest, "base": p.BaseCommit, "tree": p.Tree}
	if !based {
		if detail["credential"], err = e.fetchBase(ctx, p.Repository, who, p.BaseCommit, p.BaseBranch, p.Task); err != nil {
			return err
		}
	}
	if !held {
		if err := e.importPack(ctx, p); err != nil {
			return fmt.Errorf("bring revision %d of task %s here: %w", p.Revision, p.Task, err)
		}
		if err := e.keepAgain(ctx, t, p); err != nil { // they are for people to fetch; no step needs one
			e.Logger.WarnContext(ctx, "a commit that was kept is not on this server", "task", t.ID, "error", err)
		}
	}
	return e.note(ctx, t, audit.ProposalBrought, detail)
}

// bringNewest does so for the proposal that is up.
func (e *Engine) bringNewest(ctx context.Context, w *work) error {
	p, err := e.Store.Proposal(ctx, w.t.ID)
	if err != nil {
		return fmt.Errorf("read the proposal: %w", err)
	}
	return e.bring(ctx, &w.t, w.t.Requester, p)
}

// fetchBase brings a base that another node fetched before.
func (e *Engine) fetchBase(ctx context.Context, ref forge.RepositoryRef, who forge.User, commit, branch string, id task.ID) (credential string, err error) {
	remote, err := e.remote(ctx, ref, who)
	if err != nil {
		return "", err
	}
	if err := e.Git.FetchBase(ctx, remote, commit, branch, id); err != nil {
		return "", fmt.Errorf("fetch the base of task %s: %w", id, err)
	}
	return remote.Token.Source, nil
}

// bringBase brings the base that was pinned for a task, on another node perhaps.
func (e *Engine) bringBase(ctx context.Context, w *work) error {
	based, err := e.Git.HoldsBase(ctx, w.t.Repository, w.t.BaseCommit)
	if err != nil || based {
		return err
	}
	credential, err := e.fetchBase(ctx, w.t.Repository, w.t.Requester, w.t.BaseCommit, w.t.BaseBranch, w.t.ID)
	if err != nil {
		return err
	}
	return e.note(ctx, &w.t, audit.BaseFetched, map[string]any{
		"branch": w.t.BaseBranch, "commit": w.t.BaseCommit, "credential": credential, "node": e.Node,
	})
}

func (e *Engine) importPack(ctx context.Context, p task.Proposal) error {
	pack, err := e.Store.Pack(ctx, p.Task, p.Revision)
	if errors.Is(err, task.ErrNotFound) {
		return fmt.Errorf("its objects are only on the server that made it, and not in the database: %w", gitops.ErrObjectMissing)
	}
	if err != nil {
		return err
	}
	return e.Git.Import(ctx, resultOf(p), pack)
}

// keepAgain makes the commits again that approvals of the proposal made to be kept.
func (e *Engine) keepAgain(ctx context.Context, t *task.Task, p task.Proposal) error {
	for _, j := range t.Judged {
		if j.Kept == "" {
			continue
		}
		records, err := e.Store.KeptUnder(ctx, j.Kept)
		if err != nil {
			return err
		}
		for _, r := range records {
			if r.Task != p.Task || r.Revision != p.Revision {
				continue
			}
			err := e.Git.CommitAgain(ctx, p.Repository, r.ID, gitops.Landing{
				Tree: p.Tree, Parent: p.BaseCommit, Author: r.Approver, At: r.At, Message: r.Message,
			}, j.Kept)
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// bringCarriers makes the carriers up to a revision's again where this node has not made
// them: the next one follows them.
func (e *Engine) bringCarriers(ctx context.Context, w *work, p task.Proposal) error {
	if p.Carrier == "" {
		return nil
	}
	has, err := e.Git.HoldsCarrier(ctx, p.Repository, p.Task, p.Revision, p.Carrier)
	if err != nil || has {
		return err
	}
	if err := e.bring(ctx, &w.t, w.t.Requester, p); err != nil {
		return err
	}
	former, err := e.Store.ProposalBefore(ctx, p.Task, p.Revision)
	if err != nil && !errors.Is(err, task.ErrNotFound) {
		return err
	}
	if err := e.bringCarriers(ctx, w, former); err != nil {
		return err
	}
	commit, err := e.Git.Carrier(ctx, carrierOf(w.t, p, former))
	if err == nil && commit != p.Carrier {
		err = fmt.Errorf("it is %s here and was %s", commit, p.Carrier)
	}
	if err != nil {
		return fmt.Errorf("make the carrier of revision %d of task %s again: %w", p.Revision, p.Task, err)
	}
	return nil
}

// Between says in what the results of two proposals of a task differ.
func (e *Engine) Between(ctx context.Context, from, to task.Proposal) (gitops.Comparison, error) {
	t, err := e.Store.Task(ctx, to.Task)
	if err != nil {
		return gitops.Comparison{}, fmt.Errorf("read task %s: %w", to.Task, err)
	}
	return e.between(ctx, &t, forge.User{}, from, to)
}

func (e *Engine) between(ctx context.Context, t *task.Task, who forge.User, from, to task.Proposal) (gitops.Comparison, error) {
	for _, p := range []task.Proposal{from, to} {
		if err := e.bring(ctx, t, who, p); err != nil {
			return gitops.Comparison{}, err
		}
	}
	return e.Git.Compare(ctx, gitops.CompareRequest{Repository: to.Repository, From: from.Tree, To: to.Tree})
}

// packing is what is left to keep of proposals that were recorded before their objects
// were kept in the database.
type packing struct {
	mu   sync.Mutex
	read bool
	left map[task.ID][]int
}

// packedAtOnce bounds, in tasks, what one sweep keeps of them.
const packedAtOnce = 20

// keepObjects keeps what this node alone has. Once all is looked at, nothing is left to do
// as long as this process runs.
func (e *Engine) keepObjects(ctx context.Context) error {
	p := &e.packing
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.read {
		left, err := e.Store.ProposalsWithoutPack(ctx)
		if err != nil {
			return err
		}
		p.read, p.left = true, left
	}
	looked := 0
	for id, revisions := range p.left {
		if looked++; looked > packedAtOnce || ctx.Err() != nil {
			break
		}
		delete(p.left, id)
		if err := e.keepObjectsOf(ctx, id, revisions); err != nil {
			e.Logger.WarnContext(ctx, "the objects of a proposal stay on this server alone", "task", id, "error", err)
		}
	}
	return nil
}

func (e *Engine) keepObjectsOf(ctx context.Context, id task.ID, revisions []int) error {
	t, err := e.Store.Task(ctx, id)
	if err != nil || !e.hasOn(&t) {
		return err
	}
	for _, number := range revisions {
		p, err := e.Store.ProposalBefore(ctx, id, number+1)
		if errors.Is(err, task.ErrNotFound) || err == nil && p.Revision != number {
			continue // it was dropped
		}
		if err != nil {
			return err
		}
		held, err := e.Git.HoldsResult(ctx, resultOf(p))
		if err != nil || !held {
			return err
		}
		pack, err := e.Git.Export(ctx, resultOf(p))
		if err != nil {
			return err
		}
		if err := e.Store.InTx(ctx, func(tx Tx) error { return tx.InsertPack(ctx, id, number, pack) }); err != nil {
			return err
		}
	}
	return nil
}
