package forge

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Hosts is all forges of an installation as one, by the host that what is asked about
// belongs to. What belongs to another one is not found.
type Hosts map[string]Forge

var _ Forge = Hosts(nil)

func (h Hosts) of(host string) (Forge, error) {
	if f, ok := h[host]; ok {
		return f, nil
	}
	return nil, fmt.Errorf("no forge %q is configured (configured: %q): %w", host, slices.Sorted(maps.Keys(h)), ErrNotFound)
}

// ask asks the forge of a repository.
func ask[T any](h Hosts, ref RepositoryRef, f func(Forge) (T, error)) (T, error) {
	of, err := h.of(ref.Host)
	if err != nil {
		var none T
		return none, err
	}
	return f(of)
}

// tell has the forge of a repository do something.
func tell(h Hosts, ref RepositoryRef, f func(Forge) error) error {
	of, err := h.of(ref.Host)
	if err != nil {
		return err
	}
	return f(of)
}

// Self implements [Forge].
func (h Hosts) Self(ctx context.Context, host string) (User, error) {
	f, err := h.of(host)
	if err != nil {
		return User{}, err
	}
	return f.Self(ctx, host)
}

// Traits implements [Forge]; they are zero for a host that is not configured.
func (h Hosts) Traits(host string) Traits {
	f, err := h.of(host)
	if err != nil {
		return Traits{}
	}
	return f.Traits(host)
}

// Ping implements [Forge]: every forge answers.
func (h Hosts) Ping(ctx context.Context) error {
	var errs []error
	for _, host := range slices.Sorted(maps.Keys(h)) {
		if err := h[host].Ping(ctx); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", host, err))
		}
	}
	return errors.Join(errs...)
}

// Complete implements [Events].
func (h Hosts) Complete(ctx context.Context, event Event) ([]Event, error) {
	return ask(h, event.Repository, func(f Forge) ([]Event, error) { return f.Complete(ctx, event) })
}

// Repository implements [Repositories].
func (h Hosts) Repository(ctx context.Context, ref RepositoryRef) (Repository, error) {
	return ask(h, ref, func(f Forge) (Repository, error) { return f.Repository(ctx, ref) })
}

// BranchHead implements [Repositories].
func (h Hosts) BranchHead(ctx context.Context, ref RepositoryRef, branch string) (string, error) {
	return ask(h, ref, func(f Forge) (string, error) { return f.BranchHead(ctx, ref, branch) })
}

// AccessOf implements [Repositories]. Whom another forge knows, this one gives nothing.
func (h Hosts) AccessOf(ctx context.Context, ref RepositoryRef, user User) (Access, error) {
	if user.Subject.Host != ref.Host {
		return AccessNone, nil
	}
	return ask(h, ref, func(f Forge) (Access, error) { return f.AccessOf(ctx, ref, user) })
}

// Issue implements [Issues].
func (h Hosts) Issue(ctx context.Context, ref RepositoryRef, topic Topic) (Issue, error) {
	return ask(h, ref, func(f Forge) (Issue, error) { return f.Issue(ctx, ref, topic) })
}

// Comments implements [Issues].
func (h Hosts) Comments(ctx context.Context, ref RepositoryRef, number int) ([]Comment, error) {
	return ask(h, ref, func(f Forge) ([]Comment, error) { return f.Comments(ctx, ref, number) })
}

// CommentsSince implements [Issues].
func (h Hosts) CommentsSince(ctx context.Context, ref RepositoryRef, since time.Time) ([]Comment, error) {
	return ask(h, ref, func(f Forge) ([]Comment, error) { return f.CommentsSince(ctx, ref, since) })
}

// LabelEvents implements [Issues].
func (h Hosts) LabelEvents(ctx context.Context, ref RepositoryRef, number int) ([]LabelEvent, error) {
	return ask(h, ref, func(f Forge) ([]LabelEvent, error) { return f.LabelEvents(ctx, ref, number) })
}

// LabeledIssues implements [Issues].
func (h Hosts) LabeledIssues(ctx context.Context, ref RepositoryRef, label string) ([]Issue, error) {
	return ask(h, ref, func(f Forge) ([]Issue, error) { return f.LabeledIssues(ctx, ref, label) })
}

// UpsertComment implements [Conversation].
func (h Hosts) UpsertComment(ctx context.Context, ref RepositoryRef, topic Topic, marker, body string) (Comment, error) {
	return ask(h, ref, func(f Forge) (Comment, error) { return f.UpsertComment(ctx, ref, topic, marker, body) })
}

// React implements [Conversation].
func (h Hosts) React(ctx context.Context, ref RepositoryRef, commentID string, reaction Reaction) error {
	return tell(h, ref, func(f Forge) error { return f.React(ctx, ref, commentID, reaction) })
}

// ReactToIssue implements [Conversation].
func (h Hosts) ReactToIssue(ctx context.Context, ref RepositoryRef, number int, reaction Reaction) error {
	return tell(h, ref, func(f Forge) error { return f.ReactToIssue(ctx, ref, number, reaction) })
}

// SetStateLabel implements [Labels].
func (h Hosts) SetStateLabel(ctx context.Context, ref RepositoryRef, number int, want Label, ours []string) error {
	return tell(h, ref, func(f Forge) error { return f.SetStateLabel(ctx, ref, number, want, ours) })
}

// PullRequest implements [PullRequests].
func (h Hosts) PullRequest(ctx context.Context, ref RepositoryRef, number int) (PullRequest, error) {
	return ask(h, ref, func(f Forge) (PullRequest, error) { return f.PullRequest(ctx, ref, number) })
}

// PullRequestByHead implements [PullRequests].
func (h Hosts) PullRequestByHead(ctx context.Context, ref RepositoryRef, branch string) (PullRequest, error) {
	return ask(h, ref, func(f Forge) (PullRequest, error) { return f.PullRequestByHead(ctx, ref, branch) })
}

// OpenPullRequest implements [PullRequests].
func (h Hosts) OpenPullRequest(ctx context.Context, ref RepositoryRef, pr NewPullRequest) (PullRequest, error) {
	return ask(h, ref, func(f Forge) (PullRequest, error) { return f.OpenPullRequest(ctx, ref, pr) })
}

// UpdatePullRequest implements [PullRequests].
func (h Hosts) UpdatePullRequest(ctx context.Context, ref RepositoryRef, number int, title, body string) error {
	return tell(h, ref, func(f Forge) error { return f.UpdatePullRequest(ctx, ref, number, title, body) })
}

// ClosePullRequest implements [PullRequests].
func (h Hosts) ClosePullRequest(ctx context.Context, ref RepositoryRef, number int) error {
	return tell(h, ref, func(f Forge) error { return f.ClosePullRequest(ctx, ref, number) })
}

// MarkReady implements [PullRequests].
func (h Hosts) MarkReady(ctx context.Context, ref RepositoryRef, pr PullRequest) error {
	return tell(h, ref, func(f Forge) error { return f.MarkReady(ctx, ref, pr) })
}

// HoldReviews implements [PullRequests].
func (h Hosts) HoldReviews(ctx context.Context, ref RepositoryRef, pr PullRequest) error {
	return tell(h, ref, func(f Forge) error { return f.HoldReviews(ctx, ref, pr) })
}

// Review implements [Reviews].
func (h Hosts) Review(ctx context.Context, ref RepositoryRef, number int, id string) (Review, error) {
	return ask(h, ref, func(f Forge) (Review, error) { return f.Review(ctx, ref, number, id) })
}

// Reviews implements [Reviews].
func (h Hosts) Reviews(ctx context.Context, ref RepositoryRef, number int) ([]Review, error) {
	return ask(h, ref, func(f Forge) ([]Review, error) { return f.Reviews(ctx, ref, number) })
}

// ReviewComments implements [Reviews].
func (h Hosts) ReviewComments(ctx context.Context, ref RepositoryRef, number int, review string) ([]ReviewComment, error) {
	return ask(h, ref, func(f Forge) ([]ReviewComment, error) { return f.ReviewComments(ctx, ref, number, review) })
}

// HeadChanges implements [Reviews].
func (h Hosts) HeadChanges(ctx context.Context, ref RepositoryRef, number int) ([]HeadChange, error) {
	return ask(h, ref, func(f Forge) ([]HeadChange, error) { return f.HeadChanges(ctx, ref, number) })
}

// Closings implements [Reviews].
func (h Hosts) Closings(ctx context.Context, ref RepositoryRef, number int) ([]Closing, error) {
	return ask(h, ref, func(f Forge) ([]Closing, error) { return f.Closings(ctx, ref, number) })
}

// SetGate implements [Checks].
func (h Hosts) SetGate(ctx context.Context, ref RepositoryRef, check GateCheck) error {
	return tell(h, ref, func(f Forge) error { return f.SetGate(ctx, ref, check) })
}

// PostRemarks implements [Remarks].
func (h Hosts) PostRemarks(ctx context.Context, ref RepositoryRef, number int, r NewRemarks) error {
	return tell(h, ref, func(f Forge) error { return f.PostRemarks(ctx, ref, number, r) })
}

// EnsureDeployment implements [Deployments].
func (h Hosts) EnsureDeployment(ctx context.Context, ref RepositoryRef, d Deployment) (Deployment, error) {
	return ask(h, ref, func(f Forge) (Deployment, error) { return f.EnsureDeployment(ctx, ref, d) })
}

// SetDeploymentState implements [Deployments].
func (h Hosts) SetDeploymentState(ctx context.Context, ref RepositoryRef, id string, state DeploymentState, description, url string) error {
	return tell(h, ref, func(f Forge) error { return f.SetDeploymentState(ctx, ref, id, state, description, url) })
}

// RecentDeployments implements [DeploymentHistory].
func (h Hosts) RecentDeployments(ctx context.Context, ref RepositoryRef, most int) (list []Deployment, complete bool, err error) {
	f, err := h.of(ref.Host)
	if err != nil {
		return nil, false, err
	}
	return f.RecentDeployments(ctx, ref, most)
}

// Deployment implements [DeploymentHistory].
func (h Hosts) Deployment(ctx context.Context, ref RepositoryRef, id string) (Deployment, error) {
	return ask(h, ref, func(f Forge) (Deployment, error) { return f.Deployment(ctx, ref, id) })
}

// TeamMembers implements [Teams].
func (h Hosts) TeamMembers(ctx context.Context, team TeamRef) ([]User, error) {
	f, err := h.of(team.Host)
	if err != nil {
		return nil, err
	}
	return f.TeamMembers(ctx, team)
}

// TeamBySlug implements [Teams].
func (h Hosts) TeamBySlug(ctx context.Context, host, organization, slug string) (TeamRef, error) {
	f, err := h.of(host)
	if err != nil {
		return TeamRef{}, err
	}
	return f.TeamBySlug(ctx, host, organization, slug)
}

// ReadToken implements [TokenSource].
func (h Hosts) ReadToken(ctx context.Context, ref RepositoryRef) (Token, error) {
	return ask(h, ref, func(f Forge) (Token, error) { return f.ReadToken(ctx, ref) })
}

// PushToken implements [TokenSource].
func (h Hosts) PushToken(ctx context.Context, ref RepositoryRef) (Token, error) {
	return ask(h, ref, func(f Forge) (Token, error) { return f.PushToken(ctx, ref) })
}

// GitURL implements [TokenSource]; it is empty for a host that is not configured.
func (h Hosts) GitURL(ref RepositoryRef) string {
	f, err := h.of(ref.Host)
	if err != nil {
		return ""
	}
	return f.GitURL(ref)
}

// CheckCredential implements [Credentials].
func (h Hosts) CheckCredential(ctx context.Context, ref RepositoryRef, credential Secret, push bool) error {
	return tell(h, ref, func(f Forge) error { return f.CheckCredential(ctx, ref, credential, push) })
}
