package engine

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/freeze"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/task"
)

func TestAProposalIsExaminedOnItsResultTreeAlone(t *testing.T) {
	t.Parallel()
	l := newLab(check("tests"))
	l.look(t)
	l.look(t) // nothing twice
	if len(l.all) != 1 || len(l.started) != 1 || l.states("tests") != "running" {
		t.Fatalf("%d asked for, %d started: %s", len(l.all), len(l.started), l.states("tests"))
	}
	x, s := l.all[0], l.started[0]
	if s.Name != "coderflow-exam-"+x.ID || s.Workspace.Volume != s.Name || l.filled[s.Name] != "result of tree on base" || len(l.filled) != 1 {
		t.Errorf("it works on %v of %v", s.Workspace, l.filled)
	}
	if len(s.Secrets) > 0 || s.SocketDir != "" || s.Network != sandbox.NetworkNone || s.Labels.Task != x.ID || s.Labels.Purpose != "check" || s.Limits.Wall != time.Minute {
		t.Errorf("it is given %+v", s)
	}
	l.output[s.Name] = "ok 1\n"
	l.exits(s.Name, sandbox.ReasonOK, 0)
	l.look(t)
	if got := l.all[0]; got.State != task.ExaminationPassed || got.Digest != "sha256:p1" || got.Summary != "passed; 1 test passed" || string(l.logs[x.LogStream()]) != "ok 1\n" {
		t.Errorf("%+v", got)
	}
	if len(l.audited) != 2 || l.audited[0].Action != audit.CheckAsked || l.audited[1].Action != audit.CheckEnded {
		t.Errorf("audited %v", l.audited)
	}
	l.look(t)
	if l.states("tests") != "passed" {
		t.Errorf("it does not rest: %s", l.states("tests"))
	}
}

func TestWhatACheckEndsAs(t *testing.T) {
	t.Parallel()
	for reason, want := range map[sandbox.Reason]task.ExaminationState{
		sandbox.ReasonOK: task.ExaminationPassed, sandbox.ReasonAgentFailed: task.ExaminationFailed, sandbox.ReasonTimeout: task.ExaminationFailed,
		sandbox.ReasonOutOfMemory: task.ExaminationFailed, sandbox.ReasonDiskQuota: task.ExaminationFailed, sandbox.ReasonEngineLost: task.ExaminationBroken,
		sandbox.ReasonStopped: task.ExaminationBroken, sandbox.ReasonBroken: task.ExaminationBroken, "odd": task.ExaminationBroken, "": task.ExaminationBroken,
	} {
		l := newLab(check("tests"))
		l.look(t)
		l.exits(l.started[0].Name, reason, 1)
		l.look(t)
		if got := l.all[0].State; got != want {
			t.Errorf("%q: %s, want %s", reason, got, want)
		}
	}
	l := newLab(check("tests"))
	l.look(t)
	delete(l.box, l.started[0].Name)
	l.look(t)
	if l.states("tests") != "broken" {
		t.Errorf("a container that is gone: %s", l.states("tests"))
	}
	l = newLab(check("tests"))
	l.refuses = sandbox.ErrImageMissing
	l.look(t)
	if l.states("tests") != "broken" || !strings.Contains(l.all[0].Summary, "is not on this Docker engine") {
		t.Errorf("without its image: %+v", l.all)
	}
	l = newLab(check("tests"))
	l.unfilled = sandbox.ErrImageMissing
	l.look(t)
	if l.states("tests") != "broken" || !strings.Contains(l.all[0].Summary, `"image" is not on this Docker engine`) {
		t.Errorf("without the image that fills workspaces: %+v", l.all)
	}
	l = newLab(check("tests"))
	l.refuses = errors.New("the engine is down")
	l.all = nil
	if err := l.e.examine(t.Context(), l.w); err == nil || l.states("tests") != "queued" {
		t.Errorf("an engine that is down: %s, %v", l.states("tests"), err)
	}
}

// Who changes what a check is has it run again; what nobody waits for is stopped.
func TestExaminationsFollowTheirDefinitionAndTheProposal(t *testing.T) {
	t.Parallel()
	l := newLab(check("tests"), check("lint"))
	l.look(t)
	l.exits(l.started[0].Name, sandbox.ReasonOK, 0)
	l.look(t)
	stricter := check("tests")
	stricter.Command = []string{"false"}
	l.defines(stricter)
	l.look(t)
	if l.states("tests") != "passed running" || l.states("lint") != "cancelled" || len(l.stopped) != 1 {
		t.Errorf("tests %s, lint %s, stopped %v", l.states("tests"), l.states("lint"), l.stopped)
	}
	l.p.Revision, l.p.Digest = 2, "sha256:p2"
	l.look(t)
	if l.states("tests") != "passed cancelled running" || l.all[3-1].Revision != 1 {
		t.Errorf("after a revision: tests %s", l.states("tests"))
	}
	if last := l.all[len(l.all)-1]; last.Revision != 2 || last.Digest != "sha256:p2" || last.Attempt != 1 {
		t.Errorf("%+v", last)
	}
	l.w.t.State = task.Approved
	if err := l.e.unexamined(t.Context(), l.w); err != nil || l.states("tests") != "passed cancelled cancelled" {
		t.Errorf("after the approval: %s, %v", l.states("tests"), err)
	}
	l.w.t.State = task.Proposed // the approval fell
	l.look(t)
	if l.states("tests") != "passed cancelled cancelled running" {
		t.Errorf("after the approval fell: %s", l.states("tests"))
	}
	l.e.Manifests = fixedManifests{&manifest.Set{}}
	l.look(t)
	if l.states("tests") != "passed cancelled cancelled cancelled" {
		t.Errorf("without its environment: %s", l.states("tests"))
	}
}

func TestSoManyExaminationsRunAtOnce(t *testing.T) {
	t.Parallel()
	l := newLab(check("a"), check("b"), check("c"))
	l.others = []task.Examination{
		{ID: "x", Task: "bbbbbbbbbbbb", State: task.ExaminationRunning, Node: "n1"}, {ID: "y", Task: "bbbbbbbbbbbb", State: task.ExaminationRunning, Node: "n2"},
		{ID: "z", Task: "cccccccccccc", State: task.ExaminationQueued},
	}
	l.look(t)
	if len(l.started) != 1 {
		t.Fatalf("%d started beside one of another task, want 1", len(l.started))
	}
	l.exits(l.started[0].Name, sandbox.ReasonOK, 0)
	l.jobs = nil
	l.look(t)
	if len(l.started) != 2 || l.states("a")+l.states("b") != "passedrunning" {
		t.Errorf("%d started: %s %s", len(l.started), l.states("a"), l.states("b"))
	}
	if !slices.ContainsFunc(l.jobs, func(j queue.Job) bool { return j.Key == "cccccccccccc" }) {
		t.Error("nobody looks at the task that waits for room")
	}
}

func TestTheTimeOfAFreezeDoesNotMakeAnExaminationOverdue(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		frozen time.Duration
		stops  int
	}{"never frozen": {0, 1}, "frozen": {time.Hour, 0}} {
		l := newLab(check("tests"))
		l.look(t)
		l.now = l.now.Add(l.started[0].Limits.Longest() + stopMargin + time.Minute)
		if row.frozen > 0 {
			l.frozen = freeze.Set{{ID: "1", Resource: freeze.Server, At: l.now.Add(-row.frozen), ThawedAt: l.now.Add(-time.Second)}}
		}
		l.look(t)
		if len(l.stopped) != row.stops {
			t.Errorf("%s: stopped %d times", name, len(l.stopped))
		}
	}
}

// The sweep comes often: it asks Docker and the database, and the forge only when there is
// something to do. (The lab has no forge.)
func TestTheSweepWatchesExaminationsWithoutTheForge(t *testing.T) {
	t.Parallel()
	l := newLab(check("a"), check("b"), check("c"))
	l.look(t)
	sweep := func(want int, why string) {
		t.Helper()
		todo, err := l.e.sweepExaminations(t.Context())
		if err != nil || len(todo) != want {
			t.Errorf("%s: %q, %v", why, todo, err)
		}
	}
	l.output[l.started[0].Name] = "so far"
	sweep(0, "two run and there is no room for the third")
	if string(l.logs[l.all[0].LogStream()]) != "so far" {
		t.Errorf("output is not kept meanwhile: %q", l.logs)
	}
	l.leased = task.ErrLeased
	l.exits(l.started[0].Name, sandbox.ReasonOK, 0)
	sweep(0, "somebody else is busy with the task")
	l.leased = nil
	sweep(1, "one has ended")
	if l.states("a") != "passed" {
		t.Errorf("it is %s", l.states("a"))
	}
	sweep(1, "there is room for the third")
	l.w.t.State = task.Approved
	sweep(1, "nobody waits for them any more")
}

// A required check that cannot be asked for any more ends, so that the gate can say why. The
// revisions before it take nothing away.
func TestARevisionHasSoManyExaminations(t *testing.T) {
	t.Parallel()
	l := newLab(check("tests"))
	for i := range maxExaminations {
		l.all = append(l.all, task.Examination{ID: task.NewExaminationID(), Task: "aaaaaaaaaaaa", Revision: 1, Digest: "sha256:p1",
			Kind: task.Check, Name: "tests", Attempt: i + 1, State: task.ExaminationCancelled})
	}
	l.look(t)
	l.look(t)
	last := l.all[len(l.all)-1]
	if len(l.all) != maxExaminations+1 || last.State != task.ExaminationBroken || !strings.Contains(last.Summary, "a new revision") || last.FinishedAt.IsZero() {
		t.Fatalf("%d asked for, the last is %+v", len(l.all), last)
	}
	if len(l.audited) != 2 || l.audited[1].Action != audit.CheckEnded {
		t.Errorf("audited %v", l.audited)
	}
	l.p.Revision, l.p.Digest = 2, "sha256:p2"
	l.look(t)
	if last := l.all[len(l.all)-1]; last.Revision != 2 || last.State != task.ExaminationRunning {
		t.Errorf("the next revision's is %+v", last)
	}
}
