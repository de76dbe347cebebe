package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/config"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/gitops"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
)

// heldBranch is a branch of checkpoints at a forge that nobody here can change.
type heldBranch struct {
	notes [][]byte
	fails error
	read  int
}

func (b *heldBranch) Checkpoint(_ context.Context, _ gitops.Remote, _ string, before ...string) (string, []byte, error) {
	b.read++
	if b.fails != nil || len(b.notes) == 0 {
		return "", nil, errors.Join(b.fails, map[bool]error{true: gitops.ErrNoBranch}[b.fails == nil])
	}
	for _, commit := range before {
		var n int
		if _, err := fmt.Sscanf(commit, "commit%d", &n); err != nil || n > len(b.notes) {
			return "", nil, gitops.ErrSetBack
		}
	}
	return fmt.Sprint("commit", len(b.notes)), b.notes[len(b.notes)-1], nil
}

func (b *heldBranch) PublishCheckpoint(_ context.Context, r gitops.CheckpointRequest) (string, error) {
	if want := map[bool]string{false: fmt.Sprint("commit", len(b.notes))}[len(b.notes) == 0]; r.Parent != want {
		return "", &gitops.MovedError{Ref: r.Branch, Expected: r.Parent, Found: want}
	}
	b.notes = append(b.notes, r.Note)
	return fmt.Sprint("commit", len(b.notes)), nil
}

type anyToken struct{}

func (anyToken) ReadToken(context.Context, forge.RepositoryRef) (forge.Token, error) {
	return forge.Token{}, nil
}
func (anyToken) PushToken(context.Context, forge.RepositoryRef) (forge.Token, error) {
	return forge.Token{}, nil
}
func (anyToken) GitURL(forge.RepositoryRef) string { return "https://forge.test/acme/evidence.git" }

func publishing(t *testing.T, cfg config.Config, s *store.Store, b *heldBranch) *witness {
	t.Helper()
	w, err := openWitness(t.Context(), cfg, s, true)
	if err != nil {
		t.Fatal(err)
	}
	w.publishTo(&config.Publish{Branch: "coderflow-audit"}, b, anyToken{})
	return w
}

// Somebody owns the database, the data directory and so the key, and writes the log
// anew with all that belongs to it. The branch is elsewhere.
func TestThreat54ALogThatWasWrittenAnewWithItsKeyMeetsWhatWasPublished(t *testing.T) {
	t.Parallel()
	s, cfg, branch := storetest.SQLite(t), served(t, ""), &heldBranch{}
	w := publishing(t, cfg, s, branch)
	for range 3 {
		if err := errors.Join(writeEntry(t.Context(), s), w.Publish(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Publish(t.Context()); err != nil || len(branch.notes) != 3 {
		t.Fatalf("%d notes, %v", len(branch.notes), err)
	}
	if c, err := audit.OpenCheckpoint(branch.notes[2], w.PublicKey()); err != nil || c.Size != 3 {
		t.Errorf("%+v %v", c, err)
	}
	anew := storetest.SQLite(t)
	for range 5 {
		if err := anew.InTx(t.Context(), func(tx *store.Tx) error {
			return tx.Audit(t.Context(), audit.Entry{Actor: "eve", Action: audit.TaskMoved})
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(filepath.Join(cfg.DataDir, auditCheckpointFile)); err != nil {
		t.Fatal(err)
	}
	forged := publishing(t, cfg, anew, branch)
	for name, sign := range map[string]func(context.Context) error{"publish": forged.Publish, "sign": forged.Sign} {
		if err := sign(t.Context()); !errors.Is(err, errRewritten) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := forged.Covering(t.Context(), 1); !errors.Is(err, errRewritten) || len(branch.notes) != 3 {
		t.Errorf("it vouches for the new log: %v", err)
	}
}

// Before the branch was read nothing is signed; once it was, the forge may be away.
func TestNothingIsSignedBeforeThePublishedCheckpointsAreRead(t *testing.T) {
	t.Parallel()
	s, branch := storetest.SQLite(t), &heldBranch{fails: errors.New("the forge is away")}
	w := publishing(t, served(t, ""), s, branch)
	if err := writeEntry(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if err := w.Sign(t.Context()); err == nil || w.Checkpoint() != nil {
		t.Errorf("signed: %v", err)
	}
	branch.fails = nil
	if err := errors.Join(w.Sign(t.Context()), w.Publish(t.Context())); err != nil || len(branch.notes) != 1 {
		t.Fatal(err)
	}
	branch.fails = errors.New("the forge is away again")
	if err := errors.Join(writeEntry(t.Context(), s), w.Sign(t.Context())); err != nil || !strings.Contains(string(w.Checkpoint()), "\n2\n") {
		t.Errorf("not signed while the forge is away: %v\n%s", err, w.Checkpoint())
	}
	if err := w.Publish(t.Context()); err == nil {
		t.Error("published while the forge is away")
	}
	branch.fails, branch.notes = nil, nil
	if err := w.Publish(t.Context()); err == nil || !strings.Contains(err.Error(), "is gone") {
		t.Errorf("the branch was removed: %v", err)
	}
	branch.notes = [][]byte{[]byte("not ours\n")}
	if err := errors.Join(w.Publish(t.Context())); !errors.Is(err, audit.ErrCheckpoint) {
		t.Errorf("somebody else's note: %v", err)
	}
	branch.fails = gitops.ErrNotCheckpoints
	if err := w.Publish(t.Context()); !errors.Is(err, gitops.ErrNotCheckpoints) {
		t.Error(err)
	}
	if err := errors.Join(writeEntry(t.Context(), s), w.Sign(t.Context())); !errors.Is(err, gitops.ErrNotCheckpoints) {
		t.Errorf("signed beside what somebody else put there: %v", err)
	}
}

// What another server published is taken for this one's, too.
func TestServersPublishOneHistory(t *testing.T) {
	t.Parallel()
	s, cfg, branch := storetest.SQLite(t), served(t, ""), &heldBranch{}
	one := publishing(t, cfg, s, branch)
	two := publishing(t, served(t, cfg.DataDir), s, branch)
	for _, w := range []*witness{one, two, one, two, two} {
		if err := errors.Join(writeEntry(t.Context(), s), w.Publish(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	if len(branch.notes) != 5 {
		t.Errorf("%d notes", len(branch.notes))
	}
}
