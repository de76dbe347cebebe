package task

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// ExaminationKind is who looks at a proposal.
type ExaminationKind string

// Kinds of examination.
const (
	Check ExaminationKind = "check" // a command that an admin defined
	Judge ExaminationKind = "judge" // an AI reviewer, whose verdict is advice
)

// ExaminationState is where an examination is. It only goes forward: queued,
// running, one end. An end of queued is one that never ran.
type ExaminationState string

// States of an examination.
const (
	ExaminationQueued  ExaminationState = "queued"
	ExaminationRunning ExaminationState = "running"
	// ExaminationPassed is, of a judge, that a valid verdict came, whatever it says.
	ExaminationPassed ExaminationState = "passed"
	ExaminationFailed ExaminationState = "failed"
	// ExaminationBroken: what it would have said cannot be learnt.
	ExaminationBroken    ExaminationState = "broken"
	ExaminationCancelled ExaminationState = "cancelled"
)

// ExaminationStates returns every state, in the order in which they follow each other.
func ExaminationStates() []ExaminationState {
	return []ExaminationState{ExaminationQueued, ExaminationRunning,
		ExaminationPassed, ExaminationFailed, ExaminationBroken, ExaminationCancelled}
}

// Ended reports whether nothing leaves s.
func (s ExaminationState) Ended() bool {
	return s != ExaminationQueued && s != ExaminationRunning && slices.Contains(ExaminationStates(), s)
}

// Examination is one look at one revision of a proposal, by a check or by a judge, in
// a container of its own. What is examined never changes after it was asked for.
type Examination struct {
	ID       string `json:"id"` // of the alphabet of task ids
	Task     ID     `json:"task"`
	Revision int    `json:"revision"`
	// Digest is the proposal's: the examination says something of exactly these bytes.
	Digest      string          `json:"digest"`
	Kind        ExaminationKind `json:"kind"`
	Name        string          `json:"name"` // as the environment calls it
	Environment string          `json:"environment"`
	Attempt     int             `json:"attempt"` // from 1, for each revision and name
	// Definition is "sha256:…" of what the admin defined: command, image, prompt, model, limits.
	Definition string           `json:"definition"`
	State      ExaminationState `json:"state"`
	Summary    string           `json:"summary,omitempty"` // one line for people
	// Result is, of a judge, the verdict, and of a check what it counted.
	Result    json.RawMessage `json:"result,omitempty"`
	Container string          `json:"container,omitempty"`
	Image     string          `json:"image,omitempty"` // id of the image that really ran
	Agent     string          `json:"agent,omitempty"`
	Model     string          `json:"model,omitempty"`
	Node      string          `json:"node,omitempty"` // which has the container
	ExitCode  int             `json:"exitCode"`
	Reason    string          `json:"reason,omitempty"` // sandbox.Reason
	Truncated bool            `json:"truncated,omitempty"`
	// RequestedBy is who asked for this attempt: the system, or a subject.
	RequestedBy string `json:"requestedBy"`
	// PolicyVersion is the manifest version that defined it.
	PolicyVersion string    `json:"policyVersion"`
	CreatedAt     time.Time `json:"createdAt"`
	StartedAt     time.Time `json:"startedAt,omitzero"`
	FinishedAt    time.Time `json:"finishedAt,omitzero"`
}

// NewExaminationID returns a random id.
func NewExaminationID() string { return string(NewID()) }

// ExaminationIDOf is the id of what a cause asks for. It is the same every time, so that a
// cause that is handled again, after a server died, asks for nothing twice.
func ExaminationIDOf(cause string, kind ExaminationKind, name string) string {
	sum := sha256.Sum256([]byte(cause + "\x00" + string(kind) + "\x00" + name))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])[:12])
}

// ParseExaminationID checks that s has the form of an id.
func ParseExaminationID(s string) (string, error) {
	if !idPattern.MatchString(s) {
		return "", fmt.Errorf("examination id %q: want 12 characters of a–z and 2–7", s)
	}
	return s, nil
}

// ExaminationPrefix begins the names of an examination's container and volumes.
const ExaminationPrefix = "coderflow-exam-"

// ContainerName names the container, by which it is found again.
func (x Examination) ContainerName() string { return ExaminationPrefix + x.ID }

// LogStream is where the output is kept.
func (x Examination) LogStream() string { return "examination/" + x.ID }

// Retried reports whether a later attempt of the same stands in all.
func (x Examination) Retried(all []Examination) bool {
	return slices.ContainsFunc(all, func(o Examination) bool {
		return o.Revision == x.Revision && o.Kind == x.Kind && o.Name == x.Name && o.Attempt > x.Attempt
	})
}

// LatestExaminations are the last attempts of each kind and name for one revision, in
// the order in which they were first asked for.
func LatestExaminations(all []Examination, revision int) []Examination {
	var latest []Examination
	for _, x := range all {
		if x.Revision != revision {
			continue
		}
		i := slices.IndexFunc(latest, func(o Examination) bool { return o.Kind == x.Kind && o.Name == x.Name })
		switch {
		case i < 0:
			latest = append(latest, x)
		case x.Attempt > latest[i].Attempt:
			latest[i] = x
		}
	}
	return latest
}

// ExaminationStateError is a change of an examination's state that is not forward.
type ExaminationStateError struct {
	ID       string
	From, To ExaminationState
}

// Error implements error.
func (e *ExaminationStateError) Error() string {
	return fmt.Sprintf("examination %s cannot go from %s to %s", e.ID, e.From, e.To)
}
