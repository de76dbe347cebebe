// Package approval is the human gate. [Gate] alone turns a reviewer's decision
// into an [approval.Record] and a Record into a [Grant]; everything that
// commits, pushes or deploys takes a Grant.
//
// Invariants, each with a test:
//
//   - A Record is made only after the forge was read in the same call.
//   - A Grant is made only after the forge was read in the same call, and only
//     from a Record whose proposal still has the digest that was approved.
//   - An error while reading or deciding is a refusal.
//   - Texts decide nothing: a review's state approves, its text sets parameters.
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

// Forge is what the gate reads at the forge, each time anew.
type Forge interface {
	PullRequest(ctx context.Context, ref forge.RepositoryRef, number int) (forge.PullRequest, error)
	Review(ctx context.Context, ref forge.RepositoryRef, number int, id string) (forge.Review, error)
	Reviews(ctx context.Context, ref forge.RepositoryRef, number int) ([]forge.Review, error)
	HeadChanges(ctx context.Context, ref forge.RepositoryRef, number int) ([]forge.HeadChange, error)
	AccessOf(ctx context.Context, ref forge.RepositoryRef, user forge.User) (forge.Access, error)
	// BranchHead is where a branch points to, or forge.ErrNotFound.
	BranchHead(ctx context.Context, ref forge.RepositoryRef, branch string) (string, error)
	// Self is CoderFlow's own account: its landing push is not a stranger's.
	Self(ctx context.Context, host string) (forge.User, error)
}

// Ledger is what the gate reads in the store.
type Ledger interface {
	Task(ctx context.Context, id task.ID) (task.Task, error)
	Proposal(ctx context.Context, id task.ID) (task.Proposal, error)
	Approval(ctx context.Context, id string) (Record, error)
	// Examinations are all of a task's, oldest first.
	Examinations(ctx context.Context, id task.ID) ([]task.Examination, error)
}

// Policies gives the policy in force now.
type Policies interface {
	Policy(ctx context.Context) (*policy.Policy, error)
}

// Directives is what the text of an approving review sets.
type Directives struct {
	Message  string // empty: the proposed one
	Deploy   []Arming
	NoDeploy bool
	// Target is the branch to land on instead of the proposal's; NewTarget tells
	// that it is to be made.
	Target    string
	NewTarget bool
	// NoPush asks for the commit alone, kept in CoderFlow.
	NoPush bool
	// Problems are lines that look like directives and cannot be followed. An
	// approval with problems is not recorded: what its author meant is unclear.
	Problems []string
}

// Reader parses the text of a review. It is a function of the text alone.
type Reader func(body string) Directives

// Armory checks an arming against the admin's profiles and completes it
// (defaults, default environment). It fails with a text for people.
type Armory interface {
	Check(ctx context.Context, environment string, a Arming) (Arming, error)
	// Standing is what the environment arms with every approval, completed, each
	// with its trigger; Why is set where that is not possible.
	Standing(ctx context.Context, environment string) ([]Arming, error)
}

// Gate is the one producer of approvals and grants.
type Gate struct {
	Forge    Forge
	Ledger   Ledger
	Policies Policies
	// History tells what else is on a branch; nil: only a branch whose tip is the commit has it.
	History History
	// Freezes stop everything that a grant permits; nil: nothing is ever frozen.
	Freezes Freezes
	Read    Reader
	Armory  Armory
	// Restored is when the server was restored from a backup; zero: it never was. No
	// review from before then approves, and nothing goes on that one armed.
	Restored time.Time
	Now      func() time.Time
}

// RefusedError is a refusal of the gate with its whole reason.
type RefusedError struct {
	Decision policy.Decision
	// PullRequest is what the forge showed, so that the caller can tell a closed
	// pull request from a moved head. Zero if it could not be read.
	PullRequest forge.PullRequest
	// Target is the other branch that the approval names, as the forge showed it.
	Target policy.Target
	// HeadRewritten tells that somebody force-pushed the proposal branch.
	HeadRewritten bool
	// Waiting tells that the review counts, but is not enough without others.
	Waiting bool
	// Replay is what was decided by; nil if the policy was not asked.
	Replay *policy.Replay
}

// Error implements error.
func (e *RefusedError) Error() string { return "the gate refuses: " + e.Decision.Reason.Text }

// Record judges one review of the task's proposal, together with those that were
// counted before, and returns the approval to store, or a *RefusedError. It stores
// nothing itself: the caller writes the record, the change of state and the audit
// entry in one transaction.
func (g *Gate) Record(ctx context.Context, id task.ID, reviewID string) (Record, error) {
	t, p, err := g.proposal(ctx, id)
	if err != nil {
		return Record{}, err
	}
	if t.State != task.Proposed {
		return Record{}, refuse(policy.No(fmt.Sprintf("the task is %s, not waiting for an approval", t.State)))
	}
	if t.ReplacedBy != "" {
		return Record{}, refuse(replaced(t))
	}
	if t.UsedUp(reviewID) {
		return Record{}, refuse(policy.No("the approval was carried out already: its commit was made and kept; it takes a new review"))
	}
	l, err := g.look(ctx, t, p, policy.ToRecord)
	if err != nil {
		return Record{}, err
	}
	found, err := g.assess(ctx, l, reviewID, t.Counted())
	if err != nil {
		return Record{}, err
	}
	// Where another one that counts is newer in the forge's order, its words count.
	if last := found.newest(); found.Allowed && last != reviewID {
		if found, err = g.assess(ctx, l, last, append(t.Counted(), reviewID)); err != nil {
			return Record{}, err
		}
	}
	if !found.Allowed {
		return Record{}, found.refusal(l.facts)
	}
	return found.record(l, g.Now()), nil
}

// Redeem re-reads everything behind a recorded approval and mints a grant for
// landing, or fails with a *RefusedError, or with a *freeze.Error: then the approval
// stands, and is worth what it was after the thaw. Deployments have [Gate.RedeemDeployment].
func (g *Gate) Redeem(ctx context.Context, approvalID string, purpose policy.Purpose) (Grant, error) {
	if purpose != policy.ToLand {
		return Grant{}, fmt.Errorf("an approval cannot be redeemed for %q: %w", purpose, ErrNoGrant)
	}
	record, err := g.Ledger.Approval(ctx, approvalID)
	if err != nil {
		return Grant{}, fmt.Errorf("read approval %s: %w", approvalID, err)
	}
	t, p, err := g.proposal(ctx, record.Task)
	if err != nil {
		return Grant{}, err
	}
	if err := g.unfrozen(ctx, record.Environment); err != nil {
		return Grant{}, err
	}
	if err := consistent(record, t, p, mayLand); err != nil {
		return Grant{}, err
	}
	l, err := g.look(ctx, t, p, purpose)
	if err != nil {
		return Grant{}, err
	}
	facts, err := g.reread(ctx, l, record)
	if err != nil {
		return Grant{}, err
	}
	if q := l.rules.DecideQuorum(facts); !q.Allowed {
		return Grant{}, refusal(q.Decision, facts.ApprovalFacts)
	}
	if err := g.unfrozen(ctx, record.Environment); err != nil { // last, because the reading took its time
		return Grant{}, err
	}
	return Grant{record: record, base: p.BaseCommit, tree: p.Tree, carrier: p.Carrier, minted: true}, nil
}

// grantDeployment mints what [Gate.RedeemDeployment] found permitted.
func (g *Gate) grantDeployment(record Record, p task.Proposal, d Deployment, decision policy.Decision) Grant {
	d.Parameters = maps.Clone(d.Parameters)
	return Grant{
		record: record, base: p.BaseCommit, tree: p.Tree, carrier: p.Carrier, run: &d, decision: decision, minted: true,
	}
}

// proposal reads the task and its newest proposal and proves that the
// proposal's content is what its digest says.
func (g *Gate) proposal(ctx context.Context, id task.ID) (task.Task, task.Proposal, error) {
	t, err := g.Ledger.Task(ctx, id)
	if err != nil {
		return task.Task{}, task.Proposal{}, fmt.Errorf("read task %s: %w", id, err)
	}
	p, err := g.Ledger.Proposal(ctx, id)
	if errors.Is(err, task.ErrNotFound) {
		return t, p, refuse(policy.No("the task has no proposal yet"))
	}
	if err != nil {
		return t, p, fmt.Errorf("read the proposal of task %s: %w", id, err)
	}
	if err := p.Verify(); err != nil {
		return t, p, refuse(policy.No("the stored proposal was changed: its content does not match its digest"))
	}
	return t, p, nil
}

// mayLand reports whether a task in the state may be landed: for the first time, or
// again because it was not learnt that it was.
func mayLand(s task.State) bool { return s == task.Approved || s.CarriedOut() }

func replaced(t task.Task) policy.Reason {
	return policy.No(fmt.Sprintf("task %s took the place of this one: another variant was approved, or a newer request replaced it", t.ReplacedBy))
}

// consistent proves that an approval is for exactly this proposal of this task.
func consistent(r Record, t task.Task, p task.Proposal, while func(task.State) bool) error {
	switch {
	case t.ApprovalID != r.ID:
		return refuse(policy.No("the task no longer stands under this approval"))
	case r.Revision != p.Revision || r.Digest != p.Digest:
		return refuse(policy.No("the approval is of another revision of the proposal"))
	case r.Repository.Key() != t.Repository.Key() || r.PullRequest != t.PullRequest || r.Environment != t.Environment:
		return refuse(policy.No("the approval is of another pull request"))
	case t.ReplacedBy != "" && t.State == task.Approved: // what is being landed already is not stopped
		return refuse(replaced(t))
	case !while(t.State):
		return refuse(policy.No(fmt.Sprintf("the task is %s", t.State)))
	}
	return nil
}

// Rewrites are the force-pushes of the proposal branch by anybody but CoderFlow.
// Where a git provider's credential lands, the forge names that account; a push
// to exactly the commit that the approval made is the landing, whoever's it is.
func (g *Gate) Rewrites(ctx context.Context, t task.Task) ([]forge.HeadChange, error) {
	self, err := g.Forge.Self(ctx, t.Repository.Host)
	if err != nil {
		return nil, fmt.Errorf("read who CoderFlow is at the forge: %w", err)
	}
	changes, err := g.Forge.HeadChanges(ctx, t.Repository, t.PullRequest)
	if err != nil {
		return nil, fmt.Errorf("read the force-pushes of pull request %d: %w", t.PullRequest, err)
	}
	return slices.DeleteFunc(changes, func(c forge.HeadChange) bool {
		return c.Actor.Subject == self.Subject || t.LandedCommit != "" && c.Commit == t.LandedCommit
	}), nil
}

func (g *Gate) arm(ctx context.Context, environment string, d Directives) (armed []Arming, problems []string) {
	problems = append(problems, d.Problems...)
	for _, contradiction := range d.Contradictions() {
		if !slices.Contains(problems, contradiction) {
			problems = append(problems, contradiction)
		}
	}
	for _, a := range d.Deploy {
		checked, err := g.Armory.Check(ctx, environment, a)
		if err != nil {
			problems = append(problems, err.Error())
			continue
		}
		if slices.ContainsFunc(armed, func(o Arming) bool { return o.Environment == checked.Environment && o.Profile == checked.Profile }) {
			problems = append(problems, fmt.Sprintf("the review says /coderflow deploy %s/%s twice", checked.Environment, checked.Profile))
			continue
		}
		armed = append(armed, checked)
	}
	return armed, problems
}

// environments are those into which the review itself deploys: its author needs the
// permission there. What the environment arms by itself stands against no approval.
func environments(armed []Arming) []string {
	var names []string
	for _, a := range armed {
		if a.By() == ByReview {
			names = append(names, a.Environment)
		}
	}
	return names
}

func also(d policy.Decision, r policy.Reason) policy.Decision {
	d.Reason.Because = append(d.Reason.Because, r)
	d.Reason.OK = d.Reason.OK && r.OK
	d.Allowed = d.Allowed && r.OK
	return d
}

func refuse(r policy.Reason) error {
	return &RefusedError{Decision: policy.Decision{Reason: r}}
}

func refusal(d policy.Decision, f policy.ApprovalFacts) error {
	return &RefusedError{Decision: d, PullRequest: f.PullRequest, Target: f.Target, HeadRewritten: len(f.HeadChanges) > 0}
}
