package main

import (
	"context"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/engine"
	"github.com/coderflow/coderflow/internal/gitops"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/task"
)

// committer is CoderFlow's own identity in the commits that it makes. Receipts have
// it too: another one is another commit.
var committer = gitops.Identity{Name: "CoderFlow", Email: "coderflow@users.noreply.github.com"}

// receiptStore is the store in the words of the engine's receipts.
type receiptStore struct{ *store.Store }

// ReceiptLog implements engine.ReceiptStore.
func (s receiptStore) ReceiptLog(ctx context.Context, id task.ID) ([]audit.Entry, error) {
	return chains(s).TaskLog(ctx, id)
}

// KeepReceipt implements engine.ReceiptStore.
func (s receiptStore) KeepReceipt(ctx context.Context, r engine.IssuedReceipt, entry audit.Entry) (fresh bool, err error) {
	err = s.InTx(ctx, func(tx *store.Tx) error {
		if fresh, err = tx.InsertReceipt(ctx, r); err != nil || !fresh {
			return err
		}
		return tx.Audit(ctx, entry)
	})
	return fresh, err
}

// notary is the witness with its key.
type notary struct{ *witness }

// Key implements engine.Witness.
func (n notary) Key() audit.Key { return n.key }

func newReceipts(db *store.Store, w *witness) *engine.Receipts {
	return &engine.Receipts{Store: receiptStore{db}, Witness: notary{w}, Committer: committer, Now: time.Now}
}

// apiReceipts are the receipts over the API.
type apiReceipts struct {
	*store.Store
	receipts *engine.Receipts
}

// Issue implements web.Receipts.
func (r apiReceipts) Issue(ctx context.Context, approval string, shows func(string) bool) (engine.IssuedReceipt, error) {
	return r.receipts.Issue(ctx, approval, shows)
}
