package approval

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/task"
)

// Deployment is exactly one run of a profile. A grant is bound to it: whoever makes
// or starts a container takes what it does from there.
type Deployment struct {
	Run         string // its id
	Environment string
	Profile     string
	Version     string // the profile's content
	Parameters  map[string]string
	Repository  forge.RepositoryRef
	Commit      string
	AsMerge     bool // the commit is the merge of the landed one
	// ArmedAs is the number of the arming that it follows; less than 0: RequestedBy
	// asked for it beside the approval.
	ArmedAs     int
	RequestedBy forge.User
}

// Requested reports whether somebody asked for it beside the approval.
func (d Deployment) Requested() bool { return d.ArmedAs < 0 }

// RedeemDeployment re-reads everything behind a recorded approval and mints the
// grant for one run, or fails with a *RefusedError, or with a *freeze.Error while the
// approval's environment or the run's is frozen. The approval is judged in its
// own environment and, where the run is in another one, by that one's gate too.
// Such a grant lands nothing.
func (g *Gate) RedeemDeployment(ctx context.Context, approvalID string, d Deployment) (Grant, error) {
	record, p, decision, err := g.mayDeploy(ctx, approvalID, d)
	if err != nil {
		return Grant{}, err
	}
	if err := g.unfrozen(ctx, record.Environment, d.Environment); err != nil { // last, because the reading took its time
		return Grant{}, err
	}
	return g.grantDeployment(record, p, d, decision), nil
}

func (g *Gate) mayDeploy(ctx context.Context, approvalID string, d Deployment) (Record, task.Proposal, policy.Decision, error) {
	nothing := func(err error) (Record, task.Proposal, policy.Decision, error) {
		return Record{}, task.Proposal{}, policy.Decision{}, err
	}
	record, err := g.Ledger.Approval(ctx, approvalID)
	if err != nil {
		return nothing(fmt.Errorf("read approval %s: %w", approvalID, err))
	}
	t, p, err := g.proposal(ctx, record.Task)
	if err != nil {
		return nothing(err)
	}
	if err := g.unfrozen(ctx, record.Environment, d.Environment); err != nil {
		return nothing(err)
	}
	if err := errors.Join(consistent(record, t, p, task.State.HasLanded), armedFor(record, d)); err != nil {
		return nothing(err)
	}
	l, err := g.look(ctx, t, p, policy.ToDeploy)
	if err != nil {
		return nothing(err)
	}
	if d.Requested() { // by somebody who knows that it may have run before the restore
		l.facts.Restored = time.Time{}
	}
	facts, err := g.reread(ctx, l, record)
	if err != nil {
		return nothing(err)
	}
	decision := l.rules.DecideDeployment(policy.DeploymentFacts{
		QuorumFacts: facts, Into: d.Environment, Commit: d.Commit, AsMerge: d.AsMerge,
		AfterMerge: !d.Requested() && record.Armed[d.ArmedAs].By() == OnMerge,
		Requested:  d.Requested(), RequestedBy: d.RequestedBy,
	})
	if !decision.Allowed {
		return nothing(refusal(decision, facts.ApprovalFacts))
	}
	return record, p, decision, nil
}

// armedFor proves that a run is of the approval's repository and, unless somebody
// asked for it, exactly what the approval armed.
func armedFor(r Record, d Deployment) error {
	switch {
	case d.Run == "" || d.Environment == "" || d.Profile == "" || d.Version == "":
		return refuse(policy.No("the deployment is not described completely"))
	case d.Repository.Key() != r.Repository.Key():
		return refuse(policy.No("the deployment is of another repository"))
	case r.NoPush:
		return refuse(policy.No("the approval asked that nothing is pushed, and only what was pushed is deployed"))
	case d.Requested():
		return nil
	case d.ArmedAs >= len(r.Armed):
		return refuse(policy.No("the approval armed no such deployment"))
	}
	a := r.Armed[d.ArmedAs]
	if a.Environment != d.Environment || a.Profile != d.Profile || a.Version != d.Version ||
		!maps.Equal(a.Parameters, d.Parameters) || d.AsMerge && a.By() != OnMerge {
		return refuse(policy.No("the approval armed another deployment than this one"))
	}
	return nil
}

// standing adds what the environment deploys after every approval to what the
// review's own words armed, and tells what it does not arm, and why. It never
// stands against the approval: whoever may approve need not be allowed to deploy.
func (g *Gate) standing(ctx context.Context, l look, by forge.User, d Directives, armed []Arming) (all, not []Arming, err error) {
	if d.NoDeploy || g.Armory == nil {
		return armed, nil, nil
	}
	list, err := g.Armory.Standing(ctx, l.t.Environment)
	if err != nil {
		return nil, nil, fmt.Errorf("read what environment %s deploys by itself: %w", l.t.Environment, err)
	}
	all = armed
	for _, a := range list {
		if a.Trigger == OnApproval && slices.ContainsFunc(armed, func(own Arming) bool {
			return own.Environment == a.Environment && own.Profile == a.Profile
		}) {
			continue // the review's own words about the same profile take its place
		}
		if a.Why = g.whyNot(l, by, d, a); a.Why != "" {
			not = append(not, a)
		} else {
			all = append(all, a)
		}
	}
	return all, not, nil
}

func (g *Gate) whyNot(l look, by forge.User, d Directives, a Arming) string {
	may := l.rules.Holds(by, policy.DeploymentsExecute, a.Environment)
	switch {
	case a.Why != "":
		return a.Why
	case d.NoPush:
		return "the review says no-push, and only what was pushed is deployed"
	case d.Target != "" && a.Trigger == OnMerge:
		return "the review lands on another branch, so that the pull request is never merged"
	case !may.OK:
		return may.Text
	}
	return ""
}
