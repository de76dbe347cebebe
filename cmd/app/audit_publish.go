package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/config"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/gitops"
	"github.com/coderflow/coderflow/internal/store"
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

	// open checks the signature of a note.
	open func(note []byte) (audit.Checkpoint, error)
	// memory outlives this process.
	memory branchMemory

	mu     sync.Mutex // of what follows: the branch as it was read last
	looked bool
	head   string // empty: there is no such branch
	note   []byte
	size   int64 // of the log, as the note says
}

// checkpointGit is what of git it needs.
type checkpointGit interface {
	Checkpoint(ctx context.Context, remote gitops.Remote, branch string, before ...string) (head string, note []byte, err error)
	PublishCheckpoint(ctx context.Context, r gitops.CheckpointRequest) (commit string, err error)
}

// Bounds of what is asked of the forge. The first signature waits for a look.
const (
	lookTimeout = 30 * time.Second
	pushTimeout = 2 * time.Minute
)

// publishTo has checkpoints published, if there is something to publish to.
func (w *witness) publishTo(p *config.Publish, git checkpointGit, tokens forge.TokenSource) {
	if p == nil {
		return
	}
	w.elsewhere = &checkpointBranch{
		git: git, forge: tokens, ref: p.Repository, branch: p.Branch, asking: semaphore.NewWeighted(1),
		open: w.newest, memory: branchMemory{w.db, filepath.Join(w.dir, auditPublishedFile)},
	}
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
func (b *checkpointBranch) set(p store.Published) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.looked, b.head, b.note, b.size = true, p.Head, p.Note, p.Size
}

// doubt has nothing signed until the branch was read again.
func (b *checkpointBranch) doubt() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.looked = false
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

// read reads the branch, for who holds asking. A branch that has something else, that
// is gone, or that is not on top of what it was when it was read last, also before this
// process began, is not looked past: somebody was there.
func (b *checkpointBranch) read(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	// Before the forge is asked: what others publish meanwhile is on top of it.
	before, err := b.memory.recall(ctx, b.ref.Key(), b.branch)
	if err != nil {
		return err
	}
	if b.head != "" {
		before = append(before, store.Published{Head: b.head, Size: b.size})
	}
	token, err := b.forge.ReadToken(ctx, b.ref)
	if err != nil {
		return fmt.Errorf("get a token to read the published checkpoints: %w", err)
	}
	head, note, err := b.git.Checkpoint(ctx, b.remote(token), b.branch, heads(before)...)
	if errors.Is(err, gitops.ErrNoBranch) && len(before) == 0 {
		b.set(store.Published{})
		return nil
	}
	var found store.Published
	if err == nil {
		found, err = b.judge(head, note, before)
	}
	var suspect *suspectBranchError
	err = b.suspicion(err, before)
	if errors.As(err, &suspect) {
		b.doubt()
		return err
	}
	if err != nil {
		return fmt.Errorf("read the published checkpoints of the audit log: %w", err)
	}
	b.set(found)
	return nil
}

// suspectBranchError is a branch that somebody wrote to, or removed.
type suspectBranchError struct{ err error }

// Error implements error.
func (e *suspectBranchError) Error() string {
	return "the audit log is not signed any more: " + e.err.Error() +
		". Find out who did that; audit.publish can name another branch, the former one is evidence"
}

// Unwrap gives what is wrong with it.
func (e *suspectBranchError) Unwrap() error { return e.err }

// suspicion is an error of reading the branch, told apart from a forge that is away.
func (b *checkpointBranch) suspicion(err error, before []store.Published) error {
	switch {
	case errors.Is(err, gitops.ErrNoBranch):
		return &suspectBranchError{fmt.Errorf("branch %s of %s, with the published checkpoints of the audit log, is gone; restore it: it was at commit %s",
			b.branch, b.ref.FullName(), before[len(before)-1].Head)}
	case errors.Is(err, gitops.ErrNotCheckpoints), errors.Is(err, gitops.ErrSetBack):
		var already *suspectBranchError
		if !errors.As(err, &already) {
			return &suspectBranchError{err}
		}
	}
	return err
}

// judge checks that the note is of this log's key, and of no smaller a log than before: a
// commit with an older note is on top of what was there, too.
func (b *checkpointBranch) judge(head string, note []byte, before []store.Published) (store.Published, error) {
	c, err := b.open(note)
	if err != nil {
		return store.Published{}, &suspectBranchError{fmt.Errorf("branch %s of %s: %w", b.branch, b.ref.FullName(), err)}
	}
	for _, p := range before {
		if c.Size < p.Size {
			return store.Published{}, &suspectBranchError{fmt.Errorf("branch %s of %s has a checkpoint of %d entries, and had one of %d: %w",
				b.branch, b.ref.FullName(), c.Size, p.Size, gitops.ErrSetBack)}
		}
	}
	return store.Published{Repository: b.ref.Key(), Branch: b.branch, Head: head, Size: c.Size, Note: note}, nil
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
	// The log leads on from it, or nothing would have been signed.
	if err := b.remember(ctx, b.head, b.size, b.note); err != nil {
		return err
	}
	note := w.Checkpoint()
	signed, err := w.newest(note)
	if err != nil || signed.Size <= b.size {
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
	return b.remember(ctx, commit, size, note)
}

// remember keeps where the branch is, for this process and for those after it.
func (b *checkpointBranch) remember(ctx context.Context, head string, size int64, note []byte) error {
	if head == "" {
		return nil
	}
	p := store.Published{Repository: b.ref.Key(), Branch: b.branch, Head: head, Size: size, Note: note}
	b.set(p)
	return b.memory.keep(ctx, p)
}
