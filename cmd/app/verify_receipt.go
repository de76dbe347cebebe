package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"

	"github.com/coderflow/coderflow/internal/client"
	"github.com/coderflow/coderflow/internal/receipt"
	"github.com/coderflow/coderflow/internal/task"
)

type receiptCmd struct {
	whereFlags
	Of   string `arg:"" name:"task|approval" help:"A task, whose approval it is, or an approval."`
	File string `short:"o" type:"path" placeholder:"FILE" help:"Write it there instead of printing it; the file must not exist."`
}

// Help implements kong.HelpProvider.
func (receiptCmd) Help() string {
	return `Gets the receipt of an approval as of now: who asked, what was proposed, who approved exactly which bytes, which
commit that made, where it was pushed and deployed, with the entries of the audit log that say so and their proofs.
'coderflow verify' holds a commit against it. It is an in-toto statement in a DSSE envelope; docs/receipts.md has its form.

Exit status 4: nothing landed under the approval, or you may not see it; 1: on the machine of the server, what it says was
not signed yet: the server signs once a minute while it runs.

Examples:

  coderflow receipt zzp6hr35kqtq -o change.receipt.json
  coderflow receipt 5f0c1d2e3b4a596877869504 --context work`
}

// Run gets a receipt.
func (c receiptCmd) Run(ctx context.Context, s streams) error {
	id, err := task.ParseID(c.Of)
	byTask := err == nil
	envelope, err := ask(ctx, c.whereFlags, s,
		func(l local) ([]byte, error) {
			if byTask {
				return l.receiptOf(ctx, "", id)
			}
			return l.receipt(ctx, c.Of)
		},
		func(server *client.Client) ([]byte, error) {
			if byTask {
				return server.ReceiptOf(ctx, "", c.Of)
			}
			return server.Receipt(ctx, c.Of)
		})
	if err != nil {
		return noReceipt(c.Of, err)
	}
	envelope = append(bytes.TrimSpace(envelope), '\n')
	if c.File == "" {
		_, err = s.out.Write(inertJSON(envelope))
		return err
	}
	f, err := os.OpenFile(c.File, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("keep the receipt: %w", err)
	}
	_, err = f.Write(envelope)
	return errors.Join(err, f.Close())
}

// noReceipt says in one way that there is none, here or at a server.
func noReceipt(of string, err error) error {
	if errors.Is(err, receipt.ErrNothingLanded) || errors.Is(err, receipt.ErrTellsMore) || errors.Is(err, task.ErrNotFound) || client.IsStatus(err, http.StatusNotFound) {
		return notFound("%s has no receipt: %w", of, err)
	}
	return err
}

// receipt issues the receipt of an approval, with the key beside the database.
func (l local) receipt(ctx context.Context, approval string) ([]byte, error) {
	w, err := l.witness(ctx)
	if err != nil {
		return nil, err
	}
	issued, err := newReceipts(l.Store, w).Issue(ctx, approval, func(string) bool { return true })
	return issued.Envelope, err
}

func (l local) witness(ctx context.Context) (*witness, error) {
	cfg, err := l.cfg()
	if err != nil {
		return nil, err
	}
	return openWitness(ctx, cfg, l.Store, false)
}

// receiptOf is the receipt of what a commit or a task landed under, or of a commit that
// was kept.
func (l local) receiptOf(ctx context.Context, commit string, id task.ID) ([]byte, error) {
	approval, err := l.approvalOf(ctx, commit, id)
	if err != nil {
		return nil, err
	}
	return l.receipt(ctx, approval)
}

func (l local) approvalOf(ctx context.Context, commit string, id task.ID) (string, error) {
	if commit == "" {
		t, err := l.Task(ctx, id)
		if err != nil {
			return "", err
		}
		return l.lastApproval(ctx, t)
	}
	landed, merged, err := l.Covering(ctx, commit)
	if err != nil {
		return "", err
	}
	if tasks := append(landed, merged...); len(tasks) > 0 {
		return l.lastApproval(ctx, tasks[0])
	}
	kept, err := l.KeptUnder(ctx, commit)
	if err != nil {
		return "", err
	}
	if len(kept) == 0 {
		return "", fmt.Errorf("no approval made commit %s: %w", commit, task.ErrNotFound)
	}
	return kept[0].ID, nil
}

// lastApproval is the approval in force of a task, or its last: one that made a commit
// which was kept is used up.
func (l local) lastApproval(ctx context.Context, t task.Task) (string, error) {
	if t.ApprovalID != "" {
		return t.ApprovalID, nil
	}
	all, err := l.Approvals(ctx, t.ID)
	if err != nil {
		return "", err
	}
	if len(all) == 0 {
		return "", receipt.ErrNothingLanded
	}
	return all[len(all)-1].ID, nil
}
