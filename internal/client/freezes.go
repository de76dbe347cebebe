package client

import (
	"context"
	"net/http"
	"time"
)

// Freeze is one emergency stop that is in force.
type Freeze struct {
	ID          string    `json:"id"`
	Resource    string    `json:"resource"`
	Environment string    `json:"environment,omitempty"` // empty: the whole server
	Reason      string    `json:"reason"`
	By          User      `json:"by"`
	At          time.Time `json:"at"`
	Already     bool      `json:"already,omitempty"` // it was frozen before it was asked for
}

// Freezes lists what is frozen, as far as the caller may see it.
func (c *Client) Freezes(ctx context.Context) ([]Freeze, error) {
	var list page[Freeze]
	err := c.get(ctx, &list, nil, "freezes")
	return list.Items, err
}

// Freeze stops an environment; empty: the whole server.
func (c *Client) Freeze(ctx context.Context, environment, reason string) (Freeze, error) {
	var f Freeze
	err := c.Do(ctx, http.MethodPost, []string{"freezes"}, given("environment", environment), map[string]string{"reason": reason}, &f)
	return f, err
}

// Thaw lets it go on.
func (c *Client) Thaw(ctx context.Context, environment string) (Freeze, error) {
	var f Freeze
	err := c.Do(ctx, http.MethodDelete, []string{"freezes"}, given("environment", environment), nil, &f)
	return f, err
}
