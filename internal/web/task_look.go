package web

import (
	"fmt"

	"github.com/coderflow/coderflow/internal/task"
)

// stateLook is a state as a page shows it.
type stateLook struct {
	Level string // good, bad, warn, busy, or empty
	Words string
	Busy  bool // something happens without anybody's doing
}

// lookOf says in words where a task is.
func lookOf(t task.Task) stateLook {
	look, known := taskLooks[t.State]
	if !known {
		return stateLook{Words: string(t.State)}
	}
	if t.Revising() && look.Busy {
		look.Words = fmt.Sprintf("Makes revision %d", t.Round())
	}
	if t.CancelRequested && !t.State.Ended() {
		look.Words += ", is being cancelled"
	}
	return look
}

var taskLooks = map[task.State]stateLook{
	task.Queued:     {"busy", "Waits for its turn", true},
	task.Preparing:  {"busy", "Is being prepared", true},
	task.Running:    {"busy", "The agent works", true},
	task.Collecting: {"busy", "The change is read", true},
	task.Proposed:   {"warn", "Waits for review", false},
	task.Approved:   {"busy", "Approved", true},
	task.Landing:    {"busy", "Is being committed", true},
	task.Landed:     {"good", "Committed", true},
	task.Deploying:  {"busy", "Is being deployed", true},
	task.Done:       {"good", "Done", false},
	task.NoChange:   {"", "Changed nothing", false},
	task.Refused:    {"bad", "Refused", false},
	task.Failed:     {"bad", "Failed", false},
	task.Cancelled:  {"", "Cancelled", false},
	task.Rejected:   {"", "Rejected", false},
	task.Superseded: {"", "Superseded", false},
	task.Expired:    {"", "Expired", false},
}

// nextStep says what happens next, and who has to do it.
func nextStep(t task.Task) string {
	switch t.State {
	case task.Queued:
		return "It starts as soon as there is a free place. Nobody has to do anything."
	case task.Preparing, task.Running, task.Collecting:
		if t.Revising() {
			return "The agent goes on with what reviewers asked for. Approvals of the revision before are void."
		}
		return "The agent works in a container without a network. What it makes comes back as a draft pull request."
	case task.Proposed:
		return "Read the change, then review the pull request: approving it there is the one way to let this change out."
	case task.Approved, task.Landing:
		return "The approved bytes are committed and pushed. Nobody has to do anything."
	case task.Landed, task.Deploying:
		return "The commit is at the forge; deployments that the approval armed run now."
	case task.Done:
		return "The approved change is at the forge."
	case task.NoChange:
		return "The agent ended without changing a file. /coderflow run on the issue, with more words, tries again."
	case task.Refused, task.Failed:
		return "/coderflow retry on the issue tries again."
	case task.Expired:
		return "Nobody decided in time. /coderflow retry on the issue tries again."
	case task.Superseded:
		if t.ReplacedBy != "" {
			return "Another task took its place: " + string(t.ReplacedBy) + "."
		}
		return "The pull request was changed by somebody else, so what was proposed is void. /coderflow retry on the issue tries again."
	case task.Cancelled, task.Rejected:
		return "It was ended by a person. /coderflow run on the issue starts anew."
	}
	return ""
}
