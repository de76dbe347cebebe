package client

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/policy"
)

// Error is a refusal in the server's words.
type Error struct {
	Status int    // of HTTP
	Text   string `json:"error"`
	// Permission, Resource and Reason say what is missing, where and why.
	Permission string         `json:"permission"`
	Resource   string         `json:"resource"`
	Reason     *policy.Reason `json:"reason"`
	Problems   []string       `json:"problems"` // of manifests
	RequestID  string         `json:"requestId"`
	RetryAfter time.Duration  // 0: not said
}

// Error implements error: what is wrong, why, and which line of the server's log
// is about it. It is what a stranger wrote, so make it inert before it is shown.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Text)
	if missing := fmt.Sprintf("%q on %s", e.Permission, e.Resource); e.Permission != "" && !strings.Contains(e.Text, strconv.Quote(e.Permission)) {
		b.WriteString("\nmissing: " + missing)
	}
	if e.Reason != nil {
		b.WriteString("\n" + e.Reason.String())
	}
	for _, problem := range e.Problems {
		b.WriteString("\n" + problem)
	}
	if e.RetryAfter > 0 {
		fmt.Fprintf(&b, "\ntry again in %s", e.RetryAfter)
	}
	if e.Status == http.StatusUnauthorized {
		b.WriteString("\n`coderflow login` signs in again; `coderflow tokens create` on the server's machine makes a token")
	}
	if e.RequestID != "" {
		fmt.Fprintf(&b, "\n(status %d, request %s)", e.Status, e.RequestID)
	}
	return b.String()
}

// maxWait bounds how long a server can ask its users to wait.
const maxWait = 5 * time.Minute

// refusal reads a failure.
func (c *Client) refusal(response *http.Response, body []byte) error {
	e := &Error{}
	if err := json.Unmarshal(body, e); err != nil || e.Text == "" || !hasType(response, "application/json") {
		return &strangeError{c.Server(), "it is " + response.Status, response.StatusCode}
	}
	e.Status = response.StatusCode
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && seconds > 0 {
		e.RetryAfter = min(time.Duration(min(seconds, 3600))*time.Second, maxWait)
	}
	return e
}

// IsStatus tells whether the server refused with the status.
func IsStatus(err error, status int) bool {
	e := (*Error)(nil)
	return errors.As(err, &e) && e.Status == status
}

// strangeError is an answer that no CoderFlow gives.
type strangeError struct {
	server, what string
	status       int // of HTTP, where it failed
}

// Error implements error.
func (e *strangeError) Error() string {
	return fmt.Sprintf("the answer of %s cannot be used: %s; is it CoderFlow?", e.server, e.what)
}

func (c *Client) strange(what string) error { return &strangeError{c.Server(), what, 0} }

// NetworkError is a server that did not answer, or not to the end.
type NetworkError struct {
	Server string
	cause  error
}

// Unwrap gives the cause.
func (e *NetworkError) Unwrap() error { return e.cause }

// Error implements error. It says what to do next.
func (e *NetworkError) Error() string {
	next := "check the address and that `coderflow serve` runs there"
	var untrusted *tls.CertificateVerificationError
	var unknown *net.DNSError
	var timeout net.Error
	switch {
	case errors.As(e.cause, &untrusted):
		next = "its certificate is not trusted on this machine: add the authority's certificate to the system's, or to SSL_CERT_FILE"
	case errors.As(e.cause, &unknown):
		next = "there is no machine of this name: check the address"
	case errors.As(e.cause, &timeout) && timeout.Timeout():
		next = "it takes too long: try again, and look at the server's /readyz"
	}
	return fmt.Sprintf("%s does not answer: %v; %s", e.Server, e.cause, next)
}

// Temporary tells whether the same question may be answered later, and how long
// the server wants to be left alone until then; 0: it did not say.
func Temporary(err error) (wait time.Duration, ok bool) {
	var said *Error
	var strange *strangeError
	var network *NetworkError
	switch {
	case errors.Is(err, context.Canceled):
		return 0, false
	case errors.As(err, &said):
		return said.RetryAfter, said.Status == http.StatusTooManyRequests || said.Status >= 500
	case errors.As(err, &strange): // a proxy whose server is away
		return 0, strange.status >= 500
	case errors.As(err, &network):
		var untrusted *tls.CertificateVerificationError
		return 0, !errors.As(err, &untrusted)
	}
	return 0, false
}
