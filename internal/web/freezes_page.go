package web

import (
	"bytes"
	"context"
	"fmt"
	"html"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/coderflow/coderflow/internal/freeze"
)

// viewerKey is where a page's context holds who looks, as a *call.
const viewerKey = "coderflow.viewer"

// frozenTime bounds what a page, or /readyz, waits to learn what is frozen.
const frozenTime = time.Second

// frozen says for everybody what is frozen, without names and reasons, which are not
// for strangers; empty: nothing is.
func (s *server) frozen(ctx context.Context) (string, freeze.Set) {
	if s.API == nil || s.API.Freezes == nil {
		return "", nil
	}
	ctx, cancel := context.WithTimeout(ctx, frozenTime)
	defer cancel()
	set, err := s.API.Freezes.Freezes(ctx)
	if err != nil {
		return "it cannot be read what is frozen, so nothing is pushed or deployed", nil
	}
	f, whole := set.Over()
	switch {
	case whole:
		return "frozen: " + f.What(), set
	case len(set) == 1:
		return "frozen: one environment", set
	case len(set) > 1:
		return fmt.Sprintf("frozen: %d environments", len(set)), set
	}
	return "", nil
}

// banner puts above every page what is frozen; by whom and why for those who may see
// the environment.
func (s *server) banner(c echo.Context, page []byte) []byte {
	lines := s.frozenLines(c)
	if lines == nil {
		return page
	}
	text := html.EscapeString(strings.Join(lines, "\n"))
	const body = "<body>\n"
	return bytes.Replace(page, []byte(body), []byte(body+`<p class="error" role="alert">`+strings.ReplaceAll(text, "\n", "<br>")+"</p>\n"), 1)
}
