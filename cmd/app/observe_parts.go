package main

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/engine"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/gitops"
	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/task"
	"github.com/coderflow/coderflow/internal/telemetry"
)

// observedGit tells how long git takes.
type observedGit struct {
	engine.Git
	o *observer
}

func (g observedGit) begin(ctx context.Context, operation string) (context.Context, func(error)) {
	began := time.Now()
	ctx, end := g.o.tracer.Start(ctx, "git "+operation, telemetry.Internal)
	return ctx, func(err error) {
		g.o.figures.git.WithLabelValues(operation, failedOr(err)).Observe(time.Since(began).Seconds())
		end(err != nil)
	}
}

func failedOr(err error) string {
	if err != nil {
		return "failed"
	}
	return "done"
}

// Fetch implements engine.Git.
func (g observedGit) Fetch(ctx context.Context, remote gitops.Remote, branch string) (commit string, err error) {
	ctx, end := g.begin(ctx, "fetch")
	defer func() { end(err) }()
	return g.Git.Fetch(ctx, remote, branch)
}

// Bundle implements engine.Git.
func (g observedGit) Bundle(ctx context.Context, repo forge.RepositoryRef, commit, path string) (err error) {
	ctx, end := g.begin(ctx, "bundle")
	defer func() { end(err) }()
	return g.Git.Bundle(ctx, repo, commit, path)
}

// BuildTree implements engine.Git.
func (g observedGit) BuildTree(ctx context.Context, r gitops.BuildRequest) (result gitops.Result, err error) {
	ctx, end := g.begin(ctx, "build-tree")
	defer func() { end(err) }()
	return g.Git.BuildTree(ctx, r)
}

// PublishProposal implements engine.Git.
func (g observedGit) PublishProposal(ctx context.Context, remote gitops.Remote, id task.ID, carrier, expectedOld string) (err error) {
	ctx, end := g.begin(ctx, "push-proposal")
	defer func() { end(err) }()
	return g.Git.PublishProposal(ctx, remote, id, carrier, expectedOld)
}

// Land implements engine.Git.
func (g observedGit) Land(ctx context.Context, grant approval.Grant, credential approval.Credential, url string) (outcome gitops.PushOutcome, err error) {
	ctx, end := g.begin(ctx, "push")
	defer func() { end(err) }()
	return g.Git.Land(ctx, grant, credential, url)
}

// observedSandbox tells how long containers take to start.
type observedSandbox struct {
	engine.Sandbox
	o *observer
}

// Start implements engine.Sandbox.
func (s observedSandbox) Start(ctx context.Context, spec sandbox.Spec) (c sandbox.Container, err error) {
	ctx, end := s.o.starting(ctx, spec.Labels.Purpose)
	defer func() { end(err) }()
	return s.Sandbox.Start(ctx, spec)
}

// EnsureWorkspace implements engine.Sandbox.
func (s observedSandbox) EnsureWorkspace(ctx context.Context, spec sandbox.WorkspaceSpec) error {
	ctx, end := s.o.tracer.Start(ctx, "workspace", telemetry.Internal)
	err := s.Sandbox.EnsureWorkspace(ctx, spec)
	end(err != nil)
	return err
}

// observedContainers tells the same of deployments, which are started apart from being made.
type observedContainers struct {
	deploy.Containers
	o *observer
}

// StartCreated implements deploy.Containers.
func (c observedContainers) StartCreated(ctx context.Context, name string) (err error) {
	ctx, end := c.o.starting(ctx, "deploy")
	defer func() { end(err) }()
	return c.Containers.StartCreated(ctx, name)
}

func (o *observer) starting(ctx context.Context, purpose string) (context.Context, func(error)) {
	began := time.Now()
	ctx, end := o.tracer.Start(ctx, "container start", telemetry.Internal, telemetry.String("coderflow.purpose", purpose))
	return ctx, func(err error) {
		o.figures.starts.WithLabelValues(purpose, failedOr(err)).Observe(time.Since(began).Seconds())
		end(err != nil)
	}
}

// webhooks counts the requests of forges and how long they took.
func (o *observer) webhooks(next http.Handler) http.Handler {
	hosts := map[string]string{"github": forge.GitHub, "azuredevops": forge.AzureDevOps}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, is := strings.CutPrefix(r.URL.Path, "/webhooks/")
		host, known := hosts[name]
		if !is || !known || r.Method != http.MethodPost {
			next.ServeHTTP(w, r)
			return
		}
		began, answer := time.Now(), &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(answer, r)
		o.figures.webhooks.WithLabelValues(host, webhookOutcome(answer.status)).Observe(time.Since(began).Seconds())
	})
}

// statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach what is below.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// What a forge's request was answered with.
const (
	webhookAccepted  = "accepted"
	webhookRefused   = "refused"
	webhookMalformed = "malformed"
	webhookFailed    = "failed"
	webhookUnserved  = "unserved"
)

var webhookOutcomes = []string{webhookAccepted, webhookRefused, webhookMalformed, webhookFailed}

func webhookOutcome(status int) string {
	switch {
	case status == http.StatusUnauthorized:
		return webhookRefused
	case status == http.StatusNotFound:
		return webhookUnserved
	case status >= http.StatusInternalServerError:
		return webhookFailed
	case status >= http.StatusBadRequest:
		return webhookMalformed
	}
	return webhookAccepted
}
