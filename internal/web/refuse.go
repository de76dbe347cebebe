package web

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/coderflow/coderflow/internal/policy"
)

// apiError is a refusal in words for the caller.
type apiError struct {
	status     int
	text       string
	permission policy.Permission
	resource   string
	reason     *policy.Reason
	problems   []string
	retry      time.Duration // 0: no Retry-After
	challenge  string        // WWW-Authenticate; empty: none
	logged     bool          // already, or as often as it is worth
}

// Error implements error.
func (e *apiError) Error() string { return e.text }

// write puts the refusal into headers and body.
func (e *apiError) write(h http.Header, body *answer) {
	body.Error, body.Permission, body.Resource, body.Reason = e.text, string(e.permission), e.resource, e.reason
	body.Problems = e.problems
	if e.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(e.retry.Seconds()))))
	}
	if e.challenge != "" {
		h.Set(echo.HeaderWWWAuthenticate, e.challenge)
	}
}

func bad(text string) error { return &apiError{status: http.StatusBadRequest, text: text} }

func tooMany(wait time.Duration, text string) error {
	return &apiError{status: http.StatusTooManyRequests, text: text + "; try again later", retry: wait}
}

// reduce maps an error to a status and the body of the answer. What is inside
// stays inside.
func reduce(err error, h http.Header) (int, answer) {
	body := answer{Error: "internal error; the server's log has the details"}
	if ae := (*apiError)(nil); errors.As(err, &ae) {
		ae.write(h, &body)
		return ae.status, body
	}
	if he := (*echo.HTTPError)(nil); errors.As(err, &he) {
		body.Error = http.StatusText(he.Code)
		if words, ok := he.Message.(string); ok {
			body.Error = words
		}
		return he.Code, body
	}
	return http.StatusInternalServerError, body
}
