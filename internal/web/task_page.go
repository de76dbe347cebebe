package web

import (
	"context"
	"errors"
	"fmt"

	"github.com/coderflow/coderflow/internal/console"
	"github.com/coderflow/coderflow/internal/judge"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/task"
)

// TaskBook is what the pages of a task show beside the task. What does not exist is
// task.ErrNotFound.
type TaskBook interface {
	// ProposalBefore is the newest revision before the numbered one.
	ProposalBefore(ctx context.Context, id task.ID, number int) (task.Proposal, error)
	// Examinations are those of all revisions, oldest first.
	Examinations(ctx context.Context, id task.ID) ([]task.Examination, error)
	// Revisions are the rounds after the first proposal, oldest first.
	Revisions(ctx context.Context, id task.ID) ([]task.Revision, error)
	// Measured is what calibration found of a judge as it is defined.
	Measured(ctx context.Context, environment, name, definition string) (judge.Measured, error)
	// Variants are the tasks of a group, by their place; none of the group "".
	Variants(ctx context.Context, group task.ID) ([]task.Task, error)
}

// taskHead is what every page of a task begins with.
type taskHead struct {
	taskView
	Look     stateLook
	Next     string
	Instead  task.ID // the task that took its place; empty: none did
	Revision int     // of the proposal that is up; 0: there is none
	// Files, Added and Removed are of that proposal, Risks how many it has.
	Files, Added, Removed, Risks int
	Tab                          string // overview, changes, output or chain
	Body                         any    // of the tab
}

// onTaskPage shows a page of a task that the viewer may see: others are not found.
func onTaskPage(show func(*call) error) func(*call) error {
	return func(c *call) error {
		c.row = apiRow{permission: policy.TasksView, on: onTask}
		if err := c.permitTask(); err != nil {
			return c.problem("tasks", err)
		}
		return c.problem("tasks", show(c))
	}
}

// head reads what is shown of the task everywhere. p is its newest proposal, nil if
// it has none.
func (c *call) head(tab string, p *task.Proposal) (taskHead, error) {
	h := taskHead{taskView: viewTask(c.task), Look: lookOf(c.task), Next: nextStep(c.task), Instead: c.task.ReplacedBy, Tab: tab}
	if p != nil {
		h.Revision, h.Files, h.Risks = p.Revision, len(p.Manifest), len(p.Risks)
		for _, change := range p.Manifest {
			h.Added, h.Removed = h.Added+max(0, change.Added), h.Removed+max(0, change.Removed)
		}
	}
	f, frozen, err := c.freezeOver(c.task.Environment)
	if frozen && !c.task.State.Ended() {
		held := viewFreeze(f)
		h.Frozen = &held
	}
	if err != nil {
		return h, err
	}
	if h.Line, err = c.line(c.task); h.Line != nil {
		h.Next = h.Line.words()
	}
	return h, err
}

// proposal is the task's newest proposal, verified; nil if it has none.
func (c *call) proposal() (*task.Proposal, error) {
	p, err := c.s.API.Tasks.Proposal(c.Request().Context(), c.task.ID)
	if errors.Is(err, task.ErrNotFound) {
		return nil, nil
	}
	if err == nil {
		err = p.Verify()
	}
	if err != nil {
		return nil, fmt.Errorf("read the proposal: %w", err)
	}
	return &p, nil
}

// taskPage shows a tab of the task in its frame, or the part of it that is asked for.
func (c *call) taskPage(h taskHead, block string) error {
	if c.wantsPart() {
		return c.part("task", block, h)
	}
	return c.page("task", console.Page{Title: h.Title, Section: "tasks", Body: h})
}
