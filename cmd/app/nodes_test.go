package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/sandbox/docker/dockertest"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
	"github.com/coderflow/coderflow/internal/task"
)

// fleet is two servers that run no containers, behind a balancer, and two workers, each with
// a Docker engine of its own, on one PostgreSQL. The first worker's is the machine's.
type fleet struct {
	*world // the first server
	second *world
	a, b   *world
	db     *store.Store
}

// soonLost has a dead node taken for dead as soon as may be.
const soonLost = "lostAfter: 15s"

func newFleet(t *testing.T, options ...worldOption) *fleet {
	t.Helper()
	database := "database: " + storetest.PostgresOptions(t).DSN
	f := &fleet{world: newStoppedWorld(t, append(options, withExtra(strings.Join([]string{looksOften, database, "worker: {" + soonLost + "}"}, "\n")))...)}
	f.program = []string{"serve", "--no-worker"}
	f.start()
	f.second = f.beside(database, "worker: {"+soonLost+"}")
	f.second.program = f.program
	f.a = f.beside(database, "worker: {name: a, "+soonLost+"}")
	engine := dockertest.SecondEngine{}.Start(t)
	f.b = f.beside(database, "worker: {name: b, labels: [other], "+soonLost+"}", "docker: {host: "+engine+"}")
	f.b.engine = engine
	for _, w := range []*world{f.a, f.b} {
		w.program = []string{"worker"}
	}
	for _, w := range []*world{f.second, f.a, f.b} {
		w.start()
	}
	f.db = f.world.db()
	f.balance(f.world, f.second)
	return f
}

// balance gives the forge an address behind which any of the servers answers.
func (f *fleet) balance(servers ...*world) {
	balancer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, s := range servers {
			if s.server == nil || s.server.exited() {
				continue
			}
			(&httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
				p.SetURL(&url.URL{Scheme: "http", Host: s.address})
			}}).ServeHTTP(w, r)
			return
		}
		http.Error(w, "no server", http.StatusBadGateway)
	}))
	f.t.Cleanup(balancer.Close)
	f.hub.SetWebhookURL(webhookURL(f.hub.Info(), strings.TrimPrefix(balancer.URL, "http://")))
}

// Two servers and two workers with engines of their own: tasks spread, each of the four is
// killed and started again in the middle, and every task ends with one commit and one
// deployment.
func TestFault28OfManyNodesEachCanBeKilled(t *testing.T) {
	t.Parallel()
	f := newFleet(t, withAgent(quickAgent+"\nsleep 2"))
	f.reconciled()
	var issues []int
	for range 6 {
		issues = append(issues, f.run(maria).Number)
	}
	f.taskOf(issues[0], task.Running, task.Collecting, task.Proposed)
	f.a.server.kill()
	f.server.kill()
	f.a.start()
	f.start()
	for _, p := range f.allIn(f.db, issues, task.Proposed) {
		f.approve(tom, p.PullRequest, "/coderflow deploy publish")
	}
	f.b.server.kill()
	f.second.server.kill()
	f.b.start()
	f.second.start()
	nodes := map[string]int{}
	for _, done := range f.allIn(f.db, issues, task.Done) {
		f.landedExactly(done)
		nodes[done.Run.Node]++
		f.auditHas(done.ID, onceEach)
	}
	if len(nodes) != 2 || nodes[f.node()] > 0 {
		t.Errorf("both workers should have had work, and the server none: %v", nodes)
	}
	if n := len(f.hub.PullRequests(sampleRepo)); n != len(issues) {
		t.Errorf("%d pull requests for %d tasks", n, len(issues))
	}
	out, _, err := f.cli("nodes", "-c", f.in.config)
	if err != nil || strings.Count(out, "ready") != 4 || strings.Count(out, "worker") != 2 {
		t.Errorf("%v\n%s", err, out)
	}
}

var onceEach = map[audit.Action]int{
	audit.TaskCreated: 1, audit.ContainerStarted: 1, audit.ContainerEnded: 1, audit.ProposalRecorded: 1, audit.ProposalPublished: 1,
	audit.ApprovalRecorded: 1, audit.ApprovalVoid: 0, audit.PushIntent: 1, audit.PushDone: 1,
	audit.DeployIntent: 1, audit.DeployStarted: 1, audit.DeployEnded: 1,
}

// A worker is gone for good, with its data: the task whose agent ran there begins anew
// elsewhere, and the proposal that waited there is approved, landed and deployed once.
func TestFault28TheTasksOfALostNodeGoOnElsewhere(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.reconciled()
	f.drain(f.b)
	waiting := f.taskOf(f.run(maria).Number, task.Proposed)
	f.resume(f.b)
	if waiting.Run.Node != f.a.node() {
		t.Fatalf("the task is on %s", waiting.Run.Node)
	}
	f.drain(f.b)
	begun := f.taskOf(f.run(maria).Number, task.Preparing, task.Running, task.Collecting, task.Proposed)
	f.a.server.kill()
	if err := os.RemoveAll(filepath.Join(f.a.dir, "data", "git")); err != nil {
		t.Fatal(err)
	}
	f.resume(f.b)
	f.wait("the loss of the node", f.audited(audit.NodeLost))
	again := f.taskOf(begun.Issue, task.Proposed)
	for _, p := range []task.Task{waiting, again} {
		f.approve(tom, p.PullRequest, "/coderflow deploy publish")
	}
	for _, done := range f.allIn(f.db, []int{waiting.Issue, begun.Issue}, task.Done) {
		f.landedExactly(done)
		f.auditHas(done.ID, map[audit.Action]int{audit.PushIntent: 1, audit.PushDone: 1, audit.DeployIntent: 1, audit.DeployEnded: 1})
		if done.Run.Node != f.b.node() {
			t.Errorf("task %s ended on %s", done.ID, done.Run.Node)
		}
	}
	if out, _, err := f.cli("nodes", "forget", "a", "-c", f.in.config); err != nil || !strings.Contains(out, "a is forgotten") {
		t.Errorf("%v\n%s", err, out)
	}
}

// A worker that was taken for dead comes back: the container of a task that still waits for
// a place goes on, and says nothing twice.
func TestFault28AContainerIsAdoptedWhenItsNodeReturns(t *testing.T) {
	t.Parallel()
	f := newFleet(t, withAgent("echo begun\n"+untilReleased+"\n"+quickAgent+"\necho ended"))
	f.reconciled()
	f.drain(f.b)
	running := f.taskOf(f.run(maria).Number, task.Running)
	f.wait("its first words", func(ctx context.Context) (bool, error) {
		return strings.Contains(f.output("task/"+string(running.ID)), "begun"), nil
	})
	f.a.server.kill()
	f.wait("the loss of the node", f.audited(audit.NodeLost))
	queued := f.taskOf(running.Issue, task.Queued)
	if out, _, err := f.cli("tasks", "show", string(queued.ID), "-c", f.in.config); err != nil || !strings.Contains(out, "1 of 1: no node takes tasks now") {
		t.Errorf("%v\n%s", err, out)
	}
	f.a.start()
	back := f.taskOf(running.Issue, task.Running)
	f.a.releaseAgent(back)
	proposed := f.taskOf(running.Issue, task.Proposed)
	if proposed.Run.Container != running.Run.Container || len(f.a.containers("task")) != 1 {
		t.Errorf("container %s, then %s", running.Run.Container, proposed.Run.Container)
	}
	if said := f.output("task/" + string(running.ID)); strings.Count(said, "begun") != 1 || strings.Count(said, "ended") != 1 {
		t.Errorf("it said %q", said)
	}
}

// While it comes back, its task may have gone on elsewhere: then the old container ends.
func TestFault28AContainerWhoseTaskWentOnIsStopped(t *testing.T) {
	t.Parallel()
	f := newFleet(t, withAgent(untilReleased+"\n"+quickAgent))
	f.reconciled()
	f.drain(f.b)
	running := f.taskOf(f.run(maria).Number, task.Running)
	f.resume(f.b)
	f.a.server.kill()
	moved := f.whileOn(running.Issue, f.b.node(), task.Running)
	f.a.start()
	f.a.wait("the end of the old container", func(context.Context) (bool, error) { return len(f.a.containers("task")) == 0, nil })
	if _, err := f.db.Task(t.Context(), moved.ID); err != nil {
		t.Error(err)
	}
	f.whileOn(running.Issue, f.b.node(), task.Running)
}

// Draining lets end what runs, gives what waits to others, and says when nothing is left.
func TestADrainedNodeEndsWhatRunsAndGivesTheRestToOthers(t *testing.T) {
	t.Parallel()
	f := newFleet(t, withAgent(untilReleased+"\n"+quickAgent))
	f.reconciled()
	f.drain(f.b)
	running := f.taskOf(f.run(maria).Number, task.Running)
	f.resume(f.b)
	drained := make(chan string, 1)
	go func() {
		out, errors, err := f.cli("nodes", "drain", "a", "--wait", "-c", f.in.config)
		drained <- fmt.Sprint(out, errors, err)
	}()
	f.wait("the node to drain", f.audited(audit.NodeDrained))
	select {
	case said := <-drained:
		t.Fatalf("it ended while an agent ran: %s", said)
	case <-time.After(3 * time.Second):
	}
	f.a.releaseAgent(running)
	select {
	case said := <-drained:
		if !strings.Contains(said, "a is drained and has no tasks") || !strings.Contains(said, "1 tasks left") {
			t.Error(said)
		}
	case <-time.After(longEnough):
		t.Fatal("the node was never drained")
	}
	f.a.server.kill() // for good
	proposed := f.taskOf(running.Issue, task.Proposed)
	f.approve(tom, proposed.PullRequest, "Count every item")
	f.landedExactly(f.taskOf(running.Issue, task.Done))
}

// An environment's labels and bound are kept, and people see what their task waits for.
func TestTasksWaitForANodeWithTheirLabels(t *testing.T) {
	t.Parallel()
	f := newFleet(t, func(_ *emulator.Options, s *settings) { s.Spec = "scheduling: {labels: [other], maxRunning: 1}" }, withAgent(untilReleased+"\n"+quickAgent))
	f.reconciled()
	first := f.taskOf(f.run(maria).Number, task.Running)
	if first.Run.Node != f.b.node() {
		t.Errorf("it runs on %s", first.Run.Node)
	}
	second := f.run(maria)
	f.wait("its place in line", func(ctx context.Context) (bool, error) {
		comments, err := f.comments(ctx, second.Topic())
		return slices.ContainsFunc(comments, func(c forge.Comment) bool {
			return strings.Contains(c.Body, "It is next in line. What it waits for: environment staging runs as many agents as it may: 1.")
		}), err
	})
}

func (f *fleet) drain(w *world)  { f.nodes("drain", w) }
func (f *fleet) resume(w *world) { f.nodes("resume", w) }

func (f *fleet) nodes(order string, w *world) {
	f.t.Helper()
	if out, errors, err := f.cli("nodes", order, w.node(), "-c", f.in.config); err != nil {
		f.t.Fatalf("nodes %s: %v: %s%s", order, err, out, errors)
	}
}

// audited reports whether the log has an action.
func (f *fleet) audited(action audit.Action) func(context.Context) (bool, error) {
	return func(ctx context.Context) (bool, error) {
		entries, err := f.db.AuditEntries(ctx, store.AuditFilter{Actions: []string{string(action)}, Limit: 10})
		return len(entries) > 0, err
	}
}

// whileOn waits until the task of an issue is in a state on a node.
func (f *fleet) whileOn(issue int, node string, state task.State) (found task.Task) {
	f.t.Helper()
	f.wait(fmt.Sprintf("the task on node %s", node), func(ctx context.Context) (bool, error) {
		found = f.taskOf(issue, state)
		return found.Run.Node == node, nil
	})
	return found
}
