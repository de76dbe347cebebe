package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/coderflow/coderflow/internal/engine"
)

// freezeFigures show what is frozen as this node knows it, and what it paused.
type freezeFigures struct{ freezes *engine.Freezes }

var (
	frozenDesc = prometheus.NewDesc("coderflow_frozen", "1 for each freeze in force, by what is frozen: server, or environment/NAME.", []string{"resource"}, nil)
	blindDesc  = prometheus.NewDesc("coderflow_freezes_unreadable", "1 while this node cannot read what is frozen, so that everything counts as frozen.", nil, nil)
	pausedDesc = prometheus.NewDesc("coderflow_frozen_containers", "Containers of this node in the scope of a freeze, at the last look.", nil, nil)
)

// Describe implements prometheus.Collector.
func (freezeFigures) Describe(to chan<- *prometheus.Desc) {
	to <- frozenDesc
	to <- blindDesc
	to <- pausedDesc
}

// Collect implements prometheus.Collector.
func (f freezeFigures) Collect(to chan<- prometheus.Metric) {
	set, err := f.freezes.InForce()
	for _, one := range set {
		to <- prometheus.MustNewConstMetric(frozenDesc, prometheus.GaugeValue, 1, one.Resource)
	}
	blind := 0.0
	if err != nil {
		blind = 1
	}
	to <- prometheus.MustNewConstMetric(blindDesc, prometheus.GaugeValue, blind)
	to <- prometheus.MustNewConstMetric(pausedDesc, prometheus.GaugeValue, float64(f.freezes.Containers()))
}
