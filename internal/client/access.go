package client

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/coderflow/coderflow/internal/policy"
)

// Rights are what a token reaches on one resource.
type Rights struct {
	Resource    string              `json:"resource"`
	Permissions []policy.Permission `json:"permissions"`
}

// TokenName is a token as its bearer sees it.
type TokenName struct {
	ID           string              `json:"id"`
	Name         string              `json:"name"`
	ExpiresAt    time.Time           `json:"expiresAt"`
	Permissions  []policy.Permission `json:"permissions,omitempty"`  // absent: not narrowed
	Environments []string            `json:"environments,omitempty"` // absent: not narrowed
}

// Identity is the answer to whoami.
type Identity struct {
	Subject       string    `json:"subject"`
	Token         TokenName `json:"token"`
	Rights        []Rights  `json:"rights"`
	PolicyVersion string    `json:"policyVersion"`
	Kept          *GitToken `json:"gitToken,omitempty"`
}

// GitToken is what a server keeps of a person since they signed in, for git.
type GitToken struct {
	KeptAt    time.Time  `json:"keptAt"`
	GoodUntil *time.Time `json:"goodUntil,omitempty"`
}

// Whoami asks whose the token is, and what it reaches at this moment.
func (c *Client) Whoami(ctx context.Context) (Identity, error) {
	var me Identity
	return me, c.get(ctx, &me, nil, "whoami")
}

// Permissions lists every permission.
func (c *Client) Permissions(ctx context.Context) ([]policy.PermissionInfo, error) {
	return items[policy.PermissionInfo](ctx, c, nil, "permissions")
}

// Role is a role with what it gives.
type Role struct {
	Name        string              `json:"name"`
	Description string              `json:"description,omitempty"`
	Predefined  bool                `json:"predefined"`
	Permissions []policy.Permission `json:"permissions"`
}

// Roles lists predefined and custom roles.
func (c *Client) Roles(ctx context.Context) ([]Role, error) { return items[Role](ctx, c, nil, "roles") }

// Who lists who holds a permission on a resource, and by what.
func (c *Client) Who(ctx context.Context, permission, resource string) ([]policy.Holder, error) {
	return items[policy.Holder](ctx, c, given("permission", permission, "resource", resource), "access", "who")
}

// items reads a list that comes in one piece.
func items[T any](ctx context.Context, c *Client, query url.Values, path ...string) ([]T, error) {
	var p page[T]
	err := c.get(ctx, &p, query, path...)
	if p.Items == nil {
		p.Items = []T{}
	}
	return p.Items, err
}

// Explanation is a decision with what was asked.
type Explanation struct {
	Subject    string `json:"subject"`
	Permission string `json:"permission"`
	Resource   string `json:"resource"`
	policy.Decision
}

// Explain asks why somebody may or may not do something. An empty subject is
// whoever asks.
func (c *Client) Explain(ctx context.Context, subject, permission, resource string) (Explanation, error) {
	var e Explanation
	return e, c.get(ctx, &e, given("subject", subject, "permission", permission, "resource", resource), "access", "explain")
}

// Token is an API token without its text.
type Token struct {
	ID           string              `json:"id"`
	Token        string              `json:"token,omitempty"` // its text; only when it is made
	Name         string              `json:"name"`
	Owner        string              `json:"owner"`
	SignIn       bool                `json:"signIn,omitempty"` // a sign-in made it
	Permissions  []policy.Permission `json:"permissions,omitempty"`
	Environments []string            `json:"environments,omitempty"`
	CreatedAt    time.Time           `json:"createdAt"`
	CreatedBy    string              `json:"createdBy"`
	ExpiresAt    time.Time           `json:"expiresAt"`
	LastUsedAt   *time.Time          `json:"lastUsedAt,omitempty"`
	RevokedAt    *time.Time          `json:"revokedAt,omitempty"`
	State        string              `json:"state"` // active, expired or revoked
}

// NewToken is a token that is asked for.
type NewToken struct {
	Name         string              `json:"name"`
	Expires      string              `json:"expires"` // a lifetime: 30d
	Permissions  []policy.Permission `json:"permissions,omitempty"`
	Environments []string            `json:"environments,omitempty"`
	Owner        string              `json:"owner,omitempty"` // empty: whoever asks
}

// CreateToken makes a token. Its text is in the answer and nowhere else.
func (c *Client) CreateToken(ctx context.Context, wanted NewToken) (Token, error) {
	var made Token
	return made, c.Do(ctx, http.MethodPost, []string{"tokens"}, nil, wanted, &made)
}

// RevokeToken ends a token. Repeating it is no error.
func (c *Client) RevokeToken(ctx context.Context, id string) (Token, error) {
	var ended Token
	return ended, c.Do(ctx, http.MethodPost, []string{"tokens", id, "revoke"}, nil, nil, &ended)
}

// Tokens lists tokens: the caller's own, those of an owner, or all.
func (c *Client) Tokens(ctx context.Context, owner string, all bool) ([]Token, error) {
	query := given("owner", owner)
	if all {
		query.Set("all", "true")
	}
	return items[Token](ctx, c, query, "tokens")
}
