package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/freeze"
	"github.com/coderflow/coderflow/internal/gitops"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/secret"
	"github.com/coderflow/coderflow/internal/task"
)

// pipes is a service that runs pipelines, in memory. It knows one pipeline.
type pipes struct {
	mu     sync.Mutex
	runs   []forge.PipelineRun
	asked  []forge.PipelineRequest
	cancel []string
	said   []string // what the run wrote, in pieces
	// lose answers Queue with an error after the run was made, drop before.
	lose, drop error
	refuse     error // of Queue; nothing is made
	blind      error // of Find and State
	commit     string
	finish     bool   // a run ends when it is cancelled
	onQueue    func() // called while a run is being asked for
}

func (p *pipes) Queue(ctx context.Context, r forge.PipelineRequest) (forge.PipelineRun, error) {
	if p.onQueue != nil {
		p.onQueue()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, r)
	if err := errors.Join(p.refuse, p.drop); err != nil {
		return forge.PipelineRun{}, err
	}
	id := fmt.Sprint(len(p.runs) + 1)
	run := forge.PipelineRun{Pipeline: r.Pipeline, ID: id, Name: "release-" + r.Key, URL: "https://pipes.example/" + id, Commit: r.Commit}
	if p.commit != "" {
		run.Commit = p.commit
	}
	p.runs = append(p.runs, run)
	return run, errors.Join(p.lose, ctx.Err())
}

func (p *pipes) Find(ctx context.Context, r forge.PipelineRequest) (forge.PipelineRun, bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := errors.Join(p.blind, ctx.Err()); err != nil {
		return forge.PipelineRun{}, false, err
	}
	if r.Pipeline.Name != "release" {
		return forge.PipelineRun{}, false, forge.ErrNotFound
	}
	i := slices.IndexFunc(p.runs, func(run forge.PipelineRun) bool { return strings.HasSuffix(run.Name, r.Key) })
	if i < 0 {
		return forge.PipelineRun{}, false, nil
	}
	return p.runs[i], true, nil
}

func (p *pipes) State(_ context.Context, _ forge.PipelineRequest, id string) (forge.PipelineRun, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, run := range p.runs {
		if p.blind == nil && run.ID == id {
			return run, nil
		}
	}
	return forge.PipelineRun{}, errors.Join(p.blind, forge.ErrNotFound)
}

func (p *pipes) Cancel(_ context.Context, _ forge.PipelineRef, id string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cancel = append(p.cancel, id)
	for i := range p.runs {
		if p.runs[i].ID == id && !p.runs[i].Ended() {
			p.runs[i].Cancelling = true
			if p.finish {
				p.runs[i].Result = forge.PipelineCancelled
			}
		}
	}
	return nil
}

func (p *pipes) Output(_ context.Context, _ forge.PipelineRef, _, place string, most int) ([]byte, string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	from, text := 0, ""
	if place != "" {
		fmt.Sscan(place, &from)
	}
	for from < len(p.said) && len(text) < most {
		text += p.said[from]
		from++
	}
	if text == "" {
		return nil, place, nil
	}
	return []byte(text), fmt.Sprint(from), nil
}

// end has the newest run end.
func (p *pipes) end(result forge.PipelineResult) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.runs[len(p.runs)-1].Result = result
}

// pipeBase are ports that nothing here uses.
type (
	pipeStore   interface{ Store }
	pipeTx      interface{ Tx }
	pipeHub     interface{ Forge }
	pipeSandbox interface{ Sandbox }
	pipeGit     interface{ Git }
)

// pipeWorld has a task that landed and is done, a profile that runs a pipeline, and a
// real gate. It is the database, the forge and git to the engine.
type pipeWorld struct {
	t  *testing.T
	mu sync.Mutex
	pipeStore
	pipeTx
	task    task.Task
	p       task.Proposal
	record  approval.Record
	runs    map[string]deploy.Run
	log     []byte
	entries []audit.Entry
	trips   []secret.Trip
	froze   freeze.Set
	now     time.Time
	set     *manifest.Set
	heads   map[string]string // branches
	access  forge.Access
	pipes   *pipes
	canary  *secret.Tripwire
	hub     *pipeForge
	e       *Engine
}

const pipeManifests = `apiVersion: coderflow.dev/v1
kind: Environment
metadata: {name: staging}
spec:
  repositories: [{name: acme/shop, id: 1}]
  agent: {preset: exec, command: [/bin/true]}
---
apiVersion: coderflow.dev/v1
kind: RoleBinding
metadata: {name: grace}
spec: {subject: "github:2", role: environment-admin, resource: environment/staging}
---
apiVersion: coderflow.dev/v1
kind: DeploymentProfile
metadata: {name: release, environment: staging}
spec:
  azurePipeline: {project: Acme, pipeline: release}
  timeout: 15m
  parameters:
    - {name: channel, type: select, options: [beta, stable], default: beta}
    - {name: note, type: string}
`

var (
	pipeLanded = strings.Repeat("e", 40)
	pipeGrace  = forge.User{Subject: forge.Subject{Host: forge.GitHub, ID: "2"}, Login: "grace", Kind: forge.Person}
)

func newPipeWorld(t *testing.T) *pipeWorld {
	t.Helper()
	repo := forge.RepositoryRef{Host: forge.GitHub, ID: "1", Owner: "acme", Name: "shop"}
	ada := forge.User{Subject: forge.Subject{Host: forge.GitHub, ID: "1"}, Login: "ada", Kind: forge.Person}
	w := &pipeWorld{
		t: t, runs: map[string]deploy.Run{}, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), access: forge.AccessWrite, pipes: &pipes{},
		task: task.Task{ID: "aaaaaaaaaaaa", State: task.Proposed, Environment: "staging", Repository: repo, PullRequest: 7, Requester: ada, BaseBranch: "main"},
		p: task.Proposal{
			Task: "aaaaaaaaaaaa", Revision: 1, Repository: repo, BaseBranch: "main", BaseCommit: strings.Repeat("b", 40),
			Tree: strings.Repeat("c", 40), Diff: []byte("diff"), Message: "Fix the sum", PolicyVersion: "v1", Carrier: strings.Repeat("a", 40),
		},
	}
	w.p.Digest = w.p.ComputeDigest()
	w.heads = map[string]string{w.task.ID.Branch(): pipeLanded}
	w.hub = &pipeForge{w: w}
	w.manifests(pipeManifests)
	w.e = New(Options{
		Store: w, Forge: w.hub, Git: pipeGits{w: w}, Sandbox: pipeBox{}, Secrets: pipeSecrets{w}, Manifests: w, Gate: w.gate(),
		Freezes: NewFreezes(w, w.clock), Deployer: &deploy.Executor{Pipelines: w.pipes}, Logger: slog.New(slog.DiscardHandler), Now: w.clock, Node: "one",
	})
	if _, _, err := w.e.Freezes.Look(t.Context()); err != nil {
		t.Fatal(err)
	}
	record, err := w.gate().Record(t.Context(), w.task.ID, "10")
	if err != nil {
		t.Fatal(err)
	}
	w.record, w.task.ApprovalID = record, record.ID
	w.task.State, w.task.LandedCommit = task.Done, pipeLanded
	return w
}

func (w *pipeWorld) manifests(text string) {
	w.t.Helper()
	set, err := manifest.Parse(map[string][]byte{"a.yaml": []byte(text)})
	if err != nil {
		w.t.Fatal(err)
	}
	w.set = set
}

func (w *pipeWorld) gate() *approval.Gate {
	return &approval.Gate{Forge: w.hub, Ledger: w, Policies: w, Now: w.clock, Freezes: NewFreezes(w, w.clock),
		Read: func(string) approval.Directives { return approval.Directives{NoDeploy: true} }}
}

// asked stores a run that grace asked for.
func (w *pipeWorld) asked(key string, parameters map[string]string) string {
	w.t.Helper()
	profile, _ := w.set.Profile("staging", "release")
	complete, err := profile.Validate(parameters)
	if err != nil {
		w.t.Fatal(err)
	}
	run := deploy.Run{
		ID: deploy.RequestID(pipeGrace.Subject, key), Task: w.task.ID, ApprovalID: w.record.ID, Environment: "staging", Profile: "release",
		ProfileVersion: profile.Digest(), Parameters: complete, Trigger: deploy.ByRequest, RequestedBy: pipeGrace, Key: key,
		Covers: deploy.CoversLanded, ArmedAs: -1, Repository: w.task.Repository, Commit: pipeLanded, State: deploy.Pending, CreatedAt: w.now,
	}
	w.runs[run.ID] = run
	return run.ID
}

// look has the task looked at, by a step that holds its lease.
func (w *pipeWorld) look(e *Engine) error {
	_, err := e.advanceRuns(w.t.Context(), &work{t: w.task, stored: w.task})
	return err
}

// looks looks, and returns the run as it is stored.
func (w *pipeWorld) looks(id string) deploy.Run {
	w.t.Helper()
	if err := w.look(w.e); err != nil {
		w.t.Fatal(err)
	}
	return w.run(id)
}

func (w *pipeWorld) run(id string) deploy.Run {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.runs[id]
}

func (w *pipeWorld) audited(action audit.Action) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.entries {
		if e.Action == action {
			n++
		}
	}
	return n
}

func (w *pipeWorld) clock() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.now }

func (w *pipeWorld) wait(d time.Duration) { w.mu.Lock(); defer w.mu.Unlock(); w.now = w.now.Add(d) }

// crash runs f as a server that is killed at the place.
func (w *pipeWorld) crash(at Failpoint, f func()) (killed bool) {
	w.e.Failpoint = func(p Failpoint) {
		if p == at {
			panic(at)
		}
	}
	defer func() {
		w.e.Failpoint = func(Failpoint) {}
		killed = recover() == any(at)
	}()
	f()
	return false
}

func (w *pipeWorld) Policy(context.Context) (*policy.Policy, error) { return w.set.Policy(), nil }

func (w *pipeWorld) Manifests(context.Context) (*manifest.Set, error) { return w.set, nil }
func (w *pipeWorld) InTx(_ context.Context, f func(Tx) error) error   { return f(w) }
func (w *pipeWorld) Freezes(context.Context) (freeze.Set, error)      { return w.froze, nil }
func (w *pipeWorld) Task(context.Context, task.ID) (task.Task, error) { return w.task, nil }
func (w *pipeWorld) SaveTask(context.Context, *task.Task) error       { return nil }
func (w *pipeWorld) Enqueue(context.Context, queue.Job) error         { return nil }
func (w *pipeWorld) Waiting(context.Context, string) ([]task.ID, error) {
	return nil, nil
}

func (w *pipeWorld) Proposal(context.Context, task.ID) (task.Proposal, error) { return w.p, nil }
func (w *pipeWorld) Approval(context.Context, string) (approval.Record, error) {
	return w.record, nil
}

func (w *pipeWorld) Examinations(context.Context, task.ID) ([]task.Examination, error) {
	return nil, nil
}

func (w *pipeWorld) Examination(context.Context, string) (task.Examination, error) {
	return task.Examination{}, task.ErrNotFound
}
func (w *pipeWorld) Trips(context.Context, task.ID) ([]secret.Trip, error) { return w.trips, nil }
func (w *pipeWorld) InsertTrip(_ context.Context, trip secret.Trip) (bool, error) {
	w.trips = append(w.trips, trip)
	return len(w.trips) == 1, nil
}

func (w *pipeWorld) Audit(_ context.Context, e audit.Entry) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.entries = append(w.entries, e)
	return nil
}

func (w *pipeWorld) Deployment(_ context.Context, id string) (deploy.Run, error) {
	if run, is := w.runs[id]; is {
		return run, nil
	}
	return deploy.Run{}, task.ErrNotFound
}

func (w *pipeWorld) list(is func(deploy.Run) bool) (list []deploy.Run) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, run := range w.runs {
		if is(run) {
			list = append(list, run)
		}
	}
	return list
}

func (w *pipeWorld) DeployRuns(context.Context, task.ID) ([]deploy.Run, error) {
	return w.list(func(deploy.Run) bool { return true }), nil
}

func (w *pipeWorld) RunsUnderWay(context.Context) ([]deploy.Run, error) {
	return w.list(func(r deploy.Run) bool { return r.State == deploy.Created || r.State == deploy.Running }), nil
}

// edit changes a stored run, if it is as the change needs it.
func (w *pipeWorld) edit(id string, change func(*deploy.Run) bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	run := w.runs[id]
	if !change(&run) {
		return false
	}
	w.runs[id] = run
	return true
}

func (w *pipeWorld) ClaimTurn(_ context.Context, id string) (deploy.Turn, error) {
	w.edit(id, func(r *deploy.Run) bool { r.ClaimedAt = w.now; return true })
	return deploy.Turn{Own: true}, nil
}

func (w *pipeWorld) ReleaseTurn(_ context.Context, id, why string) error {
	w.edit(id, func(r *deploy.Run) bool {
		r.ClaimedAt, r.Detail = time.Time{}, why
		return r.State == deploy.Pending
	})
	return nil
}

func (w *pipeWorld) BeginRun(_ context.Context, next deploy.Run) (bool, error) {
	return w.edit(next.ID, func(r *deploy.Run) bool {
		was := r.State
		*r = next
		return was == deploy.Pending
	}), nil
}

func (w *pipeWorld) StopRun(_ context.Context, id string, s deploy.Stop) (bool, error) {
	return w.edit(id, func(r *deploy.Run) bool {
		fresh := r.Stopped.Why == "" && !r.State.Ended()
		r.Stopped = s
		return fresh
	}), nil
}

func (w *pipeWorld) SaveRun(_ context.Context, next deploy.Run) error {
	w.edit(next.ID, func(r *deploy.Run) bool {
		next.Stopped = r.Stopped
		open := !r.State.Ended() || r.State == next.State
		*r = next
		return open
	})
	return nil
}

func (w *pipeWorld) LogSize(context.Context, string) (int64, error) { return int64(len(w.log)), nil }

func (w *pipeWorld) AppendLog(_ context.Context, _ string, offset int64, data []byte) error {
	if offset > int64(len(w.log)) {
		return errors.New("a gap in the log")
	}
	if known := int64(len(w.log)) - offset; known < int64(len(data)) {
		w.log = append(w.log, data[known:]...)
	}
	return nil
}

// pipeForge is what the gate reads of the forge.
type pipeForge struct {
	pipeHub
	w     *pipeWorld
	shown []forge.DeploymentState
}

func (f *pipeForge) PullRequest(context.Context, forge.RepositoryRef, int) (forge.PullRequest, error) {
	head := f.w.p.Carrier
	if f.w.task.State.HasLanded() {
		head = pipeLanded
	}
	return forge.PullRequest{Number: 7, Open: true, Head: forge.Tip{Commit: head}, Base: forge.Tip{Branch: "main"}}, nil
}

func (f *pipeForge) Review(context.Context, forge.RepositoryRef, int, string) (forge.Review, error) {
	return forge.Review{ID: "10", Author: pipeGrace, State: forge.ReviewApproved, Commit: f.w.p.Carrier}, nil
}

func (f *pipeForge) Reviews(ctx context.Context, ref forge.RepositoryRef, n int) ([]forge.Review, error) {
	r, err := f.Review(ctx, ref, n, "10")
	return []forge.Review{r}, err
}

func (f *pipeForge) HeadChanges(context.Context, forge.RepositoryRef, int) ([]forge.HeadChange, error) {
	return nil, nil
}

func (f *pipeForge) AccessOf(context.Context, forge.RepositoryRef, forge.User) (forge.Access, error) {
	return f.w.access, nil
}

func (f *pipeForge) BranchHead(context.Context, forge.RepositoryRef, string) (string, error) {
	return "", forge.ErrNotFound
}

func (f *pipeForge) Self(context.Context, string) (forge.User, error) {
	return forge.User{Kind: forge.Bot}, nil
}
func (f *pipeForge) GitURL(forge.RepositoryRef) string { return "https://forge.example/acme/shop" }
func (f *pipeForge) ReadToken(context.Context, forge.RepositoryRef) (forge.Token, error) {
	return forge.Token{}, nil
}

func (f *pipeForge) EnsureDeployment(_ context.Context, _ forge.RepositoryRef, d forge.Deployment) (forge.Deployment, error) {
	d.ID = "1"
	return d, nil
}

func (f *pipeForge) SetDeploymentState(_ context.Context, _ forge.RepositoryRef, _ string, s forge.DeploymentState, _, _ string) error {
	f.shown = append(f.shown, s)
	return nil
}

// pipeGits has branches whose heads are the commits that they hold.
type pipeGits struct {
	pipeGit
	w *pipeWorld
}

func (g pipeGits) Commit(context.Context, approval.Grant) (string, error) { return pipeLanded, nil }

func (g pipeGits) Fetch(_ context.Context, _ gitops.Remote, branch string) (string, error) {
	if head, is := g.w.heads[branch]; is {
		return head, nil
	}
	return "", gitops.ErrNoBranch
}

func (g pipeGits) IsAncestor(_ context.Context, _ forge.RepositoryRef, commit, of string) (bool, error) {
	return commit == of, nil
}

type pipeBox struct{ pipeSandbox }

func (pipeBox) ForgetSecrets(string) error { return nil }

type pipeSecrets struct{ w *pipeWorld }

func (pipeSecrets) Open(context.Context, string, secret.Context) ([]secret.Value, error) {
	return nil, nil
}

func (pipeSecrets) Redactor(context.Context, string) (*secret.Redactor, error) {
	token, err := secret.NewValue("TOKEN", []byte("s3cr3t-token-value"))
	return secret.NewRedactor(token), err
}

func (s pipeSecrets) Tripwire(context.Context, string) (*secret.Tripwire, error) {
	return s.w.canary, nil
}
