package engine

import (
	"context"

	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
)

// DeployRequest is somebody's wish to deploy a commit that an approval covers.
type DeployRequest struct {
	// By is who asks, as they were authenticated.
	By forge.User
	// May says what the credential by which they ask leaves of deployments:execute
	// in an environment; nil: all of it.
	May                  func(environment string) policy.Reason
	Environment, Profile string
	// Repository is "owner/name". Empty: the commit must be covered in exactly one.
	Repository string
	Commit     string // full id
	Parameters map[string]string
	Reason     string // what it is for, one line
	Key        string // of the requester: the same one asks for the same run
}

// RequestDeployment records a run that somebody asked for, if they may and an
// approval covers the commit now. It fails with a *deploy.RequestError.
func (e *Engine) RequestDeployment(_ context.Context, _ DeployRequest) (deploy.Run, error) {
	return deploy.Run{}, &deploy.RequestError{Kind: deploy.Invalid, Problem: "this version does not take requests for deployments"}
}
