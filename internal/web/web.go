// Package web is CoderFlow's HTTP side: webhooks, health and the API. Handlers
// are thin: they verify, translate and hand over.
package web

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
)

// Inbox keeps a verified delivery. When it returns nil the delivery is safe.
type Inbox interface {
	Accept(ctx context.Context, d forge.Delivery) error
}

// Webhook verifies and reads the deliveries of one forge.
type Webhook interface {
	// Verify proves that the forge sent the body. Its errors name no secret.
	Verify(header http.Header, body []byte) error
	// Delivery translates a verified request.
	Delivery(header http.Header, body []byte) (forge.Delivery, error)
}

// Options are the parts of a server.
type Options struct {
	Inbox Inbox
	// Busy reports whether the inbox would refuse a delivery now, so that none is read in vain; nil: it never does.
	Busy   func() bool
	GitHub Webhook // nil: no GitHub
	// AzureDevOps verifies by the headers alone; nil: no Azure DevOps.
	AzureDevOps Webhook
	Probes      []Probe
	// Metrics writes the figures of the process; nil: there are none.
	Metrics http.Handler
	// MetricsFrom are the networks beside this machine that may read them.
	MetricsFrom []netip.Prefix
	// Audit is what everybody may see of the audit log; nil: nothing.
	Audit AuditLog
	// API are the parts of /api/v1; nil: there is none.
	API *API
	// SignIn lets people sign in, which needs API; nil: nobody can.
	SignIn *SignIn
	Logger *slog.Logger
	Now    func() time.Time
}

// access says who may call a route. Every row of the route table has one.
type access string

const (
	// signed: the request proves itself by the forge's signature.
	signed access = "webhook signature"
	// password: the request proves itself by the password of a service hook.
	password access = "webhook password"
	// open: says nothing that a stranger may not know.
	open access = "open"
	// local: answers requests of this machine only.
	local access = "this machine"
)

// route is one row of the table.
type route struct {
	method, path string
	access       access
	handler      echo.HandlerFunc
}

func (s *server) routes() []route {
	table := []route{
		{http.MethodGet, "/healthz", open, s.health},
		{http.MethodGet, "/readyz", open, s.ready},
	}
	if s.GitHub != nil {
		table = append(table, route{http.MethodPost, "/webhooks/github", signed, s.webhook(source{Webhook: s.GitHub, refusal: "the signature is missing or wrong"})})
	}
	if s.AzureDevOps != nil {
		table = append(table, route{http.MethodPost, "/webhooks/azuredevops", password, s.webhook(source{
			Webhook: s.AzureDevOps, refusal: "user name or password are missing or wrong", challenge: basicChallenge,
		})})
	}
	if s.Audit != nil {
		table = append(table, s.auditRoutes()...)
	}
	if s.Metrics != nil {
		table = append(table, route{http.MethodGet, "/metrics", local, s.metrics})
	}
	if s.API != nil {
		table = append(table, s.apiRoutes()...)
	}
	if s.API != nil && s.SignIn != nil {
		table = append(table, s.signInRoutes()...)
	}
	return table
}

type server struct {
	Options
	// calls and failures are nil without an API.
	calls, failures *limiter
	// proofs of the audit log for one address; nil without a clock.
	proofs *limiter
	// refusals of deliveries that are logged; nil without a clock.
	refusals  *limiter
	bodies    *memory // of deliveries
	followers *seats
	// viewers are pages that are followed, of one subject.
	viewers *seats
	// changes of manifests under way: of one subject, of everybody.
	changes, allChanges *seats
	comparisons         *turns
	limits              Limits
	last                probed
}

func newServer(o Options) *server {
	s := &server{Options: o, comparisons: newTurns(comparisonsAtOnce, comparisonsWaiting), bodies: &memory{free: maxBodies}}
	if o.Now != nil {
		s.proofs = newLimiter(Limits{}.withDefaults().Calls, o.Now)
		s.refusals = newLimiter(Rate{Burst: 3, Every: 10 * time.Second}, o.Now)
	}
	if o.API != nil {
		s.limits = o.API.Limits.withDefaults()
		s.calls, s.failures = newLimiter(s.limits.Calls, o.Now), newLimiter(s.limits.Failures, o.Now)
		s.followers, s.viewers = newSeats(s.limits.Followers), newSeats(s.limits.Followers)
		s.changes, s.allChanges = newSeats(1), newSeats(changesAtOnce)
	}
	return s
}

// New returns the handler of the whole server.
func New(o Options) http.Handler {
	s := newServer(o)
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.HTTPErrorHandler = s.fail
	e.Use(secure, s.observe)
	for _, r := range s.routes() {
		e.Add(r.method, r.path, r.handler)
	}
	return e
}

// secure sets the headers that every answer has.
func secure(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		return next(c)
	}
}

// answer is the body of every error.
type answer struct {
	Error string `json:"error"`
	// Permission, Resource and Reason say what is missing, where and why.
	Permission string         `json:"permission,omitempty"`
	Resource   string         `json:"resource,omitempty"`
	Reason     *policy.Reason `json:"reason,omitempty"`
	// Problems are the mistakes in what was sent, each in one line.
	Problems  []string `json:"problems,omitempty"`
	RequestID string   `json:"requestId,omitempty"`
}

// fail maps errors to answers in one place. What is inside stays inside.
func (s *server) fail(err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	status, body := reduce(err, c.Response().Header())
	body.RequestID = requestID(c)
	refused := (*apiError)(nil)
	if status >= http.StatusInternalServerError && !(errors.As(err, &refused) && refused.logged) {
		s.Logger.ErrorContext(c.Request().Context(), "request failed",
			"method", c.Request().Method, "path", c.Path(), "status", status, "error", err, "request", body.RequestID)
	}
	if err := c.JSON(status, body); err != nil {
		s.Logger.WarnContext(c.Request().Context(), "answer not sent", "error", err)
	}
}

// Serve runs the server on the listener until ctx ends. Then it goes on answering until
// parked is closed, /readyz with 503, and lets requests in flight finish, all that for at
// most grace. Where parked is nil, it answers nothing new.
func Serve(ctx context.Context, l net.Listener, h http.Handler, grace time.Duration, parked <-chan struct{}) error {
	server := &http.Server{
		BaseContext: func(net.Listener) context.Context { return withStop(context.WithoutCancel(ctx), ctx.Done()) },
		Handler:     h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second,
		WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	began := time.Now()
	if parked != nil {
		select {
		case <-parked:
		case <-time.After(grace):
		}
	}
	// What came last has a second at least.
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), max(grace-time.Since(began), time.Second))
	defer cancel()
	if err := server.Shutdown(stop); err != nil {
		return errors.Join(err, server.Close())
	}
	return nil
}
