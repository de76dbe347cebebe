package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/store"
)

type auditCmd struct {
	List       auditListCmd       `cmd:"" default:"withargs" help:"Look at the entries."`
	Verify     auditVerifyCmd     `cmd:"" help:"Prove that no entry was changed, removed, added or moved since it was written."`
	Show       auditShowCmd       `cmd:"" help:"Show one entry, and prove that the signed log has it."`
	Export     auditExportCmd     `cmd:"" help:"Print entries as lines that are hashed, or for a spreadsheet."`
	Reconcile  auditReconcileCmd  `cmd:"" help:"Hold the log against the forge, both ways, and say what differs."`
	Checkpoint auditCheckpointCmd `cmd:"" help:"Print the newest signed checkpoint, to be kept elsewhere."`
	ChangeKey  auditChangeKeyCmd  `cmd:"" help:"Make a new key for the log, where the key is lost or known to others."`
}

type auditVerifyCmd struct {
	configFlag
	Checkpoint []string `help:"A checkpoint that was kept elsewhere; again for more." type:"path" placeholder:"FILE"`
}

// Help implements kong.HelpProvider.
func (auditVerifyCmd) Help() string {
	return `Computes the tree of hashes from the entries and compares it with the stored hashes, with every checkpoint that the
server signed, and with those that you kept. What does not hold is named by its number; the status is 1 then.

Whoever can write to the database and to the data directory can write a log anew. They cannot write one that fits a
checkpoint that you kept elsewhere: GET /audit/checkpoint.

Examples:

  coderflow audit verify
  coderflow audit verify --checkpoint monday.checkpoint`
}

// Run verifies the log of this machine's server.
func (c auditVerifyCmd) Run(ctx context.Context, s streams) error {
	var kept [][]byte
	for _, path := range c.Checkpoint {
		note, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		kept = append(kept, note)
	}
	report, err := c.verify(ctx, kept)
	if err != nil {
		return err
	}
	for _, f := range report.Findings {
		fmt.Fprintf(s.out, "✗ %s\n", f)
	}
	if len(report.Findings) > 0 {
		return fmt.Errorf("the audit log does not hold; entries: %d, findings: %d", report.Entries, len(report.Findings))
	}
	_, err = fmt.Fprintf(s.out, "the audit log holds\nentries              %d\nroot                 %s\nsigned checkpoints   %d\n",
		report.Entries, report.Root, report.Checkpoints)
	return err
}

func (c auditVerifyCmd) verify(ctx context.Context, kept [][]byte) (report audit.Report, err error) {
	err = c.witness(ctx, func(w *witness) error {
		signed, findings, err := w.signed(ctx, kept...)
		if err != nil {
			return err
		}
		sortCheckpoints(signed)
		last, err := w.db.AuditExtent(ctx)
		if err != nil {
			return err
		}
		report, err = audit.Verify(audit.Stored{Entries: w.db.AuditLog(ctx, last), Hashes: w.db.AuditHashes(ctx, last), Checkpoints: signed})
		report.Findings = append(report.Findings, findings...)
		return err
	})
	return report, err
}

// sortCheckpoints brings the smallest first.
func sortCheckpoints(list []audit.Checkpoint) {
	slices.SortStableFunc(list, func(a, b audit.Checkpoint) int { return cmp.Compare(a.Size, b.Size) })
}

// witness opens the log and its key.
func (c configFlag) witness(ctx context.Context, f func(*witness) error) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	return c.with(ctx, func(db *store.Store) error {
		w, err := openWitness(ctx, cfg, db, false)
		if err != nil {
			return err
		}
		return f(w)
	})
}

type auditCheckpointCmd struct {
	configFlag
	Key bool `help:"Print the public key that checkpoints are verified with instead."`
}

// Help implements kong.HelpProvider.
func (auditCheckpointCmd) Help() string {
	return `A note of golang.org/x/mod/sumdb/note: name of the log, number of entries, root of the tree, signature. Served
at /audit/checkpoint, and the key at /audit/key.

Examples:

  coderflow audit checkpoint > monday.checkpoint
  coderflow audit checkpoint --key`
}

// Run prints the checkpoint.
func (c auditCheckpointCmd) Run(ctx context.Context, s streams) error {
	return c.witness(ctx, func(w *witness) error {
		if c.Key {
			_, err := fmt.Fprintln(s.out, w.key.Public())
			return err
		}
		if w.Checkpoint() == nil {
			return fmt.Errorf("no checkpoint was signed yet: the server signs while it runs")
		}
		_, err := s.out.Write(w.Checkpoint())
		return err
	})
}
