package client

import (
	"context"
	"net/http"

	"github.com/coderflow/coderflow/internal/audit"
)

// Reconcile has the server hold its log against the forge, in one repository or in
// all; known asks only for what the last looks found.
func (c *Client) Reconcile(ctx context.Context, repository string, known bool) (audit.Reconciliation, error) {
	var r audit.Reconciliation
	query := given("repository", repository)
	if known {
		return r, c.get(ctx, &r, query, "audit", "differences")
	}
	return r, c.Do(ctx, http.MethodPost, []string{"audit", "reconcile"}, query, nil, &r)
}
