package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/store"
)

// differences counts, when somebody looks, what the last reconciliations of the log
// with the forge found, and how much they did not look at.
type differences struct {
	db  *store.Store
	log *slog.Logger
}

var (
	differencesDesc = prometheus.NewDesc("coderflow_evidence_differences",
		"Differences between the audit log and the forge that are known, by kind.", []string{"kind"}, nil)
	notLookedDesc = prometheus.NewDesc("coderflow_evidence_not_looked_at",
		"Parts that the last looks at the repositories left out; what is there may differ.", nil, nil)
	lookedDesc = prometheus.NewDesc("coderflow_evidence_oldest_look_timestamp_seconds",
		"When the repository was looked at whose last look is the oldest; absent before the first.", nil, nil)
)

// Describe implements prometheus.Collector.
func (d differences) Describe(to chan<- *prometheus.Desc) {
	to <- differencesDesc
	to <- notLookedDesc
	to <- lookedDesc
}

// Collect implements prometheus.Collector.
func (d differences) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	counts, err := d.db.CountDifferences(ctx)
	if err != nil {
		d.log.WarnContext(ctx, "differences between the log and the forge not counted", "error", err)
		return
	}
	looks, err := d.db.EvidenceLooks(ctx)
	if err != nil {
		d.log.WarnContext(ctx, "differences between the log and the forge not counted", "error", err)
		return
	}
	for _, kind := range audit.DifferenceKinds() {
		to <- prometheus.MustNewConstMetric(differencesDesc, prometheus.GaugeValue, float64(counts[kind]), string(kind))
	}
	left, oldest := 0, time.Time{}
	for _, l := range looks {
		left += len(l.NotLooked)
		if oldest.IsZero() || l.At.Before(oldest) {
			oldest = l.At
		}
	}
	to <- prometheus.MustNewConstMetric(notLookedDesc, prometheus.GaugeValue, float64(left))
	if !oldest.IsZero() {
		to <- prometheus.MustNewConstMetric(lookedDesc, prometheus.GaugeValue, float64(oldest.Unix()))
	}
}
