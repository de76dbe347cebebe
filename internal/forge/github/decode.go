package github

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	gh "github.com/google/go-github/v62/github"

	"github.com/coderflow/coderflow/internal/forge"
)

// decoders holds the events CoderFlow subscribes to. app.yml is compared with its
// keys by a test.
var decoders = map[string]func(payload any) (forge.Event, error){
	"issue_comment":       decodeAs(issueComment),
	"issues":              decodeAs(issues),
	"pull_request":        decodeAs(pullRequest),
	"pull_request_review": decodeAs(pullRequestReview),
}

// AppEvents are the events that the App subscribes to, sorted.
func AppEvents() []string { return slices.Sorted(maps.Keys(decoders)) }

// Decode translates a verified delivery. Events and actions that CoderFlow does
// not act on are no error and give no event.
func (w *Webhook) Decode(event string, body []byte) ([]forge.Event, error) {
	decode, handled := decoders[event]
	if !handled {
		return nil, nil
	}
	payload, err := gh.ParseWebHook(event, body)
	if err != nil {
		return nil, fmt.Errorf("decode a %s delivery: %w", event, err)
	}
	decoded, err := decode(payload)
	if err != nil {
		return nil, fmt.Errorf("decode a %s delivery: %w", event, err)
	}
	if decoded.Kind == "" {
		return nil, nil
	}
	if decoded.Repository.ID == "0" || decoded.Actor.Subject.IsZero() {
		return nil, fmt.Errorf("decode a %s delivery: it names no repository or no sender", event)
	}
	return []forge.Event{decoded}, nil
}

func decodeAs[T any](decode func(*T) (forge.Event, error)) func(any) (forge.Event, error) {
	return func(payload any) (forge.Event, error) {
		typed, ok := payload.(*T)
		if !ok {
			return forge.Event{}, fmt.Errorf("unexpected payload %T", payload)
		}
		return decode(typed)
	}
}

var errIncomplete = errors.New("the payload lacks what the event is about")

func issueComment(e *gh.IssueCommentEvent) (forge.Event, error) {
	if e.GetAction() != "created" {
		return forge.Event{}, nil
	}
	if e.Issue == nil || e.Comment == nil {
		return forge.Event{}, errIncomplete
	}
	issue, comment := issueOf(e.Issue), commentOf(e.Comment)
	comment.Topic = issue.Topic()
	decoded := eventOf(forge.EventCommentCreated, e.Repo, e.Sender, comment.CreatedAt)
	decoded.Issue, decoded.Comment = &issue, &comment
	return decoded, nil
}

func issues(e *gh.IssuesEvent) (forge.Event, error) {
	switch e.GetAction() {
	case "labeled":
	case "closed":
		return issueClosed(e)
	default:
		return forge.Event{}, nil
	}
	if e.Issue == nil || e.GetLabel().GetName() == "" {
		return forge.Event{}, errIncomplete
	}
	if strings.HasPrefix(e.GetLabel().GetName(), forge.StateLabelPrefix) { // CoderFlow's own, which trigger nothing
		return forge.Event{}, nil
	}
	issue := issueOf(e.Issue)
	decoded := eventOf(forge.EventIssueLabeled, e.Repo, e.Sender, issue.UpdatedAt)
	decoded.Issue, decoded.Label = &issue, e.GetLabel().GetName()
	return decoded, nil
}

func issueClosed(e *gh.IssuesEvent) (forge.Event, error) {
	if e.Issue == nil {
		return forge.Event{}, errIncomplete
	}
	issue, at := issueOf(e.Issue), e.Issue.GetClosedAt().Time
	if at.IsZero() {
		at = issue.UpdatedAt
	}
	decoded := eventOf(forge.EventIssueClosed, e.Repo, e.Sender, at)
	decoded.Issue = &issue
	return decoded, nil
}

func pullRequest(e *gh.PullRequestEvent) (forge.Event, error) {
	kind := map[string]forge.EventKind{
		"synchronize": forge.EventPullRequestPushed,
		"closed":      forge.EventPullRequestClosed,
		"edited":      forge.EventPullRequestEdited,
	}[e.GetAction()]
	if kind == "" {
		return forge.Event{}, nil
	}
	if e.PullRequest == nil {
		return forge.Event{}, errIncomplete
	}
	pr := pullRequestOf(e.PullRequest)
	decoded := eventOf(kind, e.Repo, e.Sender, e.PullRequest.GetUpdatedAt().Time)
	decoded.PullRequest = &pr
	return decoded, nil
}

func pullRequestReview(e *gh.PullRequestReviewEvent) (forge.Event, error) {
	kind := map[string]forge.EventKind{
		"submitted": forge.EventReviewSubmitted,
		"dismissed": forge.EventReviewDismissed,
	}[e.GetAction()]
	if kind == "" {
		return forge.Event{}, nil
	}
	if e.PullRequest == nil || e.Review == nil {
		return forge.Event{}, errIncomplete
	}
	pr, review := pullRequestOf(e.PullRequest), reviewOf(e.Review)
	at := review.SubmittedAt
	if kind == forge.EventReviewDismissed { // the review keeps the time it was submitted at
		at = e.PullRequest.GetUpdatedAt().Time
	}
	decoded := eventOf(kind, e.Repo, e.Sender, at)
	decoded.PullRequest, decoded.Review = &pr, &review
	return decoded, nil
}

func eventOf(kind forge.EventKind, repo *gh.Repository, sender *gh.User, at time.Time) forge.Event {
	return forge.Event{Kind: kind, Repository: repositoryRefOf(repo), Actor: userOf(sender), At: at}
}
