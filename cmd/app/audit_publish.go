package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

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

	// asking is held by who asks the forge: nobody who signs or reads waits for it, once
	// the branch was read.
	asking *semaphore.Weighted

	mu     sync.Mutex // of what follows: the branch as it was read last
	looked bool
	head   string // empty: there is no such branch
	note   []byte
}

// checkpointGit is what of git it needs.
type checkpointGit interface {
	Checkpoint(ctx context.Context, remote gitops.Remote, branch string) (head string, note []byte, err error)
	PublishCheckpoint(ctx context.Context, r gitops.CheckpointRequest) (commit string, err error)
}

// Bounds of what is asked of the forge. The first signature waits for a look.
const (
	lookTimeout = 30 * time.Second
	pushTimeout = 2 * time.Minute
)

// newCheckpointBranch is nil if nothing is to be published.
func newCheckpointBranch(p *config.Publish, git checkpointGit, tokens forge.TokenSource) *checkpointBranch {
	if p == nil {
		return nil
	}
	return &checkpointBranch{git: git, forge: tokens, ref: p.Repository, branch: p.Branch, asking: semaphore.NewWeighted(1)}
}

// errNotLooked is a branch of which nothing is known, or nothing good.
var errNotLooked = errors.New("the audit log is not signed: the published checkpoints were not read yet")

// newest is the note that the branch had when it was read.
func (b *checkpointBranch) newest() ([]byte, error) {
	if b == nil {
		return nil, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.looked {
		return nil, errNotLooked
	}
	return b.note, nil
}

// set keeps what the branch has.
func (b *checkpointBranch) set(looked bool, head string, note []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.looked, b.head, b.note = looked, head, note
}

// look reads the branch if it was not read yet.
func (b *checkpointBranch) look(ctx context.Context) error {
	if _, err := b.newest(); err == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	if err := b.asking.Acquire(ctx, 1); err != nil {
		return fmt.Errorf("%w: %w", errNotLooked, err)
	}
	defer b.asking.Release(1)
	if _, err := b.newest(); err == nil { // somebody else did meanwhile
		return nil
	}
	return b.read(ctx)
}

// read reads the branch, for who holds asking. A branch that has something else, or
// that is gone, is not looked past: somebody was there.
func (b *checkpointBranch) read(ctx context.Context) error {
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
		b.set(false, b.head, nil)
		return fmt.Errorf("the audit log is not signed any more: %w", err)
	case err != nil && !errors.Is(err, gitops.ErrNoBranch):
		return fmt.Errorf("read the published checkpoints of the audit log: %w", err)
	}
	b.set(true, head, note)
	return nil
}

func (b *checkpointBranch) remote(token forge.Token) gitops.Remote {
	return gitops.Remote{Repository: b.ref, URL: b.forge.GitURL(b.ref), Token: token}
}

// Publish signs what the log has now and pushes it, if the branch does not have it.
// It refuses what Sign refuses, by what the branch has too.
func (w *witness) Publish(ctx context.Context) error {
	b := w.elsewhere
	if b == nil {
		return nil
	}
	if err := b.asking.Acquire(ctx, 1); err != nil {
		return err
	}
	defer b.asking.Release(1)
	if err := b.read(ctx); err != nil {
		return err
	}
	if err := w.signNow(ctx); err != nil {
		return err
	}
	note := w.Checkpoint()
	signed, err := w.newest(note)
	if err != nil {
		return err
	}
	published, err := w.newest(b.note)
	if err != nil || signed.Size <= published.Size {
		return err
	}
	return b.push(ctx, note, signed.Size)
}

func (b *checkpointBranch) push(ctx context.Context, note []byte, size int64) error {
	ctx, cancel := context.WithTimeout(ctx, pushTimeout)
	defer cancel()
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
	b.set(true, commit, note)
	return nil
}
