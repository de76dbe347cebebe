package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	nodes "github.com/coderflow/coderflow/internal/node"
	"github.com/coderflow/coderflow/internal/store"
)

// nodeFigures show the processes of the installation when somebody looks. Each process
// shows all of them, so that one that is gone is seen too.
type nodeFigures struct {
	db  *store.Store
	log *slog.Logger
}

var (
	nodesDesc = prometheus.NewDesc("coderflow_nodes", "Processes of the installation, by state: ready, draining or lost.", []string{"state"}, nil)
	slotsDesc = prometheus.NewDesc("coderflow_node_slots", "Agents that a node runs at once.", []string{"node", "name"}, nil)
	usedDesc  = prometheus.NewDesc("coderflow_node_running", "Agents that run on a node.", []string{"node", "name"}, nil)
	lineDesc  = prometheus.NewDesc("coderflow_line_waiting", "Tasks that wait for a place on a node, by environment.", []string{"environment"}, nil)
)

// Describe implements prometheus.Collector.
func (f nodeFigures) Describe(to chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{nodesDesc, slotsDesc, usedDesc, lineDesc} {
		to <- desc
	}
}

// Collect implements prometheus.Collector.
func (f nodeFigures) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	all, err := f.db.Nodes(ctx)
	if err != nil {
		f.log.WarnContext(ctx, "nodes not counted", "error", err)
		return
	}
	line, err := f.db.Line(ctx)
	if err != nil {
		f.log.WarnContext(ctx, "the line is not counted", "error", err)
		return
	}
	busy, waiting := map[string]int{}, map[string]int{}
	for _, p := range line {
		if p.Waits() {
			waiting[p.Environment]++
		} else {
			busy[p.Node]++
		}
	}
	gauge := func(desc *prometheus.Desc, value int, labels ...string) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(value), labels...)
	}
	states := map[nodes.State]int{nodes.Ready: 0, nodes.Draining: 0, nodes.Lost: 0}
	for _, n := range all {
		states[n.State()]++
		if n.Works() {
			gauge(slotsDesc, n.Slots, n.ID, n.Name)
			gauge(usedDesc, busy[n.ID], n.ID, n.Name)
		}
	}
	for state, count := range states {
		gauge(nodesDesc, count, string(state))
	}
	for environment, count := range waiting {
		gauge(lineDesc, count, environment)
	}
}
