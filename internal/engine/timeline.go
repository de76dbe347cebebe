package engine

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/present"
	"github.com/coderflow/coderflow/internal/task"
)

// timeline tells the task's audit entries in words. The log is the source, so
// that what people read is what was written down.
func (e *Engine) timeline(ctx context.Context, t *task.Task) ([]present.Moment, error) {
	entries, err := e.Store.TaskLog(ctx, t.ID)
	if err != nil {
		return nil, fmt.Errorf("read the audit log of task %s: %w", t.ID, err)
	}
	known := map[string]present.Inert{}
	for _, j := range t.Judged {
		known[j.Reviewer.Subject.String()] = present.Say("%s", j.Reviewer)
	}
	known[t.Requester.Subject.String()] = present.Say("%s", t.Requester)
	var moments []present.Moment
	for _, entry := range entries {
		if words, told := momentWords(entry, known); told {
			moments = append(moments, present.Moment{At: entry.At, What: words})
		}
	}
	return moments, nil
}

// momentDetail is the part of the entries' details that the timeline tells.
type momentDetail struct {
	Commit   string `json:"commit"`
	Ref      string `json:"ref"`
	Words    string `json:"words"`
	Profile  string `json:"profile"`
	State    string `json:"state"`
	ExitCode *int   `json:"exitCode"`
	Reason   string `json:"reason"`
	Digest   string `json:"digest"`
	Review   string `json:"review"`
	Paths    int    `json:"paths"`
	Name     string `json:"name"`
	Why      string `json:"why"`
}

func (d momentDetail) exit() int {
	if d.ExitCode == nil {
		return 0
	}
	return *d.ExitCode
}

func momentWords(entry audit.Entry, known map[string]present.Inert) (present.Inert, bool) {
	who, ok := known[entry.Actor]
	if !ok {
		who = present.Say("%s", entry.Actor)
	}
	var d momentDetail
	_ = json.Unmarshal(entry.Detail, &d) // what cannot be read is left out of the words
	switch entry.Action {
	case audit.TaskCreated:
		return present.Say("asked for by %s", who), true
	case audit.ContainerStarted:
		return present.Say("the agent was started in its container"), true
	case audit.ContainerEnded:
		return present.Say("the container ended: %s, exit status %s", d.Reason, d.exit()), true
	case audit.ProposalRecorded:
		return present.Say("the change was recorded; changed paths: %s", d.Paths), true
	case audit.ProposalPublished:
		return present.Say("the draft pull request was opened for review"), true
	case audit.CheckEnded:
		return present.Say("check %s: %s", d.Name, d.State), true
	case audit.ApprovalRefused:
		return present.Say("a review by %s was refused", who), true
	case audit.ApprovalCounted:
		return present.Say("approved by %s; others are missing", who), true
	case audit.ApprovalRecorded:
		return present.Say("approved by %s", who), true
	case audit.ApprovalVoid:
		return present.Say("the approval no longer stood and became void"), true
	case audit.CommitKept:
		return present.Say("commit %s was made and kept; nothing was pushed, as the review asked", d.Commit), true
	case audit.PushDone:
		return present.Say("commit %s was pushed to %s", d.Commit, d.Ref), true
	case audit.PushRefused:
		return present.Say("the forge refused the push: %s", d.Words), true
	case audit.DeployRequested:
		return present.Say("deployment %s was requested by %s", d.Profile, who), true
	case audit.DeployMerged:
		return present.Say("the merge was seen, for which deployment %s waited", d.Profile), true
	case audit.DeployStarted:
		return present.Say("deployment %s started", d.Profile), true
	case audit.DeployEnded:
		if d.ExitCode == nil { // of a pipeline, or it never ran
			return present.Say("deployment %s ended: %s", d.Profile, d.State), true
		}
		return present.Say("deployment %s ended: %s, exit status %s", d.Profile, d.State, d.exit()), true
	case audit.TaskReplaced:
		return present.Say("void: %s", present.Plain(d.Why)), true
	case audit.TaskCancelWanted:
		if d.Why != "" {
			return present.Say("to be stopped: %s", present.Plain(d.Why)), true
		}
		return present.Say("%s asked to cancel", who), true
	}
	return present.Inert{}, false
}
