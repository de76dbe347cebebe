package client

import (
	"context"
	"encoding/json"
	"strconv"
	"time"
)

// AuditEntry is one entry of the audit log.
type AuditEntry struct {
	Number      int64           `json:"number"`
	At          time.Time       `json:"at"`
	Actor       string          `json:"actor"`
	Action      string          `json:"action"`
	Task        string          `json:"task,omitempty"`
	Environment string          `json:"environment,omitempty"`
	Detail      json.RawMessage `json:"detail,omitempty"`
}

// AuditFilter narrows a reading of the audit log.
type AuditFilter struct{ Task, Environment string }

// Audit hands over the entries, oldest first, page by page.
func (c *Client) Audit(ctx context.Context, f AuditFilter, each func(AuditEntry) error) error {
	query := given("task", f.Task, "environment", f.Environment)
	query.Set("limit", strconv.Itoa(maxPage))
	for {
		var p page[AuditEntry]
		if err := c.get(ctx, &p, query, "audit"); err != nil {
			return err
		}
		for _, e := range p.Items {
			if err := each(e); err != nil {
				return err
			}
		}
		if p.Cursor == "" {
			return nil
		}
		if p.Cursor == query.Get("cursor") {
			return c.strange("its pages do not go on")
		}
		query.Set("cursor", p.Cursor)
	}
}
