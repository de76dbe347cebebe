package policy

import (
	"fmt"
	"slices"

	"github.com/coderflow/coderflow/internal/forge"
)

// DeploymentFacts is everything that one deployment is judged by. The facts of the
// approval are those of now, and its Deploys are empty: who needs the permission
// follows from who asked.
type DeploymentFacts struct {
	QuorumFacts
	// Into is the environment in which the deployment runs.
	Into string
	// Commit is what is deployed, and AsMerge tells that it is to be the merge of
	// the landed commit and not that one itself.
	Commit  string
	AsMerge bool
	// AfterMerge tells that it was armed for the merge: it deploys what the forge
	// reports as that.
	AfterMerge bool
	// Requested tells that RequestedBy asked for it beside the approval. Otherwise
	// the approval armed it, and its author needs the permission.
	Requested   bool
	RequestedBy forge.User
}

// DecideDeployment tells whether the deployment may be made now: the approval
// stands as it was given, the gate of the deployment's own environment would have
// been satisfied with its reviews, the commit is the approval's, and who asked may.
func (p *Policy) DecideDeployment(f DeploymentFacts) Decision {
	f.Purpose, f.Deploys = ToDeploy, nil
	by := f.Review.Author
	if f.Requested {
		by = f.RequestedBy
	}
	reasons := []Reason{
		commitCovered(f),
		p.Holds(by, DeploymentsExecute, f.Into),
		p.DecideQuorum(f.QuorumFacts).Reason,
	}
	if f.Into != f.Environment {
		reasons = append(reasons, p.listsRepository(f.Into, f.Repository), p.passesGate(f.QuorumFacts, f.Into).Reason)
	}
	return p.decision(All("the deployment may be made", reasons...))
}

func (p *Policy) listsRepository(environment string, ref forge.RepositoryRef) Reason {
	if !p.Environments[environment].Has(ref) {
		return No(fmt.Sprintf("environment %q does not list this repository", environment))
	}
	return Yes(fmt.Sprintf("environment %q lists this repository", environment))
}

func commitCovered(f DeploymentFacts) Reason {
	pr := f.PullRequest
	switch {
	case f.Commit == "" || f.LandedHead == "":
		return No("the approval has made no commit yet")
	case f.AfterMerge && !pr.Merged:
		return No("the pull request is not merged, and the deployment is armed for the merge")
	case f.AfterMerge && pr.MergedAs != f.Commit:
		return No(fmt.Sprintf("the forge does not report commit %.12s as the merge, and the deployment is armed for that", f.Commit))
	case !f.AsMerge && f.Commit == f.LandedHead:
		return Yes("the commit is the one that the approval made")
	case f.AsMerge && pr.Merged && pr.MergedAs == f.Commit && pr.Head.Commit == f.LandedHead:
		return Yes(fmt.Sprintf("the forge reports the commit as the merge of pull request %d, whose head is the commit that the approval made", pr.Number))
	}
	return No(fmt.Sprintf("the approval does not cover commit %.12s: it made %.12s, and the forge does not report the other as its merge", f.Commit, f.LandedHead))
}

// passesGate tells whether the reviews of an approval would be enough in another
// environment than the one that they were given in: those count whose authors may
// approve there too. An objection of somebody who may approve there counts as well.
func (p *Policy) passesGate(f QuorumFacts, environment string) Quorum {
	f.Environment = environment
	all := append([]Approval{{Review: f.Review, Access: f.Access}}, f.With...)
	var counted []forge.Review
	var looked []Reason
	for _, a := range all {
		one := f.ApprovalFacts
		one.Review, one.Access = a.Review, a.Access
		r := All(fmt.Sprintf("the approval by %s counts in %s", userText(a.Review.Author), environment), p.reviewerReasons(one)...)
		if r.OK {
			counted = append(counted, a.Review)
		} else {
			r.Text = fmt.Sprintf("the approval by %s does not count in %s", userText(a.Review.Author), environment)
		}
		looked = append(looked, r)
	}
	counted = onePerPerson(counted, f.Others)
	required := p.Environments[environment].Gate.Require(f.Change)
	missing := p.missing(f.ApprovalFacts, required, counted)
	r := Reason{OK: missing == "", Text: fmt.Sprintf("environment %q, into which it deploys, asks for %s", environment, required)}
	for _, text := range required.Because {
		r.Because = append(r.Because, Yes(text))
	}
	r.Because = append(r.Because, looked...)
	if missing != "" {
		r.Because = append(r.Because, No(missing))
	}
	return Quorum{Decision: p.decision(r), Waiting: missing != "", Missing: missing, Counted: counted}
}

// reviewerReasons are what an approval depends on besides the pull request itself.
func (p *Policy) reviewerReasons(f ApprovalFacts) []Reason {
	return []Reason{
		reviewApproves(f),
		reviewedThisHead(f),
		isPerson(f.Review.Author),
		p.notRequester(f),
		forgeLetsWrite(f),
		p.Holds(f.Review.Author, TasksApprove, f.Environment),
		p.noObjection(f),
	}
}

// elsewhere judges an approval by the gates of the other environments that its
// review deploys into.
func (p *Policy) elsewhere(f QuorumFacts) (reasons []Reason, missing string) {
	for i, environment := range f.Deploys {
		if environment == f.Environment || slices.Contains(f.Deploys[:i], environment) {
			continue
		}
		q := p.passesGate(f, environment)
		reasons = append(reasons, q.Reason)
		if q.Missing != "" && missing == "" {
			missing = fmt.Sprintf("for deploying into %s: %s", environment, q.Missing)
		}
	}
	return reasons, missing
}
