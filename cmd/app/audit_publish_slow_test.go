package main

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/gitops"
	"github.com/coderflow/coderflow/internal/store/storetest"
)

// stuckBranch is at a forge that takes requests and does not answer.
type stuckBranch struct {
	*heldBranch
	stuck   chan struct{} // gets one for each
	bounded chan bool     // whether the request had a deadline
}

func (b *stuckBranch) wait(ctx context.Context) error {
	_, bounded := ctx.Deadline()
	b.bounded <- bounded
	b.stuck <- struct{}{}
	<-ctx.Done()
	return ctx.Err()
}

func (b *stuckBranch) PublishCheckpoint(ctx context.Context, _ gitops.CheckpointRequest) (string, error) {
	return "", b.wait(ctx)
}

// Receipts and entries with their proofs do not wait for the forge.
func TestNobodyWaitsForACheckpointThatIsBeingPublished(t *testing.T) {
	t.Parallel()
	s, branch := storetest.SQLite(t), &heldBranch{}
	w := publishing(t, served(t, ""), s, branch)
	if err := errors.Join(writeEntry(t.Context(), s), w.Sign(t.Context())); err != nil {
		t.Fatal(err)
	}
	forge := &stuckBranch{branch, make(chan struct{}, 1), make(chan bool, 1)}
	w.elsewhere.git = forge
	publishing, stop := context.WithCancel(t.Context())
	published := make(chan error, 1)
	go func() { published <- w.Publish(publishing) }()
	<-forge.stuck
	if !<-forge.bounded {
		t.Error("the push may last for ever")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // ends a test that fails
	defer cancel()
	if _, c, err := w.Covering(ctx, 1); err != nil || c.Size != 1 {
		t.Errorf("an entry that was signed long ago: %+v %v", c, err)
	}
	if err := writeEntry(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if _, c, err := w.Covering(ctx, 2); err != nil || c.Size != 2 {
		t.Errorf("a new entry: %+v %v", c, err)
	}
	stop()
	if err := <-published; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// Who waits for a signature goes when the request does.
func TestARequestDoesNotOutliveItsDeadlineAtTheLog(t *testing.T) {
	t.Parallel()
	s := storetest.SQLite(t)
	w := publishing(t, served(t, ""), s, &heldBranch{})
	if err := errors.Join(writeEntry(t.Context(), s), w.Sign(t.Context()), writeEntry(t.Context(), s)); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.signing.Acquire(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.Covering(ended, 2); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	w.signing.Release(1)
	if err := w.elsewhere.asking.Acquire(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	defer w.elsewhere.asking.Release(1)
	w.elsewhere.doubt()
	if _, _, err := w.Covering(ended, 2); !errors.Is(err, errNotLooked) {
		t.Errorf("before the branch was read: %v", err)
	}
}
