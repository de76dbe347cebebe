package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/coderflow/coderflow/internal/task"
)

type taskRow struct {
	bun.BaseModel `bun:"table:tasks,alias:t"`

	Number          int64 `bun:",pk,autoincrement"`
	ID              string
	TriggerKey      string
	State           string
	Epoch           int64
	Environment     string
	RepositoryKey   string
	Repository      string
	Issue           int
	PullRequest     int
	BaseBranch      string
	BaseCommit      string
	Requester       string
	TriggerURL      string
	Snapshot        string
	PolicyVersion   string
	Failure         string
	Run             string
	ApprovalID      string
	LandedCommit    string
	PullRequestURL  string
	CancelRequested bool
	Revision        int
	GroupID         string
	Variant         string
	Place           int
	Places          int
	ReplacedBy      string
	Judged          string
	Reported        string
	LeaseOwner      string
	LeaseUntil      instant
	CreatedAt       instant
	UpdatedAt       instant
	// What lists show and search.
	Title, TitleSearch           string
	RequesterKey, RequesterLogin string
}

// savedColumns are what SaveTask writes. The rest of a task is what was asked
// for, by whom and under which policy, and stays as it was inserted.
var savedColumns = []string{
	"state", "epoch", "base_branch", "base_commit", "failure", "run", "revision", "pull_request",
	"approval_id", "landed_commit", "pull_request_url", "judged", "reported", "updated_at",
}

func toTaskRow(t task.Task) (*taskRow, error) {
	var e encoder
	row := &taskRow{
		ID: text(string(t.ID)), TriggerKey: text(t.TriggerKey), State: string(t.State), Epoch: t.Epoch,
		Environment: text(t.Environment), RepositoryKey: text(t.Repository.Key()),
		Repository: encode(&e, "the repository", t.Repository),
		Issue:      t.Issue, PullRequest: t.PullRequest,
		BaseBranch: text(t.BaseBranch), BaseCommit: text(t.BaseCommit),
		Requester:  encode(&e, "the requester", t.Requester),
		TriggerURL: text(t.TriggerURL), Snapshot: encode(&e, "the snapshot", t.Snapshot),
		PolicyVersion: text(t.PolicyVersion), Failure: text(t.Failure), Run: encode(&e, "the run", t.Run), Revision: t.Round(),
		ApprovalID: text(t.ApprovalID), LandedCommit: text(t.LandedCommit), PullRequestURL: text(t.PullRequestURL), CancelRequested: t.CancelRequested,
		GroupID: text(string(t.Group)), Variant: text(t.Variant), Place: t.Place, Places: t.Places, ReplacedBy: text(string(t.ReplacedBy)),
		Judged: encode(&e, "the judged reviews", t.Judged), Reported: string(t.Reported),
		CreatedAt: at(t.CreatedAt), UpdatedAt: at(t.UpdatedAt),
		Title: text(t.Snapshot.Title), TitleSearch: searched(t.Snapshot.Title),
		RequesterKey: text(t.Requester.Subject.String()), RequesterLogin: strings.ToLower(text(t.Requester.Login)),
	}
	return row, e.err
}

func (r *taskRow) task() (task.Task, error) {
	t := task.Task{
		ID: task.ID(r.ID), State: task.State(r.State), Epoch: r.Epoch, Environment: r.Environment,
		Issue: r.Issue, BaseBranch: r.BaseBranch, BaseCommit: r.BaseCommit,
		TriggerKey: r.TriggerKey, TriggerURL: r.TriggerURL, PolicyVersion: r.PolicyVersion,
		Failure: r.Failure, Revision: r.Revision, PullRequest: r.PullRequest, ApprovalID: r.ApprovalID,
		LandedCommit: r.LandedCommit, PullRequestURL: r.PullRequestURL, CancelRequested: r.CancelRequested, Reported: task.State(r.Reported),
		Group: task.ID(r.GroupID), Variant: r.Variant, Place: r.Place, Places: r.Places, ReplacedBy: task.ID(r.ReplacedBy),
		CreatedAt: r.CreatedAt.Time, UpdatedAt: r.UpdatedAt.Time,
	}
	var d decoder
	decode(&d, "repository", r.Repository, &t.Repository)
	decode(&d, "requester", r.Requester, &t.Requester)
	decode(&d, "snapshot", r.Snapshot, &t.Snapshot)
	decode(&d, "run", r.Run, &t.Run)
	decode(&d, "judged reviews", r.Judged, &t.Judged)
	if d.err != nil {
		return task.Task{}, fmt.Errorf("task %s: %w", r.ID, d.err)
	}
	return t, nil
}

// InsertTask stores a new task, which must be queued. It reports false, and
// stores nothing, if the trigger key is known.
func (t *Tx) InsertTask(ctx context.Context, v task.Task) (fresh bool, err error) {
	t.moves = true
	if v.State != task.Queued {
		return false, fmt.Errorf("insert task %s: %w", v.ID, &task.TransitionError{From: "", To: v.State})
	}
	if v.ID == "" || v.TriggerKey == "" {
		return false, fmt.Errorf("insert task %q: id and trigger key are needed", v.ID)
	}
	v.UpdatedAt = t.now()
	v.CreatedAt = orTime(v.CreatedAt, v.UpdatedAt)
	row, err := toTaskRow(v)
	if err != nil {
		return false, fmt.Errorf("insert task %s: %w", v.ID, err)
	}
	n, err := t.exec(ctx, t.tx.NewInsert().Model(row).ExcludeColumn("number").
		On("CONFLICT (trigger_key) DO NOTHING").Returning("NULL"))
	if err != nil {
		return false, fmt.Errorf("insert task %s: %w", v.ID, err)
	}
	return n > 0, nil
}

// SaveTask writes what a step may change of v (see savedColumns) if the stored
// epoch is still v.Epoch and the stored state is v.State or one from which
// task.Transitions leads there; then it raises v.Epoch and sets v.UpdatedAt. If
// the transaction fails later, v is to be thrown away. A request to cancel is
// never taken back, nor is the mark of another task in its place; if one came in
// between, v shows it.
//
// It fails with task.ErrStale, a *task.TransitionError or task.ErrNotFound. A task
// that becomes approved takes the place of the other variants of its group; one whose
// place was taken is not approved: task.ErrReplaced.
// A task that is, or comes back to, proposed is under no approval: the one in
// force becomes void and never counts again.
func (t *Tx) SaveTask(ctx context.Context, v *task.Task) error {
	t.moves = true
	row, err := toTaskRow(*v)
	if err != nil {
		return fmt.Errorf("save task %s: %w", v.ID, err)
	}
	if v.State == task.Approved {
		if err := t.choose(ctx, *v); err != nil {
			return fmt.Errorf("save task %s: %w", v.ID, err)
		}
	}
	now := t.now()
	row.Epoch, row.UpdatedAt = v.Epoch+1, at(now)
	update := t.tx.NewUpdate().Model(row).Column(savedColumns...).
		Set("cancel_requested = (cancel_requested OR ?)", v.CancelRequested).
		Where("id = ?", row.ID).Where("epoch = ?", v.Epoch).
		Where("state IN (?)", bun.List(predecessors(v.State))).
		Returning("cancel_requested, replaced_by")
	if v.State == task.Approved {
		update.Where(unreplaced)
	}
	n, err := t.exec(ctx, update)
	if err != nil {
		return fmt.Errorf("save task %s: %w", v.ID, err)
	}
	if n == 0 {
		return fmt.Errorf("save task %s: %w", v.ID, t.whyNotSaved(ctx, *v))
	}
	if v.State == task.Proposed {
		if err := t.voidApprovals(ctx, v.ID); err != nil {
			return err
		}
	}
	v.Epoch, v.UpdatedAt, v.CancelRequested, v.ReplacedBy = row.Epoch, now, row.CancelRequested, task.ID(row.ReplacedBy)
	return nil
}

// RequestCancel marks the task, whoever holds its lease and without disturbing
// them: the epoch stays.
func (t *Tx) RequestCancel(ctx context.Context, id task.ID) error {
	t.moves = true
	n, err := t.exec(ctx, t.tx.NewUpdate().Model((*taskRow)(nil)).
		Set("cancel_requested = TRUE").Set("updated_at = ?", at(t.now())).Where("id = ?", text(string(id))))
	if err == nil && n == 0 {
		err = task.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("request to cancel task %s: %w", id, err)
	}
	return nil
}

// predecessors are the states in which a task may be when it is written in
// state to. A state outside of the table has none, not even itself.
func predecessors(to task.State) []string {
	if !to.Valid() {
		return []string{""}
	}
	from := []string{string(to)}
	for _, tr := range task.Transitions {
		if tr.To == to {
			from = append(from, string(tr.From))
		}
	}
	return from
}

func (t *Tx) whyNotSaved(ctx context.Context, v task.Task) error {
	var stored taskRow
	err := t.scan(ctx, t.tx.NewSelect().Model(&stored).Column("state", "epoch", "replaced_by").Where("id = ?", text(string(v.ID))))
	switch {
	case err != nil:
		return err
	case stored.Epoch != v.Epoch:
		return task.ErrStale
	case v.State == task.Approved && stored.ReplacedBy != "":
		return task.ErrReplaced
	}
	return &task.TransitionError{From: task.State(stored.State), To: v.State}
}

func orTime(t, fallback time.Time) time.Time {
	if t.IsZero() {
		return fallback
	}
	return t
}
