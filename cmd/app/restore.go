package main

import (
	"context"
	"errors"
	"time"

	"github.com/coderflow/coderflow/internal/store"
)

type restoreCmd struct {
	configFlag
	File       string   `arg:"" type:"path" help:"Backup to restore."`
	Identity   string   `type:"path" placeholder:"FILE" help:"age identity that opens the keys in the backup."`
	Key        string   `type:"path" placeholder:"FILE" help:"Public key of the audit log, as you kept it: the backup must be signed with it."`
	Checkpoint []string `type:"path" placeholder:"FILE" help:"A checkpoint that was kept elsewhere; again for more. The log must agree with it, or end before it, which is said and noted."`
	Thawed     bool     `help:"Do not freeze the restored server: it goes to work as soon as it is started, where the backup has no freeze."`
}

// Help implements kong.HelpProvider.
func (restoreCmd) Help() string {
	return `Fills an empty database and an empty data directory, those of the configuration, whichever kind of database the backup was
taken of. Nothing is overwritten. Everything is checked before anything stands in its place; what fails leaves nothing.

The server must not run, and the former one must never run again beside the restored one: both would act at the forge.

What was done after the backup is not in it, so the restored server does nothing twice: tasks that were at work end, deployments
that had not ended are unknown, reviews from before the restore approve nothing, pushes are looked up at the forge, and requests
from in between are not followed. It is frozen until 'coderflow thaw', so that you can look first.

Examples:

  coderflow restore /backups/monday.cfb --identity backup.key --key audit.pub
  coderflow restore /backups/monday.cfb --checkpoint newest.checkpoint`
}

// Run restores this machine's server.
func (c restoreCmd) Run(ctx context.Context, s streams) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	p, err := claimEmpty(cfg)
	if err != nil {
		return err
	}
	defer p.release()
	if p.finished() {
		return p.end(s.out)
	}
	if err := p.clear(); err != nil {
		return err
	}
	r, err := newReading(p.place("git"), c.Identity, c.Key, c.Checkpoint, newTellProgress(s.err))
	if err == nil {
		r.own, err = auditKeyOf(cfg)
	}
	if err != nil {
		return errors.Join(err, p.undo())
	}
	if err := c.restore(ctx, r, p); err != nil {
		return errors.Join(err, p.undo())
	}
	return r.print(s.out, cfg, c)
}

func (c restoreCmd) restore(ctx context.Context, r *reading, p *placing) error {
	db, err := p.open(ctx)
	if err != nil {
		return err
	}
	err = r.load(ctx, db, c.File, func(l *store.Loaded) error {
		if err := r.settle(ctx, l, c.Thawed); err != nil {
			return err
		}
		return p.files(r)
	})
	if errors.Is(err, store.ErrNotEmpty) {
		err = p.notEmpty(err)
	}
	if err := errors.Join(err, db.Close()); err != nil {
		return err
	}
	return p.finish()
}

// restoreTime is how a time is said to people.
func restoreTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") }
