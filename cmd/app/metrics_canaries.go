package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coderflow/coderflow/internal/store"
)

// canaries counts those that appeared, when somebody looks: several processes may
// have seen them.
type canaries struct {
	db  *store.Store
	log *slog.Logger
}

var canariesDesc = prometheus.NewDesc("coderflow_canaries_total",
	"Canaries that appeared in output, requests or changes; each stopped its task or deployment.", []string{"environment", "place"}, nil)

// Describe implements prometheus.Collector.
func (c canaries) Describe(to chan<- *prometheus.Desc) { to <- canariesDesc }

// Collect implements prometheus.Collector.
func (c canaries) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	counts, err := c.db.TripCounts(ctx)
	if err != nil {
		c.log.WarnContext(ctx, "canaries not counted", "error", err)
		return
	}
	for _, n := range counts {
		to <- prometheus.MustNewConstMetric(canariesDesc, prometheus.CounterValue, float64(n.Count), n.Environment, n.Place)
	}
}
