package azuredevops

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/git"

	"github.com/coderflow/coderflow/internal/forge"
)

// A review here is one act of voting, as the service noted it in a thread: a vote has no
// number, no commit and no text of its own. What counts is held against the present votes,
// which are the authority: an act never counts for more than its voter's vote is now.
//
//   - 10 approves. 5 ("with suggestions") is a comment. -5 and -10 request changes. 0 takes
//     the vote back.
//   - The commit is that of the iteration during which the vote was given. Where the times
//     do not tell, there is none, and the review approves nothing.
//   - The text is the voter's newest comment with a directive, given before the vote in the
//     same iteration, and never edited.
//   - Groups do not vote: who is in one does. The author's own vote is none.
//
// https://learn.microsoft.com/rest/api/azure/devops/git/pull-request-reviewers

// act is one act of voting.
type act struct {
	thread
	voter person
	vote  int
}

// actOf reads an act. In whose name a thread speaks, anybody who may comment could say;
// who wrote it they could not. So what was written by another than the voter and the
// service, or done in the voter's name, is none.
func actOf(t thread) (act, bool) {
	vote, err := strconv.Atoi(property(t.raw.Properties, "CodeReviewVoteResult"))
	if t.kind != "VoteUpdate" || err != nil {
		return act{}, false
	}
	voter := t.named("CodeReviewVotedByIdentity")
	if !guidShape.MatchString(voter.id) {
		return act{}, false
	}
	initiator := t.named("CodeReviewVotedByInitiatorIdentity")
	own := (initiator.id == "" || initiator.id == voter.id) && slices.Contains([]string{voter.id, theService}, t.written().id)
	return act{thread: t, voter: voter, vote: vote}, own
}

// ballot is everything that reviews are read from, read in one go.
type ballot struct {
	pull       *git.GitPullRequest
	threads    []thread
	iterations []iteration
	acts       []act          // oldest first
	now        map[string]int // present votes by voter
	groups     map[string]bool
}

func (a *Adapter) ballot(ctx context.Context, ref forge.RepositoryRef, number int) (ballot, error) {
	b := ballot{now: map[string]int{}, groups: map[string]bool{}}
	var err error
	// The votes are read last: what happened meanwhile is in them and makes acts not count.
	if b.threads, err = a.threads(ctx, ref, number); err != nil {
		return b, err
	}
	if b.iterations, err = a.iterations(ctx, ref, number); err != nil {
		return b, err
	}
	if b.pull, err = a.fetchPull(ctx, ref, number); err != nil {
		return b, err
	}
	for _, r := range is(b.pull.Reviewers) {
		id := strings.ToLower(is(r.Id))
		b.now[id], b.groups[id] = is(r.Vote), is(r.IsContainer)
	}
	author := personOf(b.pull.CreatedBy).id
	for _, t := range b.threads {
		one, ok := actOf(t)
		if ok && one.voter.id != author && !one.voter.group && !b.groups[one.voter.id] {
			b.acts = append(b.acts, one)
		}
	}
	slices.SortStableFunc(b.acts, func(a, b act) int {
		return cmp.Or(a.published.Compare(b.published), cmp.Compare(a.id, b.id))
	})
	return b, nil
}

// newest reports whether the voter did nothing after the act.
func (b ballot) newest(n int) bool {
	return !slices.ContainsFunc(b.acts[n+1:], func(later act) bool { return later.voter.id == b.acts[n].voter.id })
}

// state is what an act is worth now.
func (b ballot) state(n int) forge.ReviewState {
	one, now := b.acts[n], b.now[b.acts[n].voter.id]
	switch {
	case one.vote == 10 && now == 10 && b.newest(n) && !is(b.pull.IsDraft):
		return forge.ReviewApproved
	case one.vote == 5 && now != 0:
		return forge.ReviewCommented
	case one.vote < 0 && now != 0 && now != 5: // who approves later is known by that review
		return forge.ReviewChangesRequested
	}
	return forge.ReviewDismissed
}

// dismissedBy is the commit whose push made the service take an approval back, as branches
// can have it: the votes were reset after the push and nobody made the pull request a draft.
func (b ballot) dismissedBy(n int) string {
	one := b.acts[n]
	if one.vote != 10 || !b.newest(n) || b.now[one.voter.id] != 0 {
		return ""
	}
	reset := slices.IndexFunc(b.threads, func(t thread) bool {
		return (t.kind == "ResetMultipleVotes" || t.kind == "ResetAllVotes") && t.published.After(one.published)
	})
	if reset < 0 {
		return ""
	}
	at := b.threads[reset].published
	var pushed iteration
	for _, i := range b.iterations {
		if !i.at.After(at) {
			pushed = i
		}
	}
	drafted := slices.ContainsFunc(b.threads, func(t thread) bool {
		return t.kind == "IsDraftUpdate" && t.published.After(one.published) && !t.published.After(at.Add(time.Minute))
	})
	by := b.threads[reset].named("CodeReview" + b.threads[reset].kind + "InitiatorIdentity").id
	if !pushed.at.After(one.published) || drafted || by != "" && by != pushed.author.id {
		return ""
	}
	return pushed.commit
}

// body is the voter's newest directive comment before the act, in its iteration.
func (a *Adapter) body(b ballot, n int) string {
	one := b.acts[n]
	in, known := during(b.iterations, one.published)
	if !known {
		return ""
	}
	text, when := "", time.Time{}
	for _, t := range b.threads {
		if t.path != "" || t.kind != "" {
			continue
		}
		for _, c := range t.comments {
			if at(c.PublishedDate).Before(when) || !b.said(one, in, c) || !a.isDirective(is(c.Content)) {
				continue
			}
			text, when = is(c.Content), at(c.PublishedDate)
		}
	}
	return text
}

// said reports whether a comment is the voter's, as it was posted, in the iteration of the
// act and not after it.
func (b ballot) said(one act, in iteration, c git.Comment) bool {
	posted := at(c.PublishedDate)
	if personOf(c.Author).id != one.voter.id || is(c.CommentType) == git.CommentTypeValues.System ||
		at(c.LastContentUpdatedDate).After(posted) || posted.After(one.published) {
		return false
	}
	of, known := during(b.iterations, posted)
	return known && of.id == in.id
}

func (a *Adapter) review(ctx context.Context, ref forge.RepositoryRef, number int, b ballot, n int) (forge.Review, error) {
	one := b.acts[n]
	author, err := a.user(ctx, one.voter)
	if err != nil {
		return forge.Review{}, err
	}
	in, _ := during(b.iterations, one.published)
	r := forge.Review{
		ID: strconv.Itoa(one.id), Author: author, State: b.state(n), Commit: in.commit, Body: a.body(b, n),
		URL: a.threadPage(ref, number, one.id), SubmittedAt: one.published,
	}
	if r.State == forge.ReviewDismissed {
		r.DismissedByCommit = b.dismissedBy(n)
	}
	return r, nil
}

// Reviews implements [forge.Reviews].
func (a *Adapter) Reviews(ctx context.Context, ref forge.RepositoryRef, number int) ([]forge.Review, error) {
	b, err := a.ballot(ctx, ref, number)
	if err != nil {
		return nil, err
	}
	reviews := make([]forge.Review, 0, len(b.acts))
	for n := range b.acts {
		r, err := a.review(ctx, ref, number, b, n)
		if err != nil {
			return nil, err
		}
		reviews = append(reviews, r)
	}
	standing, err := a.objections(ctx, ref, number, b)
	return append(reviews, standing...), err
}

// objections are present votes against the pull request that no act tells of: the service
// was slow to note them, or noted them in a way that is not known here. They stand all the same.
func (a *Adapter) objections(ctx context.Context, ref forge.RepositoryRef, number int, b ballot) ([]forge.Review, error) {
	var reviews []forge.Review
	for _, r := range is(b.pull.Reviewers) {
		voter := person{id: strings.ToLower(is(r.Id)), unique: is(r.UniqueName), display: is(r.DisplayName)}
		told := slices.ContainsFunc(b.acts, func(one act) bool { return one.voter.id == voter.id && one.vote < 0 })
		if is(r.Vote) >= 0 || is(r.IsContainer) || told || voter.id == personOf(b.pull.CreatedBy).id || len(b.iterations) == 0 {
			continue
		}
		author, err := a.user(ctx, voter)
		if err != nil {
			return nil, err
		}
		reviews = append(reviews, forge.Review{
			ID: presentVote + voter.id, Author: author, State: forge.ReviewChangesRequested,
			Commit: b.iterations[len(b.iterations)-1].commit, URL: a.pullPage(ref, nil, number),
		})
	}
	return reviews, nil
}

// presentVote begins the id of a review that is known by the present vote alone.
const presentVote = "present:"

// Review implements [forge.Reviews].
func (a *Adapter) Review(ctx context.Context, ref forge.RepositoryRef, number int, id string) (forge.Review, error) {
	b, n, err := a.findAct(ctx, ref, number, id)
	if err != nil {
		return forge.Review{}, err
	}
	return a.review(ctx, ref, number, b, n)
}

func (a *Adapter) findAct(ctx context.Context, ref forge.RepositoryRef, number int, id string) (ballot, int, error) {
	b, err := a.ballot(ctx, ref, number)
	if err != nil {
		return b, 0, err
	}
	n := slices.IndexFunc(b.acts, func(one act) bool { return strconv.Itoa(one.id) == id })
	if n < 0 {
		return b, 0, fmt.Errorf("read vote %s of pull request %d of %s: %w", id, number, ref.FullName(), forge.ErrNotFound)
	}
	return b, n, nil
}

// ReviewComments implements [forge.Reviews]: what the voter said of lines in the iteration
// of the vote, and not after it.
func (a *Adapter) ReviewComments(ctx context.Context, ref forge.RepositoryRef, number int, review string) ([]forge.ReviewComment, error) {
	if strings.HasPrefix(review, presentVote) {
		return nil, nil // when it was given is not known
	}
	b, n, err := a.findAct(ctx, ref, number, review)
	if err != nil {
		return nil, err
	}
	one := b.acts[n]
	in, known := during(b.iterations, one.published)
	if !known {
		return nil, nil
	}
	author, err := a.user(ctx, one.voter)
	if err != nil {
		return nil, err
	}
	var comments []forge.ReviewComment
	for _, t := range b.threads {
		for _, c := range t.comments {
			if t.path == "" || t.line == 0 || !b.said(one, in, c) || strings.TrimSpace(is(c.Content)) == "" {
				continue
			}
			comments = append(comments, forge.ReviewComment{
				ID:     commentID{topic: forge.PullTopic(number), thread: t.id, comment: is(c.Id)}.String(),
				Author: author, Path: t.path, Line: t.line, Body: is(c.Content), URL: a.threadPage(ref, number, t.id),
			})
		}
	}
	return comments, nil
}
