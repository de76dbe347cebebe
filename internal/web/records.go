package web

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
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

type auditView struct {
	Number      int64           `json:"number"`
	At          time.Time       `json:"at"`
	Actor       string          `json:"actor"`
	Action      audit.Action    `json:"action"`
	Task        string          `json:"task,omitempty"`
	Environment string          `json:"environment,omitempty"`
	Detail      json.RawMessage `json:"detail,omitempty"`
}

func viewAudit(e audit.Entry) auditView {
	return auditView{e.Seq, e.At.UTC(), e.Actor, e.Action, e.Task, e.Environment, e.Detail}
}

// listAudit lists entries, oldest first: all of them for whoever may read the
// server's log, otherwise those of one environment.
func listAudit(c *call) error {
	limit, err := c.number("limit", pageLength, 1, maxPageLength)
	if err != nil {
		return err
	}
	after, err := c.number("cursor", 0, 0, 1<<62)
	if err != nil {
		return err
	}
	q := AuditQuery{Environment: c.environment, After: after, Limit: int(limit)}
	if text := c.query.Get("task"); text != "" {
		id, err := task.ParseID(text)
		if err != nil {
			return bad("task: want the id of a task")
		}
		q.Task = string(id)
	}
	entries, next, err := c.s.API.Records.AuditPage(c.Request().Context(), q)
	if err != nil {
		return err
	}
	answer := page[auditView]{Items: collect(entries, viewAudit)}
	if next > 0 {
		answer.Cursor = strconv.FormatInt(next, 10)
	}
	return c.JSON(http.StatusOK, answer)
}
