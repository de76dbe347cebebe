package engine

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/task"
)

// tasks looks at what landed: the records, the approving reviews, the commits.
func (l *look) tasks(ctx context.Context) error {
	for _, t := range l.landed {
		of, err := l.of(ctx, t.ID)
		if err != nil {
			return err
		}
		if of == nil {
			continue
		}
		for _, text := range of.chain.Differences {
			l.differ(audit.Difference{Kind: audit.RecordDiffers, Subject: string(t.ID) + ": " + text, Task: string(t.ID), What: "task " + string(t.ID) + ": " + text, Scope: taskScope(t.ID)})
		}
		if err := l.approvals(ctx, of); err != nil {
			return err
		}
		if err := l.commits(ctx, of); err != nil {
			return err
		}
		l.scopes[taskScope(t.ID)] = true
		l.out.Tasks++
	}
	return nil
}

// approvals looks for every review of the approval that was carried out.
func (l *look) approvals(ctx context.Context, of *evidenceOf) error {
	reviews, err := l.e.Forge.Reviews(ctx, l.ref, of.task.PullRequest)
	gone := errors.Is(err, forge.ErrNotFound)
	if err != nil && !gone {
		return fmt.Errorf("read the reviews of pull request %d: %w", of.task.PullRequest, err)
	}
	for _, a := range of.chain.Approvals() {
		if !a.Stands {
			continue
		}
		ids := a.Reviews
		if len(ids) == 0 { // written by an earlier version
			record, err := l.e.Store.Approval(ctx, a.ID)
			if err != nil {
				return fmt.Errorf("read approval %s: %w", a.ID, err)
			}
			ids = []string{record.ReviewID}
		}
		l.out.Approvals++
		for _, id := range ids {
			why := withdrawn(reviews, id, of)
			if gone {
				why = fmt.Sprintf("the forge does not show pull request %d any more", of.task.PullRequest)
			}
			if why == "" {
				continue
			}
			l.differ(audit.Difference{
				Kind: audit.ApprovalGone, Subject: "review " + id, Task: string(of.task.ID), Entry: a.Entry, URL: of.task.PullRequestURL,
				Scope: taskScope(of.task.ID), What: fmt.Sprintf("task %s landed by review %s (entry %d): %s", of.task.ID, id, a.Entry, why),
			})
		}
	}
	return nil
}

// withdrawn says why a review is no approval any more; empty if it is one. A review
// that the forge itself dismissed when CoderFlow pushed what it approved stands.
func withdrawn(reviews []forge.Review, id string, of *evidenceOf) string {
	i := slices.IndexFunc(reviews, func(r forge.Review) bool { return r.ID == id })
	if i < 0 {
		return "the forge does not show the review any more"
	}
	r := reviews[i]
	switch {
	case r.State == forge.ReviewDismissed && r.DismissedByCommit != "" && r.DismissedByCommit == of.task.LandedCommit:
		return ""
	case r.State == forge.ReviewDismissed:
		return "the review was dismissed since"
	case r.State != forge.ReviewApproved:
		return fmt.Sprintf("the forge shows the review as %s now", r.State)
	case r.Commit != "" && !slices.Contains(of.chain.Carriers(), r.Commit):
		return fmt.Sprintf("the forge shows the review on commit %.12s now, which is not the proposal", r.Commit)
	}
	return ""
}

// commits looks whether the forge still has what was pushed.
func (l *look) commits(ctx context.Context, of *evidenceOf) error {
	for _, c := range of.chain.Commits() {
		if !c.Pushed {
			continue
		}
		branch := strings.TrimPrefix(c.Ref, "refs/heads/")
		has, why, err := l.has(ctx, of, branch, c.ID)
		if err != nil {
			return err
		}
		if has {
			continue
		}
		l.differ(audit.Difference{
			Kind: audit.CommitGone, Subject: c.ID, Task: string(of.task.ID), Entry: c.Entry, URL: l.commitURL(c.ID), Scope: taskScope(of.task.ID),
			What: fmt.Sprintf("commit %.12s of task %s was pushed to %s (entry %d): %s", c.ID, of.task.ID, branch, c.Entry, why),
		})
	}
	return nil
}

// has looks for a commit: on the branch that it was pushed to, on the one that it
// was made for, and as the pull request's head or merge.
func (l *look) has(ctx context.Context, of *evidenceOf, branch, commit string) (has bool, why string, err error) {
	for _, name := range []string{branch, of.task.BaseBranch, l.main} {
		if has, err := l.on(ctx, name, commit); err != nil || has {
			return has, "", err
		}
	}
	if _, there := l.heads[branch]; there && !l.read[branch] {
		l.skip("commit %.12s: branch %s is not among those that are read", commit, branch)
		return true, "", nil
	}
	pr, err := l.pull(ctx, of.task.PullRequest)
	switch {
	case errors.Is(err, forge.ErrNotFound):
		return false, "no branch that was looked at has it any more, nor its pull request", nil
	case err != nil:
		return false, "", err
	case pr.Head.Commit == commit && !pr.Open: // merged by squashing, or closed: the forge keeps it with the pull request
		return true, "", nil
	}
	if tip, there := l.heads[branch]; there {
		return false, fmt.Sprintf("the branch is at %.12s now and does not have it", tip), nil
	}
	return false, "the branch is gone, and no other one that was looked at has it", nil
}

// deployments holds what the forge shows against the log, and the reverse.
func (l *look) deployments(ctx context.Context) error {
	shown, complete, err := l.e.Forge.RecentDeployments(ctx, l.ref, l.bounds.Deployments)
	if errors.Is(err, forge.ErrUnsupported) {
		l.skip("deployments at the forge that CoderFlow does not know: this forge does not list them")
		err = nil
	}
	if err != nil {
		return fmt.Errorf("list the deployments: %w", err)
	}
	self, err := l.e.Forge.Self(ctx, l.ref.Host)
	if err != nil {
		return fmt.Errorf("read who CoderFlow is at the forge: %w", err)
	}
	l.scopes[runsScope] = complete
	if !complete && len(shown) > 0 {
		l.skip("deployments at the forge before the newest %d", len(shown))
	}
	known := map[string]bool{}
	for _, d := range shown {
		known[d.ID] = true
		l.scopes[runScope(d.ID)] = true
		if d.Creator.Subject != self.Subject && !runForm.MatchString(d.Task) { // somebody else's
			continue
		}
		l.out.Deployments++
		if err := l.deployment(ctx, d); err != nil {
			return err
		}
	}
	for _, t := range l.landed {
		if err := l.missingDeployments(ctx, t, known); err != nil {
			return err
		}
	}
	return nil
}

// runForm is the form of a run's id. Other tools have other payloads.
var runForm = regexp.MustCompile(`^[0-9a-f]{16}$`)

// deployment looks for what the log has of a deployment at the forge.
func (l *look) deployment(ctx context.Context, d forge.Deployment) error {
	differ := func(id task.ID, entry int64, format string, args ...any) {
		by := d.Creator.Login
		l.differ(audit.Difference{
			Kind: audit.DeploymentUnrecorded, Subject: d.ID, Task: string(id), Entry: entry, URL: d.URL, Scope: runScope(d.ID),
			What: fmt.Sprintf("deployment %s at the forge (%s of %.12s, made by %s): ", d.ID, d.Environment, d.Commit, by) + fmt.Sprintf(format, args...),
		})
	}
	owner, err := l.e.Store.Owner(ctx, d.Task)
	if d.Task == "" || errors.Is(err, task.ErrNotFound) || err == nil && string(owner.ID) == d.Task {
		differ("", 0, "it names run %q, which the log does not know", d.Task)
		return nil
	}
	if err != nil {
		return fmt.Errorf("find the task of deployment %q: %w", d.Task, err)
	}
	of, err := l.of(ctx, owner.ID)
	if err != nil || of == nil {
		return err
	}
	entry, commit := of.chain.DeploymentEntry(d.Task)
	switch {
	case entry == 0:
		differ(owner.ID, 0, "no entry of the log is about run %s", d.Task)
	case commit != d.Commit:
		differ(owner.ID, entry, "the log says that run %s is of commit %.12s (entry %d)", d.Task, commit, entry)
	}
	return nil
}

// missingDeployments looks for runs that the forge was told of and does not show.
func (l *look) missingDeployments(ctx context.Context, t task.Task, known map[string]bool) error {
	runs, err := l.e.Store.DeployRuns(ctx, t.ID)
	if err != nil {
		return err
	}
	of, err := l.of(ctx, t.ID)
	if err != nil || of == nil {
		return err
	}
	for _, run := range runs {
		if run.ForgeID == "" || known[run.ForgeID] || run.State == deploy.Created || run.Repository.Key() != l.ref.Key() {
			continue
		}
		_, err := l.e.Forge.Deployment(ctx, l.ref, run.ForgeID)
		if err == nil {
			continue
		}
		if !errors.Is(err, forge.ErrNotFound) {
			return fmt.Errorf("read deployment %s: %w", run.ForgeID, err)
		}
		entry, _ := of.chain.DeploymentEntry(run.ID)
		l.differ(audit.Difference{
			Kind: audit.DeploymentGone, Subject: run.ID, Task: string(t.ID), Entry: entry, Scope: taskScope(t.ID),
			What: fmt.Sprintf("deployment %s of %s/%s (entry %d) was shown at the forge as %s, and is not shown any more", run.ID, run.Environment, run.Profile, entry, run.ForgeID),
		})
	}
	return nil
}
