package web

import (
	"context"
	_ "embed"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
)

type tokenView struct {
	ID           string              `json:"id"`
	Name         string              `json:"name"`
	ExpiresAt    time.Time           `json:"expiresAt"`
	Permissions  []policy.Permission `json:"permissions,omitempty"`  // absent: not narrowed
	Environments []string            `json:"environments,omitempty"` // absent: not narrowed
}

// rightsView is what the caller may on one resource with this token.
type rightsView struct {
	Resource    string              `json:"resource"`
	Permissions []policy.Permission `json:"permissions"`
}

type whoamiView struct {
	Subject       string       `json:"subject"`
	Token         tokenView    `json:"token"`
	Rights        []rightsView `json:"rights"`
	PolicyVersion string       `json:"policyVersion"`
	Kept          *KeptToken   `json:"gitToken,omitempty"` // absent: none is kept
}

// KeptToken is a person's token for git, which is kept since they signed in.
type KeptToken struct {
	KeptAt    time.Time  `json:"keptAt"`
	GoodUntil *time.Time `json:"goodUntil,omitempty"` // absent: for ever
}

// GitTokens knows of whom a token for git is kept.
type GitTokens interface {
	KeptGitToken(ctx context.Context, who forge.Subject) (k KeptToken, kept bool, err error)
}

// whoami tells whose token it is and what it reaches at this moment. Resources
// on which that is nothing are left out.
func whoami(c *call) error {
	k := c.token
	answer := whoamiView{
		Subject: c.user.Subject.String(), Rights: []rightsView{}, PolicyVersion: c.rules.Version,
		Token: tokenView{k.ID, k.Name, k.ExpiresAt.UTC(), k.Scope.Permissions, k.Scope.Environments},
	}
	if c.s.API.GitTokens != nil {
		kept, is, err := c.s.API.GitTokens.KeptGitToken(c.Request().Context(), c.user.Subject)
		if err != nil {
			return err
		}
		if is {
			answer.Kept = &kept
		}
	}
	resources := []string{policy.Server}
	for _, name := range slices.Sorted(maps.Keys(c.rules.Environments)) {
		resources = append(resources, policy.EnvironmentResource(name))
	}
	for _, resource := range resources {
		if held := c.rights(resource); len(held) > 0 {
			answer.Rights = append(answer.Rights, rightsView{resource, held})
		}
	}
	return c.JSON(http.StatusOK, answer)
}

// rights leaves approval out: nothing that a token can do approves anything.
func (c *call) rights(resource string) []policy.Permission {
	var held []policy.Permission
	for _, info := range policy.Permissions() {
		if info.Permission != policy.TasksApprove && c.holds(info.Permission, resource).OK {
			held = append(held, info.Permission)
		}
	}
	return held
}

type environmentView struct {
	Name string `json:"name"`
}

func listEnvironments(c *call) error {
	return c.JSON(http.StatusOK, page[environmentView]{
		Items: collect(c.environments, func(name string) environmentView { return environmentView{name} }),
	})
}

//go:embed openapi.yaml
var description []byte

// openapi gives the API's description, which is public.
func (s *server) openapi(c echo.Context) error {
	return c.Blob(http.StatusOK, "application/yaml", description)
}
