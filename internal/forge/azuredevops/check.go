package azuredevops

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/git"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/wire"
)

// maxStatus bounds the one line that a status has, in bytes.
const maxStatus = 240

// maxAnnotations bounds the remarks that are listed with a run.
const maxAnnotations = 100

// states of a status for those of a check run. Everything but the first and the last keeps
// a pull request from being completed whose branch requires the status.
var stateOf = map[forge.CheckStatus]git.GitStatusState{
	forge.CheckSuccess:        git.GitStatusStateValues.Succeeded,
	forge.CheckPending:        git.GitStatusStateValues.Pending,
	forge.CheckActionRequired: git.GitStatusStateValues.Pending,
	forge.CheckFailure:        git.GitStatusStateValues.Failed,
	forge.CheckCancelled:      git.GitStatusStateValues.Error,
	forge.CheckNeutral:        git.GitStatusStateValues.NotApplicable,
}

// SetGate implements [forge.Checks]: a status of the iteration that has the commit, and one
// thread with the summary, which is edited from then on. What the service then says about
// the status has to be what was asked for.
//
// https://learn.microsoft.com/azure/devops/repos/git/pull-request-status
func (a *Adapter) SetGate(ctx context.Context, ref forge.RepositoryRef, check forge.GateCheck) error {
	check.Name = cmp.Or(check.Name, forge.GateRun)
	doing := fmt.Sprintf("set %s on %s of %s", check.Name, check.Commit, ref.FullName())
	state, known := stateOf[check.Status]
	genre, name, named := strings.Cut(check.Name, "/")
	switch {
	case !commitShape.MatchString(check.Commit) || check.ExternalID == "" || !named:
		return fmt.Errorf("%s: a commit and a task are needed to find the status again", doing)
	case !known:
		return fmt.Errorf("%s: %q is not a state of a check", doing, check.Status)
	case check.Name == forge.GateRun && check.Status == forge.CheckNeutral:
		return fmt.Errorf("%s: the gate is never neutral: Azure DevOps would complete", doing)
	}
	line := wire.Clip(check.Title, maxStatus)
	status := git.GitStatus{State: &state, Description: &line, Context: &git.GitStatusContext{Genre: &genre, Name: &name}}
	if check.DetailsURL != "" {
		status.TargetUrl = &check.DetailsURL
	}
	if check.PullRequest == 0 {
		return a.setCommitStatus(ctx, ref, doing, check.Commit, status)
	}
	if err := a.setPullStatus(ctx, ref, doing, check, status); err != nil {
		return err
	}
	if strings.TrimSpace(check.Summary) == "" && len(check.Annotations) == 0 {
		return nil
	}
	marker := "<!-- coderflow:run=" + check.Name + "/" + check.ExternalID + " -->"
	_, err := a.upsertThread(ctx, ref, check.PullRequest, marker, marker+"\n"+runText(check), nil)
	return err
}

func (a *Adapter) setPullStatus(ctx context.Context, ref forge.RepositoryRef, doing string, check forge.GateCheck, status git.GitStatus) error {
	iterations, err := a.iterations(ctx, ref, check.PullRequest)
	if err != nil {
		return err
	}
	in, found := newestOf(iterations, check.Commit)
	if !found {
		pr, err := a.PullRequest(ctx, ref, check.PullRequest)
		if err != nil {
			return err
		}
		if pr.Open && pr.Head.Commit == check.Commit {
			return fmt.Errorf("%s: Azure DevOps has not noted the commit yet", doing) // it does so a moment after the push
		}
		return a.setCommitStatus(ctx, ref, doing, check.Commit, status)
	}
	statuses, err := a.git.GetPullRequestStatuses(ctx, git.GetPullRequestStatusesArgs{RepositoryId: &ref.ID, PullRequestId: &check.PullRequest})
	if err != nil {
		return translate(doing, err)
	}
	var newest git.GitPullRequestStatus
	for _, s := range is(statuses) {
		if sameContext(s.Context, status.Context) && is(s.IterationId) == in.id && is(s.Id) > is(newest.Id) {
			newest = s
		}
	}
	if newest.Id != nil && is(newest.State) == *status.State && is(newest.Description) == *status.Description && is(newest.TargetUrl) == is(status.TargetUrl) {
		return nil
	}
	set, err := a.git.CreatePullRequestStatus(ctx, git.CreatePullRequestStatusArgs{
		RepositoryId: &ref.ID, PullRequestId: &check.PullRequest, Status: &git.GitPullRequestStatus{
			State: status.State, Description: status.Description, Context: status.Context, TargetUrl: status.TargetUrl, IterationId: &in.id,
		},
	})
	if err != nil {
		return translate(doing, err)
	}
	if is(set.State) != *status.State || is(set.IterationId) != in.id || !sameContext(set.Context, status.Context) {
		return fmt.Errorf("%s: Azure DevOps answered %s for iteration %d, not %s for %d", doing, is(set.State), is(set.IterationId), *status.State, in.id)
	}
	return nil
}

func sameContext(a, b *git.GitStatusContext) bool {
	return a != nil && b != nil && is(a.Genre) == is(b.Genre) && is(a.Name) == is(b.Name)
}

// setCommitStatus sets a status on a commit, for what no pull request shows.
func (a *Adapter) setCommitStatus(ctx context.Context, ref forge.RepositoryRef, doing, commit string, status git.GitStatus) error {
	id, err := repositoryID(ref)
	if err != nil {
		return err
	}
	statuses, err := a.commitStatuses(ctx, ref, doing, commit)
	if err != nil && !errors.Is(err, forge.ErrNotFound) {
		return err
	}
	if now, found := newestStatus(statuses, status.Context); found &&
		is(now.State) == *status.State && is(now.Description) == is(status.Description) && is(now.TargetUrl) == is(status.TargetUrl) {
		return nil
	}
	set, err := a.git.CreateCommitStatus(ctx, git.CreateCommitStatusArgs{RepositoryId: &id, CommitId: &commit, GitCommitStatusToCreate: &status})
	if err != nil {
		return translate(doing, err)
	}
	if is(set.State) != *status.State {
		return fmt.Errorf("%s: Azure DevOps answered %s, not %s", doing, is(set.State), *status.State)
	}
	return nil
}

// commitStatuses reads the statuses of a commit.
func (a *Adapter) commitStatuses(ctx context.Context, ref forge.RepositoryRef, doing, commit string) ([]git.GitStatus, error) {
	return pages(doing, func(top, skip int) ([]git.GitStatus, error) {
		found, err := a.git.GetStatuses(ctx, git.GetStatusesArgs{RepositoryId: &ref.ID, CommitId: &commit, Top: &top, Skip: &skip})
		return is(found), err
	})
}

func newestStatus(all []git.GitStatus, of *git.GitStatusContext) (newest git.GitStatus, found bool) {
	for _, s := range all {
		if sameContext(s.Context, of) && (!found || is(s.Id) > is(newest.Id)) {
			newest, found = s, true
		}
	}
	return newest, found
}

// runText is what the thread of a run says. Annotations are plain text, which an indented
// block keeps so.
func runText(check forge.GateCheck) string {
	text := "### " + clip(check.Title) + "\n\n" + strings.TrimSpace(check.Summary) + "\n"
	for n, one := range check.Annotations {
		if n == 0 {
			text += "\nRemarks on lines:\n\n"
		}
		if n == maxAnnotations {
			text += fmt.Sprintf("    and %d more\n", len(check.Annotations)-n)
			break
		}
		text += "    " + wire.Clip(fmt.Sprintf("%s:%d: %s: %s: %s", one.Path, one.Line, one.Level, one.Title, one.Message), 600) + "\n"
	}
	if runes := []rune(text); len(runes) > maxRunText {
		text = string(runes[:maxRunText]) + "\n\n*(cut)*\n"
	}
	return text
}

// maxRunText leaves room for the marker below the service's 150,000.
const maxRunText = 149_000
