package emulator

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// votes are what a vote is called; the numbers are the service's.
var votes = map[int]string{10: "approved", 5: "approved with suggestions on", 0: "reset their vote on", -5: "is waiting for the author of", -10: "rejected"}

// reviewer finds a reviewer by GUID.
func (p *pull) reviewer(f *Forge, guid string) *reviewer {
	for _, rv := range p.azure.reviewers {
		if rv.user != nil && strings.EqualFold(f.userGUID(rv.user), guid) || rv.team != nil && strings.EqualFold(f.teamGUID(rv.team), guid) {
			return rv
		}
	}
	return nil
}

func (c *azureCall) listReviewers() (response, error) {
	p, err := c.wantedPull()
	if err != nil {
		return response{}, err
	}
	return listed(c.f.reviewersJSON(p))
}

func (c *azureCall) getReviewer() (response, error) {
	p, err := c.wantedPull()
	if err != nil {
		return response{}, err
	}
	if rv := p.reviewer(c.f, c.vars["reviewerId"]); rv != nil {
		return ok(c.f.reviewerJSON(p, rv))
	}
	return response{}, azureFailure(http.StatusNotFound, "GitPullRequestReviewerNotFoundException", "The reviewer %s was not found.", c.vars["reviewerId"])
}

// ensureReviewer finds or adds a person or a team.
func (c *azureCall) ensureReviewer(p *pull, guid string) (*reviewer, error) {
	if rv := p.reviewer(c.f, guid); rv != nil {
		return rv, nil
	}
	rv, err := c.possibleReviewer(guid)
	if err != nil {
		return nil, err
	}
	p.azure.reviewers = append(p.azure.reviewers, rv)
	if rv.user != nil && rv.user != c.who.user {
		c.f.reviewersChanged(p, c.who.user, rv.user, "Added")
	}
	return rv, nil
}

// possibleReviewer is a person or a team.
func (c *azureCall) possibleReviewer(guid string) (*reviewer, error) {
	rv := &reviewer{user: c.f.userByGUID(guid)}
	for _, t := range c.f.teams {
		if strings.EqualFold(c.f.teamGUID(t), guid) {
			rv.team = t
		}
	}
	if rv.user == nil && rv.team == nil {
		return nil, c.noIdentity(guid)
	}
	return rv, nil
}

// reviewersChanged notes that somebody was Added to the reviewers or Removed from them.
func (f *Forge) reviewersChanged(p *pull, by, who *user, what string) {
	properties := map[string]any{"CodeReviewReviewersUpdatedByIdentity": by, "CodeReviewReviewersUpdated" + what + "Identity": who}
	for _, count := range []string{"Added", "Changed", "Declined", "Removed"} {
		properties["CodeReviewReviewersUpdatedNum"+count] = map[bool]string{true: "1", false: "0"}[count == what]
	}
	f.systemThread(p, nil, "ReviewersUpdate", by.displayName()+" "+strings.ToLower(what)+" "+who.displayName()+" as a reviewer", properties)
	f.hookPull(p, by, "git.pullrequest.updated", "changed the reviewer list of")
}

type reviewerInput struct {
	ID       string `json:"id"`
	Vote     *int   `json:"vote"`
	Required *bool  `json:"isRequired"`
	Flagged  *bool  `json:"isFlagged"`
	Declined *bool  `json:"hasDeclined"`
	Again    bool   `json:"isReapprove"`
}

func (c *azureCall) editable() (*pull, error) {
	p, err := c.wantedPull()
	if err != nil {
		return nil, err
	}
	if p.azure.status != "active" {
		return nil, azureFailure(http.StatusBadRequest, "GitPullRequestNotEditableException", "TF401181: The pull request cannot be edited due to its state.")
	}
	return p, nil
}

// putReviewer adds a reviewer, or gives the caller's own vote: nobody votes for another.
func (c *azureCall) putReviewer() (response, error) {
	p, err := c.editable()
	if err != nil {
		return response{}, err
	}
	var in reviewerInput
	if err := c.decode(&in); err != nil {
		return response{}, err
	}
	own := strings.EqualFold(c.vars["reviewerId"], c.f.userGUID(c.who.user))
	vote := 0
	if in.Vote != nil {
		vote = *in.Vote
	}
	switch {
	case votes[vote] == "":
		return response{}, badArgument("The vote %d is not valid.", vote)
	case vote != 0 && !own:
		return response{}, badArgument("A vote can be given by the reviewer only.")
	case vote != 0 && p.draft:
		return response{}, badArgument("Votes are not allowed on a draft pull request.")
	}
	rv, err := c.ensureReviewer(p, c.vars["reviewerId"])
	if err != nil {
		return response{}, err
	}
	set(&rv.required, in.Required)
	set(&rv.flagged, in.Flagged)
	set(&rv.declined, in.Declined)
	if own && in.Vote != nil && (rv.vote != vote || in.Again) {
		c.f.vote(p, rv, vote)
	}
	return ok(c.f.reviewerJSON(p, rv))
}

// vote needs the lock; the act has been allowed.
func (f *Forge) vote(p *pull, rv *reviewer, vote int) {
	rv.vote = vote
	f.systemThread(p, rv.user, "VoteUpdate", rv.user.displayName()+" voted "+strconv.Itoa(vote), map[string]any{
		"CodeReviewVoteResult": strconv.Itoa(vote), "CodeReviewVotedByInitiatorIdentity": rv.user, "CodeReviewVotedByIdentity": rv.user})
	f.hookPull(p, rv.user, "git.pullrequest.updated", votes[vote])
}

// addReviewers adds several at once.
func (c *azureCall) addReviewers() (response, error) {
	p, err := c.editable()
	if err != nil {
		return response{}, err
	}
	var in []reviewerInput
	if err := c.decode(&in); err != nil {
		return response{}, err
	}
	out := []obj{}
	for _, one := range in {
		rv, err := c.ensureReviewer(p, one.ID)
		if err != nil {
			return response{}, err
		}
		set(&rv.required, one.Required)
		out = append(out, c.f.reviewerJSON(p, rv))
	}
	return listed(out)
}

// resetVotes takes back the votes of those who are named, which takes the right to contribute.
func (c *azureCall) resetVotes() (response, error) {
	p, err := c.editable()
	if err != nil {
		return response{}, err
	}
	if p.issue.repo.level(c.who.user) < levelWrite {
		return response{}, c.lacks(levelWrite)
	}
	var in []reviewerInput
	if err := c.decode(&in); err != nil {
		return response{}, err
	}
	var named []*reviewer
	for _, one := range in {
		rv := p.reviewer(c.f, one.ID)
		if rv == nil || one.Vote != nil && *one.Vote != 0 {
			return response{}, badArgument("Votes of reviewers can only be reset.")
		}
		named = append(named, rv)
	}
	c.f.takeBack(p, c.who.user, "", named)
	return response{status: http.StatusOK}, nil
}

func (f *Forge) takeVotesBack(p *pull, by *user, reason string) {
	f.takeBack(p, by, reason, p.azure.reviewers)
}

// takeBack sets votes to none, with the one note that the service makes of it.
func (f *Forge) takeBack(p *pull, by *user, reason string, list []*reviewer) {
	var voters []*user
	for _, rv := range list {
		if rv.vote != 0 && rv.user != nil {
			rv.vote = 0
			voters = append(voters, rv.user)
		}
	}
	if len(voters) == 0 {
		return
	}
	f.systemThread(p, nil, "ResetMultipleVotes", by.displayName()+" reset "+strconv.Itoa(len(voters))+" votes", map[string]any{
		"CodeReviewResetMultipleVotesNumVoters": len(voters), "CodeReviewResetMultipleVotesReason": reason,
		"CodeReviewResetMultipleVotesInitiatorIdentity": by, "CodeReviewResetMultipleVotesExampleVoterIdentities": voters})
	f.hookPull(p, by, "git.pullrequest.updated", "reset votes on")
}

func (c *azureCall) deleteReviewer() (response, error) {
	p, err := c.editable()
	if err != nil {
		return response{}, err
	}
	rv := p.reviewer(c.f, c.vars["reviewerId"])
	if rv == nil {
		return response{}, azureFailure(http.StatusNotFound, "GitPullRequestReviewerNotFoundException", "The reviewer %s was not found.", c.vars["reviewerId"])
	}
	if rv.user != c.who.user && p.issue.repo.level(c.who.user) < levelWrite {
		return response{}, c.lacks(levelWrite)
	}
	p.azure.reviewers = slices.DeleteFunc(p.azure.reviewers, func(x *reviewer) bool { return x == rv })
	if rv.user != nil {
		c.f.reviewersChanged(p, c.who.user, rv.user, "Removed")
	}
	return response{status: http.StatusOK}, nil
}
