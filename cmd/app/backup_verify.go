package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/coderflow/coderflow/internal/store"
)

type backupVerifyCmd struct {
	File       string   `arg:"" type:"path" help:"Backup to verify."`
	Key        string   `type:"path" placeholder:"FILE" help:"Public key of the audit log, as you kept it: the backup must be signed with it."`
	Identity   string   `type:"path" placeholder:"FILE" help:"age identity: the keys in the backup must open with it."`
	Checkpoint []string `type:"path" placeholder:"FILE" help:"A checkpoint that was kept elsewhere; again for more."`
	Scratch    string   `type:"path" placeholder:"DIR" help:"Where there is room for all of it, uncompressed; default the directory for temporary files."`
}

// Help implements kong.HelpProvider.
func (backupVerifyCmd) Help() string {
	return `Does what a restore does, in a scratch directory, and removes that: hashes, counts, types, the git objects, the tree of the
audit log and its signed checkpoints. It needs no server and no configuration.

Without --key it proves that the file is whole and agrees with itself. Who can change the file can change it so; with the public
key that you kept (GET /audit/key) it is proved that the server wrote it.

Examples:

  coderflow backup verify /backups/monday.cfb --key audit.pub
  coderflow backup verify /backups/monday.cfb --scratch /var/tmp`
}

// errHolds ends a verification's transaction.
var errHolds = errors.New("the backup holds")

// Run verifies a backup.
func (c backupVerifyCmd) Run(ctx context.Context, s streams) (err error) {
	dir, err := os.MkdirTemp(c.Scratch, "coderflow-verify-")
	if err != nil {
		return fmt.Errorf("make a scratch directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	r, err := newReading(filepath.Join(dir, "git"), c.Identity, c.Key, c.Checkpoint, newTellProgress(s.err))
	if err != nil {
		return err
	}
	db, err := store.Open(ctx, store.Options{DSN: "sqlite", Path: filepath.Join(dir, "verify.db"), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	err = r.load(ctx, db, c.File, func(*store.Loaded) error { return errHolds })
	if errors.Is(err, errHolds) {
		err = nil
	}
	if err := errors.Join(err, db.Close()); err != nil {
		return err
	}
	return r.printVerified(s)
}

func (r *reading) printVerified(s streams) error {
	text := &strings.Builder{}
	h, m := r.ended.Header, r.ended.Manifest
	fmt.Fprintf(text, "the backup holds\nid           %s\ntaken        %s by coderflow %s\nschema       %d (%s)\n",
		r.ended.ID, restoreTime(h.TakenAt), h.Program, h.Schema, h.Database)
	fmt.Fprintf(text, "audit        %d entries hold, %d signed checkpoints, root %s\n", r.report.Entries, r.report.Checkpoints, r.report.Root)
	fmt.Fprintf(text, "git          %d mirrors\n", len(m.Mirrors))
	switch {
	case r.public != "":
		fmt.Fprintln(text, "signature    of the key that you kept")
	case r.ended.Signature != nil && len(r.log) > 0:
		fmt.Fprintf(text, "signature    of %s; compare that with what you kept, or use --key\n", oneLine(r.log[len(r.log)-1]))
	default:
		fmt.Fprintln(text, "signature    none: that the server wrote it cannot be proved")
	}
	switch {
	case m.Keys == nil:
		fmt.Fprintln(text, "keys         none in it")
	case r.keys != nil:
		fmt.Fprintf(text, "keys         %d, and the identity opens them\n", len(r.keys))
	default:
		fmt.Fprintf(text, "keys         sealed to %s\n", strings.Join(m.Keys.Recipients, ", "))
	}
	for _, lost := range r.lost {
		fmt.Fprintf(text, "ends before  a checkpoint that you kept: entries %d to %d are not in it\n", r.report.Entries+1, lost.Size)
	}
	for _, left := range h.LeftOut {
		fmt.Fprintf(text, "not in it    %s: %s\n", left.What, left.Why)
	}
	_, err := fmt.Fprint(s.out, visible(text.String()))
	return err
}
