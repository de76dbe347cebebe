package main

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coderflow/coderflow/internal/forge/wire"
	"github.com/coderflow/coderflow/internal/telemetry/otlp"
)

// workFigures are what this process did since it started: steps, calls, containers.
type workFigures struct {
	steps, jobs, tasks      *prometheus.HistogramVec
	moves, leases           *prometheus.CounterVec
	webhooks                *prometheus.HistogramVec
	deliveries              *prometheus.CounterVec
	git, starts             *prometheus.HistogramVec
	runs, examinations      *prometheus.HistogramVec
	calls, retries, limited *prometheus.CounterVec
	callTimes               *prometheus.HistogramVec
	remaining, reset        *prometheus.GaugeVec
	spans                   *prometheus.CounterVec
}

// Buckets, in seconds: of calls, of steps (which fetch, start containers and push), and of
// what takes an agent or a person minutes to days.
var (
	callBuckets = []float64{0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20}
	stepBuckets = []float64{0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900}
	longBuckets = []float64{1, 5, 15, 60, 300, 900, 1800, 3600, 3 * 3600, 12 * 3600, 24 * 3600, 3 * 24 * 3600, 7 * 24 * 3600}
)

func newWorkFigures() *workFigures {
	return &workFigures{
		steps:        timed("coderflow_step_seconds", "Steps of tasks, by the state in which they began and what came of them.", stepBuckets, "state", "outcome"),
		jobs:         timed("coderflow_job_seconds", "Jobs that this process worked, by kind and outcome.", stepBuckets, "kind", "outcome"),
		tasks:        timed("coderflow_task_seconds", "Time from a request to the end of its task, by end.", longBuckets, "environment", "state"),
		moves:        counted("coderflow_task_transitions_total", "Changes of state of tasks that this process made.", "environment", "from", "to"),
		leases:       counted("coderflow_leases_lost_total", "Tasks that this process lost in the middle of a step, because it could not renew its lease."),
		webhooks:     timed("coderflow_webhook_seconds", "Requests of forges, by what was answered.", callBuckets, "forge", "outcome"),
		deliveries:   counted("coderflow_deliveries_total", "Deliveries that were accepted: stored, or known already.", "forge", "outcome"),
		git:          timed("coderflow_git_seconds", "Operations of git on the host.", stepBuckets, "operation", "outcome"),
		starts:       timed("coderflow_container_start_seconds", "Time from the wish for a container until it runs.", stepBuckets, "purpose", "outcome"),
		runs:         timed("coderflow_deployment_seconds", "Deployments that ended, from their turn to their end.", longBuckets, "environment", "profile", "outcome"),
		examinations: timed("coderflow_examination_seconds", "Checks and judges that ended, from the wish for them to their end.", longBuckets, "environment", "kind", "outcome"),
		calls:        counted("coderflow_forge_requests_total", "Requests to forges.", "forge", "operation", "outcome"),
		callTimes:    timed("coderflow_forge_request_seconds", "Time until a forge began to answer.", callBuckets, "forge", "operation"),
		retries:      counted("coderflow_forge_retries_total", "Requests to forges that were sent again.", "forge"),
		limited:      counted("coderflow_forge_limited_total", "Answers of forges that asked to stay away for a while.", "forge"),
		remaining:    gauged("coderflow_forge_limit_remaining", "Requests that the forge said are left, at the last answer that said so.", "forge", "resource"),
		reset:        gauged("coderflow_forge_limit_reset_timestamp_seconds", "When the forge said that its limit begins anew.", "forge", "resource"),
		spans:        counted("coderflow_spans_total", "Spans for the trace collector: sent, dropped for want of room, or lost at a collector that did not take them.", "outcome"),
	}
}

func (f *workFigures) register(r *prometheus.Registry) {
	r.MustRegister(f.steps, f.jobs, f.tasks, f.moves, f.leases, f.webhooks, f.deliveries, f.git, f.starts, f.runs, f.examinations,
		f.calls, f.callTimes, f.retries, f.limited, f.remaining, f.reset, f.spans)
	// Those that an alert asks for are there from the start: a counter that appears with
	// its first event shows no increase.
	f.leases.WithLabelValues()
	for _, outcome := range otlp.Outcomes() {
		f.spans.WithLabelValues(string(outcome))
	}
}

func timed(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
}

func counted(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

func gauged(name, help string, labels ...string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
}

// serves has the figures of a forge there from the start.
func (f *workFigures) serves(forge string) {
	f.retries.WithLabelValues(forge)
	f.limited.WithLabelValues(forge)
	for _, outcome := range webhookOutcomes {
		f.webhooks.WithLabelValues(forge, outcome)
	}
}

// called counts a request to a forge.
func (f *workFigures) called(forge string, c wire.Call) {
	f.calls.WithLabelValues(forge, c.Operation, callOutcome(c)).Inc()
	f.callTimes.WithLabelValues(forge, c.Operation).Observe(c.Took.Seconds())
	if c.Repeated {
		f.retries.WithLabelValues(forge).Inc()
	}
	if c.Limit.Hit {
		f.limited.WithLabelValues(forge).Inc()
	}
	if c.Limit.Known {
		f.remaining.WithLabelValues(forge, c.Limit.Resource).Set(float64(c.Limit.Remaining))
	}
	if !c.Limit.Reset.IsZero() {
		f.reset.WithLabelValues(forge, c.Limit.Resource).Set(float64(c.Limit.Reset.Unix()))
	}
}

func callOutcome(c wire.Call) string {
	switch {
	case c.Status == 0:
		return "unreachable"
	case c.Limit.Hit:
		return "limited"
	case c.Status >= 500:
		return "failed"
	case c.Status >= 400:
		return "refused"
	}
	return "answered"
}

func seconds(from, to time.Time) float64 { return max(to.Sub(from), 0).Seconds() }
