package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/console"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/task"
)

// Chains are the approval chains of tasks.
type Chains interface {
	// Chain reads the chain of a task from the log and compares it with the task's
	// records, or fails with task.ErrNotFound.
	Chain(ctx context.Context, id task.ID) (audit.Chain, error)
}

// chain is the chain of the task that the call is about, as far as the caller may
// see it: deployments into environments whose deployments they may not view are
// counted alone.
func (c *call) chain() (audit.Chain, error) {
	chain, err := c.s.API.Chains.Chain(c.Request().Context(), c.task.ID)
	if errors.Is(err, task.ErrNotFound) {
		return chain, errNoTask
	}
	if err != nil {
		return chain, fmt.Errorf("read the approval chain of task %s: %w", c.task.ID, err)
	}
	chain.Narrowed(func(environment string) bool {
		return c.holds(policy.DeploymentsView, policy.EnvironmentResource(environment)).OK
	})
	return chain, nil
}

func taskChain(c *call) error {
	chain, err := c.chain()
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, chain)
}

// chainPage is the chain on one page.
type chainPage struct {
	taskHead
	audit.Chain
}

// StepTitle is a step in words.
func (chainPage) StepTitle(step string) string { return stepTitle(step) }

// ReceiptPath is where a browser finds what the API has at a path.
func (chainPage) ReceiptPath(path string) string { return strings.TrimPrefix(path, apiPrefix) }

// showChain is the page of one task's chain.
func showChain(c *call) error {
	c.row = apiRow{permission: policy.TasksView, on: onTask}
	if err := c.permitTask(); err != nil {
		return err
	}
	chain, err := c.chain()
	if err != nil {
		return err
	}
	p, err := c.proposal()
	if err != nil {
		return err
	}
	head, err := c.head("chain", p)
	if err != nil {
		return err
	}
	return c.page("chain", console.Page{
		Title: "Approval chain of task " + string(c.task.ID), Section: "tasks", Body: chainPage{head, chain},
	})
}

// stepTitles are the steps in words, in their order.
var stepTitles = []string{"Created by", "Generated", "Checked", "Judged", "Approved", "Committed", "Pushed", "Deployed"}

func stepTitle(step string) string {
	if i := slices.Index(audit.StepNames(), step); i >= 0 {
		return stepTitles[i]
	}
	return step
}
