package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/coderflow/coderflow/internal/atonce"
	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/gitops"
	"github.com/coderflow/coderflow/internal/guestproto"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/present"
	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/secret"
	"github.com/coderflow/coderflow/internal/task"
)

// propose makes a proposal of what the container left and puts it up for
// review: collect, carrier commit, branch, draft pull request.
func (e *Engine) propose(ctx context.Context, w *work) error {
	if err := e.stopped(ctx, &w.t); err != nil {
		return err
	}
	env, err := e.environment(ctx, &w.t)
	if err != nil {
		return err
	}
	defer w.endCollection()
	p, former, err := e.making(ctx, &w.t)
	if errors.Is(err, task.ErrNotFound) {
		p, err = e.makeProposal(ctx, w, env, former)
	}
	if err != nil {
		return err
	}
	if err := e.carry(ctx, w, &p, former); err != nil {
		return err
	}
	if err := e.stillUp(ctx, &w.t); err != nil {
		return err
	}
	var credential string
	var asked pullRequest
	err = atonce.Do(
		func() (err error) { credential, err = e.publish(ctx, w, p, former.Carrier); return err },
		func() (err error) { asked, err = e.askPullRequest(ctx, w, p); return err },
	)
	if err != nil {
		return err
	}
	pr, err := e.openPullRequest(ctx, w, p, asked)
	if err != nil {
		return err
	}
	e.Failpoint(PullRequestOpened)
	w.endCollection() // what comes next may want the workspace
	w.t.PullRequest, w.t.PullRequestURL = pr.Number, pr.URL
	w.t.BaseCommit, w.t.Run.Tree = p.BaseCommit, keptTree(p, former)
	return e.move(ctx, w, task.Proposed, func(tx Tx) error {
		if err := e.revisionProposed(ctx, tx, w, p, former); err != nil {
			return err
		}
		return e.audit(ctx, tx, &w.t, audit.System, audit.ProposalPublished, map[string]any{
			"pullRequest": pr.URL, "draft": pr.Draft, "carrier": p.Carrier, "digest": p.Digest,
			"credential": credential,
		})
	})
}

// keptTree is what the workspace has once the proposal is made. A rebase leaves it with
// the base of before, so that it is no place to go on, even if the tree is the same.
func keptTree(p, former task.Proposal) string {
	if former.BaseCommit != "" && former.BaseCommit != p.BaseCommit {
		return ""
	}
	return p.Tree
}

const lostLayer = "a part of the task's workspace was removed from the Docker engine; `docker volume prune` does that"

// collect turns the workspace into a recorded proposal. Killed anywhere, it is
// done again from the workspace, which nobody writes to any more.
func (e *Engine) collect(ctx context.Context, w *work, env manifest.Environment, former task.Proposal) (task.Proposal, error) {
	look, err := e.leaksOf(ctx, env.Name)
	if err != nil {
		return task.Proposal{}, err
	}
	w.collecting = e.startCollection(ctx, collectSpec(&w.t, env))
	result, err := e.Git.BuildTree(ctx, gitops.BuildRequest{
		Repository: w.t.Repository, Base: w.t.BaseCommit, Task: w.t.ID, Revision: w.t.Round(), Start: w.t.Run.Start,
		Changes: e.collected(w.collecting.next), Watch: look.over, Limits: env.Proposal.Build(),
		AllowSecrets: env.Proposal.SecretPatterns.Allows,
	})
	if look.finish(); look.canary != nil { // whatever else is wrong with the change
		return task.Proposal{}, e.changeTripped(ctx, w, env.Name, look.canary)
	}
	if errors.Is(err, sandbox.ErrBaseMissing) {
		return task.Proposal{}, failed(err, lostLayer)
	}
	if err != nil {
		return task.Proposal{}, collectFailed(err, look.redactor)
	}
	e.Failpoint(TreeBuilt)
	if result.Tree == former.Tree {
		return task.Proposal{}, ended(task.NoChange, "the agent changed nothing of what was proposed before")
	}
	return e.recordProposal(ctx, w, w.t.BaseCommit, result, former)
}

// collecting is a collection that is being started while git gets ready for it.
type collecting struct {
	started    chan struct{} // closed once there is one, or why there is none
	collection sandbox.Collection
	err        error
}

func (e *Engine) startCollection(ctx context.Context, spec sandbox.CollectSpec) *collecting {
	c := &collecting{started: make(chan struct{})}
	go func() {
		defer close(c.started)
		if c.collection, c.err = e.Sandbox.Collect(ctx, spec); c.err != nil {
			c.err = fmt.Errorf("collect the workspace: %w", c.err)
		}
	}()
	return c
}

// endCollection removes what collected, which nobody has to wait for before the pull request is there.
func (w *work) endCollection() {
	if w.collecting == nil {
		return
	}
	if <-w.collecting.started; w.collecting.err == nil {
		_ = w.collecting.collection.Close() // what is left of it goes with the workspace
	}
	w.collecting = nil
}

// next returns io.EOF after the last record.
func (c *collecting) next() (guestproto.Record, error) {
	if <-c.started; c.err != nil {
		return guestproto.Record{}, c.err
	}
	return c.collection.Next()
}

func collectSpec(t *task.Task, env manifest.Environment) sandbox.CollectSpec {
	return sandbox.CollectSpec{
		Volume: VolumeOf(t), Image: env.Agent.Image, Limits: env.Proposal.Collect(),
		Labels: sandbox.Labels{Task: string(t.ID), Purpose: "collect"},
	}
}

// recordProposal stores what was made of a base as the revision's proposal.
func (e *Engine) recordProposal(ctx context.Context, w *work, base string, result gitops.Result, former task.Proposal) (task.Proposal, error) {
	p := task.Proposal{
		Task: w.t.ID, Revision: w.t.Round(), Repository: w.t.Repository, BaseBranch: w.t.BaseBranch, BaseCommit: base,
		Tree: result.Tree, Manifest: result.Manifest, Diff: result.Diff, Ignored: result.Ignored, Risks: result.Risks,
		Message: present.ProposedMessage(w.t), PolicyVersion: w.t.PolicyVersion,
		CreatedAt: e.Now().UTC().Truncate(time.Second),
	}
	p.Digest = p.ComputeDigest()
	var pack []byte
	w.carrier = ""
	err := atonce.Do(func() (err error) {
		if pack, err = e.Git.Export(ctx, resultOf(p)); err != nil {
			return fmt.Errorf("pack the proposal: %w", err)
		}
		return nil
	}, func() (err error) {
		if p.Revision == 1 { // no former carrier has to be brought first
			w.carrier, err = e.makeCarrier(ctx, w, p, former)
		}
		return err
	})
	if err != nil {
		return task.Proposal{}, err
	}
	if w.carrier != "" {
		e.Failpoint(CarrierMade)
	}
	err = e.Store.InTx(ctx, func(tx Tx) error {
		if err := tx.InsertProposal(ctx, p); err != nil {
			return err
		}
		if err := tx.InsertPack(ctx, p.Task, p.Revision, pack); err != nil { // or there is no proposal
			return err
		}
		err := e.audit(ctx, tx, &w.t, audit.System, audit.ProposalRecorded, map[string]any{
			"revision": p.Revision, "base": p.BaseCommit, "tree": p.Tree, "digest": p.Digest, "paths": len(p.Manifest), "ignored": p.Ignored,
			"risks": risksByName(p.Risks),
		})
		if err != nil || w.carrier == "" {
			return err
		}
		return e.recordCarrier(ctx, tx, w, p, w.carrier)
	})
	if err != nil {
		return task.Proposal{}, fmt.Errorf("record the proposal: %w", err)
	}
	p.Carrier = w.carrier
	e.Failpoint(ProposalRecorded)
	return p, nil
}

// collected feeds a collection to git. Only the trailer proves that it is whole,
// and BuildTree uses nothing before the sequence ended without an error.
func (e *Engine) collected(next func() (guestproto.Record, error)) iter.Seq2[gitops.Change, error] {
	kinds := map[guestproto.Kind]gitops.ChangeKind{
		guestproto.KindFile: gitops.Regular, guestproto.KindExecutable: gitops.Executable,
		guestproto.KindSymlink: gitops.Symlink, guestproto.KindDeleted: gitops.Deleted,
		guestproto.KindNestedGit: gitops.NestedGit,
	}
	return func(yield func(gitops.Change, error) bool) {
		for {
			record, err := next()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(gitops.Change{}, err)
				return
			}
			kind, known := kinds[record.Kind]
			if !known {
				kind = gitops.Special
			}
			if !yield(gitops.Change{Path: record.Path, Kind: kind, Size: record.Size, Content: record.Content}, nil) {
				return
			}
			e.Failpoint(ChangeRead)
		}
	}
}

// collectFailed names what no approval can lift. The names of files are the
// agent's: they may be secrets.
func collectFailed(err error, r *secret.Redactor) error {
	leak, refused, limit := (*LeakError)(nil), (*gitops.RefusedError)(nil), (*guestproto.LimitError)(nil)
	switch {
	case errors.Is(err, gitops.ErrNoChange):
		return ended(task.NoChange, "the agent changed nothing")
	case errors.As(err, &refused):
		text, _ := r.Redact(refused.Error())
		return ended(task.Refused, "%s", text)
	case errors.As(err, &leak):
		return ended(task.Refused, "%s", leak.Error())
	case errors.As(err, &limit):
		return ended(task.Refused, "%s", limit.Error())
	}
	return fmt.Errorf("build the tree: %w", err)
}

// carry makes the inert commit. Its dates are the proposal's, so that a second
// try makes the same one.
func (e *Engine) carry(ctx context.Context, w *work, p *task.Proposal, former task.Proposal) error {
	if p.Carrier != "" {
		return nil
	}
	if err := e.bringCarriers(ctx, w, former); err != nil {
		return err
	}
	commit, err := e.makeCarrier(ctx, w, *p, former)
	if err != nil {
		return err
	}
	e.Failpoint(CarrierMade)
	p.Carrier = commit
	return e.Store.InTx(ctx, func(tx Tx) error { return e.recordCarrier(ctx, tx, w, *p, commit) })
}

func (e *Engine) recordCarrier(ctx context.Context, tx Tx, w *work, p task.Proposal, commit string) error {
	if err := tx.SetCarrier(ctx, p.Task, p.Revision, commit); err != nil {
		return err
	}
	return e.audit(ctx, tx, &w.t, audit.System, audit.ProposalIntent, map[string]any{"carrier": commit, "digest": p.Digest})
}

func (e *Engine) makeCarrier(ctx context.Context, w *work, p, former task.Proposal) (string, error) {
	commit, err := e.Git.Carrier(ctx, carrierOf(w.t, p, former))
	if err != nil {
		return "", fmt.Errorf("make the carrier commit: %w", err)
	}
	return commit, nil
}

// carrierOf says what a proposal's carrier is. All of it is recorded, so that it is the
// same commit on every node.
func carrierOf(t task.Task, p, former task.Proposal) gitops.CarrierRequest {
	return gitops.CarrierRequest{
		Repository: p.Repository, Base: p.BaseCommit, Task: p.Task, Revision: p.Revision,
		Previous: former.Carrier, PreviousBase: former.BaseCommit, Patch: p.Diff, Subject: carrierSubject(t, p), Date: p.CreatedAt,
	}
}

func carrierSubject(t task.Task, p task.Proposal) string {
	subject := fmt.Sprintf("Proposal %s for issue %d", p.Task, t.Issue)
	if p.Revision > 1 {
		subject += fmt.Sprintf(", revision %d", p.Revision)
	}
	return subject
}

// publish pushes the proposal branch over where it was before and names the credential
// that did.
func (e *Engine) publish(ctx context.Context, w *work, p task.Proposal, before string) (credential string, err error) {
	token, err := source{e: e, who: w.t.Requester, own: proposalOf(w.t.ID)}.PushToken(ctx, p.Repository)
	if refused := (*CredentialError)(nil); errors.As(err, &refused) {
		return "", failed(err, "%v; whoever looks after the server can renew it", refused)
	}
	if err != nil {
		return "", fmt.Errorf("get a token to publish the proposal: %w", err)
	}
	remote := gitops.Remote{Repository: p.Repository, URL: e.Forge.GitURL(p.Repository), Token: token}
	err = e.Git.PublishProposal(ctx, remote, p.Task, p.Carrier, before)
	moved, refused := (*gitops.MovedError)(nil), (*gitops.PushRefusedError)(nil)
	switch {
	case errors.As(err, &moved) && before != "":
		return "", failed(err, "somebody else moved the branch %s meanwhile; nothing was pushed", w.t.ID.Branch())
	case errors.As(err, &moved):
		return "", failed(err, "the branch %s exists already and is not ours", w.t.ID.Branch())
	case errors.As(err, &refused):
		return "", failed(err, "the forge refused the proposal branch: %s", refused.Words)
	case err != nil:
		return "", fmt.Errorf("publish the proposal: %w", err)
	}
	e.Failpoint(ProposalPushed)
	return token.Source, nil
}
