package approval_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/task"
)

// redeem asks for what lands, or for a deployment of it that its approver requests.
func (w *world) redeem(t *testing.T, r approval.Record, purpose policy.Purpose) (approval.Grant, error) {
	t.Helper()
	if purpose != policy.ToDeploy {
		return w.gate().Redeem(t.Context(), r.ID, purpose)
	}
	return w.gate().RedeemDeployment(t.Context(), r.ID, w.requested(r))
}

// requested is a deployment of the landed commit for which the approver asks.
func (w *world) requested(r approval.Record) approval.Deployment {
	return approval.Deployment{
		Run: "run", Environment: r.Environment, Profile: "publish", Version: "v1", Repository: r.Repository,
		Commit: w.task.LandedCommit, ArmedAs: -1, RequestedBy: r.Approver,
	}
}

func (w *world) Standing(context.Context, string) ([]approval.Arming, error) {
	return w.standing, w.broken["Standing"]
}

var (
	landed = strings.Repeat("e", 40)
	merge  = strings.Repeat("f", 40)
	robot  = forge.User{Subject: forge.Subject{Host: "service", ID: "pipeline"}, Login: "pipeline", Kind: forge.Bot}
)

// deployable is a task whose commit landed, with a service that may deploy into
// staging and production; only staging's approver approved.
func deployable(t *testing.T) (*world, approval.Record) {
	t.Helper()
	w := newWorld()
	production := policy.Environment{Name: "production", Repositories: []string{repo.Key()}}
	w.policy.Environments["production"] = production
	w.policy.Roles = map[string]policy.Role{
		"deployer": {Name: "deployer", Permissions: []policy.Permission{policy.DeploymentsView, policy.DeploymentsExecute}},
	}
	for _, environment := range []string{"staging", "production"} {
		w.policy.Bindings = append(w.policy.Bindings, policy.Binding{
			Name: "deploys-" + environment, Subject: robot.Subject, Role: "deployer", Resource: policy.EnvironmentResource(environment),
		})
	}
	r := recorded(t, w)
	w.lands()
	return w, r
}

func (w *world) lands() {
	w.task.LandedCommit, w.task.State = landed, task.Done
	w.pr.Head.Commit = landed
}

func (w *world) merges() {
	w.pr.Open, w.pr.Merged, w.pr.MergedAs = false, true, merge
}

// asked is a deployment for which the service asks.
func asked(r approval.Record, environment, commit string, asMerge bool) approval.Deployment {
	return approval.Deployment{
		Run: "run", Environment: environment, Profile: "publish", Version: "p1", Parameters: map[string]string{"channel": "stable"},
		Repository: r.Repository, Commit: commit, AsMerge: asMerge, ArmedAs: -1, RequestedBy: robot,
	}
}

func TestARequestIsGrantedForExactlyOneRun(t *testing.T) {
	t.Parallel()
	w, r := deployable(t)
	d := asked(r, "staging", landed, false)
	g, err := w.gate().RedeemDeployment(t.Context(), r.ID, d)
	if err != nil {
		t.Fatal(err)
	}
	d.Parameters["channel"] = "changed later"
	got, is := g.Deployment()
	if !is || got.Parameters["channel"] != "stable" || got.Run != "run" || got.Commit != landed || got.RequestedBy != robot || !g.Decision().Allowed {
		t.Errorf("granted %+v, %t: %v", got, is, g.Decision())
	}
	got.Parameters["channel"] = "changed"
	if again, _ := g.Deployment(); again.Parameters["channel"] != "stable" {
		t.Error("whoever reads a grant can change it")
	}
	if _, err := g.Credential(t.Context(), w); !errors.Is(err, approval.ErrNoGrant) || g.Push() {
		t.Errorf("a grant for a deployment gives a credential to push: %v", err)
	}
	if _, err := w.gate().Redeem(t.Context(), r.ID, policy.ToDeploy); err == nil {
		t.Error("there is a grant for deployments in general")
	}
	if _, is := (approval.Grant{}).Deployment(); is {
		t.Error("the zero grant permits a deployment")
	}
}

func TestTheMergeOfWhatLandedIsCoveredAsTheForgeReportsItNow(t *testing.T) {
	t.Parallel()
	w, r := deployable(t)
	if _, err := w.gate().RedeemDeployment(t.Context(), r.ID, asked(r, "staging", merge, true)); err == nil {
		t.Error("the merge was granted before it happened")
	}
	w.merges()
	for _, d := range []approval.Deployment{asked(r, "staging", merge, true), asked(r, "staging", landed, false)} {
		if _, err := w.gate().RedeemDeployment(t.Context(), r.ID, d); err != nil {
			t.Errorf("%.7s: %v", d.Commit, err)
		}
	}
	for name, change := range map[string]func(*world){
		"reported as another one": func(w *world) { w.pr.MergedAs = strings.Repeat("1", 40) },
		"with another head":       func(w *world) { w.pr.Head.Commit = strings.Repeat("1", 40) },
		"into another branch":     func(w *world) { w.pr.Base.Branch = "other" },
		"not reported any more":   func(w *world) { w.pr.Merged, w.pr.Open = false, true },
	} {
		w, r := deployable(t)
		w.merges()
		change(w)
		if g, err := w.gate().RedeemDeployment(t.Context(), r.ID, asked(r, "staging", merge, true)); err == nil || g.Check() == nil {
			t.Errorf("%s: granted", name)
		}
	}
}

// What may have happened between the landing and the wish to deploy, and between the
// wish and the start: rows 43, 44, 46, 47 and 48 for requests.
func TestThreat43To48NothingIsDeployedUnderAnApprovalThatFell(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*world, *approval.Record){
		"43 the branch was rewritten and restored": func(w *world, _ *approval.Record) { w.changes = []forge.HeadChange{{Actor: ada}} },
		"43 the head moved":                        func(w *world, _ *approval.Record) { w.pr.Head.Commit = strings.Repeat("9", 40) },
		"44 the review was dismissed":              func(w *world, _ *approval.Record) { w.reviews[0].State = forge.ReviewDismissed },
		"44 the reviewer asks for changes": func(w *world, _ *approval.Record) {
			w.reviews = append(w.reviews, forge.Review{ID: "11", Author: grace, State: forge.ReviewChangesRequested, Commit: carrier})
		},
		"44 an objection was dismissed later": func(w *world, _ *approval.Record) {
			w.reviews = append(w.reviews, forge.Review{ID: "11", Author: grace, State: forge.ReviewDismissed, Commit: carrier})
		},
		"46 the pull request was retargeted":     func(w *world, _ *approval.Record) { w.pr.Base.Branch = "release" },
		"46 the pull request was closed":         func(w *world, _ *approval.Record) { w.pr.Open = false },
		"47 the review belongs to somebody else": func(w *world, _ *approval.Record) { w.reviews[0].Author.Subject.ID = "31337" },
		"48 the approver lost the role":          func(w *world, _ *approval.Record) { w.policy.Bindings = w.policy.Bindings[1:] },
		"48 the approver lost access":            func(w *world, _ *approval.Record) { w.access = forge.AccessRead },
		"48 the requester lost the role":         func(w *world, _ *approval.Record) { w.policy.Bindings = w.policy.Bindings[:1] },
		"the environment no longer lists it": func(w *world, _ *approval.Record) {
			w.policy.Environments["staging"] = policy.Environment{Name: "staging"}
		},
		"the environment is gone":                func(w *world, _ *approval.Record) { delete(w.policy.Environments, "staging") },
		"the gate asks for more":                 func(w *world, _ *approval.Record) { w.gateOf(func(g *policy.Gate) { g.Approvals = 2 }) },
		"the proposal was changed in the store":  func(w *world, _ *approval.Record) { w.proposal.Tree = strings.Repeat("d", 40) },
		"the task stands under another approval": func(w *world, _ *approval.Record) { w.task.ApprovalID = "other" },
		"the task has not landed":                func(w *world, _ *approval.Record) { w.task.State = task.Landing },
		"the approval made another commit":       func(w *world, _ *approval.Record) { w.task.LandedCommit = strings.Repeat("1", 40) },
		"the approval made none":                 func(w *world, _ *approval.Record) { w.task.LandedCommit = "" },
		"the approval asked to push nothing":     func(w *world, r *approval.Record) { r.NoPush = true; w.records[r.ID] = *r },
		"the approval is of another repository":  func(w *world, r *approval.Record) { r.Repository.ID = "2"; w.records[r.ID] = *r },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, r := deployable(t)
			d := asked(r, "staging", landed, false)
			if _, err := w.gate().RedeemDeployment(t.Context(), r.ID, d); err != nil {
				t.Fatalf("before the change: %v", err)
			}
			change(w, &r)
			if g, err := w.gate().RedeemDeployment(t.Context(), r.ID, d); err == nil || g.Check() == nil {
				t.Error("granted")
			}
		})
	}
	for _, call := range []string{"Task", "Proposal", "Approval", "Examinations", "Policy", "PullRequest", "Review", "Reviews", "HeadChanges", "AccessOf", "Self"} {
		w, r := deployable(t)
		w.broken[call] = errors.New("out of order")
		if g, err := w.gate().RedeemDeployment(t.Context(), r.ID, asked(r, "staging", landed, false)); err == nil || g.Check() == nil {
			t.Errorf("granted without %s", call)
		}
	}
}

// Threat 49: what is described otherwise than it was armed or asked for is not granted.
func TestThreat49AGrantIsForWhatWasArmed(t *testing.T) {
	t.Parallel()
	arm := func(t *testing.T) (*world, approval.Record, approval.Deployment) {
		w := newWorld()
		w.text.Deploy = []approval.Arming{{Profile: "notify", Parameters: map[string]string{"channel": "beta"}}}
		r := recorded(t, w)
		w.lands()
		return w, r, approval.Deployment{
			Run: "run", Environment: "staging", Profile: "notify", Version: r.Armed[0].Version, Parameters: r.Armed[0].Parameters,
			Repository: repo, Commit: landed,
		}
	}
	w, r, d := arm(t)
	if _, err := w.gate().RedeemDeployment(t.Context(), r.ID, d); err != nil {
		t.Fatalf("as it was armed: %v", err)
	}
	for name, change := range map[string]func(*approval.Deployment){
		"another environment": func(d *approval.Deployment) { d.Environment = "production" },
		"another profile":     func(d *approval.Deployment) { d.Profile = "other" },
		"another version":     func(d *approval.Deployment) { d.Version = "p2" },
		"other parameters":    func(d *approval.Deployment) { d.Parameters = map[string]string{"channel": "stable"} },
		"another commit":      func(d *approval.Deployment) { d.Commit = strings.Repeat("1", 40) },
		"the merge":           func(d *approval.Deployment) { d.AsMerge = true },
		"another repository":  func(d *approval.Deployment) { d.Repository.ID = "2" },
		"another arming":      func(d *approval.Deployment) { d.ArmedAs = 1 },
		"no run":              func(d *approval.Deployment) { d.Run = "" },
		"by a request of nobody": func(d *approval.Deployment) {
			d.ArmedAs = -1
		},
	} {
		w, r, d := arm(t)
		change(&d)
		if g, err := w.gate().RedeemDeployment(t.Context(), r.ID, d); err == nil || g.Check() == nil {
			t.Errorf("%s: granted", name)
		}
	}
}

// An approval that is enough for staging is none for production: the reviews are
// judged again by the gate of the environment that is deployed into.
func TestADeploymentPassesTheGateOfItsOwnEnvironment(t *testing.T) {
	t.Parallel()
	approves := func(w *world, u forge.User) {
		w.policy.Bindings = append(w.policy.Bindings, policy.Binding{
			Name: "approves-" + u.Login, Subject: u.Subject, Role: "environment-admin", Resource: "environment/production",
		})
	}
	gate := func(change func(*policy.Gate)) func(*world) {
		return func(w *world) {
			approves(w, grace)
			e := w.policy.Environments["production"]
			change(&e.Gate)
			w.policy.Environments["production"] = e
		}
	}
	for name, row := range map[string]struct {
		change func(*world)
		want   bool
	}{
		"its reviewer may not approve there": {func(*world) {}, false},
		"its reviewer may":                   {func(w *world) { approves(w, grace) }, true},
		"two are needed there":               {gate(func(g *policy.Gate) { g.Approvals = 2 }), false},
		"one of a team is needed there":      {gate(func(g *policy.Gate) { g.From = []policy.Ask{{Team: "release"}} }), false},
		"one of a role that the reviewer has": {gate(func(g *policy.Gate) {
			g.From = []policy.Ask{{Role: "environment-admin"}}
		}), true},
		"a rule there asks for more": {gate(func(g *policy.Gate) {
			g.Rules = []policy.GateRule{{Name: "all", Approvals: 2}}
		}), false},
		"somebody who may approve there objects": {func(w *world) {
			approves(w, grace)
			approves(w, linus)
			w.reviews = append(w.reviews, forge.Review{ID: "11", Author: linus, State: forge.ReviewChangesRequested, Commit: carrier})
		}, false},
		"it does not list the repository": {func(w *world) {
			approves(w, grace)
			w.policy.Environments["production"] = policy.Environment{Name: "production"}
		}, false},
		"the requester of the task approved, and may there only as one": {func(w *world) {
			approves(w, grace)
			w.task.Requester = grace
		}, false},
	} {
		w, r := deployable(t)
		row.change(w)
		_, err := w.gate().RedeemDeployment(t.Context(), r.ID, asked(r, "production", landed, false))
		if (err == nil) != row.want {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := w.gate().RedeemDeployment(t.Context(), r.ID, asked(r, "staging", landed, false)); err != nil && row.want {
			t.Errorf("%s: and staging: %v", name, err)
		}
	}
}

// A review that arms a deployment into an environment whose gate it does not satisfy
// waits for those who would; their words count then.
func TestArmingIntoAStricterEnvironmentWaitsForItsApprovers(t *testing.T) {
	t.Parallel()
	w := newQuorumWorld()
	w.gateOf(func(g *policy.Gate) { g.Approvals = 1 })
	w.policy.Environments["production"] = policy.Environment{Name: "production", Repositories: []string{repo.Key()}, Gate: policy.Gate{Approvals: 2}}
	for _, u := range []forge.User{grace, linus} {
		w.policy.Bindings = append(w.policy.Bindings, policy.Binding{
			Name: "p-" + u.Login, Subject: u.Subject, Role: "environment-admin", Resource: "environment/production",
		})
	}
	w.text.Deploy = []approval.Arming{{Environment: "production", Profile: "notify"}}
	var refused *approval.RefusedError
	if _, err := w.gate().Record(t.Context(), w.task.ID, "10"); !errors.As(err, &refused) || !refused.Waiting ||
		!strings.Contains(refused.Decision.Reason.String(), `environment "production", into which it deploys, asks for 2 approvals`) {
		t.Fatalf("one approval for production: %v", err)
	}
	w.task.Judged = append(w.task.Judged, task.Judgement{Review: "10", Counted: true})
	r, err := w.gate().Record(t.Context(), w.task.ID, "20")
	if err != nil || len(r.Armed) != 1 || len(r.Reviews) != 2 {
		t.Errorf("two approvals: %v, armed %+v by %d", err, r.Armed, len(r.Reviews))
	}
}

func TestWhatTheEnvironmentDeploysIsArmedByWhoMayDeploy(t *testing.T) {
	t.Parallel()
	onApproval := approval.Arming{Environment: "staging", Profile: "notify", Version: "p1", Trigger: approval.OnApproval}
	onMerge := approval.Arming{Environment: "staging", Profile: "announce", Version: "p2", Trigger: approval.OnMerge}
	own := approval.Arming{Environment: "staging", Profile: "notify", Parameters: map[string]string{"channel": "beta"}}
	for name, row := range map[string]struct {
		change     func(*world)
		armed, not int
		why        string
	}{
		"the approver may":                          {func(*world) {}, 2, 0, ""},
		"the approver may not":                      {func(w *world) { w.mayOnly(policy.TasksApprove) }, 0, 2, "deployments:execute"},
		"the review says no-deploy":                 {func(w *world) { w.text.NoDeploy = true }, 0, 0, ""},
		"the review says the same in its own words": {func(w *world) { w.text.Deploy = []approval.Arming{own} }, 2, 0, ""},
		"nothing is pushed":                         {func(w *world) { w.text.NoPush = true }, 0, 2, "no-push"},
		"the profile takes other parameters now": {func(w *world) {
			w.standing[0].Why = "parameter channel is required"
		}, 1, 1, "parameter channel is required"},
	} {
		w := newWorld()
		w.standing = []approval.Arming{onApproval, onMerge}
		row.change(w)
		r, err := w.gate().Record(t.Context(), w.task.ID, "10")
		if err != nil || len(r.Armed) != row.armed || len(r.NotArmed) != row.not {
			t.Errorf("%s: %v: armed %+v, not armed %+v", name, err, r.Armed, r.NotArmed)
			continue
		}
		for _, not := range r.NotArmed {
			if !strings.Contains(not.Why, row.why) {
				t.Errorf("%s: because %q", name, not.Why)
			}
		}
	}
	w := newWorld()
	w.broken["Standing"] = errors.New("out of order")
	if _, err := w.gate().Record(t.Context(), w.task.ID, "10"); err == nil {
		t.Error("approved without knowing what that arms")
	}
}

// mayOnly leaves the approver one permission.
func (w *world) mayOnly(p policy.Permission) {
	w.policy.Roles = map[string]policy.Role{"one": {Name: "one", Permissions: []policy.Permission{p}}}
	w.policy.Bindings[0].Role = "one"
}

// Losing the permission to deploy withholds what the environment would deploy by
// itself, and does not undo the approval.
func TestThreat48StandingDeploymentsAreWithheldFromWhoMayNoLongerDeploy(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.standing = []approval.Arming{{Environment: "staging", Profile: "publish", Version: "p1", Trigger: approval.OnApproval}}
	r := recorded(t, w)
	w.mayOnly(policy.TasksApprove)
	if _, err := w.gate().Redeem(t.Context(), r.ID, policy.ToLand); err != nil {
		t.Errorf("landing: %v", err)
	}
	w.lands()
	d := approval.Deployment{Run: "run", Environment: "staging", Profile: "publish", Version: "p1", Repository: repo, Commit: landed}
	if _, err := w.gate().RedeemDeployment(t.Context(), r.ID, d); err == nil {
		t.Error("deployed for somebody who may not")
	}
}

func TestWhatIsArmedForTheMergeWaitsForTheForgesWord(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.standing = []approval.Arming{{Environment: "staging", Profile: "publish", Version: "p1", Trigger: approval.OnMerge}}
	r := recorded(t, w)
	w.lands()
	d := approval.Deployment{Run: "run", Environment: "staging", Profile: "publish", Version: "p1", Repository: repo, Commit: landed}
	if _, err := w.gate().RedeemDeployment(t.Context(), r.ID, d); err == nil {
		t.Error("deployed before the merge")
	}
	w.pr.MergedAs = landed // such as a forge's trial merge
	if _, err := w.gate().RedeemDeployment(t.Context(), r.ID, d); err == nil {
		t.Error("deployed by a commit that the forge names without a merge")
	}
	w.merges()
	if _, err := w.gate().RedeemDeployment(t.Context(), r.ID, d); err == nil {
		t.Error("deployed what is not the merge")
	}
	d.Commit, d.AsMerge = merge, true
	if _, err := w.gate().RedeemDeployment(t.Context(), r.ID, d); err != nil {
		t.Errorf("after the merge: %v", err)
	}
	w.pr.MergedAs, d.Commit, d.AsMerge = landed, landed, false // a fast-forward
	if _, err := w.gate().RedeemDeployment(t.Context(), r.ID, d); err != nil {
		t.Errorf("after a fast-forward: %v", err)
	}
}
