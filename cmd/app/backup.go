package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/backup"
	"github.com/coderflow/coderflow/internal/config"
	"github.com/coderflow/coderflow/internal/gitops"
	"github.com/coderflow/coderflow/internal/store"
)

type backupCmd struct {
	Make   backupMakeCmd   `cmd:"" default:"withargs" help:"Write a backup while the server runs."`
	Verify backupVerifyCmd `cmd:"" help:"Restore a backup into a scratch directory, prove that it holds, and forget it."`
}

type backupMakeCmd struct {
	configFlag
	File      string   `arg:"" type:"path" help:"File to write; it must not exist."`
	Recipient []string `help:"Public age key (age1…) that the server's keys are sealed to; again for more. Without it no key is in the backup." placeholder:"AGE"`
	Git       bool     `default:"true" negatable:"" help:"Without it the git objects are left out: proposals that wait, and commits that were kept and not pushed, are lost."`
}

// Help implements kong.HelpProvider.
func (backupMakeCmd) Help() string {
	return `One moment of the database, the git objects that no forge has, and the newest checkpoint of the audit log. The server can
run meanwhile. The file is read back and compared before it gets its name: whatever interrupts the command, there is no
half backup under that name.

Stored secrets are in it sealed, as they are in the database. The keys that open them, and the key that signs the audit log,
are in it only with --recipient, sealed to that key; what coderflow.yaml names (the App's key, webhook secret) never is.

Examples:

  coderflow backup /backups/monday.cfb --recipient age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p
  coderflow backup /backups/monday.cfb`
}

// Run writes the backup of this machine's server.
func (c backupMakeCmd) Run(ctx context.Context, s streams) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	recipients, err := recipientsOf(c.Recipient)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(c.File); !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s is there already, and a backup overwrites nothing: name another file", c.File)
	}
	db, err := openAsItIs(ctx, cfg)
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // it was read
	b := backupRun{cfg: cfg, db: db, recipients: recipients, git: c.Git, said: newTellProgress(s.err)}
	made, err := b.write(ctx, c.File)
	if err != nil {
		return err
	}
	if err := b.note(ctx, made); err != nil {
		fmt.Fprintf(s.err, "the backup is whole, but the audit log does not say that it was made: %v\n", err)
	}
	return made.print(s.out, c.File, len(recipients) > 0)
}

// openAsItIs opens the database without making or migrating it: a backup before an
// upgrade is taken of the old schema.
func openAsItIs(ctx context.Context, cfg config.Config) (*store.Store, error) {
	options := store.Options{DSN: "sqlite", Path: cfg.SQLitePath(), Logger: slog.New(slog.DiscardHandler)}
	if cfg.Database.Postgres {
		options.DSN, options.Path = cfg.Database.DSN.Reveal(), ""
	} else if _, err := os.Stat(options.Path); err != nil {
		return nil, fmt.Errorf("there is no database to back up: %w; is dataDir right?", err)
	}
	return store.Open(ctx, options)
}

// backupRun writes one backup.
type backupRun struct {
	cfg        config.Config
	db         *store.Store
	recipients recipients
	git        bool
	said       *tellProgress
}

// madeBackup is what was written.
type madeBackup struct {
	backup.Ended
	Size   int64
	Signer string // public key of the audit log; empty: it was not there
}

// write writes beside the file, reads that back, and gives it its name.
func (b backupRun) write(ctx context.Context, path string) (made madeBackup, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".partial-") // mode 0600
	if err != nil {
		return made, fmt.Errorf("write the backup: %w", err)
	}
	defer func() {
		err = errors.Join(err, f.Close())
		if err != nil {
			_ = os.Remove(f.Name()) // what interrupted it is the error that counts
		}
	}()
	if made.Signer, err = b.fill(ctx, f); err != nil {
		return made, err
	}
	if err := f.Sync(); err != nil {
		return made, fmt.Errorf("write the backup: %w", err)
	}
	b.said.line("reading it back")
	if made.Size, err = f.Seek(0, io.SeekCurrent); err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return made, err
	}
	if made.Ended, err = backup.Read(within(ctx, f), discard{}); err != nil {
		return made, fmt.Errorf("what was written is not what was read, check the disk: %w", err)
	}
	return made, nameIt(f.Name(), path)
}

// nameIt gives a file its name unless there is one of it.
func nameIt(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) { // a file system that does not know it
		if err = os.Link(from, to); err == nil {
			err = os.Remove(from)
		}
	}
	if err != nil {
		return fmt.Errorf("name it %s: %w", to, err)
	}
	dir, err := os.Open(filepath.Dir(to))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func (b backupRun) fill(ctx context.Context, f *os.File) (signer string, err error) {
	key, err := auditKeyOf(b.cfg)
	if err != nil {
		return "", err
	}
	err = b.db.Snapshot(ctx, func(x *store.Snapshot) error {
		w, err := backup.NewWriter(f, b.header(x, key))
		if err != nil {
			return err
		}
		for range x.Tables {
			sum, err := w.Table(func(t backup.Table, yield func([]any) error) error {
				return x.Rows(ctx, t, b.said.counting(t.Name, yield))
			})
			if err != nil {
				return err
			}
			b.said.done(sum)
		}
		log, err := logOf(ctx, x)
		if err != nil {
			return err
		}
		if err := b.keys(w); err != nil {
			return err
		}
		if err := b.mirrors(ctx, w); err != nil {
			return err
		}
		_, err = w.Close(log, func(id string) ([]byte, error) {
			if key == nil {
				return nil, nil
			}
			signer = key.Public()
			return key.SignBackup(id)
		})
		return err
	})
	return signer, err
}

func (b backupRun) header(x *store.Snapshot, key *audit.Key) backup.Header {
	left := append([]backup.Left{}, x.LeftOut...)
	left = append(left, backup.Left{What: "coderflow.yaml and the secret files that it names", Why: "they are not the server's; back them up as you do other configuration"})
	if len(b.recipients) == 0 {
		left = append(left, backup.Left{What: secretsKeyFile + " and " + auditKeyFile, Why: "no --recipient was named to seal them to; without " +
			secretsKeyFile + " no stored secret can be opened, and without " + auditKeyFile + " the server does not start on what is restored"})
	}
	if key == nil {
		left = append(left, backup.Left{What: "a signature", Why: auditKeyFile + " is not in the data directory"})
	}
	if !b.git {
		left = append(left, backup.Left{What: "git objects", Why: "--no-git: what the forge does not give any more, and proposals from before their objects were kept in the database, cannot be landed"})
	}
	return backup.Header{Program: version, TakenAt: time.Now(), Schema: x.Schema, Database: string(b.db.Dialect()), Tables: x.Tables, LeftOut: left}
}

func logOf(ctx context.Context, x *store.Snapshot) (backup.Log, error) {
	size, root, checkpoint, err := x.Audit(ctx)
	return backup.Log{Entries: size, Root: root.String(), Checkpoint: string(checkpoint)}, err
}

// mirrors writes what git keeps. It is read after the database, so that it has
// whatever the database speaks of.
func (b backupRun) mirrors(ctx context.Context, w *backup.Writer) error {
	if !b.git {
		return nil
	}
	kept, err := gitops.OpenKept(gitOptions(b.cfg.DataDir))
	if err != nil {
		return err
	}
	names, err := kept.Names()
	if err != nil {
		return err
	}
	for _, name := range names {
		refs, err := kept.Refs(ctx, name)
		if err != nil {
			return err
		}
		if len(refs) == 0 {
			continue
		}
		sum, err := w.Mirror(name, refs, func(to io.Writer) error { return kept.Pack(ctx, name, refs, to) })
		if err != nil {
			return err
		}
		b.said.done(sum)
	}
	return nil
}

func gitOptions(dataDir string) gitops.Options {
	return gitops.Options{
		Dir: filepath.Join(dataDir, "git"), Committer: gitops.Identity{Name: "CoderFlow", Email: "coderflow@users.noreply.github.com"},
	}
}

// note writes into the log that everything in it left the server.
func (b backupRun) note(ctx context.Context, made madeBackup) error {
	found, known, err := b.db.SchemaVersion(ctx)
	if err != nil {
		return err
	}
	if found != known {
		return fmt.Errorf("its schema has version %d and this program writes version %d", found, known)
	}
	entry, err := audit.New(time.Now(), operator(), audit.BackupMade, map[string]any{
		"backup": made.ID, "entries": made.Manifest.Log.Entries, "sealedTo": b.recipients.names(), "git": b.git,
	})
	if err != nil {
		return err
	}
	return b.db.InTx(ctx, func(tx *store.Tx) error { return tx.Audit(ctx, entry) })
}

// discard takes everything and keeps nothing: the reader compares.
type discard struct{}

func (discard) Begin(backup.Header) error                    { return nil }
func (discard) Rows(backup.Table, [][]any) error             { return nil }
func (discard) Keys([]byte) error                            { return nil }
func (discard) Mirror(string, []backup.Ref, io.Reader) error { return nil }
