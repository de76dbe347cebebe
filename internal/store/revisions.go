package store

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/coderflow/coderflow/internal/task"
)

type revisionRow struct {
	bun.BaseModel `bun:"table:revisions,alias:r"`

	Task      string `bun:",pk"`
	Number    int    `bun:",pk"`
	Kind      string
	State     string
	After     int
	Outcome   string
	StartedAt instant
	EndedAt   instant
}

type feedbackRow struct {
	bun.BaseModel `bun:"table:feedback,alias:f"`

	Number   int64 `bun:",pk,autoincrement"`
	Task     string
	Key      string
	Content  string
	Revision int
	At       instant
}

// InsertFeedback keeps what somebody asked of a proposal. It reports false, and stores
// nothing, if its key is known.
func (t *Tx) InsertFeedback(ctx context.Context, f task.Feedback) (fresh bool, err error) {
	var e encoder
	f.At = orTime(f.At, t.now())
	row := &feedbackRow{
		Task: text(string(f.Task)), Key: text(f.Key), Content: text(encode(&e, "the feedback", f)), Revision: f.Revision, At: at(f.At),
	}
	if e.err == nil {
		var n int64
		n, e.err = t.exec(ctx, t.tx.NewInsert().Model(row).ExcludeColumn("number").On("CONFLICT (task, key) DO NOTHING").Returning("NULL"))
		fresh = n > 0
	}
	if e.err != nil {
		return false, fmt.Errorf("store feedback %s on task %s: %w", f.Key, f.Task, e.err)
	}
	return fresh, nil
}

// StartRevision stores that a revision is made of the feedback under these keys, which
// must not have been taken up before: it fails with task.ErrStale if one was.
func (t *Tx) StartRevision(ctx context.Context, r task.Revision, keys []string) error {
	row := &revisionRow{
		Task: text(string(r.Task)), Number: r.Number, Kind: string(r.Kind), State: string(r.State), After: r.After,
		Outcome: text(r.Outcome), StartedAt: at(orTime(r.StartedAt, t.now())), EndedAt: at(r.EndedAt),
	}
	if _, err := t.exec(ctx, t.tx.NewInsert().Model(row).Returning("NULL")); err != nil {
		return fmt.Errorf("store revision %d of task %s: %w", r.Number, r.Task, err)
	}
	n, err := t.exec(ctx, t.tx.NewUpdate().Model((*feedbackRow)(nil)).Set("revision = ?", r.Number).
		Where("task = ?", row.Task).Where("revision = 0").Where("key IN (?)", bun.List(keys)))
	if err == nil && n != int64(len(keys)) {
		err = task.ErrStale
	}
	if err != nil {
		return fmt.Errorf("take up feedback for revision %d of task %s: %w", r.Number, r.Task, err)
	}
	return nil
}

// EndRevision stores what became of a revision that is being made.
func (t *Tx) EndRevision(ctx context.Context, id task.ID, number int, state task.RevisionState, outcome string) error {
	n, err := t.exec(ctx, t.tx.NewUpdate().Model((*revisionRow)(nil)).Set("state = ?", string(state)).
		Set("outcome = ?", text(outcome)).Set("ended_at = ?", at(t.now())).
		Where("task = ?", text(string(id))).Where("number = ?", number).Where("state = ?", string(task.RevisionMaking)))
	if err == nil && n == 0 {
		err = task.ErrStale
	}
	if err != nil {
		return fmt.Errorf("end revision %d of task %s: %w", number, id, err)
	}
	return nil
}

// HasFeedback reports whether there is feedback that no revision took up yet.
func (t *Tx) HasFeedback(ctx context.Context, id task.ID) (bool, error) {
	var rows []feedbackRow
	err := t.scan(ctx, t.tx.NewSelect().Model(&rows).Column("number").Where("task = ?", text(string(id))).Where("revision = 0").Limit(1))
	if err != nil {
		return false, fmt.Errorf("look for feedback on task %s: %w", id, err)
	}
	return len(rows) > 0, nil
}

// Feedback lists what was asked of the task's proposals, oldest first.
func (s *Store) Feedback(ctx context.Context, id task.ID) ([]task.Feedback, error) {
	var rows []feedbackRow
	if err := s.fetch(ctx, s.read.NewSelect().Model(&rows).Where("task = ?", text(string(id))).Order("number")); err != nil {
		return nil, fmt.Errorf("list the feedback on task %s: %w", id, err)
	}
	list := make([]task.Feedback, len(rows))
	for i, row := range rows {
		var d decoder
		if decode(&d, "feedback", row.Content, &list[i]); d.err != nil {
			return nil, fmt.Errorf("feedback %s on task %s: %w", row.Key, id, d.err)
		}
		list[i].Revision = row.Revision
	}
	return list, nil
}

// Revisions lists the rounds of a task after its first proposal, oldest first, each
// with the feedback that it took up.
func (s *Store) Revisions(ctx context.Context, id task.ID) ([]task.Revision, error) {
	var rows []revisionRow
	if err := s.fetch(ctx, s.read.NewSelect().Model(&rows).Where("task = ?", text(string(id))).Order("number")); err != nil {
		return nil, fmt.Errorf("list the revisions of task %s: %w", id, err)
	}
	if len(rows) == 0 {
		return nil, nil
	}
	feedback, err := s.Feedback(ctx, id)
	if err != nil {
		return nil, err
	}
	list := make([]task.Revision, len(rows))
	for i, row := range rows {
		list[i] = task.Revision{
			Task: id, Number: row.Number, Kind: task.FeedbackKind(row.Kind), State: task.RevisionState(row.State), After: row.After,
			Outcome: row.Outcome, StartedAt: row.StartedAt.Time, EndedAt: row.EndedAt.Time,
		}
		for _, f := range feedback {
			if f.Revision == row.Number {
				list[i].Feedback = append(list[i].Feedback, f)
			}
		}
	}
	return list, nil
}
