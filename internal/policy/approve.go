package policy

import (
	"fmt"
	"slices"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
)

// Purpose is what an approval is looked at for. It decides which heads of the
// pull request are still the approved one.
type Purpose string

// Purposes of a decision about an approval.
const (
	ToRecord Purpose = "record" // the review was just submitted
	ToLand   Purpose = "land"   // before the commit and again before the push
	ToDeploy Purpose = "deploy" // before each deployment
)

// ApprovalFacts is everything an approval is judged by. All of it is read from
// the forge or the store at the moment of the decision.
type ApprovalFacts struct {
	Purpose     Purpose
	Environment string
	// Repository is where the proposal is; the environment must list it, still.
	Repository forge.RepositoryRef
	Requester  forge.User
	// ProposedHead is the carrier commit that was put up for review.
	ProposedHead string
	// Digest is the proposal's, and Checks are those that ran for the task.
	Digest string    `json:",omitempty"`
	Checks []Checked `json:",omitempty"`
	// LandedHead is the commit made of this approval; empty before it is made.
	LandedHead  string
	BaseBranch  string
	PullRequest forge.PullRequest
	Review      forge.Review
	// Others are all reviews of the pull request, oldest first.
	Others []forge.Review
	// HeadChanges are recorded force-pushes of the head by anybody but CoderFlow.
	HeadChanges []forge.HeadChange
	// Access is what the forge itself lets the reviewer do in the repository.
	Access forge.Access
	// Deploys are the environments in which the review arms deployments.
	Deploys []string
	// Target is the branch that the review names to land on; the zero value is the proposal's own.
	Target Target `json:",omitzero"`
	// Restored is when the server was restored from a backup. What became of a review
	// from before then is not known. Zero: it never was, or that does not matter here.
	Restored time.Time `json:",omitzero"`
}

// DecideApproval tells whether the review is an approval of exactly this
// proposal by somebody who may give it, now. Whether it is enough is for
// [Policy.DecideQuorum].
func (p *Policy) DecideApproval(f ApprovalFacts) Decision {
	return p.decision(All(approves, p.approvalReasons(f)...))
}

func (p *Policy) approvalReasons(f ApprovalFacts) []Reason {
	reasons := []Reason{
		p.listsRepository(f.Environment, f.Repository),
		pullRequestStands(f),
		baseStands(f),
		headStands(f),
		headUntouched(f),
		reviewApproves(f),
		reviewedThisHead(f),
		isPerson(f.Review.Author),
		p.notRequester(f),
		forgeLetsWrite(f),
		p.Holds(f.Review.Author, TasksApprove, f.Environment),
		p.noObjection(f),
	}
	reasons = append(reasons, p.targetReasons(f)...)
	if !f.Restored.IsZero() {
		reasons = append(reasons, reviewedSinceRestore(f))
	}
	for _, environment := range f.Deploys {
		reasons = append(reasons, p.Holds(f.Review.Author, DeploymentsExecute, environment))
	}
	return reasons
}

func pullRequestStands(f ApprovalFacts) Reason {
	switch {
	case f.PullRequest.Open:
		return Yes("the pull request is open")
	case f.Purpose == ToDeploy && f.Target.Set() && !f.PullRequest.Merged: // what was merged is the patch file
		return Yes("the pull request was closed: the commit landed on another branch")
	case f.Target.Set() && f.PullRequest.Merged:
		return No("the pull request was merged, which holds the patch and not the commit")
	case f.Purpose == ToDeploy && f.PullRequest.Merged:
		return Yes("the pull request was merged")
	case f.PullRequest.Merged:
		return No("the pull request was merged before the approval was carried out")
	}
	return No("the pull request is closed")
}

func baseStands(f ApprovalFacts) Reason {
	if f.PullRequest.Base.Branch != f.BaseBranch {
		return No(fmt.Sprintf("the pull request now targets %q, the proposal was made for %q",
			f.PullRequest.Base.Branch, f.BaseBranch))
	}
	return Yes("the pull request still targets the branch the proposal was made for")
}

func headStands(f ApprovalFacts) Reason {
	head := f.PullRequest.Head.Commit
	switch {
	case head == "" || f.ProposedHead == "":
		return No("the head of the pull request is not known")
	case (f.Purpose != ToDeploy || f.Target.Set()) && head == f.ProposedHead:
		return Yes("the head of the pull request is the proposed commit")
	case f.Purpose != ToRecord && !f.Target.Set() && f.LandedHead != "" && head == f.LandedHead:
		return Yes("the head of the pull request is the commit this approval made")
	}
	return No(fmt.Sprintf("the head of the pull request is %.12s, which is not what was proposed", head))
}

func headUntouched(f ApprovalFacts) Reason {
	if len(f.HeadChanges) > 0 {
		c := f.HeadChanges[0]
		return No(fmt.Sprintf("%s force-pushed the proposal branch, so what was reviewed is no longer certain", c.Actor.Login))
	}
	return Yes("nobody else rewrote the proposal branch")
}

func reviewApproves(f ApprovalFacts) Reason {
	switch f.Review.State {
	case forge.ReviewApproved:
		return Yes("the review's state at the forge is \"approved\"")
	case forge.ReviewDismissed:
		if dismissedByLanding(f, f.Review) {
			return Yes("the forge dismissed the review because of the commit this approval made; no person withdrew it")
		}
		return No("the review was dismissed")
	}
	return No(fmt.Sprintf("the review's state at the forge is %q, not \"approved\"", f.Review.State))
}

// dismissedByLanding reports whether the forge itself dismissed the approval when
// the landed commit was pushed, as repositories can have it. That withdraws
// nothing: the push was what was approved.
func dismissedByLanding(f ApprovalFacts, r forge.Review) bool {
	return f.Purpose == ToDeploy && f.LandedHead != "" && r.State == forge.ReviewDismissed && r.DismissedByCommit == f.LandedHead
}

func reviewedThisHead(f ApprovalFacts) Reason {
	if f.ProposedHead == "" || f.Review.Commit != f.ProposedHead {
		return No(fmt.Sprintf("the review is of commit %.12s, the proposal is %.12s", f.Review.Commit, f.ProposedHead))
	}
	return Yes("the review is of exactly the proposed commit")
}

// reviewedSinceRestore refuses reviews whose fate the restored state does not have: the
// approval may have fallen since, or have been carried out.
func reviewedSinceRestore(f ApprovalFacts) Reason {
	if !f.Review.SubmittedAt.After(f.Restored) {
		return No(fmt.Sprintf("the server was restored from a backup at %s, after this review; what became of it is not known, so it takes a new one",
			f.Restored.UTC().Format("2006-01-02 15:04:05 MST")))
	}
	return Yes("the review is newer than the restore of the server")
}

func (p *Policy) notRequester(f ApprovalFacts) Reason {
	switch {
	case f.Requester.Subject.IsZero():
		return No("it is not known who requested the task")
	case f.Review.Author.Subject == f.Requester.Subject && p.Environments[f.Environment].Gate.RequesterMayApprove:
		return Yes("the reviewer is the requester, whose approval counts as one here")
	case f.Review.Author.Subject == f.Requester.Subject:
		return No("the requester of a task cannot approve it")
	}
	return Yes("the reviewer is not the requester")
}

func forgeLetsWrite(f ApprovalFacts) Reason {
	if f.Access < forge.AccessWrite {
		return No(fmt.Sprintf("the forge gives the reviewer %q access to the repository; approving takes \"write\"", f.Access))
	}
	return Yes(fmt.Sprintf("the forge gives the reviewer %q access", f.Access))
}

// noObjection refuses while a person who may approve asks for changes on this
// head, and refuses for good an approval that was given before such a
// request: dismissing the request does not bring the approval back.
//
// "Later" is the forge's own order of reviews, not their time: GitHub's times
// have a resolution of one second.
func (p *Policy) noObjection(f ApprovalFacts) Reason {
	position := slices.IndexFunc(f.Others, func(r forge.Review) bool { return r.ID == f.Review.ID })
	if position < 0 {
		return No("the forge does not list this review")
	}
	for i, r := range f.Others {
		if i == position || !p.objects(f, f.Others[i:], r, i > position) {
			continue
		}
		switch {
		case r.Author.Subject == f.Review.Author.Subject:
			return No("the reviewer changed their mind in a later review")
		case r.State == forge.ReviewDismissed:
			return No(fmt.Sprintf("a later review by %s was dismissed; it takes a new approving review", r.Author.Login))
		}
		return No(fmt.Sprintf("%s requests changes; that review must be dismissed or replaced, then approve anew", r.Author.Login))
	}
	return Yes("nobody who may approve objects")
}

// objects reports whether r stands against an approval. following starts with r;
// later tells whether r came after the approval.
func (p *Policy) objects(f ApprovalFacts, following []forge.Review, r forge.Review, later bool) bool {
	own := r.Author.Subject == f.Review.Author.Subject
	if r.Commit != f.ProposedHead || (!own && !p.Holds(r.Author, TasksApprove, f.Environment).OK) {
		return false
	}
	switch r.State {
	case forge.ReviewChangesRequested:
		return later || !Withdrawn(following)
	case forge.ReviewDismissed: // what it was before is not told: it may have been an objection
		return later && !dismissedByLanding(f, r)
	}
	return false
}

// Withdrawn reports whether the author of the first review approved the same
// head in a later one. following are the reviews from it on, in the forge's order.
func Withdrawn(following []forge.Review) bool {
	first := following[0]
	return slices.ContainsFunc(following[1:], func(r forge.Review) bool {
		return r.Author.Subject == first.Author.Subject && r.Commit == first.Commit && r.State == forge.ReviewApproved
	})
}
