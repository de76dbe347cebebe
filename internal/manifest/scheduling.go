package manifest

import (
	"slices"

	nodes "github.com/coderflow/coderflow/internal/node"
)

// Scheduling says where and how many of an environment's agents run at once.
type Scheduling struct {
	// Labels are those that a node must have, all of them. None: any node.
	Labels []string `json:"labels,omitempty" yaml:"labels"`
	// MaxRunning is how many agents of the environment run at once, on all nodes together.
	// 0: as many as there are places.
	MaxRunning int `json:"maxRunning,omitempty" yaml:"maxRunning"`
	// OnNodeLoss is what becomes of a task whose agent ran on a node that is lost:
	// requeue has another one begin anew, fail ends it, wait leaves it until the node returns.
	OnNodeLoss string `json:"onNodeLoss,omitempty" yaml:"onNodeLoss"`
}

// What can become of a task whose node is lost.
const (
	RequeueOnLoss = "requeue" // the default
	FailOnLoss    = "fail"
	WaitOnLoss    = "wait"
)

// maxMaxRunning is as many as a node can have, times the nodes that anybody has.
const maxMaxRunning = 100_000

func (s Scheduling) check(w wrong) {
	if len(s.Labels) > nodes.MaxLabels {
		w("spec.scheduling.labels", "want at most %d labels", nodes.MaxLabels)
	}
	for i, label := range s.Labels {
		if !nodes.ValidLabel(label) {
			w("spec.scheduling.labels", "%q is no label: want 1 to 63 of a–z, 0–9, \".\", \"_\", \"=\" and \"-\", beginning and ending with a letter or digit", label)
		} else if slices.Contains(s.Labels[:i], label) {
			w("spec.scheduling.labels", "%q is there twice", label)
		}
	}
	if s.MaxRunning < 0 || s.MaxRunning > maxMaxRunning {
		w("spec.scheduling.maxRunning", "want between 0 (no limit of its own) and %d", maxMaxRunning)
	}
	if !slices.Contains([]string{"", RequeueOnLoss, FailOnLoss, WaitOnLoss}, s.OnNodeLoss) {
		w("spec.scheduling.onNodeLoss", "want %s, %s or %s, not %q", RequeueOnLoss, FailOnLoss, WaitOnLoss, s.OnNodeLoss)
	}
}

// Lost is what becomes of the environment's task whose node is lost.
func (s Scheduling) Lost() string {
	if s.OnNodeLoss == "" {
		return RequeueOnLoss
	}
	return s.OnNodeLoss
}
