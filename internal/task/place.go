package task

// Place is one of those that wait for a node to run on, or that run on one.
type Place struct {
	Task        ID
	Environment string
	State       State // Queued, Preparing or Running
	// Node is where it is; empty while it waits.
	Node string
	// Unwanted says that somebody asked to stop it.
	Unwanted bool
}

// Waits reports whether the task waits for a node.
func (p Place) Waits() bool { return p.State == Queued && p.Node == "" }

// InLine is where a task stands that waits for a node, for people. The zero value: it does
// not wait.
type InLine struct {
	// Place is 1 for the next one, and 0 for one that is not in the line: it is to be revised.
	Place int
	// Waiting is how many wait.
	Waiting int
	// Why says what it waits for where that is more than those before it.
	Why string
}
