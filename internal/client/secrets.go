package client

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// Secret is what is known of a stored secret; nothing says what it is.
type Secret struct {
	Environment string    `json:"environment"`
	Context     string    `json:"context"`
	Name        string    `json:"name"`
	Canary      bool      `json:"canary"`
	Version     int64     `json:"version"`
	SetAt       time.Time `json:"setAt"`
	SetBy       string    `json:"setBy"`
}

// Secrets lists those of an environment, or of all whose secrets the caller manages.
func (c *Client) Secrets(ctx context.Context, environment string) ([]Secret, error) {
	var list struct {
		Items []Secret `json:"items"`
	}
	return list.Items, c.get(ctx, &list, given("environment", environment), "secrets")
}

// SetSecret stores a secret.
func (c *Client) SetSecret(ctx context.Context, s Secret, content []byte) error {
	body := map[string]any{"context": s.Context, "name": s.Name, "content": content, "canary": s.Canary}
	return c.Do(ctx, http.MethodPost, []string{"secrets"}, url.Values{"environment": {s.Environment}}, body, &struct{}{})
}

// RemoveSecret removes a secret.
func (c *Client) RemoveSecret(ctx context.Context, s Secret) error {
	body := map[string]any{"context": s.Context, "name": s.Name}
	return c.Do(ctx, http.MethodPost, []string{"secrets", "remove"}, url.Values{"environment": {s.Environment}}, body, &struct{}{})
}
