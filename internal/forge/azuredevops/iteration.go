package azuredevops

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/git"

	"github.com/coderflow/coderflow/internal/forge"
)

// iteration is one state of the source branch of a pull request.
type iteration struct {
	id     int
	commit string
	author person
	at     time.Time
}

// iterations reads the iterations of a pull request, oldest first.
func (a *Adapter) iterations(ctx context.Context, ref forge.RepositoryRef, number int) ([]iteration, error) {
	id, err := repositoryID(ref)
	if err != nil {
		return nil, err
	}
	found, err := a.git.GetPullRequestIterations(ctx, git.GetPullRequestIterationsArgs{RepositoryId: &id, PullRequestId: &number})
	if err != nil {
		return nil, translate(fmt.Sprintf("read the iterations of pull request %d of %s", number, ref.FullName()), err)
	}
	var all []iteration
	for _, i := range is(found) {
		all = append(all, iteration{id: is(i.Id), commit: commitOf(i.SourceRefCommit), author: personOf(i.Author), at: at(i.CreatedDate)})
	}
	slices.SortFunc(all, func(a, b iteration) int { return a.id - b.id })
	return all, nil
}

// during is the iteration in which something happened: after it began and before the next
// did, by the forge's own clock. What happened at the very time of a beginning belongs to
// none, as nobody can tell what was looked at.
func during(all []iteration, when time.Time) (iteration, bool) {
	last, found := iteration{}, false
	for _, i := range all {
		if i.at.IsZero() || i.at.Equal(when) || when.IsZero() || i.at.Before(last.at) {
			return iteration{}, false
		}
		if when.After(i.at) {
			last, found = i, true
		}
	}
	return last, found
}

// newestOf is the last iteration with the commit.
func newestOf(all []iteration, commit string) (iteration, bool) {
	for _, i := range slices.Backward(all) {
		if i.commit == commit {
			return i, true
		}
	}
	return iteration{}, false
}

// HeadChanges implements [forge.Reviews]: every iteration but the first, and every update
// of the branch that the service noted in the conversation. The latter are there where
// somebody pushed and pushed back before an iteration was made.
func (a *Adapter) HeadChanges(ctx context.Context, ref forge.RepositoryRef, number int) ([]forge.HeadChange, error) {
	iterations, err := a.iterations(ctx, ref, number)
	if err != nil {
		return nil, err
	}
	threads, err := a.threads(ctx, ref, number)
	if err != nil {
		return nil, err
	}
	var changes []forge.HeadChange
	for n, i := range iterations {
		if n == 0 {
			continue
		}
		by, err := a.pusher(ctx, ref, i.author)
		if err != nil {
			return nil, err
		}
		changes = append(changes, forge.HeadChange{ID: "i" + strconv.Itoa(i.id), Actor: by, Commit: i.commit, CreatedAt: i.at})
	}
	for _, t := range threads {
		if t.kind != "RefUpdate" {
			continue
		}
		who := t.named("CodeReviewRefUpdatedByIdentity")
		if who.id == "" {
			who = t.written()
		}
		by, err := a.pusher(ctx, ref, who)
		if err != nil {
			return nil, err
		}
		commit := property(t.raw.Properties, "CodeReviewRefNewHeadCommit")
		changes = append(changes, forge.HeadChange{ID: "t" + strconv.Itoa(t.id), Actor: by, Commit: commit, CreatedAt: t.published})
	}
	slices.SortStableFunc(changes, func(a, b forge.HeadChange) int { return a.CreatedAt.Compare(b.CreatedAt) })
	return changes, nil
}

// pusher is who pushed. What the token for git pushed, CoderFlow did.
func (a *Adapter) pusher(ctx context.Context, ref forge.RepositoryRef, p person) (forge.User, error) {
	by, err := a.user(ctx, p)
	if err != nil || a.gitToken == "" {
		return by, err
	}
	git, err := a.gitSelf(ctx)
	if err != nil {
		return by, err
	}
	if by.Subject == git {
		return a.Self(ctx, ref.Host)
	}
	return by, nil
}

// Closings implements [forge.Reviews].
func (a *Adapter) Closings(ctx context.Context, ref forge.RepositoryRef, number int) ([]forge.Closing, error) {
	pull, err := a.fetchPull(ctx, ref, number)
	if err != nil {
		return nil, err
	}
	threads, err := a.threads(ctx, ref, number)
	if err != nil {
		return nil, err
	}
	var closings []forge.Closing
	for _, t := range threads {
		if said := property(t.raw.Properties, "CodeReviewStatus"); t.kind != "StatusUpdate" || said != "Abandoned" && said != "Completed" {
			continue
		}
		who := t.named("CodeReviewStatusUpdatedByIdentity")
		if who.id == "" {
			who = t.written()
		}
		by, err := a.user(ctx, who)
		if err != nil {
			return nil, err
		}
		closings = append(closings, forge.Closing{Actor: by, At: t.published})
	}
	if len(closings) == 0 && is(pull.Status) != git.PullRequestStatusValues.Active { // the service notes it a little later
		by, err := a.userOf(ctx, pull.ClosedBy)
		if err != nil {
			return nil, err
		}
		closings = append(closings, forge.Closing{Actor: by, At: at(pull.ClosedDate)})
	}
	return closings, nil
}
