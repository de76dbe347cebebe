package sandbox

import (
	"errors"
	"time"
)

// State is where a container is in its life.
type State string

// The states.
const (
	StateCreated State = "created" // made, never started
	StateRunning State = "running"
	StateExited  State = "exited"
	StateGone    State = "gone" // the engine knows no such container
)

// Reason says why a container ended. A container that has not ended has none.
type Reason string

// The reasons. Resource reasons are given instead of "agent-failed", "setup-failed" and "timeout" when the kernel's
// counters show that the run met that bound.
const (
	ReasonOK           Reason = "ok"
	ReasonAgentFailed  Reason = "agent-failed"
	ReasonSetupFailed  Reason = "setup-failed"
	ReasonTimeout      Reason = "timeout"
	ReasonStopped      Reason = "stopped" // TERM from outside: a cancel, or the engine going down
	ReasonOutOfMemory  Reason = "out-of-memory"
	ReasonProcessLimit Reason = "process-limit"
	ReasonDiskFull     Reason = "disk-full"   // /tmp, HOME or the workspace
	ReasonDiskQuota    Reason = "disk-quota"  // more in the workspace than allowed, or too little left for others
	ReasonBroken       Reason = "broken"      // the container could not be started as specified
	ReasonEngineLost   Reason = "engine-lost" // ended without a result: killed from outside, or with its engine
)

// Explain is a sentence about the reason for people.
func (r Reason) Explain() string {
	return map[Reason]string{
		ReasonOK:           "It ended by itself, successfully.",
		ReasonAgentFailed:  "The command ended with an error.",
		ReasonSetupFailed:  "The environment's setup script ended with an error.",
		ReasonTimeout:      "It was ended because it ran out of time.",
		ReasonStopped:      "It was stopped from outside.",
		ReasonOutOfMemory:  "It used more memory than its environment allows.",
		ReasonProcessLimit: "It started more processes than its environment allows.",
		ReasonDiskFull:     "It filled its temporary or its working directory.",
		ReasonDiskQuota:    "It put more onto the disk than its environment allows, or than the disk has room for.",
		ReasonBroken:       "The container could not be started as specified.",
		ReasonEngineLost:   "The container was killed, or its Docker engine stopped, before it could report a result.",
	}[r]
}

// Phase is what is known about one part of a run: setup, command or cleanup.
type Phase struct {
	Name     string
	ExitCode int // -1 if killed by a signal or not started
	Signal   int
	TimedOut bool
	Problem  string
	Took     time.Duration
}

// Status is what the engine and the container itself say about a container.
type Status struct {
	Name       string
	ID         string // the engine's
	ImageID    string
	Labels     Labels
	State      State
	Paused     bool // while it runs: everything in it stands still
	ExitCode   int  // of the command, once it has ended; -1 where there is none
	OOMKilled  bool
	StartedAt  time.Time
	FinishedAt time.Time
	Reason     Reason
	Detail     string // what the reason does not say, for people; never from the agent
	Truncated  bool   // the output was cut at its limit
	Phases     []Phase
}

// Container is a started container.
type Container struct {
	Name    string
	ID      string
	ImageID string
	Digest  string // of the spec
	Adopted bool   // it was there already
}

// EventKind is what happened to a container.
type EventKind string

// The kinds of event. After EventResync events may be missing: look at every container again.
const (
	EventStarted EventKind = "started"
	EventExited  EventKind = "exited"
	EventOOM     EventKind = "oom"
	EventRemoved EventKind = "removed"
	EventResync  EventKind = "resync"
)

// Event is a hint that a container's status has changed. Inspect tells what it is.
type Event struct {
	Kind EventKind
	Name string
	At   time.Time
}

// LogOptions say which part of a container's output is wanted.
type LogOptions struct {
	Offset int64 // bytes of output to skip: what an earlier call returned
	Follow bool  // until the container ends
}

// Errors that callers branch on.
var (
	ErrNotFound          = errors.New("no such container or volume")
	ErrEngineUnavailable = errors.New("the Docker engine does not answer")
	ErrFilesNotShared    = errors.New("the Docker engine does not see this machine's files: set docker.files: copy")
	ErrImageMissing      = errors.New("the image is not on this Docker engine")
	ErrRuntimeMissing    = errors.New("the Docker engine does not have the OCI runtime")
	ErrImageUnsuitable   = errors.New("the image cannot be used for a sandbox")
	ErrSpecMismatch      = errors.New("a container of this name exists with another specification")
	ErrInUse             = errors.New("the volume is used by a container")
	ErrBaseMissing       = errors.New("a layer of the workspace was removed from the Docker engine")
	ErrCheckoutFailed    = errors.New("the workspace could not be filled")
	ErrCollectFailed     = errors.New("the workspace could not be read")
)
