package engine

import (
	"context"
	"io"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/gitops"
	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/task"
)

// Forge is the part of a forge that the steps use.
type Forge interface {
	forge.Events
	forge.Repositories
	forge.Issues
	forge.Conversation
	forge.Labels
	forge.PullRequests
	forge.Reviews
	forge.Remarks
	forge.Checks
	forge.Deployments
	forge.DeploymentHistory
	forge.TokenSource
	forge.Credentials
	Self(ctx context.Context, host string) (forge.User, error)
	Traits(host string) forge.Traits
}

// Mirrors reads repositories into the host's bare mirrors.
type Mirrors interface {
	Fetch(ctx context.Context, remote gitops.Remote, branch string) (commit string, err error)
	Bundle(ctx context.Context, repo forge.RepositoryRef, commit, path string) error
	// File reads a regular file of the commit; gitops.ErrNoFile if there is none of at most limit bytes.
	File(ctx context.Context, repo forge.RepositoryRef, commit, path string, limit int64) ([]byte, error)
	// FirstFile reads the first of the paths that is a regular file of the commit; gitops.ErrNoFile if none is one of at
	// most limit bytes.
	FirstFile(ctx context.Context, repo forge.RepositoryRef, commit string, paths []string, limit int64) (path string, content []byte, err error)
}

// Git is git's work on the host; see package gitops.
type Git interface {
	Mirrors
	EvidenceGit
	BuildTree(ctx context.Context, r gitops.BuildRequest) (gitops.Result, error)
	// ResultCommit is a commit of a proposal's result tree, to fill workspaces with; it is never pushed.
	ResultCommit(ctx context.Context, r gitops.ResultRequest) (commit string, err error)
	GitObjects
	Rebase(ctx context.Context, r gitops.RebaseRequest) (gitops.Result, error)
	Compare(ctx context.Context, r gitops.CompareRequest) (gitops.Comparison, error)
	Carrier(ctx context.Context, r gitops.CarrierRequest) (commit string, err error)
	PublishProposal(ctx context.Context, remote gitops.Remote, id task.ID, carrier, expectedOld string) error
	// IsAncestor reports whether commit is of, or a predecessor of it; gitops.ErrObjectMissing if one is not in the mirror.
	IsAncestor(ctx context.Context, repo forge.RepositoryRef, commit, of string) (bool, error)
	Commit(ctx context.Context, grant approval.Grant) (commit string, err error)
	Land(ctx context.Context, grant approval.Grant, credential approval.Credential, url string) (gitops.PushOutcome, error)
}

// GitObjects takes what proposals are made of from one mirror to another.
type GitObjects interface {
	HoldsBase(ctx context.Context, repo forge.RepositoryRef, commit string) (bool, error)
	HoldsResult(ctx context.Context, r gitops.ResultRequest) (bool, error)
	HoldsCarrier(ctx context.Context, repo forge.RepositoryRef, id task.ID, revision int, commit string) (bool, error)
	// FetchBase brings a commit that was on the branch once; gitops.ErrObjectMissing if it is nowhere to be had.
	FetchBase(ctx context.Context, remote gitops.Remote, commit, branch string, id task.ID) error
	Export(ctx context.Context, r gitops.ResultRequest) (pack []byte, err error)
	Import(ctx context.Context, r gitops.ResultRequest, pack io.Reader) error
	// CommitAgain makes exactly the commit that an approval made before, to be kept.
	CommitAgain(ctx context.Context, repo forge.RepositoryRef, approvalID string, l gitops.Landing, want string) error
}

// Sandbox runs the agents' containers; see package sandbox.
type Sandbox interface {
	EnsureWorkspace(ctx context.Context, spec sandbox.WorkspaceSpec) error
	Start(ctx context.Context, spec sandbox.Spec) (sandbox.Container, error)
	Inspect(ctx context.Context, name string) (sandbox.Status, error)
	Stop(ctx context.Context, name string) error
	// ForgetSecrets removes what a container that has ended was given. A name that is not known is fine.
	ForgetSecrets(name string) error
	Logs(ctx context.Context, name string, options sandbox.LogOptions, w io.Writer) (offset int64, err error)
	// ReadyCollector has what Collect needs started ahead, if that can be done, and DismissCollector says that there
	// will be no Collect.
	ReadyCollector(ctx context.Context, spec sandbox.CollectSpec)
	DismissCollector(volume string)
	Collect(ctx context.Context, spec sandbox.CollectSpec) (sandbox.Collection, error)
}
