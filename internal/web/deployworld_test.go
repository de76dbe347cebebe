package web

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/engine"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/task"
)

// runBook is the part of the world that has deployments, in memory: one in
// staging, one in production, newest first.
type runBook struct {
	runs      []deploy.Run
	requests  []engine.DeployRequest
	unwilling error // of the next request
	approvals map[string]approval.Record
}

const (
	runHere, runThere, runNone = "1111111111111111", "2222222222222222", "3333333333333333"
	someCommit                 = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
)

func newRunBook(now time.Time) runBook {
	book := runBook{approvals: map[string]approval.Record{"a1": {
		ID: "a1", ReviewID: "9", ReviewURL: "https://forge.test/r/9", Approver: forge.User{Subject: owner, Login: "tom"},
		Reviews: []approval.Reviewed{
			{ID: "8", URL: "https://forge.test/r/8", Author: forge.User{Subject: requester, Login: "zoe"}}, {ID: "9", Author: forge.User{Subject: owner}},
		},
	}}}
	book.approvals[approvedHere] = approval.Record{ID: approvedHere, Environment: "staging"}
	book.approvals[approvedThere] = approval.Record{ID: approvedThere, Environment: "production"}
	for id, environment := range map[string]string{runHere: "staging", runThere: "production"} {
		of := map[string]task.ID{"staging": here, "production": there}[environment]
		book.runs = append(book.runs, deploy.Run{
			ID: id, Task: of, ApprovalID: "a1", Environment: environment, Profile: "publish", ProfileVersion: "v1", Commit: someCommit,
			Covers: deploy.CoversLanded, Trigger: deploy.ByReview, RequestedBy: forge.User{Subject: requester, Login: "zoe"}, State: deploy.Failed, ExitCode: 3,
			ArmedBy: forge.User{Subject: owner, Login: "tom"}, Parameters: map[string]string{"channel": "beta"},
			Repository: forge.RepositoryRef{Host: forge.GitHub, ID: "1", Owner: "acme", Name: "x"}, CreatedAt: now, StartedAt: now, FinishedAt: now,
		})
	}
	slices.SortFunc(book.runs, func(a, b deploy.Run) int { return strings.Compare(a.ID, b.ID) })
	return book
}

func (w *apiWorld) DeployRuns(_ context.Context, id task.ID) ([]deploy.Run, error) {
	var list []deploy.Run
	for _, r := range w.runs {
		if r.Task == id {
			list = append(list, r)
		}
	}
	return list, nil
}

func (w *apiWorld) Deployments(_ context.Context, f deploy.Filter) (list []deploy.Run, next string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	behind := f.Before == ""
	for _, r := range w.runs {
		fits := slices.Contains(f.Environments, r.Environment) && (f.Environment == "" || f.Environment == r.Environment) &&
			(f.State == "" || f.State == string(r.State)) && (f.Profile == "" || f.Profile == r.Profile) &&
			(f.Commit == "" || f.Commit == r.Commit) && (f.Task == "" || f.Task == r.Task)
		if behind && fits {
			if len(list) == f.Limit {
				return list, list[len(list)-1].ID, nil
			}
			list = append(list, r)
		}
		behind = behind || r.ID == f.Before
	}
	return list, "", nil
}

func (w *apiWorld) Deployment(_ context.Context, id string) (deploy.Run, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.runs {
		if r.ID == id {
			return r, nil
		}
	}
	return deploy.Run{}, task.ErrNotFound
}

func (w *apiWorld) Approval(_ context.Context, id string) (approval.Record, error) {
	if a, known := w.approvals[id]; known {
		return a, nil
	}
	return approval.Record{}, task.ErrNotFound
}

func (w *apiWorld) LogSize(context.Context, string) (int64, error) { return int64(len(w.log)), nil }

// RequestDeployment asks about the token as the engine does.
func (w *apiWorld) RequestDeployment(ctx context.Context, r engine.DeployRequest) (deploy.Run, error) {
	w.requests = append(w.requests, r)
	if w.unwilling != nil {
		return deploy.Run{}, w.unwilling
	}
	if reason := r.May(r.Environment); !reason.OK {
		return deploy.Run{}, &deploy.RequestError{Kind: deploy.Forbidden, Problem: reason.Text}
	}
	if _, known := w.policy.Environments[r.Environment]; !known {
		return deploy.Run{}, &deploy.RequestError{Kind: deploy.NotFound, Problem: "there is no environment " + r.Environment}
	}
	id := deploy.RequestID(r.By.Subject, r.Key)
	if run, err := w.Deployment(ctx, id); err == nil {
		return run, nil
	}
	run := deploy.Run{
		ID: id, Task: here, ApprovalID: "a1", Environment: r.Environment, Profile: r.Profile, ProfileVersion: "v1", Commit: r.Commit,
		Covers: deploy.CoversMerge, Trigger: deploy.ByRequest, RequestedBy: r.By, Reason: r.Reason, Key: r.Key, Parameters: r.Parameters,
		Repository: w.runs[0].Repository, ArmedBy: forge.User{Subject: owner}, State: deploy.Pending, CreatedAt: w.now,
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.runs = append([]deploy.Run{run}, w.runs...)
	return run, nil
}
