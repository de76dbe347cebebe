package client

import (
	"context"

	"github.com/coderflow/coderflow/internal/audit"
)

// Chain reads how a task came to what it did.
func (c *Client) Chain(ctx context.Context, id string) (audit.Chain, error) {
	var chain audit.Chain
	return chain, c.get(ctx, &chain, nil, "tasks", id, "chain")
}
