// Package queue is the durable job queue: short, idempotent steps that are
// enqueued in the transaction that makes them necessary. River does the work.
package queue

import "time"

// Kind is what a job does.
type Kind string

// Kinds of job. Each carries only a key; what there is to do is read from the
// database, Docker and the forge when the job runs.
const (
	// Deliver handles an inbox delivery; the key is its id.
	Deliver Kind = "deliver"
	// Advance takes a task as far as it will go now; the key is its id.
	Advance Kind = "advance"
	// Merge looks whether the pull request of a task that landed was merged; the key
	// is the task's id.
	Merge Kind = "merge"
)

// Job is one step to do.
type Job struct {
	Kind Kind
	Key  string
	// Queue is who works it: [Anybody] if empty, [Workers], or [NodeQueue] of one.
	Queue string
	// RunAt delays the job; the zero time means at once.
	RunAt time.Time
	// New says that the key is known to nobody yet, so that no job with it can be waiting and none is looked for.
	New bool
}

// Queues. Each process works [Anybody]'s; those with a Docker engine work [Workers]' and
// their own too.
const (
	Anybody = "default" // River's name for it, which processes from before there were others know
	Workers = "workers"
)

// NodeQueue is the queue of what only one node can do.
func NodeQueue(node string) string { return "node_" + node }
