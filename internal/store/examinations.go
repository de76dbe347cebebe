package store

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/coderflow/coderflow/internal/task"
)

type examinationRow struct {
	bun.BaseModel `bun:"table:examinations,alias:x"`

	Number        int64 `bun:",pk,autoincrement"`
	ID            string
	Task          string
	Revision      int
	Digest        string
	Kind          string
	Name          string
	Environment   string
	Attempt       int
	Definition    string
	State         string
	Summary       string
	Result        string
	Container     string
	Image         string
	Agent         string
	Model         string
	Node          string
	ExitCode      int
	Reason        string
	Truncated     bool
	RequestedBy   string
	PolicyVersion string
	CreatedAt     instant
	StartedAt     instant
	FinishedAt    instant
}

// savedExaminationColumns are what SaveExamination writes; what is examined, and under
// which definition, stays as it was asked for.
var savedExaminationColumns = []string{"state", "summary", "result", "container", "image", "agent", "model", "node",
	"exit_code", "reason", "truncated", "started_at", "finished_at"}

func toExaminationRow(x task.Examination) (*examinationRow, error) {
	if len(x.Result) > 0 && !json.Valid(x.Result) {
		return nil, fmt.Errorf("its result is no JSON")
	}
	return &examinationRow{
		ID: text(x.ID), Task: text(string(x.Task)), Revision: x.Revision, Digest: text(x.Digest), Kind: text(string(x.Kind)),
		Name: text(x.Name), Environment: text(x.Environment), Attempt: x.Attempt, Definition: text(x.Definition),
		State: text(string(x.State)), Summary: text(x.Summary), Result: text(string(x.Result)), Container: text(x.Container),
		Image: text(x.Image), Agent: text(x.Agent), Model: text(x.Model), Node: text(x.Node), ExitCode: x.ExitCode,
		Reason: text(x.Reason), Truncated: x.Truncated, RequestedBy: text(x.RequestedBy), PolicyVersion: text(x.PolicyVersion),
		CreatedAt: at(x.CreatedAt), StartedAt: at(x.StartedAt), FinishedAt: at(x.FinishedAt),
	}, nil
}

func (r *examinationRow) examination() task.Examination {
	x := task.Examination{
		ID: r.ID, Task: task.ID(r.Task), Revision: r.Revision, Digest: r.Digest, Kind: task.ExaminationKind(r.Kind), Name: r.Name,
		Environment: r.Environment, Attempt: r.Attempt, Definition: r.Definition, State: task.ExaminationState(r.State),
		Summary: r.Summary, Container: r.Container, Image: r.Image, Agent: r.Agent, Model: r.Model, Node: r.Node,
		ExitCode: r.ExitCode, Reason: r.Reason, Truncated: r.Truncated, RequestedBy: r.RequestedBy, PolicyVersion: r.PolicyVersion,
		CreatedAt: r.CreatedAt.Time, StartedAt: r.StartedAt.Time, FinishedAt: r.FinishedAt.Time,
	}
	if r.Result != "" {
		x.Result = json.RawMessage(r.Result)
	}
	return x
}

// InsertExamination stores an examination once for each task, revision, kind, name and
// attempt; another one with the same changes nothing and reports false.
func (t *Tx) InsertExamination(ctx context.Context, x task.Examination) (fresh bool, err error) {
	x.CreatedAt = orTime(x.CreatedAt, t.now())
	row, err := toExaminationRow(x)
	if err != nil {
		return false, fmt.Errorf("insert examination %s: %w", x.ID, err)
	}
	n, err := t.exec(ctx, t.tx.NewInsert().Model(row).ExcludeColumn("number").
		On("CONFLICT (task, revision, kind, name, attempt) DO NOTHING").Returning("NULL"))
	if err != nil {
		return false, fmt.Errorf("insert examination %s: %w", x.ID, err)
	}
	return n > 0, nil
}

// earlierExaminationStates are those from which an examination may be written in state
// to: queued may be left for all others, running for its ends, and an end for nothing.
func earlierExaminationStates(to task.ExaminationState) []task.ExaminationState {
	if to == task.ExaminationQueued {
		return []task.ExaminationState{task.ExaminationQueued}
	}
	return []task.ExaminationState{task.ExaminationQueued, task.ExaminationRunning}
}

// SaveExamination writes the progress of an examination, which only goes forward. It
// fails with a *task.ExaminationStateError or task.ErrNotFound.
func (t *Tx) SaveExamination(ctx context.Context, x task.Examination) error {
	row, err := toExaminationRow(x)
	if err != nil {
		return fmt.Errorf("save examination %s: %w", x.ID, err)
	}
	n, err := t.exec(ctx, t.tx.NewUpdate().Model(row).Column(savedExaminationColumns...).
		Where("id = ?", row.ID).Where("state IN (?)", bun.List(earlierExaminationStates(x.State))))
	if err == nil && n == 0 {
		err = t.whyExaminationNotSaved(ctx, x)
	}
	if err != nil {
		return fmt.Errorf("save examination %s: %w", x.ID, err)
	}
	return nil
}

func (t *Tx) whyExaminationNotSaved(ctx context.Context, x task.Examination) error {
	var stored examinationRow
	if err := t.scan(ctx, t.tx.NewSelect().Model(&stored).Column("state").Where("id = ?", text(x.ID))); err != nil {
		return err
	}
	return &task.ExaminationStateError{ID: x.ID, From: task.ExaminationState(stored.State), To: x.State}
}

// Examinations lists all of a task's, of every revision, oldest first.
func (s *Store) Examinations(ctx context.Context, id task.ID) ([]task.Examination, error) {
	var rows []examinationRow
	err := s.fetch(ctx, s.read.NewSelect().Model(&rows).Where("task = ?", text(string(id))).Order("number"))
	if err != nil {
		return nil, fmt.Errorf("list the examinations of task %s: %w", id, err)
	}
	return examinations(rows), nil
}

func examinations(rows []examinationRow) []task.Examination {
	list := make([]task.Examination, 0, len(rows))
	for i := range rows {
		list = append(list, rows[i].examination())
	}
	return list
}

// OpenExaminations lists those of all tasks that have not ended, oldest first, at most
// 1000.
func (s *Store) OpenExaminations(ctx context.Context) ([]task.Examination, error) {
	var rows []examinationRow
	err := s.fetch(ctx, s.read.NewSelect().Model(&rows).
		Where("state IN (?)", bun.List([]task.ExaminationState{task.ExaminationQueued, task.ExaminationRunning})).Order("number").Limit(1000))
	if err != nil {
		return nil, fmt.Errorf("list the examinations that have not ended: %w", err)
	}
	return examinations(rows), nil
}

// Examination is one, or task.ErrNotFound.
func (s *Store) Examination(ctx context.Context, id string) (task.Examination, error) {
	var row examinationRow
	if err := s.fetch(ctx, s.read.NewSelect().Model(&row).Where("id = ?", text(id))); err != nil {
		return task.Examination{}, fmt.Errorf("read examination %q: %w", id, err)
	}
	return row.examination(), nil
}
