package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/task"
)

// ChainReader is what an approval chain is read from and compared with.
type ChainReader interface {
	Task(ctx context.Context, id task.ID) (task.Task, error)
	Proposal(ctx context.Context, id task.ID) (task.Proposal, error)
	DeployRuns(ctx context.Context, id task.ID) ([]deploy.Run, error)
	// TaskLog is what the audit log says about a task, oldest first.
	TaskLog(ctx context.Context, id task.ID) ([]audit.Entry, error)
}

// chainLooks is how often rows and log are read until they fit. They are not read
// in one moment, so that a task at work may have moved in between; what still
// differs then is told.
const chainLooks = 3

// Chain is the approval chain of a task: from the log alone, and compared with the
// task's records.
func Chain(ctx context.Context, from ChainReader, id task.ID) (audit.Chain, error) {
	for look := 1; ; look++ {
		rows, logins, commits, err := chainRows(ctx, from, id)
		if err != nil {
			return audit.Chain{}, err
		}
		entries, err := from.TaskLog(ctx, id)
		if err != nil {
			return audit.Chain{}, fmt.Errorf("read the audit log of task %s: %w", id, err)
		}
		chain := audit.ChainOf(string(id), entries)
		chain.Compare(rows)
		if len(chain.Differences) == 0 || look == chainLooks {
			chain.Named(logins)
			chain.Linked(commits)
			return chain, nil
		}
	}
}

// chainRows reads what the task's records say, who its people are, and where the
// forge shows commits.
func chainRows(ctx context.Context, from ChainReader, id task.ID) (rows audit.Rows, logins map[string]string, commits string, err error) {
	t, err := from.Task(ctx, id)
	if err != nil {
		return rows, nil, "", err
	}
	p, err := from.Proposal(ctx, id)
	if err != nil && !errors.Is(err, task.ErrNotFound) {
		return rows, nil, "", fmt.Errorf("read the proposal of task %s: %w", id, err)
	}
	runs, err := from.DeployRuns(ctx, id)
	if err != nil {
		return rows, nil, "", err
	}
	rows = audit.Rows{
		State: string(t.State), Requester: t.Requester.Subject.String(), Image: t.Run.Image, Digest: p.Digest, Carrier: p.Carrier,
		Approval: t.ApprovalID, Commit: t.LandedCommit, Deployments: map[string]audit.RunRow{},
	}
	logins = map[string]string{rows.Requester: t.Requester.Login}
	for _, j := range t.Judged {
		logins[j.Reviewer.Subject.String()] = j.Reviewer.Login
	}
	for _, r := range runs {
		waits := r.State == deploy.Armed || r.State == deploy.Pending
		rows.Deployments[r.ID] = audit.RunRow{State: string(r.State), Commit: r.Commit, Waits: waits}
		logins[r.RequestedBy.Subject.String()] = r.RequestedBy.Login
	}
	for _, pulls := range []string{"/pull/", "/pullrequest/"} { // GitHub's, and Azure DevOps's
		if page, number, found := strings.Cut(t.PullRequestURL, pulls); found && number != "" {
			commits = page + "/commit/"
		}
	}
	return rows, logins, commits, nil
}

// chainURL is the page of a task's chain; empty where the server has no address of
// its own.
func (e *Engine) chainURL(id task.ID) string {
	page := e.taskPage(id)
	if page == "" {
		return ""
	}
	return page + "/chain"
}
