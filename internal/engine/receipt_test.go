package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/engine"
	"github.com/coderflow/coderflow/internal/receipt"
	"github.com/coderflow/coderflow/internal/receipt/receipttest"
	"github.com/coderflow/coderflow/internal/task"
)

// receiptDesk is the store and the witness of a world's log.
type receiptDesk struct {
	w    *receipttest.World
	log  []audit.Entry
	kept []engine.IssuedReceipt
	said []audit.Entry
	// faster has somebody else keep the same receipt first.
	faster *engine.IssuedReceipt
	// forged, if set, is the root that is signed instead of the log's.
	forged *tlog.Hash
}

func (d *receiptDesk) Approval(_ context.Context, id string) (approval.Record, error) {
	if id != d.w.Approval.ID {
		return approval.Record{}, task.ErrNotFound
	}
	return d.w.Approval, nil
}

func (d *receiptDesk) Proposals(context.Context, task.ID) ([]task.Proposal, error) {
	return []task.Proposal{d.w.Proposal}, nil
}

func (d *receiptDesk) ReceiptLog(context.Context, task.ID) ([]audit.Entry, error) { return d.log, nil }

func (d *receiptDesk) Receipt(_ context.Context, approval, basis string) (engine.IssuedReceipt, error) {
	i := slices.IndexFunc(d.kept, func(r engine.IssuedReceipt) bool { return r.Approval == approval && r.Basis == basis })
	if i < 0 {
		return engine.IssuedReceipt{}, task.ErrNotFound
	}
	return d.kept[i], nil
}

func (d *receiptDesk) KeepReceipt(_ context.Context, r engine.IssuedReceipt, entry audit.Entry) (bool, error) {
	if d.faster != nil {
		d.faster.Basis, d.faster.Approval = r.Basis, r.Approval
		d.kept = append(d.kept, *d.faster)
		return false, nil
	}
	d.kept, d.said = append(d.kept, r), append(d.said, entry)
	return true, nil
}

func (d *receiptDesk) Covering(context.Context, int64) ([]byte, audit.Checkpoint, error) {
	note := d.w.Sign()
	if d.forged != nil {
		var err error
		if note, err = d.w.Key.Sign(d.w.Log.Size(), *d.forged); err != nil {
			return nil, audit.Checkpoint{}, err
		}
	}
	c, err := audit.OpenCheckpoint(note, d.w.Key.Public())
	return note, c, err
}

func (d *receiptDesk) Inclusion(_ context.Context, entry, size int64) (audit.Inclusion, error) {
	return audit.ProveInclusion(&d.w.Log, entry, size)
}

func (d *receiptDesk) Key() audit.Key { return d.w.Key }

func TestAReceiptIsIssuedOnceAndAnewWhenThereIsMoreToSay(t *testing.T) {
	t.Parallel()
	w := receipttest.New(t, 3)
	d := &receiptDesk{w: w, log: slices.Clone(w.Entries[:3])}
	desk := &engine.Receipts{Store: d, Witness: d, Committer: receipttest.Bot, Now: func() time.Time { return receipttest.Moment }}
	all := func(string) bool { return true }
	issue := func(shows func(string) bool) engine.IssuedReceipt {
		t.Helper()
		r, err := desk.Issue(t.Context(), w.Approval.ID, shows)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if _, err := desk.Issue(t.Context(), w.Approval.ID, all); !errors.Is(err, receipt.ErrNothingLanded) {
		t.Errorf("before the push: %v", err)
	}
	if _, err := desk.Issue(t.Context(), "other", all); !errors.Is(err, task.ErrNotFound) {
		t.Errorf("of another approval: %v", err)
	}
	d.log = slices.Clone(w.Entries[:5])
	first := issue(all)
	if again := issue(all); again.Digest != first.Digest || string(again.Envelope) != string(first.Envelope) || len(d.kept) != 1 {
		t.Errorf("it was issued again: %d", len(d.kept))
	}
	d.log = slices.Clone(w.Entries)
	whole, narrow := issue(all), issue(func(string) bool { return false })
	if whole.Digest == first.Digest || narrow.Digest == first.Digest || len(d.kept) != 3 {
		t.Errorf("deployments change nothing: %d", len(d.kept))
	}
	for i, want := range []struct{ deployments, hidden int }{{0, 0}, {1, 0}, {0, 1}} {
		s, err := receipt.Open(d.kept[i].Envelope, w.Key.Public())
		if err != nil || len(s.Predicate.Deployments) != want.deployments || s.Predicate.DeploymentsNotShown != want.hidden {
			t.Errorf("receipt %d: %+v, %v", i, s.Predicate.Deployments, err)
		}
		var said struct{ Approval, Digest string }
		if err := json.Unmarshal(d.said[i].Detail, &said); err != nil || d.said[i].Action != audit.ReceiptIssued ||
			said.Digest != d.kept[i].Digest || said.Approval != w.Approval.ID || d.said[i].Task != string(w.Approval.Task) {
			t.Errorf("the log says %+v: %v", d.said[i], err)
		}
	}
}

func TestOfTwoWhoIssueAReceiptAtOnceBothGiveTheSame(t *testing.T) {
	t.Parallel()
	w := receipttest.New(t, 3)
	d := &receiptDesk{w: w, log: slices.Clone(w.Entries), faster: &engine.IssuedReceipt{Digest: "sha256:theirs"}}
	desk := &engine.Receipts{Store: d, Witness: d, Committer: receipttest.Bot, Now: func() time.Time { return receipttest.Moment }}
	r, err := desk.Issue(t.Context(), w.Approval.ID, func(string) bool { return true })
	if err != nil || r.Digest != "sha256:theirs" || len(d.said) > 0 {
		t.Errorf("%s, %v", r.Digest, err)
	}
}

// Who changes the database gets no receipt of it.
func TestThreat54NoReceiptIsIssuedOfALogThatIsNotWhatWasSigned(t *testing.T) {
	t.Parallel()
	w := receipttest.New(t, 3)
	d := &receiptDesk{w: w, log: slices.Clone(w.Entries)}
	desk := &engine.Receipts{Store: d, Witness: d, Committer: receipttest.Bot, Now: func() time.Time { return receipttest.Moment }}
	d.log[6].Detail = json.RawMessage(strings.Replace(string(w.Entries[6].Detail), "succeeded", "failed", 1))
	if r, err := desk.Issue(t.Context(), w.Approval.ID, func(string) bool { return true }); !errors.Is(err, audit.ErrProof) {
		t.Errorf("%s, %v", r.Envelope, err)
	}
	d.log, d.forged = slices.Clone(w.Entries), &tlog.Hash{1}
	if r, err := desk.Issue(t.Context(), w.Approval.ID, func(string) bool { return true }); !errors.Is(err, audit.ErrProof) {
		t.Errorf("%s, %v", r.Envelope, err)
	}
	if len(d.kept) > 0 {
		t.Error("it was kept")
	}
}
