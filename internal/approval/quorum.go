package approval

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coderflow/coderflow/internal/atonce"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/task"
)

// look is what one decision is made with, read in the same call.
type look struct {
	t     task.Task
	p     task.Proposal
	rules *policy.Policy
	// facts are those that do not depend on the review.
	facts policy.ApprovalFacts
	// judges is what was said of the proposal; it can only raise what is needed.
	judges policy.Judges
	// examined are the last examinations of the proposal, of which both are.
	examined []task.Examination
}

// change is what the proposal changes, with what judges said of it.
func (l look) change() policy.Change {
	c := policy.ChangeOf(l.p)
	c.Judges = l.judges
	return c
}

// look reads the policy, and at the forge everything but the reviews that count.
func (g *Gate) look(ctx context.Context, t task.Task, p task.Proposal, purpose policy.Purpose) (look, error) {
	l := look{t: t, p: p, facts: policy.ApprovalFacts{
		Purpose: purpose, Environment: t.Environment, Repository: t.Repository, Requester: t.Requester,
		ProposedHead: p.Carrier, Digest: p.Digest, BaseBranch: p.BaseBranch, Restored: g.Restored,
	}}
	if purpose != policy.ToRecord {
		l.facts.LandedHead = t.LandedCommit
	}
	var err error
	if l.rules, err = g.Policies.Policy(ctx); err != nil {
		return l, fmt.Errorf("read the policy: %w", err)
	}
	examinations, err := g.Ledger.Examinations(ctx, t.ID)
	if err != nil {
		return l, fmt.Errorf("read the examinations of task %s: %w", t.ID, err)
	}
	for _, x := range task.LatestExaminations(examinations, p.Revision) {
		if x.Digest == p.Digest {
			l.examined = append(l.examined, x)
		}
	}
	l.facts.Checks = policy.CheckedOf(examinations, p.Digest)
	l.judges = policy.JudgedOf(examinations, p.Digest, l.rules.Environments[t.Environment].Judges)
	l.judges.Landed = purpose == policy.ToDeploy
	err = atonce.Do(func() (err error) {
		if l.facts.PullRequest, err = g.Forge.PullRequest(ctx, t.Repository, t.PullRequest); err != nil {
			return fmt.Errorf("read pull request %d: %w", t.PullRequest, err)
		}
		return nil
	}, func() (err error) {
		if l.facts.Others, err = g.Forge.Reviews(ctx, t.Repository, t.PullRequest); err != nil {
			return fmt.Errorf("read the reviews of pull request %d: %w", t.PullRequest, err)
		}
		return nil
	}, func() (err error) {
		l.facts.HeadChanges, err = g.Rewrites(ctx, t)
		return err
	})
	return l, err
}

// approval reads one review and what the forge lets its author do.
func (g *Gate) approval(ctx context.Context, l look, reviewID string) (policy.Approval, error) {
	review, err := g.Forge.Review(ctx, l.t.Repository, l.t.PullRequest, reviewID)
	if err != nil {
		return policy.Approval{}, fmt.Errorf("read review %s: %w", reviewID, err)
	}
	access, err := g.access(ctx, l, review.Author)
	return policy.Approval{Review: review, Access: access}, err
}

// access is what the forge lets somebody do who reviewed.
func (g *Gate) access(ctx context.Context, l look, who forge.User) (forge.Access, error) {
	access, err := g.Forge.AccessOf(ctx, l.t.Repository, who)
	switch {
	case errors.Is(err, forge.ErrNotFound):
		return forge.AccessNone, nil
	case err != nil:
		return forge.AccessNone, fmt.Errorf("read what %s may do: %w", who.Login, err)
	}
	return access, nil
}

// assessment is what the gate says about a review and those that count with it.
type assessment struct {
	policy.Quorum
	review  forge.Review
	said    Directives
	armed   []Arming
	not     []Arming // not armed, each with the reason
	message string
	replay  *policy.Replay
}

// assess judges a review as the one whose words count, together with others. The
// words of a review with problems are unclear, so it does not count at all.
func (g *Gate) assess(ctx context.Context, l look, reviewID string, with []string) (assessment, error) {
	own, err := g.approval(ctx, l, reviewID)
	if err != nil {
		return assessment{}, err
	}
	directives := g.Read(own.Review.Body)
	armed, problems := g.arm(ctx, l.t.Environment, directives)
	f := policy.QuorumFacts{ApprovalFacts: l.facts, Change: l.change()}
	f.Review, f.Access, f.Deploys = own.Review, own.Access, environments(armed)
	if f.Target, err = g.target(ctx, l, directives.Target, directives.NewTarget); err != nil {
		return assessment{}, err
	}
	for _, id := range with {
		if id == reviewID {
			continue
		}
		other, err := g.approval(ctx, l, id)
		if err != nil {
			return assessment{}, err
		}
		f.With = append(f.With, other)
	}
	a := assessment{Quorum: l.rules.DecideQuorum(f), review: own.Review, said: directives, armed: armed}
	if !a.Waiting {
		if a.message, err = l.message(own.Review, directives, a.others()); err != nil {
			problems = append(problems, err.Error())
		}
	}
	a.replay = policy.NewReplay(f, problems)
	if a.Allowed { // what is refused arms nothing
		if a.armed, a.not, err = g.standing(ctx, l, own.Review.Author, directives, armed); err != nil {
			return assessment{}, err
		}
	}
	for _, problem := range problems {
		a.Decision, a.Waiting = also(a.Decision, policy.No(problem)), false
	}
	return a, nil
}

// newest is the last review that counts, in the forge's order.
func (a assessment) newest() string {
	if len(a.Counted) == 0 {
		return a.review.ID
	}
	return a.Counted[len(a.Counted)-1].ID
}

// others are who approved besides the author of the review.
func (a assessment) others() []forge.User {
	var others []forge.User
	for _, r := range a.Counted {
		if r.Author.Subject != a.review.Author.Subject {
			others = append(others, r.Author)
		}
	}
	return others
}

func (a assessment) refusal(f policy.ApprovalFacts) error {
	return &RefusedError{
		Decision: a.Decision, PullRequest: f.PullRequest, HeadRewritten: len(f.HeadChanges) > 0, Waiting: a.Waiting,
		Replay: a.replay,
	}
}

func (a assessment) record(l look, now time.Time) Record {
	r := Record{
		Task: l.t.ID, Revision: l.p.Revision, Digest: l.p.Digest,
		Environment: l.t.Environment, Repository: l.t.Repository, PullRequest: l.t.PullRequest,
		ReviewID: a.review.ID, ReviewURL: a.review.URL, Approver: a.review.Author, Requester: l.t.Requester,
		Message: a.message, Armed: a.armed, NotArmed: a.not, Target: a.said.Target, NewTarget: a.said.NewTarget, NoPush: a.said.NoPush,
		Decision: a.Decision, Replay: a.replay, Examined: l.examined, At: now.UTC().Truncate(time.Second),
	}
	for _, review := range a.Counted {
		r.Reviews = append(r.Reviews, Reviewed{ID: review.ID, URL: review.URL, Author: review.Author})
	}
	r.ID = recordID(l.p, r)
	return r
}

// reread reads every review of a recorded approval again.
func (g *Gate) reread(ctx context.Context, l look, r Record) (policy.QuorumFacts, error) {
	f := policy.QuorumFacts{ApprovalFacts: l.facts, Change: l.change()}
	own, err := g.sameReview(ctx, l, Reviewed{ID: r.ReviewID, Author: r.Approver})
	if err != nil {
		return f, err
	}
	f.Review, f.Access, f.Deploys = own.Review, own.Access, environments(r.Armed)
	if f.Target, err = g.target(ctx, l, r.Target, r.NewTarget); err != nil {
		return f, err
	}
	for _, other := range r.others() {
		a, err := g.sameReview(ctx, l, other)
		if err != nil {
			return f, err
		}
		f.With = append(f.With, a)
	}
	return f, nil
}

func (g *Gate) sameReview(ctx context.Context, l look, pinned Reviewed) (policy.Approval, error) {
	var a policy.Approval
	err := atonce.Do(func() (err error) {
		if a.Review, err = g.Forge.Review(ctx, l.t.Repository, l.t.PullRequest, pinned.ID); err != nil {
			return fmt.Errorf("read review %s: %w", pinned.ID, err)
		}
		return nil
	}, func() (err error) {
		a.Access, err = g.access(ctx, l, pinned.Author)
		return err
	})
	if err != nil {
		return a, err
	}
	if a.Review.Author.Subject != pinned.Author.Subject {
		return a, refuse(policy.No("the review now belongs to another account"))
	}
	return a, nil
}
