package main

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	nodes "github.com/coderflow/coderflow/internal/node"
	"github.com/coderflow/coderflow/internal/sandbox/docker"
	"github.com/coderflow/coderflow/internal/store"
)

var (
	nodesDesc = desc("coderflow_nodes", "Processes of the installation, by state: ready, draining or lost.", "state")
	slotsDesc = desc("coderflow_node_slots", "Agents that a node runs at once.", "node", "name")
	usedDesc  = desc("coderflow_node_running", "Agents that run on a node.", "node", "name")
	lineDesc  = desc("coderflow_line_waiting", "Tasks that wait for a place on a node, by environment.", "environment")
)

// nodeFigures are the processes of the installation. Each process shows all of them, so that
// one that is gone is seen too.
func nodeFigures(db *store.Store) part {
	return part{"nodes", []*prometheus.Desc{nodesDesc, slotsDesc, usedDesc, lineDesc}, func(ctx context.Context, show show) error {
		all, err := db.Nodes(ctx)
		if err != nil {
			return err
		}
		line, err := db.Line(ctx)
		if err != nil {
			return err
		}
		busy, waiting := map[string]int{}, map[string]int{}
		for _, p := range line {
			if p.Waits() {
				waiting[p.Environment]++
			} else {
				busy[p.Node]++
			}
		}
		states := map[nodes.State]int{nodes.Ready: 0, nodes.Draining: 0, nodes.Lost: 0}
		for _, n := range all {
			states[n.State()]++
			if n.Works() {
				show(slotsDesc, float64(n.Slots), n.ID, n.Name)
				show(usedDesc, float64(busy[n.ID]), n.ID, n.Name)
			}
		}
		for state, count := range states {
			show(nodesDesc, float64(count), string(state))
		}
		for environment, count := range waiting {
			show(lineDesc, float64(count), environment)
		}
		return nil
	}}
}

// listerOf is the runner, or nothing: an interface that holds a nil runner would be something.
func listerOf(runner *docker.Runner) containerLister {
	if runner == nil {
		return nil
	}
	return runner
}
