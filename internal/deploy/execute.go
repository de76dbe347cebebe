package deploy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/secret"
)

// Digest identifies what the admin wrote, so that an approval can be held to
// the profile as it was approved.
func (p Profile) Digest() string {
	encoded, err := json.Marshal(p)
	if err != nil { // strings, numbers and slices of them always encode
		panic(fmt.Sprintf("encode deployment profile: %v", err))
	}
	sum := sha256.Sum256(encoded)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Containers is the part of a sandbox that deployments use. Creating and
// starting are apart, so that a run can be recorded in between.
type Containers interface {
	Create(ctx context.Context, spec sandbox.Spec) (sandbox.Container, error)
	StartCreated(ctx context.Context, name string) error
	Inspect(ctx context.Context, name string) (sandbox.Status, error)
}

// Executor runs profiles, in containers of their own or by asking a pipeline. Making and starting one
// takes a grant for exactly that run; everything the container is made of is in the
// grant, or in the profile whose content the grant names.
type Executor struct {
	Containers Containers
	// Pipelines run the pipelines that profiles name; nil: this server has none.
	Pipelines Pipelines
	// Image is used where the profile names none.
	Image string
}

// ContainerPrefix begins the names of deployments' containers.
const ContainerPrefix = "coderflow-deploy-"

// ContainerName is the deterministic name of a run's container.
func (r Run) ContainerName() string { return ContainerPrefix + r.ID }

// VolumeName is the volume with the landed commit, which the run sees read-only.
func (r Run) VolumeName() string { return ContainerPrefix + r.ID }

// ErrNotGranted is a run that the grant is not for.
var ErrNotGranted = errors.New("the grant is not for this deployment")

// Create makes the container of a run and does not start it.
// secrets are those that the profile names, way leads to its hosts.
func (x *Executor) Create(ctx context.Context, g approval.Grant, run Run, p Profile, secrets []secret.Value, way Way) (sandbox.Container, error) {
	granted, err := grantedTo(g, run)
	if err != nil {
		return sandbox.Container{}, err
	}
	if p.Digest() != granted.Version || p.Name != granted.Profile || p.Environment != granted.Environment {
		return sandbox.Container{}, fmt.Errorf("profile %s is not the one that was granted: %w", p.Name, ErrNotGranted)
	}
	spec := x.spec(run, p)
	spec.Secrets, spec.SocketDir = secrets, way.SocketDir
	maps.Copy(spec.Env, way.Env)
	return x.Containers.Create(ctx, spec)
}

// Start starts the created container of a run. It looks at the container first:
// one that was started before is not started again.
func (x *Executor) Start(ctx context.Context, g approval.Grant, run Run) error {
	if _, err := grantedTo(g, run); err != nil {
		return err
	}
	return x.Containers.StartCreated(ctx, run.ContainerName())
}

// Status is what the engine says about the run's container.
func (x *Executor) Status(ctx context.Context, run Run) (sandbox.Status, error) {
	return x.Containers.Inspect(ctx, run.ContainerName())
}

// Deployment is the run as a grant is asked for it.
func (r Run) Deployment() approval.Deployment {
	d := approval.Deployment{
		Run: r.ID, Environment: r.Environment, Profile: r.Profile, Version: r.ProfileVersion, Parameters: r.Parameters,
		Repository: r.Repository, Commit: r.Commit, AsMerge: r.Covers == CoversMerge, ArmedAs: r.ArmedAs,
	}
	switch {
	case r.Trigger == ByRequest:
		d.ArmedAs, d.RequestedBy = -1, r.RequestedBy
	case r.ArmedAs < 0: // recorded when only its id told the number
		for n := range maxArmed {
			if RunID(r.ApprovalID, n) == r.ID {
				d.ArmedAs = n
			}
		}
	}
	return d
}

// maxArmed is more than one approval ever armed before its number was recorded.
const maxArmed = 100

// grantedTo proves that the grant is for exactly this run: its id is the one of what
// was armed or asked for, and everything that the container is made of is the grant's.
func grantedTo(g approval.Grant, run Run) (approval.Deployment, error) {
	if err := g.Check(); err != nil {
		return approval.Deployment{}, err
	}
	granted, is := g.Deployment()
	id := RunID(g.ApprovalID(), granted.ArmedAs)
	if granted.Requested() {
		id = RequestID(run.RequestedBy.Subject, run.Key)
	}
	asked := run.Deployment()
	switch {
	case !is, granted.Run != id, asked.Run != id, g.ApprovalID() != run.ApprovalID, g.Task() != run.Task,
		g.Repository().Key() != run.Repository.Key(), granted.Requested() != asked.Requested(),
		granted.RequestedBy.Subject != asked.RequestedBy.Subject,
		granted.Environment != run.Environment, granted.Profile != run.Profile, granted.Version != run.ProfileVersion,
		granted.Commit != run.Commit, granted.Commit == "", granted.AsMerge != asked.AsMerge,
		!maps.Equal(granted.Parameters, run.Parameters):
		return approval.Deployment{}, ErrNotGranted
	}
	return granted, nil
}

// ImageFor is the image in which a profile runs.
func (x *Executor) ImageFor(p Profile) string {
	if p.Image != "" {
		return p.Image
	}
	return x.Image
}

// spec describes the container of a run. The script is a mounted file and the
// parameters are environment variables: no text of a person meets a shell's parser.
func (x *Executor) spec(run Run, p Profile) sandbox.Spec {
	limits := sandbox.Limits{Wall: p.Timeout}.WithDefaults()
	env := map[string]string{
		"CODERFLOW_TASK": string(run.Task), "CODERFLOW_COMMIT": run.Commit, "CODERFLOW_ENVIRONMENT": run.Environment,
		"CODERFLOW_PROFILE": run.Profile, "CODERFLOW_APPROVAL": run.ApprovalID, "CODERFLOW_DEPLOYMENT": run.ID,
		"CODERFLOW_TRIGGER": string(run.Trigger),
	}
	for _, pair := range p.Env(run.Parameters) {
		key, value, _ := strings.Cut(pair, "=")
		env[key] = value
	}
	return sandbox.Spec{
		Name: run.ContainerName(), Image: x.ImageFor(p),
		Argv:      []string{"/bin/sh", "-eu", sandbox.ScriptPath},
		Env:       env,
		Workspace: sandbox.Workspace{Volume: run.VolumeName(), ReadOnly: true},
		Inputs:    sandbox.Inputs{Script: []byte(p.Script)},
		Network:   sandbox.NetworkNone, Limits: limits,
		Labels: sandbox.Labels{Task: run.ID, Purpose: "deploy"},
	}
}

// NewRun is the record of the n-th arming of an approval.
func NewRun(r approval.Record, n int, commit string, p Profile, at time.Time) Run {
	armed := r.Armed[n]
	run := Run{
		ID: RunID(r.ID, n), Task: r.Task, ApprovalID: r.ID, Environment: armed.Environment, Profile: armed.Profile,
		Trigger: armed.By(), RequestedBy: r.Approver, Covers: CoversLanded, ArmedAs: n, Concurrency: p.Concurrency,
		ProfileVersion: armed.Version, Script: p.Script, Parameters: armed.Parameters, Repository: r.Repository,
		Commit: commit, ArmedBy: r.Approver, State: Pending, CreatedAt: at.UTC(),
	}
	if run.Trigger == OnMerge {
		run.State, run.Commit, run.Covers = Armed, "", CoversMerge
	}
	return run
}
