package azuredevops

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
)

// lookBack is how far before a delivery its cause is looked for. The engine handles every
// comment and every act of tagging once, so too many are harmless.
const lookBack = 15 * time.Minute

// Complete implements [forge.Events]: it reads what a hint is about as it is now. What is
// gone gives no event.
func (a *Adapter) Complete(ctx context.Context, hint forge.Event) ([]forge.Event, error) {
	var events []forge.Event
	var err error
	switch {
	case hint.PullRequest != nil && hint.Kind == forge.EventCommentCreated && hint.Comment == nil:
		events, err = a.completePullComments(ctx, hint)
	case hint.PullRequest != nil && hint.Comment == nil:
		events, err = a.completePull(ctx, hint)
	case hint.Issue != nil && hint.Kind == forge.EventCommentCreated && hint.Comment == nil:
		events, err = a.completeComments(ctx, hint)
	case hint.Issue != nil && hint.Kind == forge.EventIssueLabeled && hint.Label == "":
		events, err = a.completeItem(ctx, hint)
	default: // told already
		return []forge.Event{hint}, nil
	}
	if errors.Is(err, forge.ErrNotFound) {
		a.log.InfoContext(ctx, "what a delivery told of is gone", "kind", string(hint.Kind), "error", err)
		return nil, nil
	}
	return events, err
}

// about reads the work item of a hint and which repository it is about.
func (a *Adapter) about(ctx context.Context, hint forge.Event, of *states) (workItem, forge.Issue, forge.RepositoryRef, error) {
	w, err := a.item(ctx, hint.Issue.Number)
	if err != nil {
		return w, forge.Issue{}, forge.RepositoryRef{}, err
	}
	ref, err := a.mapper().repository(ctx, w.text(fieldProject), w.text(fieldArea))
	if err != nil {
		return w, forge.Issue{}, ref, err
	}
	issue, err := a.issueOf(ctx, w, of)
	return w, issue, ref, err
}

// since is from when on things are looked at for a hint. The forge's clock may be ahead.
func (a *Adapter) since(hint forge.Event) time.Time {
	now := a.clock()
	switch {
	case hint.At.IsZero():
		return now.Add(-24 * time.Hour)
	case hint.At.After(now):
		return now.Add(-lookBack)
	}
	return hint.At.Add(-lookBack)
}

// completeComments yields every new comment: a delivery does not say which it tells of, and
// some deliveries are lost.
func (a *Adapter) completeComments(ctx context.Context, hint forge.Event) ([]forge.Event, error) {
	w, issue, ref, err := a.about(ctx, hint, a.states())
	if err != nil {
		return nil, err
	}
	comments, err := a.itemComments(ctx, w, a.since(hint))
	if err != nil {
		return nil, err
	}
	return commentEvents(ref, issue, comments, a.since(hint)), nil
}

func commentEvents(ref forge.RepositoryRef, issue forge.Issue, comments []forge.Comment, since time.Time) []forge.Event {
	var events []forge.Event
	for _, c := range comments {
		if c.Edited() || c.CreatedAt.Before(since) {
			continue
		}
		events = append(events, forge.Event{
			Kind: forge.EventCommentCreated, Repository: ref, Actor: c.Author, Issue: &issue, Comment: &c, At: c.CreatedAt,
		})
	}
	return events
}

// completeItem yields an event for each tag that is set now, with the act of setting it,
// and one if the work item was closed.
func (a *Adapter) completeItem(ctx context.Context, hint forge.Event) ([]forge.Event, error) {
	of := a.states()
	w, issue, ref, err := a.about(ctx, hint, of)
	if err != nil {
		return nil, err
	}
	history, err := a.changes(ctx, w)
	if err != nil {
		return nil, err
	}
	acts, err := a.labelEvents(ctx, w, history)
	if err != nil {
		return nil, err
	}
	newest := map[string]forge.LabelEvent{}
	for _, act := range acts {
		newest[act.Label] = act
	}
	var events []forge.Event
	for _, label := range issue.Labels {
		act, told := newest[label]
		if !told || isState(label) {
			continue
		}
		events = append(events, forge.Event{
			Kind: forge.EventIssueLabeled, Repository: ref, Actor: act.Actor, Issue: &issue, Label: label, At: act.CreatedAt,
		})
	}
	closed, found, err := a.lastClosing(ctx, w, of, history)
	if err != nil || !found || issue.Open && closed.at.Before(a.since(hint)) {
		return events, err
	}
	actor, err := a.author(ctx, closed)
	if err != nil {
		return nil, err
	}
	return append(events, forge.Event{Kind: forge.EventIssueClosed, Repository: ref, Actor: actor, Issue: &issue, At: closed.at}), nil
}

func isState(label string) bool {
	return len(label) >= len(forge.StateLabelPrefix) && label[:len(forge.StateLabelPrefix)] == forge.StateLabelPrefix
}

// lastClosing is the newest change of the state that ended the work item.
func (a *Adapter) lastClosing(ctx context.Context, w workItem, of *states, history []change) (change, bool, error) {
	for _, c := range slices.Backward(history) {
		to, _ := c.fields[fieldState].NewValue.(string)
		from, _ := c.fields[fieldState].OldValue.(string)
		if to == "" || from == "" {
			continue
		}
		after, err := of.closed(ctx, w.text(fieldProject), w.text(fieldType), to)
		if err != nil {
			return change{}, false, err
		}
		before, err := of.closed(ctx, w.text(fieldProject), w.text(fieldType), from)
		if err != nil {
			return change{}, false, err
		}
		if after && !before {
			return c, true, nil
		}
	}
	return change{}, false, nil
}

// completePull yields the pull request as it is.
func (a *Adapter) completePull(ctx context.Context, hint forge.Event) ([]forge.Event, error) {
	number := hint.PullRequest.Number
	if number == 0 {
		pr, err := a.PullRequestByHead(ctx, hint.Repository, hint.PullRequest.Head.Branch)
		if err != nil {
			return nil, err
		}
		number = pr.Number
	}
	found, err := a.fetchPull(ctx, hint.Repository, number)
	if err != nil {
		return nil, err
	}
	pr, err := a.pullOf(ctx, hint.Repository, found)
	if err != nil {
		return nil, err
	}
	event := forge.Event{Kind: hint.Kind, Repository: refOf(found.Repository), PullRequest: &pr, At: hint.At}
	if !pr.Open {
		event.Kind, event.At = forge.EventPullRequestClosed, at(found.ClosedDate)
		if event.Actor, err = a.userOf(ctx, found.ClosedBy); err != nil {
			return nil, err
		}
	}
	return []forge.Event{event}, nil
}

// completePullComments yields every new comment of a pull request.
func (a *Adapter) completePullComments(ctx context.Context, hint forge.Event) ([]forge.Event, error) {
	issue, err := a.pullIssue(ctx, hint.Repository, hint.PullRequest.Number)
	if err != nil {
		return nil, err
	}
	found, err := a.fetchRepository(ctx, hint.Repository)
	if err != nil {
		return nil, err
	}
	comments, err := a.pullComments(ctx, hint.Repository, issue.Number)
	if err != nil {
		return nil, err
	}
	return commentEvents(refOf(found), issue, comments, a.since(hint)), nil
}
