package emulator

import (
	"net/http"
	"slices"
	"strings"
)

// reviewStates maps the events of the API to the states they leave.
var reviewStates = map[string]string{"APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED", "COMMENT": "COMMENTED"}

func (c *call) createReview() (response, error) {
	var in struct {
		CommitID string               `json:"commit_id"`
		Body     string               `json:"body"`
		Event    string               `json:"event"`
		Comments []reviewCommentInput `json:"comments"`
	}
	p, err := c.wantedPull()
	if err != nil {
		return response{}, err
	}
	if err := c.decode(&in); err != nil {
		return response{}, err
	}
	rv := &review{pull: p, author: c.who.user, body: in.Body, commit: in.CommitID, state: "PENDING"}
	if rv.commit == "" {
		rv.commit = p.headSHA
	}
	if rv.commit != p.headSHA && !c.f.partOf(p, rv.commit) {
		return response{}, unprocessable("The commit_id is not part of the pull request")
	}
	if in.Event == "" && slices.ContainsFunc(p.reviews, func(x *review) bool { return x.author == c.who.user && x.state == "PENDING" }) {
		return response{}, unprocessable("User can only have one pending review per pull request")
	}
	if in.Event != "" {
		if err := checkReview(rv, in.Event, in.Body); err != nil {
			return response{}, err
		}
	}
	if rv.comments, err = c.f.reviewComments(p, rv.commit, in.Comments); err != nil {
		return response{}, err
	}
	rv.id = c.f.newID()
	p.reviews = append(p.reviews, rv)
	if in.Event != "" {
		c.f.submit(rv, in.Event, in.Body)
	}
	return ok(c.f.reviewJSON(rv))
}

// partOf says whether a commit is one of the pull request's.
func (f *Forge) partOf(p *pull, sha string) bool {
	c, err := f.compare(p.issue.repo, p.baseSHA, p.headSHA)
	return err == nil && slices.Contains(c.commits, sha)
}

// checkReview says why GitHub would not accept the review.
func checkReview(rv *review, event, body string) error {
	own := rv.author == rv.pull.issue.author
	switch {
	case reviewStates[event] == "":
		return unprocessable("Variable $event of type PullRequestReviewEvent was provided invalid value")
	case own && event == "APPROVE":
		return unprocessable("Can not approve your own pull request")
	case own && event == "REQUEST_CHANGES":
		return unprocessable("Can not request changes on your own pull request")
	case event != "APPROVE" && strings.TrimSpace(body) == "":
		return unprocessable("Review body can't be blank")
	}
	return tooLong("PullRequestReview", "body", body, maxBody)
}

// submit ends the pending state of a checked review. It needs the lock.
func (f *Forge) submit(rv *review, event, body string) {
	rv.state, rv.submitted = reviewStates[event], f.now()
	if body != "" {
		rv.body = body
	}
	rv.pull.issue.updated = rv.submitted
	f.emitReview(rv, rv.author, "submitted", nil)
	f.notice(rv.pull.issue, rv.author, rv.body)
}

func (c *call) wantedReview() (*review, error) {
	p, err := c.wantedPull()
	if err != nil {
		return nil, err
	}
	for _, rv := range p.reviews {
		if rv.id == c.id("review_id") && (rv.state != "PENDING" || rv.author == c.who.user) {
			return rv, nil
		}
	}
	return nil, notFound()
}

func (c *call) getReview() (response, error) {
	rv, err := c.wantedReview()
	if err != nil {
		return response{}, err
	}
	return ok(c.f.reviewJSON(rv))
}

// listReviews is oldest first; pending ones are shown to their author only.
func (c *call) listReviews() (response, error) {
	p, err := c.wantedPull()
	if err != nil {
		return response{}, err
	}
	out := []obj{}
	for _, rv := range p.reviews {
		if rv.state != "PENDING" || rv.author == c.who.user {
			out = append(out, c.f.reviewJSON(rv))
		}
	}
	return pages(out)
}

func (c *call) submitReview() (response, error) {
	var in struct {
		Body  string `json:"body"`
		Event string `json:"event"`
	}
	rv, err := c.wantedReview()
	if err != nil {
		return response{}, err
	}
	if err := c.decode(&in); err != nil {
		return response{}, err
	}
	if rv.state != "PENDING" {
		return response{}, unprocessable("Could not submit review: it is not pending")
	}
	body := in.Body
	if body == "" {
		body = rv.body
	}
	if err := checkReview(rv, in.Event, body); err != nil {
		return response{}, err
	}
	c.f.submit(rv, in.Event, body)
	return ok(c.f.reviewJSON(rv))
}

// updateReview edits the text; only the author may.
func (c *call) updateReview() (response, error) {
	rv, err := c.wantedReview()
	if err != nil {
		return response{}, err
	}
	var in commentInput
	if err := c.decode(&in); err != nil {
		return response{}, err
	}
	if rv.author != c.who.user {
		return response{}, failure(http.StatusForbidden, "Must be the author of the review.")
	}
	before := rv.body
	rv.body = in.Body
	if rv.state != "PENDING" {
		c.f.emitReview(rv, c.who.user, "edited", obj{"changes": obj{"body": obj{"from": before}}})
		c.f.notice(rv.pull.issue, c.who.user, rv.body)
	}
	return ok(c.f.reviewJSON(rv))
}

func (c *call) dismissReview() (response, error) {
	var in struct {
		Message string `json:"message"`
		Event   string `json:"event"`
	}
	rv, err := c.wantedReview()
	if err != nil {
		return response{}, err
	}
	if err := c.decode(&in); err != nil {
		return response{}, err
	}
	if rv.state != "APPROVED" && rv.state != "CHANGES_REQUESTED" {
		return response{}, unprocessable("Can not dismiss a " + strings.ToLower(rv.state) + " pull request review")
	}
	if strings.TrimSpace(in.Message) == "" {
		return response{}, unprocessable("Message can't be blank")
	}
	c.f.dismiss(rv, c.who, in.Message, "")
	return ok(c.f.reviewJSON(rv))
}

// dismiss needs the lock. A person gives a message; the forge itself names the commit
// that made the review stale.
func (f *Forge) dismiss(rv *review, who caller, message, commit string) {
	was := rv.state
	rv.state = "DISMISSED"
	f.addEvent(rv.pull.issue, who, issueEvent{event: "review_dismissed", review: rv, was: was, message: message, dismissal: commit})
	f.emitReview(rv, who.user, "dismissed", nil)
}

// deletePending withdraws a review that was never submitted.
func (c *call) deletePending() (response, error) {
	rv, err := c.wantedReview()
	if err != nil {
		return response{}, err
	}
	if rv.state != "PENDING" {
		return response{}, unprocessable("Can not delete a non-pending pull request review")
	}
	rv.pull.reviews = slices.DeleteFunc(rv.pull.reviews, func(x *review) bool { return x == rv })
	return ok(c.f.reviewJSON(rv))
}
