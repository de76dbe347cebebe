package web

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"

	"github.com/coderflow/coderflow/internal/audit"
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

//go:embed chain.html
var chainFiles embed.FS

var chainTemplates = template.Must(template.New("").Funcs(template.FuncMap{
	"minute": minute, "person": nameOf, "text": oneText, "title": stepTitle, "link": httpsOnly,
	"receipt": func(path string) string { return strings.TrimPrefix(path, apiPrefix) }, // a browser's
}).ParseFS(chainFiles, "chain.html"))

// chainPage is the chain on one page.
type chainPage struct {
	Error string
	taskView
	audit.Chain
}

// showChain is the page of one task's chain.
func showChain(c *call) error {
	c.row = apiRow{permission: policy.TasksView, on: onTask}
	page := chainPage{}
	err := c.permitTask()
	if err == nil {
		page.taskView = viewTask(c.task)
		page.Chain, err = c.chain()
	}
	status := http.StatusOK
	if told := (*apiError)(nil); errors.As(err, &told) && told.status < http.StatusInternalServerError {
		page, status, err = chainPage{Error: told.text}, told.status, nil
	}
	if err != nil {
		return err
	}
	return c.renderFrom(chainTemplates, status, "chain.html", page)
}

// stepTitles are the steps in words, in their order.
var stepTitles = []string{"Created by", "Generated", "Checked", "Judged", "Approved", "Committed", "Pushed", "Deployed"}

func stepTitle(step string) string {
	if i := slices.Index(audit.StepNames(), step); i >= 0 {
		return stepTitles[i]
	}
	return step
}

// httpsOnly is the address if it is one that a browser only opens; empty otherwise.
func httpsOnly(address string) string {
	if strings.HasPrefix(address, "https://") || strings.HasPrefix(address, "http://") {
		return address
	}
	return ""
}
