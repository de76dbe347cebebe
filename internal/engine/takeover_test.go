package engine

import (
	"context"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/node"
	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/task"
)

// lost is a task on the node n2, which others took for dead.
type lost struct {
	*remaking
	nodes     []node.Node
	proposals []task.Proposal
	dismissed []string // workspaces whose collectors were
}

func (l *lost) InTx(_ context.Context, f func(Tx) error) error          { return f(l) }
func (l *lost) Nodes(context.Context) ([]node.Node, error)              { return l.nodes, nil }
func (l *lost) TaskLog(context.Context, task.ID) ([]audit.Entry, error) { return nil, nil }
func (l *lost) ForgetSecrets(string) error                              { return nil }
func (l *lost) DismissCollector(volume string)                          { l.dismissed = append(l.dismissed, volume) }
func (l *lost) Proposal(context.Context, task.ID) (task.Proposal, error) {
	if len(l.proposals) == 0 {
		return task.Proposal{}, task.ErrNotFound
	}
	return l.proposals[0], nil
}

// closedModels are ways that are not open.
type closedModels struct{ Models }

func (closedModels) Close(context.Context, task.ID) error { return nil }

func newLost(state task.State, onLoss string) *lost {
	l := &lost{remaking: newRemaking(), nodes: []node.Node{{ID: "n2", Name: "runner-2", Slots: 2, LostAt: time.Now()}}}
	l.e.Store, l.e.Sandbox, l.e.Models = l, l, closedModels{}
	l.e.Manifests = fixedManifests{&manifest.Set{Version: "v1", Environments: map[string]manifest.Environment{
		"staging": {Name: "staging", Scheduling: manifest.Scheduling{OnNodeLoss: onLoss}},
	}}}
	l.w.t.State, l.w.t.Revision, l.w.t.PullRequest = state, 1, 0
	l.w.t.Run = task.Run{Node: "n2", Container: "c", Volume: "v", LogFrom: 7}
	l.w.stored = l.w.t
	return l
}

func TestWhatBecomesOfATaskWhoseNodeIsLost(t *testing.T) {
	t.Parallel()
	recorded := []task.Proposal{{Revision: 1}}
	for name, tt := range map[string]struct {
		state     task.State
		onLoss    string
		proposals []task.Proposal
		cancelled bool
		want      task.State
		node      string // it is on afterwards
		lostNode  string
	}{
		"its agent ran":                          {task.Running, "", nil, false, task.Queued, "", "n2"},
		"it was about to":                        {task.Preparing, manifest.RequeueOnLoss, nil, false, task.Queued, "", "n2"},
		"the change was not read":                {task.Collecting, "", nil, false, task.Queued, "", "n2"},
		"the change was recorded":                {task.Collecting, "", recorded, false, task.Collecting, "", ""},
		"its agent ran, and it is to fail":       {task.Running, manifest.FailOnLoss, nil, false, task.Failed, "", ""},
		"its agent ran, and it is to wait":       {task.Running, manifest.WaitOnLoss, nil, false, task.Running, "n2", ""},
		"it is to wait, and somebody stopped it": {task.Running, manifest.WaitOnLoss, nil, true, task.Cancelled, "", ""},
		"it waits for people":                    {task.Proposed, manifest.WaitOnLoss, recorded, false, task.Proposed, "", ""},
		"it was about to land":                   {task.Landing, manifest.FailOnLoss, recorded, false, task.Landing, "", ""},
		"it is done":                             {task.Done, "", recorded, false, task.Done, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLost(tt.state, tt.onLoss)
			l.proposals, l.w.t.CancelRequested = tt.proposals, tt.cancelled
			if err := l.e.elsewhere(t.Context(), l.w); err != nil {
				t.Fatal(err)
			}
			run := l.w.t.Run
			if l.w.t.State != tt.want || run.Node != tt.node || run.LostNode != tt.lostNode {
				t.Errorf("it is %s on %q, lost %q", l.w.t.State, run.Node, run.LostNode)
			}
			if tt.node == "" && run.Volume != "" {
				t.Error("it still has the workspace of the lost node")
			}
			if waits := tt.node != ""; (len(l.jobs) > 0) == waits {
				t.Errorf("jobs %+v", l.jobs)
			}
		})
	}
}

func TestATaskOnANodeThatLivesIsLeftToIt(t *testing.T) {
	t.Parallel()
	l := newLost(task.Running, "")
	l.nodes[0].LostAt = time.Time{}
	before := l.w.t
	if err := l.e.elsewhere(t.Context(), l.w); err != nil || len(l.jobs) != 1 || l.w.t.Run != before.Run {
		t.Errorf("%v, jobs %+v, %+v", err, l.jobs, l.w.t.Run)
	}
}

// A node of a version that says nothing keeps its tasks. Nobody spins meanwhile, and whoever
// stops such a task is heard.
func TestATaskOnANodeThatNobodyKnowsWaits(t *testing.T) {
	t.Parallel()
	for _, engineless := range []bool{false, true} {
		l := newLost(task.Running, "")
		l.nodes, l.e.Engineless = nil, engineless
		before := l.w.t.Run
		if err := l.e.elsewhere(t.Context(), l.w); err != nil || l.w.t.Run != before || len(l.jobs) != 1 || !l.jobs[0].RunAt.After(l.now) {
			t.Errorf("%v, jobs %+v, %+v", err, l.jobs, l.w.t.Run)
		}
		l.jobs, l.w.t.CancelRequested = nil, true
		err := l.e.elsewhere(t.Context(), l.w)
		if stopped := l.w.t.State == task.Cancelled; err != nil || stopped == engineless {
			t.Errorf("%v, it is %s", err, l.w.t.State)
		}
		if engineless && (len(l.jobs) != 1 || l.jobs[0].Queue != queue.Workers) {
			t.Errorf("jobs %+v", l.jobs)
		}
	}
}

// The same data directory, without an engine since: nobody there works on the task.
func TestATaskOfANodeThatHasNoEngineAnyMoreIsTakenOver(t *testing.T) {
	t.Parallel()
	l := newLost(task.Proposed, "")
	l.nodes[0].LostAt, l.nodes[0].Slots = time.Time{}, 0
	if err := l.e.elsewhere(t.Context(), l.w); err != nil || l.w.t.Run.Node != "" {
		t.Errorf("%v, it is on %q", err, l.w.t.Run.Node)
	}
}

// A revision takes the labels: where its node does not have them, one that does goes on.
func TestARevisionGoesToANodeWithTheLabels(t *testing.T) {
	t.Parallel()
	gpu := node.Node{ID: "n2", Slots: 1, Labels: []string{"gpu"}}
	for name, tt := range map[string]struct {
		mine    []string
		others  []node.Node
		checked bool // a check runs on this node
		waits   bool
		node    string // afterwards
	}{
		"this one has them":       {[]string{"gpu"}, []node.Node{gpu}, false, false, "n1"},
		"another one has them":    {nil, []node.Node{gpu}, false, true, "n2"},
		"nobody has them":         {nil, []node.Node{{ID: "n2", Slots: 1}}, false, true, "n1"},
		"a check runs here still": {nil, []node.Node{gpu}, true, true, "n2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLost(task.Proposed, "")
			l.w.t.Run.Node, l.e.Self.Labels = "n1", tt.mine
			l.feedback = []task.Feedback{{Task: l.w.t.ID, Key: "k", Kind: task.FeedbackRevise}}
			l.e.Manifests = fixedManifests{&manifest.Set{Environments: map[string]manifest.Environment{
				"staging": {Name: "staging", Scheduling: manifest.Scheduling{Labels: []string{"gpu"}}},
			}}}
			if tt.checked {
				l.all = []task.Examination{{ID: "x", Task: l.w.t.ID, Kind: task.Check, State: task.ExaminationRunning, Node: "n1"}}
			}
			l.e.see(tt.others, node.Node{})
			waits, err := l.e.revisionWaits(t.Context(), l.w)
			if err != nil || waits != tt.waits || l.w.t.Run.Node != tt.node || (len(l.jobs) > 0) != waits {
				t.Errorf("%v, waits %v, on %q, jobs %+v", err, waits, l.w.t.Run.Node, l.jobs)
			}
			if tt.checked && l.all[0].State != task.ExaminationCancelled {
				t.Errorf("a check that nobody waits for is %s", l.all[0].State)
			}
			in, _, err := l.e.whereabouts(t.Context(), &l.w.t)
			if silent := name != "nobody has them"; err != nil || (in.Why == "") != silent {
				t.Errorf("%v, people see %+v", err, in)
			}
		})
	}
}

// A check that ran on the lost node is asked again; what it was to say is nobody's any more.
func TestExaminationsOfALostNodeAreCancelled(t *testing.T) {
	t.Parallel()
	l := newLost(task.Proposed, "")
	l.all = []task.Examination{{ID: "x", Task: l.w.t.ID, Kind: task.Check, Name: "tests", State: task.ExaminationRunning, Node: "n2"}}
	if err := l.e.elsewhere(t.Context(), l.w); err != nil {
		t.Fatal(err)
	}
	if x := l.all[0]; x.State != task.ExaminationCancelled || x.Summary != "its node runner-2 was lost" {
		t.Errorf("%+v", x)
	}
}

func TestAContainerGoesBackToATaskThatStillWaits(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		t       task.Task
		jobs    int
		stopped int
	}{
		"it waits for a place":      {task.Task{State: task.Queued, Run: task.Run{LostNode: "n1"}}, 1, 0},
		"it is still here":          {task.Task{State: task.Running, Run: task.Run{Node: "n1"}}, 0, 0},
		"it went on elsewhere":      {task.Task{State: task.Running, Run: task.Run{Node: "n2", LostNode: "n1"}}, 0, 1},
		"it waits, lost by another": {task.Task{State: task.Queued, Run: task.Run{LostNode: "n2"}}, 0, 1},
		"somebody stopped it":       {task.Task{State: task.Queued, CancelRequested: true, Run: task.Run{LostNode: "n1"}}, 0, 1},
		"it failed in the meantime": {task.Task{State: task.Failed}, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLost(task.Queued, "")
			tt.t.ID = l.w.t.ID
			store := &oneTask{lost: l, t: tt.t}
			l.e.Store = store
			c := sandbox.Status{Name: containerName(&tt.t), State: sandbox.StateRunning, Labels: sandbox.Labels{Task: string(tt.t.ID), Purpose: purposeTask}}
			if err := l.e.reclaimOne(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			if len(l.jobs) != tt.jobs || len(l.stopped) != tt.stopped {
				t.Errorf("jobs %+v, stopped %v", l.jobs, l.stopped)
			}
		})
	}
}

type oneTask struct {
	*lost
	t task.Task
}

func (o *oneTask) Task(context.Context, task.ID) (task.Task, error) { return o.t, nil }
func (o *oneTask) InTx(_ context.Context, f func(Tx) error) error   { return f(o) }

func TestACollectorWaitsForAsLongAsThereMayBeSomethingToCollect(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		from, to  task.State
		dismissed int
	}{
		{task.Preparing, task.Running, 0},
		{task.Running, task.Collecting, 0},
		{task.Running, task.Failed, 1},
		{task.Preparing, task.Cancelled, 1},
		{task.Collecting, task.NoChange, 1}, // collected, or not: there is none to wait any more
		{task.Proposed, task.Expired, 0},
	} {
		l := newLost(tt.from, "")
		if err := l.e.move(t.Context(), l.w, tt.to, nil); err != nil {
			t.Fatal(err)
		}
		if len(l.dismissed) != tt.dismissed || tt.dismissed == 1 && l.dismissed[0] != "v" {
			t.Errorf("from %s to %s: dismissed %q", tt.from, tt.to, l.dismissed)
		}
	}
}
