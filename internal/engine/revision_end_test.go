package engine

import (
	"slices"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/task"
)

// A task that ends while a revision is made ends that with it: nothing is "being made" for
// ever.
func TestATaskThatEndsEndsTheRevisionThatItMakes(t *testing.T) {
	t.Parallel()
	for _, end := range []*failure{
		{to: task.Cancelled, why: "cancelled on request"},
		{to: task.Superseded, why: "a newer request took its place"},
		{to: task.Refused, why: "a canary", final: true},
	} {
		t.Run(string(end.to), func(t *testing.T) {
			t.Parallel()
			r := newRemaking()
			if err := r.e.fail(t.Context(), r.w, end); err != nil {
				t.Fatal(err)
			}
			if want := []string{"2 nothing " + end.why}; r.w.t.State != end.to || !slices.Equal(r.ends, want) {
				t.Errorf("the task is %s, ends %q", r.w.t.State, r.ends)
			}
			if !slices.ContainsFunc(r.audited, func(e audit.Entry) bool { return e.Action == audit.RevisionEnded }) {
				t.Error("the audit log does not say so")
			}
		})
	}
}

// What the pull request shows cannot be taken back: it is dropped only if it was not pushed.
func TestARevisionThatWasPushedIsNotDropped(t *testing.T) {
	t.Parallel()
	for head, want := range map[string]struct {
		state   task.State
		dropped int
	}{"carrier1": {task.Proposed, 1}, "carrier2": {task.Failed, 0}} {
		t.Run(head, func(t *testing.T) {
			t.Parallel()
			r := newRemaking()
			r.p, r.at.pr.Head.Commit = task.Proposal{Task: r.w.t.ID, Revision: 2, Carrier: "carrier2"}, head
			if err := r.e.fail(t.Context(), r.w, &failure{to: task.Failed, why: "no token"}); err != nil {
				t.Fatal(err)
			}
			if r.w.t.State != want.state || len(r.dropped) != want.dropped || len(r.ends) != 1 {
				t.Errorf("the task is %s, dropped %d, ends %q", r.w.t.State, r.dropped, r.ends)
			}
		})
	}
}

// The base and the end of a pull request are looked at before anything is pushed to it.
func TestARevisionIsNotPushedToAPullRequestOfAnotherBase(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*remaking)
		want   task.State
	}{
		"as it was":        {func(*remaking) {}, ""},
		"another base":     {func(r *remaking) { r.at.pr.Base.Branch = "release" }, task.Superseded},
		"closed":           {func(r *remaking) { r.at.pr.Open = false }, task.Cancelled},
		"the first of all": {func(r *remaking) { r.w.t.Revision, r.w.t.PullRequest, r.at.pr = 0, 0, forge.PullRequest{} }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRemaking()
			tt.change(r)
			end, _ := r.e.stillUp(t.Context(), &r.w.t).(*failure)
			if (end != nil) != (tt.want != "") || end != nil && end.to != tt.want {
				t.Errorf("%+v", end)
			}
			if held := name == "as it was"; (r.at.held == 1) != held { // nobody approves what the push replaces
				t.Errorf("reviews were held %d times", r.at.held)
			}
		})
	}
}

// A proposal that nobody can decide on any more is closed, also after a canary.
func TestThePullRequestOfATaskThatFailedInARevisionIsClosed(t *testing.T) {
	t.Parallel()
	var closed []string
	for _, s := range task.States() {
		if closes(task.Task{State: s}) {
			closed = append(closed, string(s))
		}
	}
	if got := strings.Join(closed, " "); got != "refused failed cancelled expired" {
		t.Errorf("closed: %s", got)
	}
	if closes(task.Task{State: task.Failed, ApprovalID: "a"}) || !closes(task.Task{State: task.Superseded, ReplacedBy: "bbbbbbbbbbbb"}) {
		t.Error("one that failed with an approval, or was replaced")
	}
}
