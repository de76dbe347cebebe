package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/coderflow/coderflow/internal/task"
)

// Comparisons say in what two proposals of a task differ.
type Comparisons interface {
	// Between is the diff from one result to the other, which are brought to this server
	// first. It fails with task.ErrNotFound if they are nowhere to be had, and with ErrDiffTooLong.
	Between(ctx context.Context, from, to task.Proposal) ([]byte, error)
}

// ErrDiffTooLong is a difference that is longer than any proposal's may be.
var ErrDiffTooLong = errors.New("the difference is longer than what can be shown")

// listRevisions tells the rounds after the first proposal: who asked for what, and what
// became of it.
func listRevisions(c *call) error {
	all, err := c.s.API.TaskBook.Revisions(c.Request().Context(), c.task.ID)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, page[task.Revision]{Items: append([]task.Revision{}, all...)})
}

// taskDiff gives the exact bytes that are up for approval, as a file: nothing in
// them is for a browser or a terminal to act on. With revision it gives those of a
// former one; with against, what that one changes of another's result.
func taskDiff(c *call) error {
	p, err := c.proposalOf("revision")
	if err != nil {
		return err
	}
	diff, name := p.Diff, string(c.task.ID)
	if c.QueryParam("against") != "" {
		against, err := c.proposalOf("against")
		if err != nil {
			return err
		}
		if diff, err = c.between(against, p); err != nil {
			return err
		}
		name = fmt.Sprintf("%s-%d-%d", c.task.ID, against.Revision, p.Revision)
	}
	h := c.Response().Header()
	h.Set("Content-Disposition", `attachment; filename="`+name+`.diff"`)
	h.Set("X-Proposal-Digest", p.Digest)
	h.Set("X-Proposal-Revision", strconv.Itoa(p.Revision))
	return c.Blob(http.StatusOK, "text/plain; charset=utf-8", diff)
}

func (c *call) between(from, to task.Proposal) ([]byte, error) {
	leave, err := c.s.comparisons.enter(c.Request().Context(), c.user.Subject.String())
	if err != nil {
		return nil, err
	}
	defer leave()
	diff, err := c.s.API.Comparisons.Between(c.Request().Context(), from, to)
	switch {
	case errors.Is(err, task.ErrNotFound):
		return nil, &apiError{status: http.StatusNotFound, text: "the results of these revisions are not to be had: they were made by another server before such results were kept in the database, or their base is not at the forge any more"}
	case errors.Is(err, ErrDiffTooLong):
		return nil, &apiError{status: http.StatusRequestEntityTooLarge, text: ErrDiffTooLong.Error()}
	}
	return diff, err
}

// proposalOf reads the proposal whose number stands in the query; without one, the newest.
func (c *call) proposalOf(query string) (task.Proposal, error) {
	asked, ctx := c.QueryParam(query), c.Request().Context()
	var p task.Proposal
	var err error
	if asked == "" {
		p, err = c.s.API.Tasks.Proposal(ctx, c.task.ID)
	} else {
		number, bad := strconv.Atoi(asked)
		if bad != nil || number < 1 || number > maxRevisionNumber {
			return p, &apiError{status: http.StatusBadRequest, text: query + ": want the number of a revision"}
		}
		p, err = c.s.API.TaskBook.ProposalBefore(ctx, c.task.ID, number+1)
		if err == nil && p.Revision != number {
			err = task.ErrNotFound
		}
	}
	switch {
	case errors.Is(err, task.ErrNotFound) && asked == "":
		return p, &apiError{status: http.StatusNotFound, text: "the task has no proposal; its state says why"}
	case errors.Is(err, task.ErrNotFound):
		return p, &apiError{status: http.StatusNotFound, text: "the task has proposed no such revision"}
	case err == nil:
		err = p.Verify()
	}
	if err != nil {
		return p, fmt.Errorf("read the proposal: %w", err)
	}
	return p, nil
}

const maxRevisionNumber = 1_000_000
