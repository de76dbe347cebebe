package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"github.com/coderflow/coderflow/internal/console"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/signin"
	"github.com/coderflow/coderflow/internal/token"
)

//go:embed signin.html signin.css
var signInFiles embed.FS

var signInTemplate = template.Must(template.ParseFS(signInFiles, "signin.html"))

// pagePolicy is under what pages are shown.
const pagePolicy = console.Policy

// signInView is what the page shows.
type signInView struct {
	Error     string
	Providers []signin.Provider
	Next      string
	// Subject is who is signed in; empty: nobody.
	Subject string
	Login   string // display text; may be empty
	Token   token.Token
	Rights  []rightsView
	// Deployments: there are some that the viewer may see.
	Deployments bool
	// Audit: there is a part of the audit log that the viewer may see.
	Audit bool
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
	var out bytes.Buffer
	if err := signInTemplate.Execute(&out, v); err != nil {
		return fmt.Errorf("show the page: %w", err)
	}
	return c.HTMLBlob(status, s.banner(c, out.Bytes()))
}

// home says who is signed in and what they may, or offers to sign in.
func (s *server) home(c echo.Context) error {
	k, ok, err := s.session(c)
	if err != nil {
		return err
	}
	if !ok {
		return s.show(c, http.StatusOK, signInView{Providers: s.SignIn.Flows.Providers(), Next: "/"})
	}
	rules, err := s.API.Policies.Policy(c.Request().Context())
	if err != nil {
		return fmt.Errorf("read the rules in force: %w", err)
	}
	v := signInView{Subject: k.Owner.String(), Login: rules.LoginOf(k.Owner), Token: k}
	who := &call{Context: c, s: s, token: k, rules: rules, user: forge.User{Subject: k.Owner, Kind: k.Owner.Kind()}}
	c.Set(viewerKey, who)
	resources := []string{policy.Server}
	for _, name := range slices.Sorted(maps.Keys(rules.Environments)) {
		resources = append(resources, policy.EnvironmentResource(name))
	}
	for _, resource := range resources {
		if held := who.rights(resource); len(held) > 0 {
			v.Rights = append(v.Rights, rightsView{resource, held})
		}
	}
	v.Deployments = len(who.where(policy.DeploymentsView)) > 0
	v.Audit = who.holds(policy.AuditView, policy.Server).OK || len(who.where(policy.AuditView)) > 0
	return s.show(c, http.StatusOK, v)
}

func signInStyle(c echo.Context) error {
	style, err := signInFiles.ReadFile("signin.css")
	if err != nil {
		return err
	}
	return c.Blob(http.StatusOK, "text/css; charset=utf-8", style)
}
