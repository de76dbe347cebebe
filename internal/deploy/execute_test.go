package deploy_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/task"
)

var (
	repo    = forge.RepositoryRef{Host: forge.GitHub, ID: "1", Owner: "acme", Name: "shop"}
	ada     = forge.User{Subject: forge.Subject{Host: forge.GitHub, ID: "1"}, Login: "ada", Kind: forge.Person}
	grace   = forge.User{Subject: forge.Subject{Host: forge.GitHub, ID: "2"}, Login: "grace", Kind: forge.Person}
	carrier = strings.Repeat("a", 40)
	landed  = strings.Repeat("e", 40)
	profile = deploy.Profile{Name: "publish", Environment: "staging", Script: "true", Timeout: time.Minute}
)

// bench is what stands behind a real gate: an approval that armed a deployment.
// Grants come from that gate; there is no other way to one.
type bench struct {
	task     task.Task
	proposal task.Proposal
	record   approval.Record
	head     string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{
		head: carrier,
		task: task.Task{ID: "aaaaaaaaaaaa", State: task.Proposed, Environment: "staging", Repository: repo, PullRequest: 7, Requester: ada},
		proposal: task.Proposal{
			Task: "aaaaaaaaaaaa", Revision: 1, Repository: repo, BaseBranch: "main", BaseCommit: strings.Repeat("b", 40),
			Tree: strings.Repeat("c", 40), Diff: []byte("diff"), Message: "Fix the sum", PolicyVersion: "v1", Carrier: carrier,
		},
	}
	b.proposal.Digest = b.proposal.ComputeDigest()
	record, err := b.gate().Record(t.Context(), b.task.ID, "10")
	if err != nil {
		t.Fatal(err)
	}
	b.record, b.task.ApprovalID = record, record.ID
	b.task.State, b.task.LandedCommit, b.head = task.Done, landed, landed
	return b
}

func (b *bench) gate() *approval.Gate {
	return &approval.Gate{
		Forge: b, Ledger: b, Policies: b, Armory: b, Now: func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) },
		Read: func(string) approval.Directives {
			return approval.Directives{Deploy: []approval.Arming{{Profile: "publish", Parameters: map[string]string{"channel": "beta"}}}}
		},
	}
}

func (b *bench) grant(t *testing.T, run deploy.Run) approval.Grant {
	t.Helper()
	g, err := b.gate().RedeemDeployment(t.Context(), b.record.ID, run.Deployment())
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// armed is the run that the approval armed, requested one that grace asked for.
func (b *bench) armed() deploy.Run {
	return deploy.NewRun(b.record, 0, landed, profile, time.Date(2026, 1, 2, 3, 5, 0, 0, time.UTC))
}

func (b *bench) requested(key string) deploy.Run {
	run := b.armed()
	run.ID, run.Trigger, run.RequestedBy, run.Key, run.ArmedAs = deploy.RequestID(grace.Subject, key), deploy.ByRequest, grace, key, -1
	return run
}

func (b *bench) Task(context.Context, task.ID) (task.Task, error)                  { return b.task, nil }
func (b *bench) Proposal(context.Context, task.ID) (task.Proposal, error)          { return b.proposal, nil }
func (b *bench) Approval(context.Context, string) (approval.Record, error)         { return b.record, nil }
func (b *bench) Examinations(context.Context, task.ID) ([]task.Examination, error) { return nil, nil }
func (b *bench) Standing(context.Context, string) ([]approval.Arming, error)       { return nil, nil }
func (b *bench) Check(_ context.Context, environment string, a approval.Arming) (approval.Arming, error) {
	a.Environment, a.Version = environment, profile.Digest()
	return a, nil
}

func (b *bench) Policy(context.Context) (*policy.Policy, error) {
	return &policy.Policy{
		Version:      "v1",
		Environments: map[string]policy.Environment{"staging": {Name: "staging", Repositories: []string{repo.Key()}}},
		Bindings:     []policy.Binding{{Name: "g", Subject: grace.Subject, Role: "environment-admin", Resource: "environment/staging"}},
	}, nil
}

func (b *bench) PullRequest(context.Context, forge.RepositoryRef, int) (forge.PullRequest, error) {
	return forge.PullRequest{Number: 7, Open: true, Head: forge.Tip{Commit: b.head}, Base: forge.Tip{Branch: "main"}}, nil
}

func (b *bench) Review(context.Context, forge.RepositoryRef, int, string) (forge.Review, error) {
	return forge.Review{ID: "10", Author: grace, State: forge.ReviewApproved, Commit: carrier}, nil
}

func (b *bench) Reviews(ctx context.Context, ref forge.RepositoryRef, n int) ([]forge.Review, error) {
	r, err := b.Review(ctx, ref, n, "10")
	return []forge.Review{r}, err
}

func (b *bench) HeadChanges(context.Context, forge.RepositoryRef, int) ([]forge.HeadChange, error) {
	return nil, nil
}

func (b *bench) AccessOf(context.Context, forge.RepositoryRef, forge.User) (forge.Access, error) {
	return forge.AccessWrite, nil
}

func (b *bench) BranchHead(context.Context, forge.RepositoryRef, string) (string, error) {
	return "", forge.ErrNotFound
}
func (b *bench) Self(context.Context, string) (forge.User, error) {
	return forge.User{Kind: forge.Bot}, nil
}

// dock remembers what was made and started.
type dock struct{ did []string }

func (d *dock) Create(_ context.Context, spec sandbox.Spec) (sandbox.Container, error) {
	d.did = append(d.did, "create "+spec.Name)
	return sandbox.Container{Name: spec.Name}, nil
}

func (d *dock) StartCreated(_ context.Context, name string) error {
	d.did = append(d.did, "start "+name)
	return nil
}

func (d *dock) Inspect(context.Context, string) (sandbox.Status, error) { return sandbox.Status{}, nil }

func TestOnlyTheGrantedRunIsMadeAndStarted(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	former := b.armed() // of an earlier version
	former.ArmedAs = -1
	for name, run := range map[string]deploy.Run{"armed": b.armed(), "requested": b.requested("pipeline-1"), "former": former} {
		d := &dock{}
		x := &deploy.Executor{Containers: d, Image: "image"}
		g := b.grant(t, run)
		if _, err := x.Create(t.Context(), g, run, profile, nil, deploy.Way{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := x.Start(t.Context(), g, run); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if want := []string{"create " + run.ContainerName(), "start " + run.ContainerName()}; !slices.Equal(d.did, want) {
			t.Errorf("%s: %q", name, d.did)
		}
	}
}

func TestThreat52WhatTheGrantIsNotForIsNeitherMadeNorStarted(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	landing := func() approval.Grant {
		b := newBench(t)
		b.task.State, b.task.LandedCommit, b.head = task.Approved, "", carrier
		g, err := b.gate().Redeem(t.Context(), b.record.ID, policy.ToLand)
		if err != nil {
			t.Fatal(err)
		}
		return g
	}()
	armed, requested := b.armed(), b.requested("pipeline-1")
	for name, row := range map[string]struct {
		grant  approval.Grant
		run    deploy.Run
		change func(*deploy.Run)
	}{
		"no grant":                       {approval.Grant{}, armed, func(*deploy.Run) {}},
		"a grant for landing":            {landing, armed, func(*deploy.Run) {}},
		"another run's grant":            {b.grant(t, requested), armed, func(*deploy.Run) {}},
		"another request's grant":        {b.grant(t, b.requested("pipeline-2")), requested, func(*deploy.Run) {}},
		"an armed run's for a request":   {b.grant(t, armed), requested, func(*deploy.Run) {}},
		"another environment":            {b.grant(t, armed), armed, func(r *deploy.Run) { r.Environment = "production" }},
		"another profile":                {b.grant(t, armed), armed, func(r *deploy.Run) { r.Profile = "other" }},
		"another version of the profile": {b.grant(t, armed), armed, func(r *deploy.Run) { r.ProfileVersion = "sha256:00" }},
		"other parameters":               {b.grant(t, armed), armed, func(r *deploy.Run) { r.Parameters = map[string]string{"channel": "stable"} }},
		"another commit":                 {b.grant(t, armed), armed, func(r *deploy.Run) { r.Commit = strings.Repeat("1", 40) }},
		"the merge":                      {b.grant(t, armed), armed, func(r *deploy.Run) { r.Covers = deploy.CoversMerge }},
		"another repository":             {b.grant(t, armed), armed, func(r *deploy.Run) { r.Repository.ID = "2" }},
		"another approval":               {b.grant(t, armed), armed, func(r *deploy.Run) { r.ApprovalID = "other" }},
		"another task":                   {b.grant(t, armed), armed, func(r *deploy.Run) { r.Task = "bbbbbbbbbbbb" }},
		"another id":                     {b.grant(t, armed), armed, func(r *deploy.Run) { r.ID = "0000000000000000" }},
		"another requester":              {b.grant(t, requested), requested, func(r *deploy.Run) { r.RequestedBy = ada }},
		"another key":                    {b.grant(t, requested), requested, func(r *deploy.Run) { r.Key = "pipeline-3" }},
	} {
		row.change(&row.run)
		d := &dock{}
		x := &deploy.Executor{Containers: d, Image: "image"}
		if _, err := x.Create(t.Context(), row.grant, row.run, profile, nil, deploy.Way{}); !errors.Is(err, deploy.ErrNotGranted) && !errors.Is(err, approval.ErrNoGrant) {
			t.Errorf("%s: made: %v", name, err)
		}
		if err := x.Start(t.Context(), row.grant, row.run); !errors.Is(err, deploy.ErrNotGranted) && !errors.Is(err, approval.ErrNoGrant) {
			t.Errorf("%s: started: %v", name, err)
		}
		if len(d.did) > 0 {
			t.Errorf("%s: %q", name, d.did)
		}
	}
	changed := profile
	changed.Script = "reboot"
	x := &deploy.Executor{Containers: &dock{}, Image: "image"}
	if _, err := x.Create(t.Context(), b.grant(t, armed), armed, changed, nil, deploy.Way{}); !errors.Is(err, deploy.ErrNotGranted) {
		t.Errorf("a profile that was changed: %v", err)
	}
}

func TestARequestsIdIsItsRequestersAndKeys(t *testing.T) {
	t.Parallel()
	id := deploy.RequestID(grace.Subject, "pipeline-1")
	if id != deploy.RequestID(grace.Subject, "pipeline-1") || id == deploy.RequestID(ada.Subject, "pipeline-1") || id == deploy.RequestID(grace.Subject, "pipeline-2") {
		t.Error("ids do not tell requests apart")
	}
	for key, want := range map[string]bool{"pipeline-1": true, "short": false, strings.Repeat("k", 65): false, "with blank": false, "a/b/c/d/e": false, "sha.1234_x": true} {
		if deploy.ValidKey(key) != want {
			t.Errorf("key %q: %t", key, !want)
		}
	}
	for commit, want := range map[string]bool{landed: true, strings.Repeat("a", 64): true, landed[:12]: false, strings.ToUpper(landed): false, "main": false, landed + "\n": false} {
		if deploy.ValidCommit(commit) != want {
			t.Errorf("commit %q: %t", commit, !want)
		}
	}
}
