package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coderflow/coderflow/internal/config"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/gitops"
)

// checkpointBranch is a branch at the forge with checkpoints of the audit log. Whoever
// writes the log anew does not reach it: what it has must lead to what is signed next.
type checkpointBranch struct {
	git    checkpointGit
	forge  forge.TokenSource
	ref    forge.RepositoryRef
	branch string

	// As it was read last; under the witness's lock.
	looked bool
	head   string // empty: there is no such branch
	note   []byte
}

// checkpointGit is what of git it needs.
type checkpointGit interface {
	Checkpoint(ctx context.Context, remote gitops.Remote, branch string) (head string, note []byte, err error)
	PublishCheckpoint(ctx context.Context, r gitops.CheckpointRequest) (commit string, err error)
}

// lookTimeout bounds a look at the branch: signing waits for the first one.
const lookTimeout = 30 * time.Second

// newCheckpointBranch is nil if nothing is to be published.
func newCheckpointBranch(p *config.Publish, git checkpointGit, tokens forge.TokenSource) *checkpointBranch {
	if p == nil {
		return nil
	}
	return &checkpointBranch{git: git, forge: tokens, ref: p.Repository, branch: p.Branch}
}

// newest is the note that the branch had when it was read.
func (b *checkpointBranch) newest() []byte {
	if b == nil {
		return nil
	}
	return b.note
}

// look reads the branch, the first time or again. A branch that has something else,
// or that is gone, is not looked past: somebody was there.
func (b *checkpointBranch) look(ctx context.Context, again bool) error {
	if b == nil || b.looked && !again {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	token, err := b.forge.ReadToken(ctx, b.ref)
	if err != nil {
		return fmt.Errorf("get a token to read the published checkpoints: %w", err)
	}
	head, note, err := b.git.Checkpoint(ctx, b.remote(token), b.branch)
	switch {
	case errors.Is(err, gitops.ErrNoBranch) && b.head != "":
		return fmt.Errorf("branch %s of %s, with the published checkpoints of the audit log, is gone; restore it: it was at commit %s", b.branch, b.ref.FullName(), b.head)
	case errors.Is(err, gitops.ErrNotCheckpoints):
		b.looked = false
		return fmt.Errorf("the audit log is not signed any more: %w", err)
	case err != nil && !errors.Is(err, gitops.ErrNoBranch):
		return fmt.Errorf("read the published checkpoints of the audit log: %w", err)
	}
	b.looked, b.head, b.note = true, head, note
	return nil
}

func (b *checkpointBranch) remote(token forge.Token) gitops.Remote {
	return gitops.Remote{Repository: b.ref, URL: b.forge.GitURL(b.ref), Token: token}
}

// Publish signs what the log has now and pushes it, if the branch does not have it.
// It refuses what Sign refuses, by what the branch has too.
func (w *witness) Publish(ctx context.Context) error {
	if w.elsewhere == nil {
		return nil
	}
	w.signing.Lock()
	defer w.signing.Unlock()
	if err := w.elsewhere.look(ctx, true); err != nil {
		return err
	}
	if err := w.sign(ctx); err != nil {
		return err
	}
	signed, err := w.newest(w.last)
	if err != nil {
		return err
	}
	published, err := w.newest(w.elsewhere.note)
	if err != nil || signed.Size <= published.Size {
		return err
	}
	return w.elsewhere.push(ctx, w.last, signed.Size)
}

func (b *checkpointBranch) push(ctx context.Context, note []byte, size int64) error {
	token, err := b.forge.PushToken(ctx, b.ref)
	if err != nil {
		return fmt.Errorf("get a token to publish a checkpoint: %w", err)
	}
	commit, err := b.git.PublishCheckpoint(ctx, gitops.CheckpointRequest{
		Remote: b.remote(token), Branch: b.branch, Parent: b.head, Note: note, Size: size, Date: time.Now(),
	})
	if err != nil {
		return fmt.Errorf("publish the checkpoint of %d audit entries: %w", size, err)
	}
	b.head, b.note = commit, note
	return nil
}
