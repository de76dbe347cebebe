package present

import (
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/task"
)

// The labels by which an issue shows where its newest request stands.
var (
	labelWorking  = forge.Label{Name: forge.StateLabelPrefix + "working", Color: "1d76db", Description: "CoderFlow: an agent is at work"}
	labelReview   = forge.Label{Name: forge.StateLabelPrefix + "review", Color: "fbca04", Description: "CoderFlow: a proposal waits for a reviewer's approval"}
	labelApproved = forge.Label{Name: forge.StateLabelPrefix + "approved", Color: "0e8a16", Description: "CoderFlow: approved; it is landed or deployed"}
	labelDone     = forge.Label{Name: forge.StateLabelPrefix + "done", Color: "006b75", Description: "CoderFlow: the approved commit is at the forge"}
	labelStopped  = forge.Label{Name: forge.StateLabelPrefix + "stopped", Color: "c5c5c5", Description: "CoderFlow: ended without a change being landed"}
	labelFailed   = forge.Label{Name: forge.StateLabelPrefix + "failed", Color: "b60205", Description: "CoderFlow: the last attempt failed or was refused"}
)

// StateLabels are the names of all of them.
func StateLabels() []string {
	var names []string
	for _, l := range []forge.Label{labelWorking, labelReview, labelApproved, labelDone, labelStopped, labelFailed} {
		names = append(names, l.Name)
	}
	return names
}

// labelRank orders what several variants of a request show: what is furthest counts,
// and an attempt that goes on counts more than one that ended.
var labelRank = []forge.Label{labelStopped, labelFailed, labelReview, labelWorking, labelApproved, labelDone}

func labelOf(s task.State) forge.Label {
	switch s {
	case task.Queued, task.Preparing, task.Running, task.Collecting:
		return labelWorking
	case task.Proposed:
		return labelReview
	case task.Approved, task.Landing, task.Landed, task.Deploying:
		return labelApproved
	case task.Done:
		return labelDone
	case task.Failed, task.Refused:
		return labelFailed
	}
	return labelStopped
}

// StateLabel is what the issue shows of its newest request, which is one task or
// several variants.
func StateLabel(request ...task.Task) forge.Label {
	best := 0
	for _, t := range request {
		for i, l := range labelRank {
			if l == labelOf(t.State) {
				best = max(best, i)
			}
		}
	}
	return labelRank[best]
}
