package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/coderflow/coderflow/internal/console"
	"github.com/coderflow/coderflow/internal/freeze"
	"github.com/coderflow/coderflow/internal/policy"
)

// page shows a page of the console in its frame, to whoever is signed in, if anybody is.
func (s *server) page(c echo.Context, status int, name string, p console.Page) error {
	p.Frozen = s.frozenLines(c)
	if who, signed := c.Get(viewerKey).(*call); signed {
		p.Viewer = who.viewer()
	}
	var out bytes.Buffer
	if err := console.Render(&out, name, p); err != nil {
		return err
	}
	return htmlPage(c, status, out.Bytes())
}

// page shows a page to whoever calls.
func (c *call) page(name string, p console.Page) error {
	return c.s.page(c.Context, http.StatusOK, name, p)
}

// block shows a part of a page to a browser that has the rest.
func (c *call) block(name, block string, view any) error {
	var out bytes.Buffer
	if err := console.Fragment(&out, name, block, view); err != nil {
		return err
	}
	return htmlPage(c.Context, http.StatusOK, out.Bytes())
}

// leastPacked is from how many bytes on a page is compressed.
const leastPacked = 2 << 10

// htmlPage answers with a page, compressed for a browser that takes that: a diff is a
// tenth then. No page holds a secret that its length could tell of.
func htmlPage(c echo.Context, status int, page []byte) error {
	h := c.Response().Header()
	h.Add("Vary", "Accept-Encoding")
	if len(page) < leastPacked || !strings.Contains(c.Request().Header.Get(echo.HeaderAcceptEncoding), "gzip") {
		return c.HTMLBlob(status, page)
	}
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	if err == nil {
		_, err = w.Write(page)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return fmt.Errorf("compress the page: %w", err)
	}
	h.Set(echo.HeaderContentEncoding, "gzip")
	return c.HTMLBlob(status, out.Bytes())
}

// wantsPart tells whether the page's own script asks for a part of it.
func (c *call) wantsPart() bool { return c.Request().Header.Get("HX-Request") == "true" }

// problem shows what is wrong with a question, in the frame, with the answer's own
// status; what went wrong inside goes on to the log.
func (c *call) problem(section string, err error) error {
	told := (*apiError)(nil)
	if !errors.As(err, &told) || told.status >= http.StatusInternalServerError {
		return err
	}
	title := "This did not work"
	switch told.status {
	case http.StatusNotFound:
		title = "Not found"
	case http.StatusForbidden:
		title = "Not for you"
	}
	reduce(err, c.Response().Header()) // Retry-After
	return c.s.page(c.Context, told.status, "problem", console.Page{Title: title, Section: section, Body: told.text})
}

// viewer is the caller as the frame shows them.
func (c *call) viewer() *console.Viewer {
	v := &console.Viewer{Login: c.rules.LoginOf(c.user.Subject), Subject: c.user.Subject.String()}
	for key, may := range map[string]bool{
		"tasks":        len(c.where(policy.TasksView)) > 0,
		"environments": len(c.where(policy.EnvironmentsView)) > 0,
		"deployments":  len(c.where(policy.DeploymentsView)) > 0,
		"access":       true,
		"audit":        c.holds(policy.AuditView, policy.Server).OK || len(c.where(policy.AuditView)) > 0,
		"system":       c.holds(policy.ServerManage, policy.Server).OK,
	} {
		if may {
			v.Sections = append(v.Sections, key)
		}
	}
	return v
}

// frozenLines say what is frozen: to everybody that something is, and by whom and
// why to those who may see the environment.
func (s *server) frozenLines(c echo.Context) []string {
	summary, set := s.frozen(c.Request().Context())
	if summary == "" {
		return nil
	}
	lines := []string{"CoderFlow is " + summary}
	if who, signed := c.Get(viewerKey).(*call); signed {
		for _, f := range set {
			if f.Resource == freeze.Server || who.holds(policy.EnvironmentsView, policy.EnvironmentResource(f.Name())).OK {
				lines = append(lines, f.String())
			}
		}
	}
	return lines
}

// seen stands for what the browser has of a fragment, in its own address, which is in its
// first tag; elsewhere the same words are somebody's text.
const seen = "seen=none"

// part shows a part of a page that asks for itself again, and nothing if the browser
// has it already.
func (c *call) part(name, block string, view any) error {
	var out bytes.Buffer
	if err := console.Fragment(&out, name, block, view); err != nil {
		return err
	}
	sum := sha256.Sum256(out.Bytes())
	mark := hex.EncodeToString(sum[:8])
	if c.QueryParam("seen") == mark {
		return c.NoContent(http.StatusNoContent)
	}
	tag, rest, _ := bytes.Cut(out.Bytes(), []byte(">"))
	tag = bytes.Replace(tag, []byte(seen), []byte("seen="+mark), 1)
	return htmlPage(c.Context, http.StatusOK, slices.Concat(tag, []byte(">"), rest))
}
