package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/mod/sumdb/tlog"
	"golang.org/x/sync/semaphore"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/config"
	"github.com/coderflow/coderflow/internal/engine"
	"github.com/coderflow/coderflow/internal/store"
)

// witness signs the audit log as it grows. The key and the newest checkpoint are
// beside the database, so that whoever changes the one does not change the other.
type witness struct {
	db      *store.Store
	key     audit.Key
	publics []string // of the log's key and of those before it
	dir     string
	signs   bool // as a server does; a command of the operator uses what was signed
	// at, if set, is called at [engine.Failpoints].
	at func(engine.Failpoint)

	// elsewhere is where checkpoints are published; nil: nowhere.
	elsewhere *checkpointBranch

	signing *semaphore.Weighted // one signs at a time; never held while the forge is asked
	mu      sync.Mutex          // of last
	last    []byte              // the newest note; written by who signs
}

// Files of the data directory.
const (
	auditKeyFile        = "audit.key"
	auditCheckpointFile = "audit.checkpoint"
)

// openWitness reads the log's key, and refuses another one than the log's. A server makes
// it at the first start of the first one, and alone signs: it has claimed the data
// directory, and looks at what was published.
func openWitness(ctx context.Context, cfg config.Config, db *store.Store, server bool) (*witness, error) {
	path := filepath.Join(cfg.DataDir, auditKeyFile)
	publics, err := db.AuditKeys(ctx)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, os.ErrNotExist) && len(publics) > 0:
		return nil, &foreignKeyError{path: path, want: publics[0]}
	case errors.Is(err, os.ErrNotExist) && server:
		text, err = makeAuditKey(cfg.PublicURL, path)
	}
	if err != nil {
		return nil, fmt.Errorf("the key of the audit log: %w", err)
	}
	key, err := audit.ParseKey(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	w := &witness{db: db, key: key, publics: publics, dir: cfg.DataDir, signs: server, signing: semaphore.NewWeighted(1)}
	if w.last, err = os.ReadFile(w.path()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("read the newest checkpoint of the audit log: %w", err)
	}
	if server {
		return w, w.join(ctx)
	}
	if len(publics) == 0 {
		w.publics = []string{key.Public()}
	}
	return w, w.ownKey()
}

// makeAuditKey makes a key that is named after the server's public address.
func makeAuditKey(address, path string) ([]byte, error) {
	name := "coderflow"
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		name = u.Host
	}
	private, err := audit.NewKey(name + "/audit")
	if err != nil {
		return nil, err
	}
	return []byte(private), replaceDurably(path, []byte(private))
}

func (w *witness) path() string { return filepath.Join(w.dir, auditCheckpointFile) }

// errOnlyServers is a signature that was wanted of a command.
var errOnlyServers = errors.New("only a server signs the audit log")

// notSignedError is an entry that no checkpoint has yet.
type notSignedError struct{ entry, signed int64 }

// Error implements error.
func (e *notSignedError) Error() string {
	return fmt.Sprintf("audit entry %d is not signed yet (%d entries are): the server signs once a minute while it runs, and when it stops; try again then",
		e.entry, e.signed)
}

// errRewritten is a log that is not what this server signed before.
var errRewritten = errors.New("the audit log is not the one that was signed before, and is not signed any more; run coderflow audit verify")

// Sign makes a checkpoint of what the log has now, if it grew. It signs nothing
// that what it signed before does not lead to.
func (w *witness) Sign(ctx context.Context) error {
	if err := w.elsewhere.look(ctx); err != nil {
		return err
	}
	return w.signNow(ctx)
}

// signNow is Sign by what is known of the branch.
func (w *witness) signNow(ctx context.Context) error {
	if err := w.signing.Acquire(ctx, 1); err != nil {
		return fmt.Errorf("wait for another signature of the audit log: %w", err)
	}
	defer w.signing.Release(1)
	return w.sign(ctx)
}

func (w *witness) sign(ctx context.Context) error {
	if !w.signs {
		return errOnlyServers
	}
	published, err := w.elsewhere.newest()
	if err != nil {
		return err
	}
	// In this order: another server may sign in between, and what it signed is not
	// more than the log then has.
	stored, err := w.db.LastCheckpoint(ctx)
	if err != nil {
		return err
	}
	size, root, err := w.db.AuditHead(ctx)
	if err != nil {
		return err
	}
	newest, signed, err := w.leadsOn(ctx, size, w.last, stored, published)
	if err != nil {
		return err
	}
	if newest == nil || signed < size {
		if newest, err = w.key.Sign(size, root); err != nil {
			return err
		}
		if err := w.save(ctx, size, newest); err != nil {
			return err
		}
	}
	return w.keep(newest)
}

// save stores a note in the database, which never gives one up: only if the key that is
// in force then signed it. The key may have been changed since this server started.
func (w *witness) save(ctx context.Context, size int64, note []byte) error {
	return w.db.InTx(ctx, func(tx *store.Tx) error {
		public, err := tx.AuditKeyInForce(ctx)
		if err != nil {
			return err
		}
		if _, err := audit.OpenCheckpoint(note, public); err != nil {
			return &foreignKeyError{path: filepath.Join(w.dir, auditKeyFile), want: public, have: w.key.Public()}
		}
		return tx.SaveCheckpoint(ctx, size, note)
	})
}

// keep writes the newest note beside the database; another server may have signed it.
func (w *witness) keep(newest []byte) error {
	if bytes.Equal(newest, w.last) {
		return nil
	}
	if w.at != nil {
		w.at(engine.CheckpointStored)
	}
	if err := replaceDurably(w.path(), newest); err != nil {
		return fmt.Errorf("keep the newest checkpoint of the audit log: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = newest
	return nil
}

// Covering is a signed checkpoint of a log that has the entry: the newest if it
// reaches that far, else one that is signed now. It refuses what Sign refuses. Outside
// a server nothing is signed, and it fails with *notSignedError.
func (w *witness) Covering(ctx context.Context, entry int64) (signed []byte, c audit.Checkpoint, err error) {
	entry = max(entry, 1) // a checkpoint of nothing covers nothing
	if !w.signs {
		if signed, c, err = w.newestStored(ctx); err == nil && c.Size < entry {
			err = &notSignedError{entry, c.Size}
		}
		return signed, c, err
	}
	if c, err = w.newest(w.Checkpoint()); err == nil && c.Size >= entry {
		return w.Checkpoint(), c, nil
	}
	if err := w.Sign(ctx); err != nil {
		return nil, c, err
	}
	stored, err := w.db.LastCheckpoint(ctx) // another server's may reach further than this one's file
	if err != nil {
		return nil, c, err
	}
	for _, signed := range [][]byte{w.Checkpoint(), stored} {
		if c, err = w.newest(signed); err == nil && c.Size >= entry {
			return signed, c, nil
		}
	}
	return nil, c, errors.Join(fmt.Errorf("the audit log has no entry %d yet", entry), err)
}

// newest opens a checkpoint of this log; nil is one of nothing.
func (w *witness) newest(signed []byte) (audit.Checkpoint, error) {
	if len(signed) == 0 {
		return audit.Checkpoint{}, nil
	}
	return openWithAny(signed, w.publics)
}

// leadsOn returns the newest of what was signed, by the file, by the database and by
// what was published, and its size; nil if nothing was. It fails if the log does not
// begin with each of them.
func (w *witness) leadsOn(ctx context.Context, size int64, notes ...[]byte) (newest []byte, signed int64, err error) {
	for _, note := range notes {
		if len(note) == 0 {
			continue
		}
		before, err := w.newest(note)
		if err != nil {
			return nil, 0, fmt.Errorf("the newest checkpoint of the audit log: %w; was %s replaced?", err, auditKeyFile)
		}
		if size < before.Size {
			return nil, 0, fmt.Errorf("%w: it had %d entries and has %d", errRewritten, before.Size, size)
		}
		root, err := tlog.TreeHash(before.Size, w.db.AuditTree(ctx))
		if err != nil {
			return nil, 0, err
		}
		if root != before.Root {
			return nil, 0, fmt.Errorf("%w: its first %d entries have another root", errRewritten, before.Size)
		}
		if newest == nil || before.Size > signed {
			newest, signed = note, before.Size
		}
	}
	return newest, signed, nil
}

// Checkpoint is the newest note, for everybody; nil before the first.
func (w *witness) Checkpoint() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}

// PublicKey implements web.AuditLog.
func (w *witness) PublicKey() string { return w.key.Public() }

// signed are all checkpoints that the key signed, of the database and beside it, and
// what is wrong with the others.
func (w *witness) signed(ctx context.Context, more ...[]byte) (good []audit.Checkpoint, findings []audit.Finding, err error) {
	notes, err := w.db.Checkpoints(ctx)
	if err != nil {
		return nil, nil, err
	}
	if last := w.Checkpoint(); last != nil {
		notes = append(notes, last)
	}
	for _, note := range append(notes, more...) {
		c, err := openWithAny(note, w.publics)
		if err != nil {
			findings = append(findings, audit.Finding{What: "a stored checkpoint is " + err.Error()})
			continue
		}
		good = append(good, c)
	}
	return good, findings, nil
}
