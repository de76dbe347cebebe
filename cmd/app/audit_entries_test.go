package main

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/store"
)

// says is what the detail of an action's entry has at least, beside actor, time, task
// and environment: what was decided and why, under which policy, about which bytes,
// and where that is at the forge. A path leads into the detail; a value is not empty.
var says = map[audit.Action][]string{
	audit.DeliveryAccepted:  {"delivery", "event"},
	audit.RequestRefused:    {"repository", "url", "reason.text", "policyVersion"},
	audit.TaskCreated:       {"trigger", "url", "repository", "decision.reason.text", "decision.policyVersion", "text"},
	audit.TaskMoved:         {"from", "to"},
	audit.TaskCancelWanted:  {},
	audit.TaskReplaced:      {"by", "why"},
	audit.BaseFetched:       {"commit", "credential"},
	audit.ContainerIntent:   {"container", "image"},
	audit.ContainerStarted:  {"container"},
	audit.ContainerEnded:    {"container"},
	audit.ProposalRecorded:  {"base", "tree", "digest"},
	audit.ProposalIntent:    {"carrier", "digest"},
	audit.ProposalPublished: {"pullRequest", "carrier", "digest", "credential"},
	audit.ProposalBrought:   {"node", "revision", "digest", "base", "tree"},
	audit.RevisionAsked:     {"feedback", "kind", "url", "about", "policyVersion", "text"},
	audit.RevisionStarted:   {"revision", "kind", "after", "digest", "feedback"},
	audit.RevisionEnded:     {"revision", "state", "digest"},
	audit.ApprovalRefused:   {"review", "decision.reason.text", "decision.policyVersion", "digest"},
	audit.ApprovalCounted:   {"review", "decision.reason.text", "decision.policyVersion", "digest"},
	audit.ApprovalRecorded:  {"approval", "digest", "review", "reviews", "landing.at", "landing.committer.name", "landing.message"},
	audit.ApprovalReasons:   {"approval", "digest", "review", "decision.reason.text", "decision.policyVersion", "replay"},
	audit.ApprovalVoid:      {"approval", "digest", "decision.reason.text", "decision.policyVersion"},
	audit.CommitKept:        {"approval", "commit", "tree", "parent", "outcome"},
	audit.PushIntent:        {"approval", "commit", "ref"},
	audit.PushDone:          {"approval", "commit", "ref", "outcome", "credential"},
	audit.DeployRequested:   {"deployment", "environment", "profile", "profileVersion", "commit", "requestedBy", "decision.reason.text", "decision.policyVersion"},
	audit.DeployRefused:     {"environment", "profile"},
	audit.DeployMerged:      {"commit"},
	audit.DeployIntent:      {"deployment", "environment", "profile", "profileVersion", "commit", "approval"},
	audit.DeployStarted:     {"deployment", "environment", "profile", "profileVersion", "commit", "approval"},
	audit.DeployCancel:      {"deployment", "environment", "profile", "profileVersion", "commit", "approval", "detail"},
	audit.DeployEnded:       {"deployment", "environment", "profile", "profileVersion", "commit", "approval", "state"},
	audit.ManifestsApplied:  {"version"},
	audit.ManifestsRefused:  {"version"},
	audit.StorageRemoved:    {"kind", "name"},
}

// entriesSayEnough goes through the whole log of a world: each entry says what it has
// to, and of each action that is there the table knows what that is.
func (w *world) entriesSayEnough(want ...audit.Action) {
	w.t.Helper()
	seen := map[audit.Action]bool{}
	filter := store.AuditFilter{Limit: 1000}
	for {
		entries, err := w.db().AuditEntries(context.Background(), filter)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, e := range entries {
			filter.AfterSeq = e.Seq
			w.saysEnough(e, !seen[e.Action])
			seen[e.Action] = true
		}
		if len(entries) == 0 {
			break
		}
	}
	for _, action := range want {
		if !seen[action] {
			w.t.Errorf("no entry %s", action)
		}
	}
}

func (w *world) saysEnough(e audit.Entry, first bool) {
	w.t.Helper()
	if _, err := forge.ParseSubject(e.Actor); err != nil && e.Actor != audit.System && e.Actor != hostOf(w.hub.Info()) && !strings.HasPrefix(e.Actor, "local:") {
		w.t.Errorf("entry %d %s: nobody is %q", e.Seq, e.Action, e.Actor)
	}
	if e.At.IsZero() || e.Action.Class() == "" || (e.Task != "" && e.Environment == "") {
		w.t.Errorf("entry %d %s lacks its time, class or environment: %+v", e.Seq, e.Action, e)
	}
	paths, known := says[e.Action]
	if !known {
		if first && e.Action.Class() != audit.Administrative {
			w.t.Errorf("entry %d %s: nobody said what it has to say: %s", e.Seq, e.Action, e.Detail)
		}
		return
	}
	var detail any
	if err := json.Unmarshal(e.Detail, &detail); err != nil {
		w.t.Errorf("entry %d %s: %v", e.Seq, e.Action, err)
	}
	for _, path := range paths {
		value := detail
		for key := range strings.SplitSeq(path, ".") {
			object, _ := value.(map[string]any)
			value = object[key]
		}
		if list, isList := value.([]any); value == nil || value == "" || isList && len(list) == 0 {
			w.t.Errorf("entry %d %s does not say %s: %s", e.Seq, e.Action, path, e.Detail)
		}
	}
}
