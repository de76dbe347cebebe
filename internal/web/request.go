package web

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
)

// Keys under which a request's context holds what its log line says.
const (
	requestKey = "coderflow.request"
	subjectKey = "coderflow.subject"
	tokenKey   = "coderflow.token"
)

// observe gives every request to the API an id, which answer and log share, and
// logs it. The log has the route's pattern and never the address as it was sent:
// somebody may have put a token into it. An id that the caller sends is not taken.
func (s *server) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if !strings.HasPrefix(c.Request().URL.Path, "/api/") {
			return next(c)
		}
		started := time.Now()
		id := rand.Text()
		c.Set(requestKey, id)
		c.Response().Header().Set(echo.HeaderXRequestID, id)
		if err := next(c); err != nil {
			s.fail(err, c)
		}
		s.Logger.InfoContext(c.Request().Context(), "API request", "request", id, "method", method(c.Request()), "route", c.Path(),
			"status", c.Response().Status, "subject", c.Get(subjectKey), "token", c.Get(tokenKey), "took", time.Since(started))
		return nil
	}
}

// method is the request's method, if it is one that HTTP has: a caller can send any text.
func method(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return r.Method
	}
	return "other"
}

func requestID(c echo.Context) string {
	id, _ := c.Get(requestKey).(string)
	return id
}

// readForm reads query and body. Nothing that is not understood is passed over:
// whoever sends it believes that it does something.
func (c *call) readForm() error {
	var err error
	if c.query, err = url.ParseQuery(c.Request().URL.RawQuery); err != nil {
		return bad("the query cannot be read")
	}
	for name, values := range c.query {
		if !slices.Contains(c.row.query, name) {
			return bad(fmt.Sprintf("unknown query parameter; %s", c.row.parameters()))
		}
		if len(values) != 1 || values[0] == "" {
			return bad(fmt.Sprintf("the query parameter %s must have one value", name))
		}
	}
	return c.readBody()
}

func (r apiRow) parameters() string {
	if len(r.query) == 0 {
		return "this takes none"
	}
	return "this takes " + strings.Join(r.query, ", ")
}

// number reads a query parameter between two bounds.
func (c *call) number(name string, fallback, least, most int64) (int64, error) {
	if !c.query.Has(name) {
		return fallback, nil
	}
	n, err := strconv.ParseInt(c.query.Get(name), 10, 64)
	if err != nil || n < least || n > most {
		return 0, bad(fmt.Sprintf("%s: want a number between %d and %d", name, least, most))
	}
	return n, nil
}

// flag reads a query parameter that is true or false.
func (c *call) flag(name string) (bool, error) {
	switch c.query.Get(name) {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	}
	return false, bad(name + ": want true or false")
}
