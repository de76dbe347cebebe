package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/backup"
	"github.com/coderflow/coderflow/internal/freeze"
	"github.com/coderflow/coderflow/internal/gitops"
	"github.com/coderflow/coderflow/internal/store"
)

// reading is a backup on its way into a database: it is a backup.Sink.
type reading struct {
	said     *tellProgress
	git      *gitops.Kept
	identity string
	public   string     // key that must have signed it; empty: any
	own      *audit.Key // of the data directory; nil: there is none
	outside  [][]byte   // checkpoints that were kept elsewhere

	ctx    context.Context //nolint:containedctx // of load, for the sink's methods
	loader *store.Loader
	table  backup.Sum // how far it is

	// What came of it.
	ended   backup.Ended
	sealed  []byte
	keys    map[string][]byte
	report  audit.Report
	log     []string           // public keys of the log, the oldest first
	lost    []audit.Checkpoint // that were kept elsewhere and reach further than the backup
	settled store.Settled
	frozen  freeze.Set // what is frozen in the restored state
}

func newReading(gitDir, identity, key string, checkpoints []string, said *tellProgress) (*reading, error) {
	r := &reading{said: said, identity: identity}
	if key != "" {
		text, err := os.ReadFile(key)
		if err != nil {
			return nil, fmt.Errorf("--key: %w", err)
		}
		if _, err := note.NewVerifier(strings.TrimSpace(string(text))); err != nil {
			return nil, fmt.Errorf("--key: %s is no public key of an audit log: `coderflow audit checkpoint --key` prints it", key)
		}
		r.public = strings.TrimSpace(string(text))
	}
	for _, path := range checkpoints {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("--checkpoint: %w", err)
		}
		r.outside = append(r.outside, text)
	}
	options := gitOptions("")
	options.Dir = gitDir
	var err error
	r.git, err = gitops.NewKept(options)
	return r, err
}

// load reads the file into the database, proves that all of it holds, and lets settle
// end it, all in one transaction.
func (r *reading) load(ctx context.Context, db *store.Store, path string, settle func(*store.Loaded) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // it was read
	r.ctx = ctx
	fill := func(l *store.Loader) (err error) {
		r.loader = l
		if r.ended, err = backup.Read(within(ctx, f), r); err != nil {
			return err
		}
		return r.signature()
	}
	return db.Load(ctx, fill, func(l *store.Loaded) error {
		if err := r.verifyLog(ctx, l); err != nil {
			return err
		}
		return settle(l)
	})
}

// signature holds the file against the key that the operator kept.
func (r *reading) signature() error {
	switch {
	case r.public == "":
		return nil
	case r.ended.Signature == nil:
		return errors.New("the backup is not signed, and --key wants that it is")
	}
	return audit.CheckBackup(r.ended.Signature, r.public, r.ended.ID)
}

// Begin implements backup.Sink.
func (r *reading) Begin(h backup.Header) error {
	r.said.line("backup of %s, schema %d, from a %s database", restoreTime(h.TakenAt), h.Schema, oneLine(h.Database))
	return r.loader.Begin(r.ctx, h.Schema, h.Tables)
}

// Rows implements backup.Sink.
func (r *reading) Rows(t backup.Table, rows [][]any) error {
	if r.table.Name != t.Name {
		r.table = backup.Sum{Name: t.Name}
	}
	r.table.Rows += int64(len(rows))
	r.said.sofar(t.Name, r.table.Rows)
	return r.loader.Rows(r.ctx, t.Name, rows)
}

// Keys implements backup.Sink.
func (r *reading) Keys(sealed []byte) (err error) {
	r.sealed = sealed
	if r.identity != "" {
		r.keys, err = openKeys(sealed, r.identity)
	}
	return err
}

// Mirror implements backup.Sink.
func (r *reading) Mirror(name string, refs []backup.Ref, pack io.Reader) error {
	r.said.line("git %s, %d refs", name, len(refs))
	return r.git.Unpack(r.ctx, name, refs, pack)
}

// verifyLog computes the tree over what was restored and holds it against every
// checkpoint that the log's keys signed, those kept elsewhere included.
func (r *reading) verifyLog(ctx context.Context, l *store.Loaded) error {
	r.said.line("verifying the audit log")
	stored, notes, keys, err := l.AuditStored(ctx)
	if err != nil {
		return err
	}
	keys, err = r.keysOf(keys)
	if err != nil {
		return err
	}
	if err := r.loggedKey(keys); err != nil {
		return err
	}
	for _, signed := range notes {
		c, err := checkpointBy(signed, keys)
		if err != nil {
			return fmt.Errorf("%w: a checkpoint in it: %w", backup.ErrDamaged, err)
		}
		stored.Checkpoints = append(stored.Checkpoints, c)
	}
	entries := r.ended.Manifest.Log.Entries
	for _, kept := range r.outside {
		c, err := checkpointBy(kept, keys)
		if err != nil {
			return fmt.Errorf("--checkpoint: %w", err)
		}
		if c.Size > entries {
			r.lost = append(r.lost, c)
			continue
		}
		stored.Checkpoints = append(stored.Checkpoints, c)
	}
	slices.SortStableFunc(stored.Checkpoints, func(a, b audit.Checkpoint) int { return int(a.Size - b.Size) })
	if r.report, err = audit.Verify(stored); err != nil {
		return err
	}
	if len(r.report.Findings) > 0 {
		return fmt.Errorf("the audit log in the backup does not hold, so nothing was restored: %s (%d findings)", r.report.Findings[0], len(r.report.Findings))
	}
	if root := r.ended.Manifest.Log.Root; r.report.Entries != entries || r.report.Root.String() != root && r.ended.Header.Table("audit_hashes") != nil {
		return fmt.Errorf("%w: its audit log has %d entries under the root %s, and should have %d under %s",
			backup.ErrDamaged, r.report.Entries, r.report.Root, entries, root)
	}
	return nil
}

// keysOf are the public keys of the log: those that it has itself, and the one that
// the operator kept. A log of an earlier version has none, and those at hand count.
func (r *reading) keysOf(logged []string) ([]string, error) {
	r.log = slices.Clone(logged)
	if sealed, is := r.keys[auditKeyFile]; is && len(logged) == 0 {
		public, err := publicOf(sealed)
		if err != nil {
			return nil, fmt.Errorf("%w: the key of the log in it: %w", backup.ErrDamaged, err)
		}
		r.log = append(r.log, public)
	}
	if r.own != nil && len(logged) == 0 {
		r.log = append(r.log, r.own.Public())
	}
	keys := slices.Clone(r.log)
	if r.public != "" && !slices.Contains(keys, r.public) {
		keys = append(keys, r.public)
	}
	return keys, nil
}

// loggedKey wants that the signature is of one of the log's own keys.
func (r *reading) loggedKey(keys []string) error {
	if r.ended.Signature == nil || len(keys) == 0 {
		return nil
	}
	for _, key := range keys {
		if audit.CheckBackup(r.ended.Signature, key, r.ended.ID) == nil {
			return nil
		}
	}
	return fmt.Errorf("%w: its signature is not of a key of its audit log", backup.ErrDamaged)
}

func checkpointBy(signed []byte, keys []string) (c audit.Checkpoint, err error) {
	err = errors.New("the log of this version does not have its public key: name it with --key, or bring " + auditKeyFile + " into the data directory")
	for _, key := range keys {
		if c, err = audit.OpenCheckpoint(signed, key); err == nil {
			return c, nil
		}
	}
	return c, err
}

// now is the time of a restore, in whole microseconds as it is stored.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }
