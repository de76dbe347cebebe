package web

import (
	"net/http"

	"github.com/coderflow/coderflow/internal/task"
)

type refusalView struct {
	What  string `json:"what"`
	Why   string `json:"why"`
	Count int64  `json:"count"`
}

type hostView struct {
	Host        string `json:"host"`
	Connections int64  `json:"connections"`
	Bytes       int64  `json:"bytes"`
}

type modelsView struct {
	Agent    string        `json:"agent,omitempty"`
	Model    string        `json:"model,omitempty"`
	Usage    task.Usage    `json:"usage"`
	Refusals []refusalView `json:"refusals"`
	Hosts    []hostView    `json:"hosts"`
}

// taskModels tells what the task did through the model gateway.
func taskModels(c *call) error {
	ctx, id, records := c.Request().Context(), c.task.ID, c.s.API.Records
	usage, err := records.ModelUsage(ctx, id)
	if err != nil {
		return err
	}
	refusals, err := records.ModelRefusals(ctx, id)
	if err != nil {
		return err
	}
	hosts, err := records.HostUses(ctx, id)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, modelsView{
		Agent: c.task.Run.Agent, Model: c.task.Run.Model, Usage: usage,
		Refusals: collect(refusals, func(r task.Refusal) refusalView { return refusalView(r) }),
		Hosts:    collect(hosts, func(h task.HostUse) hostView { return hostView(h) }),
	})
}
