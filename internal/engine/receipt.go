package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/gitops"
	"github.com/coderflow/coderflow/internal/receipt"
	"github.com/coderflow/coderflow/internal/task"
)

// IssuedReceipt is a receipt as it was given out.
type IssuedReceipt struct {
	Digest   string // "sha256:…" of the envelope
	Approval string
	Basis    string // of what it was made: the same basis is the same receipt
	Envelope []byte
	IssuedAt time.Time
}

// ReceiptStore keeps what receipts are made of, and receipts.
type ReceiptStore interface {
	Approval(ctx context.Context, id string) (approval.Record, error)
	// Proposals lists every revision of the task's proposal.
	Proposals(ctx context.Context, id task.ID) ([]task.Proposal, error)
	// ReceiptLog is all that the audit log says about a task, oldest first.
	ReceiptLog(ctx context.Context, id task.ID) ([]audit.Entry, error)
	// Receipt returns the receipt of an approval on a basis, or task.ErrNotFound.
	Receipt(ctx context.Context, approval, basis string) (IssuedReceipt, error)
	// KeepReceipt stores a receipt with its audit entry. It reports false, and stores
	// nothing, if there is one of the same basis.
	KeepReceipt(ctx context.Context, r IssuedReceipt, entry audit.Entry) (fresh bool, err error)
}

// Witness signs the audit log, and proves what is in it.
type Witness interface {
	// Covering is a signed checkpoint of a log that has the entry. It refuses a log
	// that was written anew.
	Covering(ctx context.Context, entry int64) (note []byte, c audit.Checkpoint, err error)
	Inclusion(ctx context.Context, entry, size int64) (audit.Inclusion, error)
	Key() audit.Key
}

// Receipts issues receipts. A receipt says what the log said when it was issued, so
// there is another one once there is more to say; each is noted in the log.
type Receipts struct {
	Store     ReceiptStore
	Witness   Witness
	Committer gitops.Identity
	Now       func() time.Time
}

// Issue gives the receipt of an approval as of now. shows tells whether deployments
// in an environment may be in it. It fails with receipt.ErrNothingLanded before there
// is a commit.
func (r *Receipts) Issue(ctx context.Context, approvalID string, shows func(environment string) bool) (IssuedReceipt, error) {
	source, err := r.source(ctx, approvalID, shows)
	if err != nil {
		return IssuedReceipt{}, err
	}
	basis := r.basis(source)
	issued, err := r.Store.Receipt(ctx, approvalID, basis)
	if err == nil || !errors.Is(err, task.ErrNotFound) {
		return issued, err
	}
	envelope, err := r.seal(ctx, source)
	if err != nil {
		return IssuedReceipt{}, err
	}
	sum := sha256.Sum256(envelope)
	issued = IssuedReceipt{
		Digest: "sha256:" + hex.EncodeToString(sum[:]), Approval: approvalID, Basis: basis, Envelope: envelope, IssuedAt: r.Now().UTC(),
	}
	return r.keep(ctx, source, issued)
}

func (r *Receipts) source(ctx context.Context, id string, shows func(string) bool) (s receipt.Source, err error) {
	if s.Approval, err = r.Store.Approval(ctx, id); err != nil {
		return s, fmt.Errorf("read approval %s: %w", id, err)
	}
	proposals, err := r.Store.Proposals(ctx, s.Approval.Task)
	if err != nil {
		return s, err
	}
	i := slices.IndexFunc(proposals, func(p task.Proposal) bool { return p.Revision == s.Approval.Revision })
	if i < 0 {
		return s, fmt.Errorf("proposal %d of task %s: %w", s.Approval.Revision, s.Approval.Task, task.ErrNotFound)
	}
	log, err := r.Store.ReceiptLog(ctx, s.Approval.Task)
	if err != nil {
		return s, fmt.Errorf("read the audit log about task %s: %w", s.Approval.Task, err)
	}
	s.Proposal, s.Committer = proposals[i], r.Committer
	s.Entries, s.Hidden, err = receipt.Select(log, id, s.Approval.Digest, shows)
	return s, err
}

// basis names what decides what the receipt says. Entries never change.
func (r *Receipts) basis(s receipt.Source) string {
	text := fmt.Appendf(nil, "%s\n%s\n%d\n", receipt.PredicateType, r.Witness.Key().Public(), s.Hidden)
	for _, e := range s.Entries {
		text = fmt.Appendf(text, "%d\n", e.Seq)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// seal makes the receipt and checks it as others will: what the witness covers and
// the log does not have any more is not given out.
func (r *Receipts) seal(ctx context.Context, s receipt.Source) ([]byte, error) {
	if len(s.Entries) == 0 {
		return nil, receipt.ErrNothingLanded
	}
	note, c, err := r.Witness.Covering(ctx, s.Entries[len(s.Entries)-1].Seq)
	if err != nil {
		return nil, fmt.Errorf("sign the audit log for a receipt: %w", err)
	}
	if _, err := audit.OpenCheckpoint(note, r.Witness.Key().Public()); err != nil { // it is of a former key
		return nil, fmt.Errorf("the newest checkpoint of the audit log is not of its key yet; try again in a minute: %w", err)
	}
	s.Checkpoint = note
	s.Prove = func(entry int64) (audit.Inclusion, error) { return r.Witness.Inclusion(ctx, entry, c.Size) }
	statement, err := receipt.Build(s)
	if err != nil {
		return nil, err
	}
	for _, e := range statement.Predicate.Log.Entries {
		if err := e.Proof.Check([]byte(e.Leaf), c); err != nil {
			return nil, fmt.Errorf("the audit log is not what was signed; run coderflow audit verify: %w", err)
		}
	}
	return statement.Seal(r.Witness.Key())
}

// keep notes the receipt. Somebody else may have issued the same one meanwhile: there
// is one, whoever asks.
func (r *Receipts) keep(ctx context.Context, s receipt.Source, issued IssuedReceipt) (IssuedReceipt, error) {
	entry, err := audit.New(r.Now(), audit.System, audit.ReceiptIssued, map[string]any{
		"approval": issued.Approval, "repository": s.Approval.Repository.Key(), "digest": issued.Digest, "basis": issued.Basis,
		"key": r.Witness.Key().ID(), "deploymentsNotShown": s.Hidden,
	})
	if err != nil {
		return IssuedReceipt{}, err
	}
	entry.Task, entry.Environment = string(s.Approval.Task), s.Approval.Environment
	fresh, err := r.Store.KeepReceipt(ctx, issued, entry)
	if err != nil {
		return IssuedReceipt{}, fmt.Errorf("keep the receipt of approval %s: %w", issued.Approval, err)
	}
	if !fresh {
		return r.Store.Receipt(ctx, issued.Approval, issued.Basis)
	}
	return issued, nil
}

// receiptURL is where people with a browser get the receipt of an approval; empty
// where the server has no address of its own.
func (e *Engine) receiptURL(approvalID string) string {
	if e.PagesURL == "" || approvalID == "" {
		return ""
	}
	return strings.TrimRight(e.PagesURL, "/") + "/approvals/" + approvalID + "/receipt"
}
