package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/coderflow/coderflow/internal/config"
	"github.com/coderflow/coderflow/internal/store"
)

// partialDir is where a restore gathers what it will put into the data directory. As
// long as it is there, no server starts.
const partialDir = "restore.partial"

// wholeMark is in there when nothing is left to gather, before the database is named.
const wholeMark = "whole"

// placing puts files into an empty data directory.
type placing struct {
	cfg    config.Config
	lock   *os.File
	made   bool     // the data directory itself
	former []string // names that a restore that was interrupted here had placed
	before bool     // there was one
	placed []string // names in the data directory
}

// harmless may be in a data directory that counts as empty: keys that the operator
// brought, and what belongs to the file system.
var harmless = []string{"lock", "lost+found", partialDir, auditKeyFile, secretsKeyFile}

// claimEmpty makes the data directory this process's own, if nothing is in it.
func claimEmpty(cfg config.Config) (*placing, error) {
	p := &placing{cfg: cfg}
	if _, err := os.Lstat(cfg.DataDir); errors.Is(err, os.ErrNotExist) {
		p.made = true
	}
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	var err error
	if p.lock, err = lockDir(cfg.DataDir); err != nil {
		return nil, err
	}
	if err := p.look(); err != nil {
		p.release()
		return nil, err
	}
	return p, nil
}

func (p *placing) look() error {
	if p.finished() {
		return nil
	}
	entries, err := os.ReadDir(p.cfg.DataDir)
	if err != nil {
		return fmt.Errorf("read the data directory: %w", err)
	}
	former, err := os.ReadFile(p.place("placed"))
	p.before = err == nil
	for _, name := range strings.Fields(string(former)) {
		if slices.Contains([]string{auditKeyFile, secretsKeyFile, auditCheckpointFile, "git"}, name) {
			p.former = append(p.former, name)
		}
	}
	for _, e := range entries {
		if slices.Contains(harmless, e.Name()) || slices.Contains(p.former, e.Name()) {
			continue
		}
		return fmt.Errorf("the data directory %s is not empty: %s is in it. A restore overwrites nothing: move the directory away "+
			"as it is (it is evidence), or set dataDir to another one", p.cfg.DataDir, e.Name())
	}
	return nil
}

// lockDir makes a directory this process's own.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the data directory: %w", err)
	}
	for began := time.Now(); ; time.Sleep(lockPause) {
		if err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err == nil {
			return f, nil
		}
		if time.Since(began) > lockPatience {
			return nil, errors.Join(fmt.Errorf("the data directory %s is used by another coderflow process; stop it or set dataDir", dir), f.Close())
		}
	}
}

// A process that is ending still has the lock for a moment, and so has a child between
// its birth and its program.
const (
	lockPatience = 2 * time.Second
	lockPause    = 50 * time.Millisecond
)

func (p *placing) release() { _ = p.lock.Close() } // the kernel does it anyhow

func (p *placing) place(name string) string { return filepath.Join(p.cfg.DataDir, partialDir, name) }
func (p *placing) data(name string) string  { return filepath.Join(p.cfg.DataDir, name) }

// clear makes an empty place to gather in. What an interrupted restore had placed
// stays until it is certain that the database is empty.
func (p *placing) clear() error {
	for _, name := range []string{wholeMark, "git", "coderflow.db", "coderflow.db-wal", "coderflow.db-shm"} {
		if err := os.RemoveAll(p.place(name)); err != nil {
			return fmt.Errorf("clear what an interrupted restore left: %w", err)
		}
	}
	if err := os.MkdirAll(p.place(""), 0o700); err != nil {
		return fmt.Errorf("prepare the data directory: %w", err)
	}
	return nil
}

// open opens the database that is filled: a file in that place, or the configured one.
func (p *placing) open(ctx context.Context) (*store.Store, error) {
	options := store.Options{DSN: "sqlite", Path: p.place("coderflow.db"), Logger: slog.New(slog.DiscardHandler)}
	if p.cfg.Database.Postgres {
		options.DSN, options.Path = p.cfg.Database.DSN.Reveal(), ""
	}
	return store.Open(ctx, options)
}

// notEmpty says what to do about a database that has something in it.
func (p *placing) notEmpty(err error) error {
	if p.before {
		return fmt.Errorf("%w. An earlier restore was interrupted when it had filled the database: if `coderflow audit list` ends with restore.done, "+
			"everything is in place; remove %s and start the server", err, p.data(partialDir))
	}
	return fmt.Errorf("%w. A restore overwrites nothing: make a new database, or move the old one away", err)
}

// files puts keys, checkpoint and mirrors into the data directory, before the
// database is committed.
func (p *placing) files(r *reading) error {
	for _, name := range p.former {
		if err := os.RemoveAll(p.data(name)); err != nil {
			return fmt.Errorf("clear what an interrupted restore left: %w", err)
		}
	}
	small := map[string][]byte{}
	for name, content := range r.keys {
		if own, err := os.ReadFile(p.data(name)); err == nil {
			if string(own) != string(content) {
				return fmt.Errorf("%s is in the data directory, and it is not the key that is in the backup: move one of them away", name)
			}
			continue
		}
		small[name] = content
	}
	if note := r.ended.Manifest.Log.Checkpoint; note != "" {
		small[auditCheckpointFile] = []byte(note)
	}
	for name := range small {
		p.placed = append(p.placed, name)
	}
	mirrors := len(r.ended.Manifest.Mirrors) > 0
	if mirrors {
		p.placed = append(p.placed, "git")
	}
	if err := writeDurably(p.place("placed"), []byte(strings.Join(p.placed, "\n")), os.O_TRUNC); err != nil {
		return err
	}
	for name, content := range small {
		if err := writeDurably(p.data(name), content, os.O_EXCL); err != nil {
			return fmt.Errorf("put %s into the data directory: %w", name, err)
		}
	}
	if !mirrors {
		return nil
	}
	return os.Rename(p.place("git"), p.data("git"))
}

// finish gives the database its name, which is the last thing, and clears up.
func (p *placing) finish() error {
	if err := p.name(); err != nil {
		return err
	}
	return os.RemoveAll(p.data(partialDir))
}

// finished reports whether an earlier restore was interrupted when its database had its
// name, so that only its rest is to be removed. A database that another command made
// meanwhile is none of its.
func (p *placing) finished() bool {
	if p.cfg.Database.Postgres {
		return false // notEmpty says what to do
	}
	if _, err := os.Lstat(p.place(wholeMark)); err != nil {
		return false
	}
	named, err := os.Lstat(p.cfg.SQLitePath())
	if err != nil {
		return false
	}
	gathered, err := os.Lstat(p.place("coderflow.db"))
	return errors.Is(err, os.ErrNotExist) || err == nil && os.SameFile(named, gathered) // linked, not yet removed
}

// end ends an earlier restore, and says so.
func (p *placing) end(out io.Writer) error {
	if err := syncFile(p.cfg.DataDir); err != nil {
		return err
	}
	if err := os.RemoveAll(p.data(partialDir)); err != nil {
		return fmt.Errorf("clear what an interrupted restore left: %w", err)
	}
	_, err := fmt.Fprintf(out, "An earlier restore into %s was interrupted when everything had its place. It is done now, and this file was not read:\n"+
		"`coderflow audit list` ends with restore.done, which names the backup. Start the server, and `coderflow thaw` when you have looked.\n", p.cfg.DataDir)
	return err
}

// name puts the database file into its place.
func (p *placing) name() error {
	if !p.cfg.Database.Postgres {
		if _, err := os.Lstat(p.place("coderflow.db-wal")); !errors.Is(err, os.ErrNotExist) {
			return errors.New("write the database: SQLite did not put all of it into its file; is the disk full? Make room and run the restore again")
		}
		if err := syncFile(p.place("coderflow.db")); err != nil {
			return fmt.Errorf("write the database: %w", err)
		}
		if err := writeDurably(p.place(wholeMark), nil, os.O_TRUNC); err != nil {
			return err
		}
		if err := nameIt(p.place("coderflow.db"), p.cfg.SQLitePath()); err != nil {
			return fmt.Errorf("put the database into the data directory: %w; was another command run there meanwhile?", err)
		}
	}
	return syncFile(p.cfg.DataDir)
}

func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// undo leaves the data directory as it was found.
func (p *placing) undo() error {
	if p.before && len(p.placed) == 0 { // what the interrupted one placed may be in use
		return nil
	}
	var errs []error
	for _, name := range append(p.placed, partialDir) {
		errs = append(errs, os.RemoveAll(p.data(name)))
	}
	if p.made {
		errs = append(errs, os.RemoveAll(p.data("lock")), os.Remove(p.cfg.DataDir))
	}
	return errors.Join(errs...)
}
