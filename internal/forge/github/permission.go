package github

import (
	"maps"
	"slices"
	"strings"

	gh "github.com/google/go-github/v62/github"
)

// operation is one thing this adapter does at GitHub. It is also the start of
// the error that a person reads when it fails.
type operation string

const (
	opReadRepository   operation = "read the repository"
	opReadBranch       operation = "read the branch"
	opReadAccess       operation = "read the user's access"
	opReadIssue        operation = "read the issue"
	opReadComments     operation = "read comments"
	opReadIssueEvents  operation = "read issue events"
	opListIssues       operation = "list issues"
	opWriteComment     operation = "write the comment"
	opReact            operation = "add a reaction"
	opSetLabel         operation = "set a label"
	opReadPullRequest  operation = "read the pull request"
	opWritePullRequest operation = "write the pull request"
	opMarkReady        operation = "mark the pull request ready for review"
	opReadReviews      operation = "read reviews"
	opPostRemarks      operation = "post remarks on lines"
	opSetGate          operation = "set the check run"
	opDeployments      operation = "write the deployment"
	opReadDeployments  operation = "read deployments"
	opReadTeam         operation = "read the team"
	opFetch            operation = "fetch with git"
	opPush             operation = "push with git"
)

// The levels a permission can be asked at. Write includes read.
const (
	read  = "read"
	write = "write"
)

// permissions is a set in the names of GitHub's App manifest.
type permissions map[string]string

// permissionsOf says what a token for an operation may do, after the tables in
// https://docs.github.com/rest/authentication/permissions-required-for-github-apps.
// Operations on a conversation name both issues and pull requests, because one
// number space serves both and GitHub asks for the permission of what the number
// turns out to be. Marking ready needs contents: write, which only GitHub's
// answer tells (https://github.com/cli/cli/issues/8910).
//
// app.yml is compared with the union of this table by a test: what is not here is
// not asked for.
var permissionsOf = map[operation]permissions{
	opReadRepository:   {"metadata": read},
	opReadBranch:       {"metadata": read, "contents": read},
	opReadAccess:       {"metadata": read},
	opReadIssue:        {"metadata": read, "issues": read, "pull_requests": read},
	opReadComments:     {"metadata": read, "issues": read, "pull_requests": read},
	opReadIssueEvents:  {"metadata": read, "issues": read, "pull_requests": read},
	opListIssues:       {"metadata": read, "issues": read},
	opWriteComment:     {"metadata": read, "issues": write, "pull_requests": write},
	opReact:            {"metadata": read, "issues": write},
	opSetLabel:         {"metadata": read, "issues": write},
	opReadPullRequest:  {"metadata": read, "pull_requests": read},
	opWritePullRequest: {"metadata": read, "pull_requests": write},
	opMarkReady:        {"metadata": read, "pull_requests": write, "contents": write},
	opReadReviews:      {"metadata": read, "pull_requests": read},
	opPostRemarks:      {"metadata": read, "pull_requests": write},
	opSetGate:          {"metadata": read, "checks": write},
	opDeployments:      {"metadata": read, "deployments": write},
	opReadDeployments:  {"metadata": read, "deployments": read},
	opReadTeam:         {"members": read}, // of the organization; no repository is named
	opFetch:            {"metadata": read, "contents": read},
	opPush:             {"metadata": read, "contents": write},
}

// AppPermissions is what the App must be granted: the union over all operations,
// under the names and levels of a GitHub App manifest.
func AppPermissions() map[string]string {
	union := map[string]string{}
	for _, needed := range permissionsOf {
		for name, level := range needed {
			if union[name] != write {
				union[name] = level
			}
		}
	}
	return union
}

// InstallationPermissions is what an installation must have accepted: on a
// person's account, GitHub leaves out what organizations alone have.
func InstallationPermissions(organization bool) map[string]string {
	wanted := AppPermissions()
	if !organization {
		delete(wanted, "members")
	}
	return wanted
}

// String is the canonical form, "contents=read metadata=read".
func (p permissions) String() string {
	parts := make([]string, 0, len(p))
	for _, name := range slices.Sorted(maps.Keys(p)) {
		parts = append(parts, name+"="+p[name])
	}
	return strings.Join(parts, " ")
}

// request returns p as go-github sends it.
func (p permissions) request() *gh.InstallationPermissions {
	level := func(name string) *string {
		if l, wanted := p[name]; wanted {
			return &l
		}
		return nil
	}
	return &gh.InstallationPermissions{
		Checks:       level("checks"),
		Contents:     level("contents"),
		Deployments:  level("deployments"),
		Issues:       level("issues"),
		Members:      level("members"),
		Metadata:     level("metadata"),
		PullRequests: level("pull_requests"),
	}
}
