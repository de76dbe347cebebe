// Package node is the processes of an installation as they see each other. Several can
// share one PostgreSQL; each that has a Docker engine is a place where tasks run.
package node

import (
	"regexp"
	"slices"
	"time"
)

// Node is one process and the place that it works at: its data directory and, if it has
// one, its Docker engine. The id is kept in the data directory, so that a restart is the
// same node.
type Node struct {
	ID string
	// Name is what people call it; by default the machine's. Two nodes may have the same.
	Name string
	// Labels are what environments can ask for.
	Labels []string
	// Slots is how many agents it runs at once. 0: it has no Docker engine and only
	// answers requests and deliveries.
	Slots   int
	Version string // of the program
	// Serves says that it answers requests and webhooks.
	Serves bool
	// StartedAt is when the process began, SeenAt when it last said that it lives.
	StartedAt, SeenAt time.Time
	// DrainedAt is since when it is to take no tasks; zero: it takes them. It stays over
	// restarts until somebody resumes it.
	DrainedAt time.Time
	// LostAt is since when others take it for dead; zero: it lives. It ends with the next
	// sign of life.
	LostAt time.Time
}

// Works reports whether the node has a Docker engine.
func (n Node) Works() bool { return n.Slots > 0 }

// Takes reports whether the node may begin tasks that need those labels.
func (n Node) Takes(labels []string) bool {
	return n.Works() && n.DrainedAt.IsZero() && n.LostAt.IsZero() && n.Has(labels)
}

// Has reports whether the node has all of the labels.
func (n Node) Has(labels []string) bool {
	return !slices.ContainsFunc(labels, func(l string) bool { return !slices.Contains(n.Labels, l) })
}

// State is in one word what a node does.
type State string

// The states of a node.
const (
	Ready    State = "ready"    // it takes tasks, or answers requests
	Draining State = "draining" // it ends what runs and takes nothing
	Lost     State = "lost"     // it gave no sign of life for too long
)

// State is what the node does now.
func (n Node) State() State {
	switch {
	case !n.LostAt.IsZero():
		return Lost
	case !n.DrainedAt.IsZero():
		return Draining
	}
	return Ready
}

// MaxLabels bounds the labels of a node, and those that an environment asks for.
const MaxLabels = 20

var word = regexp.MustCompile(`^[a-z0-9]([a-z0-9._=-]{0,61}[a-z0-9])?$`)

// ValidLabel reports whether s can be a label: "gpu", "zone=eu-1".
func ValidLabel(s string) bool { return word.MatchString(s) }

// MaxName bounds a name, in bytes.
const MaxName = 100

// ValidName reports whether s can be what people call a node: one line of printable ASCII
// without spaces, as host names are.
func ValidName(s string) bool {
	if s == "" || len(s) > MaxName {
		return false
	}
	for _, r := range s {
		if r <= ' ' || r > '~' {
			return false
		}
	}
	return true
}

// Find returns the node with the id, or the only one with the name: matches is 1. Otherwise
// it returns how many have that name, and n is the zero value.
func Find(all []Node, idOrName string) (n Node, matches int) {
	for _, candidate := range all {
		if candidate.ID == idOrName {
			return candidate, 1
		}
		if candidate.Name == idOrName {
			n = candidate
			matches++
		}
	}
	if matches != 1 {
		return Node{}, matches
	}
	return n, 1
}
