package forge

import "time"

// PipelineRef names a pipeline of a service that runs pipelines. Such a service need
// not be the forge that has the repository.
type PipelineRef struct {
	Host    string // AzureDevOps
	Project string
	Name    string // or its number
}

// String is for messages.
func (p PipelineRef) String() string { return p.Project + "/" + p.Name }

// PipelineKey is the parameter in which a run carries the key of its request. A pipeline
// that does not declare it is not run.
const PipelineKey = "coderflowDeployment"

// OwnRepository is what a pipeline calls the repository that it is written in.
const OwnRepository = "self"

// PipelineRequest asks for one run of a pipeline.
type PipelineRequest struct {
	Pipeline PipelineRef
	// Key is carried by the run from its first moment on, so that it is found again.
	Key string
	// Repository is what the pipeline calls the repository that it is to take the commit
	// from; Ref is a full ref from which the commit can be reached.
	Repository, Ref, Commit string
	// Parameters are values, never parts of a text. Those without a value are left to
	// the pipeline's own defaults.
	Parameters map[string]string
	// Since bounds the search for the run: none carries the key that was made before.
	Since time.Time
}

// PipelineResult is how a run of a pipeline ended.
type PipelineResult string

// Results of a pipeline's run; the empty one is of a run that has not ended.
const (
	PipelineSucceeded PipelineResult = "succeeded"
	PipelinePartly    PipelineResult = "partly_succeeded" // something failed that the pipeline goes on after
	PipelineFailed    PipelineResult = "failed"
	PipelineCancelled PipelineResult = "cancelled"
	PipelineUnclear   PipelineResult = "unclear" // the service itself does not know
)

// PipelineRun is a run of a pipeline as its service describes it now.
type PipelineRun struct {
	Pipeline PipelineRef
	ID       string
	Name     string
	URL      string // page for people
	// Commit is what the run takes of the repository of its request; empty: not told yet.
	Commit     string
	Cancelling bool
	Result     PipelineResult
	CreatedAt  time.Time
	FinishedAt time.Time
}

// Ended reports whether the run has.
func (r PipelineRun) Ended() bool { return r.Result != "" }
