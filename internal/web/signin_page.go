package web

import (
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/coderflow/coderflow/internal/console"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/signin"
)

// pagePolicy is under what pages are shown.
const pagePolicy = console.Policy

// signInView is the page that offers to sign in.
type signInView struct {
	Error     string
	Providers []signin.Provider
	Next      string // where to go then
}

// selfView is who is signed in and what they may.
type selfView struct {
	Subject string
	Login   string // display text; may be empty
	Until   time.Time
	Rights  []rightsView
}

// asPage shows the errors of a row to a person: the API's answers are for programs.
func asPage(next echo.HandlerFunc, s *server) echo.HandlerFunc {
	return func(c echo.Context) error {
		c.Response().Header().Set("Content-Security-Policy", pagePolicy)
		err := next(c)
		if err == nil || c.Response().Committed {
			return err
		}
		status, body := reduce(err, c.Response().Header())
		if status >= http.StatusInternalServerError {
			s.Logger.ErrorContext(c.Request().Context(), "page failed", "path", c.Path(), "status", status, "error", err)
		}
		return s.show(c, status, signInView{Error: body.Error, Providers: s.SignIn.Flows.Providers()})
	}
}

func (s *server) show(c echo.Context, status int, v signInView) error {
	return s.page(c, status, "signin", console.Page{Title: "Sign in", Body: v})
}

// signInPage offers to sign in, and to go on to an address then.
func (s *server) signInPage(c echo.Context, next string) error {
	return s.show(c, http.StatusOK, signInView{Providers: s.SignIn.Flows.Providers(), Next: next})
}

// showHome says who is signed in and what they may.
func showHome(c *call) error {
	return c.page("home", console.Page{Body: c.self()})
}

// self is the caller and what they may, where.
func (c *call) self() selfView {
	v := selfView{Subject: c.user.Subject.String(), Login: c.rules.LoginOf(c.user.Subject), Until: c.token.ExpiresAt}
	resources := []string{policy.Server}
	for _, name := range slices.Sorted(maps.Keys(c.rules.Environments)) {
		resources = append(resources, policy.EnvironmentResource(name))
	}
	for _, resource := range resources {
		if held := c.rights(resource); len(held) > 0 {
			v.Rights = append(v.Rights, rightsView{resource, held})
		}
	}
	return v
}
