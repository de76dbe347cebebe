package main

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/task"
)

// figures are what /metrics shows. Labels are names that administrators chose;
// nothing that an agent or a stranger wrote is one, so that nobody can fill the
// memory of whoever collects them.
type figures struct {
	registry  *prometheus.Registry
	requests  *prometheus.CounterVec
	tokens    *prometheus.CounterVec
	cost      *prometheus.CounterVec
	redacted  *prometheus.CounterVec
	firstByte *prometheus.HistogramVec
	work      *workFigures
	// watch is told of requests to models, too; nil: nobody is.
	watch *observer
}

// newFigures reads containers of a node, too; nil: there is none here.
func newFigures(db *store.Store, node containerLister, log *slog.Logger) *figures {
	f := &figures{
		registry: prometheus.NewRegistry(), work: newWorkFigures(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "coderflow_model_requests_total", Help: "Requests of agents to models: answered, failed upstream, or refused by the gateway.",
		}, []string{"environment", "provider", "outcome"}),
		tokens: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "coderflow_model_tokens_total", Help: "Tokens of model requests, as the provider counted them.",
		}, []string{"environment", "provider", "kind"}),
		cost: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "coderflow_model_cost_usd_total", Help: "Cost of model requests in US dollars, by the configured prices.",
		}, []string{"environment", "provider"}),
		redacted: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "coderflow_model_redactions_total", Help: "Secrets that the gateway took out of requests.",
		}, []string{"environment"}),
		firstByte: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "coderflow_model_first_byte_seconds", Help: "Time from a request to the first byte of the model's answer.",
			Buckets: prometheus.ExponentialBuckets(0.01, 2, 14),
		}, []string{"provider"}),
	}
	info := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "coderflow_build_info", Help: "Always 1; the version is a label.", ConstLabels: prometheus.Labels{"version": version},
	}, func() float64 { return 1 })
	f.registry.MustRegister(f.requests, f.tokens, f.cost, f.redacted, f.firstByte, info, openTasks{db, log}, canaries{db, log}, differences{db, log},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	f.work.register(f.registry)
	f.registry.MustRegister(newLooked(db, node, log))
	for name, pool := range db.Pools() {
		f.registry.MustRegister(collectors.NewDBStatsCollector(pool, name))
	}
	return f
}

func (f *figures) handler() http.Handler {
	return promhttp.HandlerFor(f.registry, promhttp.HandlerOpts{Timeout: 10 * time.Second, MaxRequestsInFlight: 4})
}

// exchange counts one request through the gateway.
func (f *figures) exchange(r task.ModelRequest) {
	outcome := "answered"
	switch {
	case r.Refused != "":
		outcome = "refused"
	case r.Status >= http.StatusBadRequest || r.Status == 0:
		outcome = "failed"
	}
	f.requests.WithLabelValues(r.Environment, r.Provider, outcome).Inc()
	for kind, n := range map[string]int64{
		"input": r.Usage.InputTokens, "output": r.Usage.OutputTokens,
		"cache-read": r.Usage.CacheReadTokens, "cache-write": r.Usage.CacheWriteTokens,
	} {
		f.tokens.WithLabelValues(r.Environment, r.Provider, kind).Add(float64(max(n, 0)))
	}
	f.cost.WithLabelValues(r.Environment, r.Provider).Add(float64(max(r.Usage.Cost, 0)) / 1e6)
	f.redacted.WithLabelValues(r.Environment).Add(float64(max(r.Usage.Redactions, 0)))
	f.watch.exchanged(r)
	if r.FirstByte > 0 && r.Refused == "" {
		f.firstByte.WithLabelValues(r.Provider).Observe(r.FirstByte.Seconds())
	}
}

// openTasks counts tasks by state when somebody looks.
type openTasks struct {
	db  *store.Store
	log *slog.Logger
}

var openTasksDesc = prometheus.NewDesc("coderflow_open_tasks", "Tasks that have not ended, by state.", []string{"state"}, nil)

// Describe implements prometheus.Collector.
func (o openTasks) Describe(to chan<- *prometheus.Desc) { to <- openTasksDesc }

// Collect implements prometheus.Collector.
func (o openTasks) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	open, err := o.db.OpenTasks(ctx)
	if err != nil {
		o.log.WarnContext(ctx, "tasks not counted", "error", err)
		return
	}
	counts := map[task.State]int{}
	for _, t := range open {
		counts[t.State]++
	}
	for _, state := range task.States() {
		if !state.Ended() || counts[state] > 0 {
			to <- prometheus.MustNewConstMetric(openTasksDesc, prometheus.GaugeValue, float64(counts[state]), string(state))
		}
	}
}
