package store

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/task"
)

type runRow struct {
	bun.BaseModel `bun:"table:deploy_runs,alias:r"`

	Number         int64 `bun:",pk,autoincrement"`
	ID             string
	Task           string
	ApprovalID     string
	Environment    string
	Profile        string
	ProfileVersion string
	Script         string
	Parameters     string
	Repository     string
	CommitID       string
	ArmedBy        string
	State          string
	Container      string
	ExitCode       int
	Detail         string
	ForgeID        string
	Shown          string
	Cause          string
	RequestedBy    string
	Reason         string
	RequestKey     string
	Covers         string
	ArmedAs        int
	Concurrency    string
	Reach          string
	Pipeline       string
	Stopped        string
	QueuedAt       instant
	ClaimedAt      instant
	CreatedAt      instant
	StartedAt      instant
	FinishedAt     instant
}

// savedRunColumns are what SaveRun writes; what runs, for which commit and by
// whose approval stays as it was inserted. Only [Tx.Merged] gives a run its commit.
var savedRunColumns = []string{"state", "container", "exit_code", "detail", "forge_id", "shown", "reach", "pipeline", "started_at", "finished_at"}

// RunStateError is a change of a deployment run's state that is not forward.
type RunStateError struct {
	ID       string
	From, To deploy.RunState
}

// Error implements error.
func (e *RunStateError) Error() string {
	return fmt.Sprintf("deployment run %s cannot go from %s to %s", e.ID, e.From, e.To)
}

// runOrder are the states on the way; every other state is an end.
var runOrder = []deploy.RunState{deploy.Armed, deploy.Pending, deploy.Created, deploy.Running}

// earlierRunStates are those from which a run may be written in state to: itself and,
// for it to move, every state before. Nothing leaves an end.
func earlierRunStates(to deploy.RunState) []deploy.RunState {
	from := []deploy.RunState{to}
	for _, state := range runOrder {
		if state == to {
			break
		}
		from = append(from, state)
	}
	return from
}

func toRunRow(r deploy.Run) (*runRow, error) {
	var e encoder
	row := &runRow{
		ID: text(r.ID), Task: text(string(r.Task)), ApprovalID: text(r.ApprovalID), Environment: text(r.Environment),
		Profile: text(r.Profile), ProfileVersion: text(r.ProfileVersion), Script: encode(&e, "the script", []byte(r.Script)),
		Parameters: encode(&e, "the parameters", r.Parameters), Repository: encode(&e, "the repository", r.Repository),
		CommitID: text(r.Commit), ArmedBy: encode(&e, "who armed it", r.ArmedBy), State: string(r.State),
		Container: text(r.Container), ExitCode: r.ExitCode, Detail: text(r.Detail), ForgeID: text(r.ForgeID), Shown: string(r.Shown),
		Cause: string(r.Trigger), RequestedBy: encode(&e, "who asked for it", r.RequestedBy), Reason: text(r.Reason),
		RequestKey: text(r.Key), Covers: text(r.Covers), ArmedAs: r.ArmedAs, Concurrency: text(string(r.Concurrency)),
		Reach:    encode(&e, "what it reached", r.Reach),
		Pipeline: encode(&e, "its pipeline", r.Pipeline), Stopped: encode(&e, "why it was stopped", r.Stopped),
		QueuedAt: at(r.CreatedAt), ClaimedAt: at(r.ClaimedAt),
		CreatedAt: at(r.CreatedAt), StartedAt: at(r.StartedAt), FinishedAt: at(r.FinishedAt),
	}
	return row, e.err
}

// InsertRun stores a run once by its id; storing it again changes nothing and
// reports false, also after its record was removed.
func (t *Tx) InsertRun(ctx context.Context, r deploy.Run) (fresh bool, err error) {
	if removed, err := t.removedRun(ctx, r.ID); err != nil || removed {
		return false, err
	}
	r.CreatedAt = orTime(r.CreatedAt, t.now())
	row, err := toRunRow(r)
	if err != nil {
		return false, fmt.Errorf("insert deployment run %s: %w", r.ID, err)
	}
	n, err := t.exec(ctx, t.tx.NewInsert().Model(row).ExcludeColumn("number").
		On("CONFLICT (id) DO NOTHING").Returning("NULL"))
	if err != nil {
		return false, fmt.Errorf("insert deployment run %s: %w", r.ID, err)
	}
	return n > 0, nil
}

// SaveRun writes the progress of a run, which only goes forward: armed,
// pending, created, running, then one end. From created on it takes the run's turn.
// It fails with a *RunStateError or task.ErrNotFound.
func (t *Tx) SaveRun(ctx context.Context, r deploy.Run) error {
	row, err := toRunRow(r)
	if err != nil {
		return fmt.Errorf("save deployment run %s: %w", r.ID, err)
	}
	query := t.tx.NewUpdate().Model(row).Column(savedRunColumns...).
		Where("id = ?", row.ID).Where("state IN (?)", bun.List(earlierRunStates(r.State)))
	if r.State == deploy.Created || r.State == deploy.Running { // see ClaimTurn
		query.Where("claimed_at IS NOT NULL")
	}
	if r.State != deploy.Armed && !r.State.Ended() { // only Merged ends the wait for the merge
		query.Where("state <> ?", deploy.Armed)
	}
	n, err := t.exec(ctx, query)
	if err == nil && n == 0 {
		err = t.whyRunNotSaved(ctx, r)
	}
	if err != nil {
		return fmt.Errorf("save deployment run %s: %w", r.ID, err)
	}
	return nil
}

func (t *Tx) whyRunNotSaved(ctx context.Context, r deploy.Run) error {
	var stored runRow
	if err := t.scan(ctx, t.tx.NewSelect().Model(&stored).Column("state").Where("id = ?", text(r.ID))); err != nil {
		return err
	}
	return &RunStateError{ID: r.ID, From: deploy.RunState(stored.State), To: r.State}
}

func (r *runRow) run() (deploy.Run, error) {
	run := deploy.Run{
		ID: r.ID, Task: task.ID(r.Task), ApprovalID: r.ApprovalID, Environment: r.Environment, Profile: r.Profile,
		ProfileVersion: r.ProfileVersion, Commit: r.CommitID, State: deploy.RunState(r.State),
		Container: r.Container, ExitCode: r.ExitCode, Detail: r.Detail, ForgeID: r.ForgeID, Shown: deploy.RunState(r.Shown),
		Trigger: deploy.Trigger(r.Cause), Reason: r.Reason, Key: r.RequestKey, Covers: r.Covers, ArmedAs: r.ArmedAs,
		Concurrency: deploy.Concurrency(r.Concurrency), ClaimedAt: r.ClaimedAt.Time,
		CreatedAt: r.CreatedAt.Time, StartedAt: r.StartedAt.Time, FinishedAt: r.FinishedAt.Time,
	}
	var d decoder
	var script []byte
	decode(&d, "script", r.Script, &script)
	decode(&d, "parameters", r.Parameters, &run.Parameters)
	decode(&d, "repository", r.Repository, &run.Repository)
	decode(&d, "person who armed it", r.ArmedBy, &run.ArmedBy)
	decode(&d, "account that asked for it", r.RequestedBy, &run.RequestedBy)
	decode(&d, "record of what it reached", r.Reach, &run.Reach)
	decode(&d, "record of its pipeline", r.Pipeline, &run.Pipeline)
	decode(&d, "order to stop it", r.Stopped, &run.Stopped)
	if d.err != nil {
		return deploy.Run{}, fmt.Errorf("deployment run %s: %w", r.ID, d.err)
	}
	run.Script = string(script)
	if run.State == deploy.Pending { // see ReleaseTurn
		run.TriedAt, run.StartedAt = run.StartedAt, time.Time{}
	}
	return run, nil
}
