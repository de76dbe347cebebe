package engine

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/freeze"
	"github.com/coderflow/coderflow/internal/gitops"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/secret"
	sy "github.com/coderflow/coderflow/internal/strictyaml"
	"github.com/coderflow/coderflow/internal/task"
)

// lab is a store, a sandbox and git for one proposal with its examinations; what really
// happens in containers is tested end to end in cmd/app.
type lab struct {
	Store
	Tx
	Sandbox
	Git
	Secrets

	e       *Engine
	w       *work
	now     time.Time
	p       task.Proposal
	all     []task.Examination
	others  []task.Examination // of other tasks
	logs    map[string][]byte  // by stream
	box     map[string]sandbox.Status
	output  map[string]string
	started []sandbox.Spec
	stopped []string
	filled  map[string]string // commit by volume
	audited []audit.Entry
	jobs    []queue.Job
	frozen  freeze.Set
	refuses error // of Start

	unfilled error // of EnsureWorkspace
	stuck    error // of removing a volume
	leased   error // of Lease
}

func newLab(checks ...manifest.Check) *lab {
	l := &lab{
		now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), logs: map[string][]byte{}, box: map[string]sandbox.Status{},
		output: map[string]string{}, filled: map[string]string{},
		p: task.Proposal{Task: "aaaaaaaaaaaa", Revision: 1, BaseCommit: "base", Tree: "tree", Digest: "sha256:p1"},
	}
	l.e = New(Options{
		Store: l, Sandbox: l, Storage: labStorage{l: l}, Git: l, Secrets: l, Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return l.now },
		Node: "n1", MaxRunning: 2,
	})
	l.w = &work{t: task.Task{ID: "aaaaaaaaaaaa", Environment: "staging", State: task.Proposed, Run: task.Run{Node: "n1"}}}
	l.defines(checks...)
	return l
}

func (l *lab) defines(checks ...manifest.Check) {
	env := manifest.Environment{Name: "staging", Checks: checks, Agent: manifest.Agent{Image: "image"}}
	l.e.Manifests = fixedManifests{&manifest.Set{Version: "v1", Environments: map[string]manifest.Environment{"staging": env}}}
}

func check(name string) manifest.Check {
	return manifest.Check{Name: name, Command: []string{"true"}, Image: "image", Timeout: sy.Duration(time.Minute)}
}

// DismissCollector implements Sandbox: none waits in the lab.
func (l *lab) DismissCollector(string) {}

func (l *lab) Proposal(context.Context, task.ID) (task.Proposal, error) { return l.p, nil }
func (l *lab) Examinations(context.Context, task.ID) ([]task.Examination, error) {
	return slices.Clone(l.all), nil
}
func (l *lab) OpenExaminations(context.Context) (open []task.Examination, err error) {
	for _, x := range append(slices.Clone(l.others), l.all...) {
		if !x.State.Ended() {
			open = append(open, x)
		}
	}
	return open, nil
}
func (l *lab) Examination(_ context.Context, id string) (task.Examination, error) {
	return l.all[slices.IndexFunc(l.all, func(o task.Examination) bool { return o.ID == id })], nil
}
func (l *lab) Lease(context.Context, task.ID, string, time.Duration) (task.Task, error) {
	return l.w.t, l.leased
}
func (l *lab) Release(context.Context, task.ID, string) error { return nil }
func (l *lab) InTx(_ context.Context, f func(Tx) error) error { return f(l) }
func (l *lab) InsertExamination(_ context.Context, x task.Examination) (bool, error) {
	l.all = append(l.all, x)
	return true, nil
}
func (l *lab) SaveExamination(_ context.Context, x task.Examination) error {
	i := slices.IndexFunc(l.all, func(o task.Examination) bool { return o.ID == x.ID })
	if l.all[i].State.Ended() {
		return &task.ExaminationStateError{ID: x.ID, From: l.all[i].State, To: x.State}
	}
	l.all[i] = x
	return nil
}
func (l *lab) Audit(_ context.Context, e audit.Entry) error {
	l.audited = append(l.audited, e)
	return nil
}
func (l *lab) Enqueue(_ context.Context, j queue.Job) error          { l.jobs = append(l.jobs, j); return nil }
func (l *lab) InsertTrip(context.Context, secret.Trip) (bool, error) { return true, nil }
func (l *lab) FreezesSince(context.Context, time.Time, ...string) ([]freeze.Freeze, error) {
	return l.frozen, nil
}
func (l *lab) LogSize(_ context.Context, s string) (int64, error) { return int64(len(l.logs[s])), nil }
func (l *lab) AppendLog(_ context.Context, s string, _ int64, data []byte) error {
	l.logs[s] = append(l.logs[s], data...)
	return nil
}
func (l *lab) ReadLog(_ context.Context, s string, from int64, _ int) ([]byte, error) {
	return l.logs[s][from:], nil
}
func (l *lab) Tripwire(context.Context, string) (*secret.Tripwire, error) { return nil, nil }
func (l *lab) Redactor(context.Context, string) (*secret.Redactor, error) {
	return secret.NewRedactor(), nil
}
func (l *lab) HoldsBase(context.Context, forge.RepositoryRef, string) (bool, error) { return true, nil }
func (l *lab) HoldsResult(context.Context, gitops.ResultRequest) (bool, error)      { return true, nil }
func (l *lab) HoldsCarrier(context.Context, forge.RepositoryRef, task.ID, int, string) (bool, error) {
	return true, nil
}
func (l *lab) ResultCommit(_ context.Context, r gitops.ResultRequest) (string, error) {
	return "result of " + r.Tree + " on " + r.Base, nil
}
func (l *lab) Bundle(context.Context, forge.RepositoryRef, string, string) error { return nil }
func (l *lab) EnsureWorkspace(_ context.Context, s sandbox.WorkspaceSpec) error {
	l.filled[s.Volume] = s.Commit
	return l.unfilled
}
func (l *lab) Start(_ context.Context, s sandbox.Spec) (sandbox.Container, error) {
	if l.refuses != nil {
		return sandbox.Container{}, l.refuses
	}
	l.started = append(l.started, s)
	l.box[s.Name] = sandbox.Status{Name: s.Name, State: sandbox.StateRunning, StartedAt: l.now}
	return sandbox.Container{Name: s.Name, ImageID: "sha256:i"}, nil
}
func (l *lab) Inspect(_ context.Context, name string) (sandbox.Status, error) {
	if s, known := l.box[name]; known {
		return s, nil
	}
	return sandbox.Status{Name: name, State: sandbox.StateGone}, nil
}
func (l *lab) Stop(_ context.Context, name string) error {
	l.stopped = append(l.stopped, name)
	return nil
}
func (l *lab) Logs(_ context.Context, name string, o sandbox.LogOptions, w io.Writer) (int64, error) {
	n, err := io.WriteString(w, l.output[name][min(o.Offset, int64(len(l.output[name]))):])
	return o.Offset + int64(n), err
}

// labStorage is what the lab's containers leave.
type labStorage struct {
	Storage
	l *lab
}

func (s labStorage) List(context.Context) (all []sandbox.Status, err error) {
	for name, c := range s.l.box {
		c.Name, c.Labels.Task = name, strings.TrimPrefix(name, task.ExaminationPrefix)
		all = append(all, c)
	}
	return all, nil
}
func (s labStorage) Volumes(context.Context) (all []sandbox.VolumeInfo, err error) {
	for name := range s.l.filled {
		v := sandbox.VolumeInfo{Name: name, Kind: sandbox.VolumeWorkspace}
		v.Labels.Task = strings.TrimSuffix(strings.TrimPrefix(name, task.ExaminationPrefix), baseSuffix)
		all = append(all, v)
	}
	return all, nil
}
func (s labStorage) Remove(_ context.Context, name string) error {
	delete(s.l.box, name)
	delete(s.l.output, name)
	return nil
}
func (s labStorage) RemoveVolume(_ context.Context, name string) error {
	if _, used := s.l.box[name]; used {
		return sandbox.ErrInUse
	}
	if s.l.stuck != nil {
		return s.l.stuck
	}
	delete(s.l.filled, name)
	return nil
}

func (l *lab) look(t *testing.T) {
	t.Helper()
	if err := l.e.examine(t.Context(), l.w); err != nil {
		t.Fatal(err)
	}
}

func (l *lab) exits(name string, reason sandbox.Reason, code int) {
	s := l.box[name]
	s.State, s.Reason, s.ExitCode, s.FinishedAt = sandbox.StateExited, reason, code, l.now.Add(time.Second)
	l.box[name] = s
}

// states are those of the attempts of a check.
func (l *lab) states(name string) string {
	var texts []string
	for _, x := range l.all {
		if x.Name == name {
			texts = append(texts, string(x.State))
		}
	}
	return strings.Join(texts, " ")
}
