package store

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/task"
)

type approvalRow struct {
	bun.BaseModel `bun:"table:approvals,alias:a"`

	ID          string `bun:",pk"`
	Task        string
	Revision    int
	Digest      string
	Environment string
	Repository  string
	PullRequest int
	ReviewID    string
	ReviewURL   string
	Approver    string
	Reviews     string
	Requester   string
	Message     string
	Armed       string
	NotArmed    string
	Target      string
	NewTarget   bool
	NoPush      bool
	Decision    string
	ApprovedAt  instant
	VoidAt      instant
}

// InsertApproval stores an approval once by its id. It reports false, and stores
// nothing, if the id is known or another approval of the same revision is in
// force: there is one approval of a revision at a time.
//
// An approval that became void (see [Tx.SaveTask]) stays as evidence. The same
// review does not bring it back; it takes a new one.
func (t *Tx) InsertApproval(ctx context.Context, r approval.Record) (fresh bool, err error) {
	t.moves = true
	if r.ID == "" || r.At.IsZero() {
		return false, fmt.Errorf("insert an approval of task %s: id and time are needed", r.Task)
	}
	var e encoder
	row := &approvalRow{
		ID: text(r.ID), Task: text(string(r.Task)), Revision: r.Revision, Digest: text(r.Digest),
		Environment: text(r.Environment), Repository: encode(&e, "the repository", r.Repository),
		PullRequest: r.PullRequest, ReviewID: text(r.ReviewID), ReviewURL: text(r.ReviewURL),
		Approver: encode(&e, "the approver", r.Approver), Reviews: encode(&e, "the reviews", r.Reviews), Requester: encode(&e, "the requester", r.Requester),
		Message: encode(&e, "the message", []byte(r.Message)), Armed: encode(&e, "the armed deployments", r.Armed),
		NotArmed: encode(&e, "what is not armed", r.NotArmed),
		Target:   text(r.Target), NewTarget: r.NewTarget, NoPush: r.NoPush,
		Decision: encode(&e, "the decision", r.Decision), ApprovedAt: at(r.At),
	}
	if e.err != nil {
		return false, fmt.Errorf("insert approval %s: %w", r.ID, e.err)
	}
	n, err := t.exec(ctx, t.tx.NewInsert().Model(row).On("CONFLICT DO NOTHING").Returning("NULL"))
	if err != nil {
		return false, fmt.Errorf("insert approval %s: %w", r.ID, err)
	}
	return n > 0, nil
}

// voidApprovals ends the approval in force of a task, if there is one.
func (t *Tx) voidApprovals(ctx context.Context, id task.ID) error {
	_, err := t.exec(ctx, t.tx.NewUpdate().Model((*approvalRow)(nil)).Set("void_at = ?", at(t.now())).
		Where("task = ?", text(string(id))).Where("void_at IS NULL"))
	if err != nil {
		return fmt.Errorf("void the approval of task %s: %w", id, err)
	}
	return nil
}

// Approval returns an approval, void or not, or task.ErrNotFound. Whether it
// still stands, the gate decides anew.
func (s *Store) Approval(ctx context.Context, id string) (approval.Record, error) {
	var row approvalRow
	if err := s.fetch(ctx, s.read.NewSelect().Model(&row).Where("id = ?", text(id))); err != nil {
		return approval.Record{}, fmt.Errorf("read approval %s: %w", id, err)
	}
	return row.record()
}

// Approvals lists every approval that a task had, oldest first.
func (s *Store) Approvals(ctx context.Context, id task.ID) ([]approval.Record, error) {
	var rows []approvalRow
	err := s.fetch(ctx, s.read.NewSelect().Model(&rows).Where("task = ?", text(string(id))).
		Order("revision", "approved_at", "id"))
	if err != nil {
		return nil, fmt.Errorf("list the approvals of task %s: %w", id, err)
	}
	list := make([]approval.Record, 0, len(rows))
	for i := range rows {
		r, err := rows[i].record()
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, nil
}

func (r *approvalRow) record() (approval.Record, error) {
	record := approval.Record{
		ID: r.ID, Task: task.ID(r.Task), Revision: r.Revision, Digest: r.Digest, Environment: r.Environment,
		PullRequest: r.PullRequest, ReviewID: r.ReviewID, ReviewURL: r.ReviewURL, At: r.ApprovedAt.Time,
		Target: r.Target, NewTarget: r.NewTarget, NoPush: r.NoPush,
	}
	var d decoder
	var message []byte
	decode(&d, "repository", r.Repository, &record.Repository)
	decode(&d, "approver", r.Approver, &record.Approver)
	decode(&d, "reviews", r.Reviews, &record.Reviews)
	decode(&d, "requester", r.Requester, &record.Requester)
	decode(&d, "message", r.Message, &message)
	decode(&d, "armed deployments", r.Armed, &record.Armed)
	decode(&d, "deployments that are not armed", r.NotArmed, &record.NotArmed)
	decode(&d, "decision", r.Decision, &record.Decision)
	if d.err != nil {
		return approval.Record{}, fmt.Errorf("approval %s: %w", r.ID, d.err)
	}
	record.Message = string(message)
	return record, nil
}
