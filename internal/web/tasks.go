package web

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/coderflow/coderflow/internal/task"
)

// Lengths of pages.
const (
	pageLength    = 50
	maxPageLength = 200
)

// maxSearch bounds what a list is searched for, in bytes.
const maxSearch = 200

func listTasks(c *call) error {
	q, err := c.taskQuery()
	if err != nil {
		return err
	}
	tasks, err := c.s.API.Tasks.TaskPage(c.Request().Context(), q)
	if err != nil {
		return err
	}
	answer := page[taskView]{Items: collect(tasks, viewTask)}
	if len(tasks) == q.Limit {
		answer.Cursor = string(tasks[len(tasks)-1].ID)
	}
	return c.JSON(http.StatusOK, answer)
}

func (c *call) taskQuery() (TaskQuery, error) {
	q := TaskQuery{Environments: c.environments}
	limit, err := c.number("limit", pageLength, 1, maxPageLength)
	if err != nil {
		return q, err
	}
	q.Limit = int(limit)
	if name := c.query.Get("environment"); name != "" {
		if !slices.Contains(c.environments, name) {
			return q, errNoEnvironment
		}
		q.Environments = []string{name}
	}
	if states := c.query.Get("state"); states != "" {
		for state := range strings.SplitSeq(states, ",") {
			if !task.State(state).Valid() {
				return q, bad(fmt.Sprintf("state: want one or more of %s, separated by commas", stateNames()))
			}
			q.States = append(q.States, task.State(state))
		}
	}
	if q.Repository, err = c.repositoryAsked(); err != nil {
		return q, err
	}
	q.Requester, q.Text = c.query.Get("requester"), c.query.Get("text")
	if len(q.Requester) > maxSearch || len(q.Text) > maxSearch {
		return q, bad(fmt.Sprintf("requester, text: at most %d bytes", maxSearch))
	}
	if cursor := c.query.Get("cursor"); cursor != "" {
		if q.Before, err = task.ParseID(cursor); err != nil {
			return q, errCursor
		}
	}
	return q, nil
}

var errCursor = bad("cursor: want the cursor of the page before")

func stateNames() string {
	var names []string
	for _, state := range task.States() {
		names = append(names, string(state))
	}
	return strings.Join(names, ", ")
}

func showTask(c *call) error {
	view := viewTask(c.task)
	f, frozen, err := c.freezeOver(c.task.Environment)
	if err != nil {
		return err
	}
	if frozen && !c.task.State.Ended() {
		held := viewFreeze(f)
		view.Frozen = &held
	}
	if view.Line, err = c.line(c.task); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, view)
}

// cancelTask asks the engine to end the task. Asking again changes nothing.
func cancelTask(c *call) error {
	t := c.task
	switch {
	case t.State == task.Cancelled:
		return c.JSON(http.StatusOK, viewTask(t))
	case t.State.Ended():
		return &apiError{status: http.StatusConflict, text: fmt.Sprintf("the task has ended already: %s", t.State)}
	case t.State.CarriedOut():
		return &apiError{status: http.StatusConflict, text: fmt.Sprintf(
			"the task is %s: what was approved is being carried out and cannot be cancelled", t.State)}
	case !t.CancelRequested:
		err := c.s.API.Tasks.CancelTask(c.Request().Context(), Cancellation{
			Task: t, By: c.user.Subject, Token: c.token.ID, Request: requestID(c),
		})
		if err != nil {
			return err
		}
		t.CancelRequested = true
	}
	return c.JSON(http.StatusAccepted, viewTask(t))
}
