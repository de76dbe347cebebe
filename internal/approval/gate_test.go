package approval_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/gob"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/task"
)

const carrier = "1111111111111111111111111111111111111111"

var (
	repo  = forge.RepositoryRef{Host: forge.GitHub, ID: "100", Owner: "acme", Name: "shop"}
	ada   = forge.User{Subject: forge.Subject{Host: forge.GitHub, ID: "1"}, Login: "ada", Kind: forge.Person}
	grace = forge.User{Subject: forge.Subject{Host: forge.GitHub, ID: "2"}, Login: "grace", Kind: forge.Person}
	bot   = forge.Subject{Host: forge.GitHub, ID: "77"}
)

// world is the state behind the gate's ports: one task, one proposal, one
// pull request, one review. Tests change it between calls.
type world struct {
	task     task.Task
	proposal task.Proposal
	records  map[string]approval.Record
	pr       forge.PullRequest
	reviews  []forge.Review
	changes  []forge.HeadChange
	access   forge.Access
	accessOf map[forge.Subject]forge.Access // where it is not access
	policy   policy.Policy
	broken   map[string]error // by port method
	standing []approval.Arming
	text     approval.Directives
	branches map[string]string // at the forge
	contains map[string]bool   // commits that History finds on a branch

	examinations []task.Examination
}

func newWorld() *world {
	w := &world{
		task: task.Task{
			ID: "aaaaaaaaaaaa", State: task.Proposed, Environment: "staging", Repository: repo,
			Requester: ada, PullRequest: 7,
		},
		proposal: task.Proposal{
			Task: "aaaaaaaaaaaa", Revision: 1, Repository: repo, BaseBranch: "main", BaseCommit: strings.Repeat("b", 40),
			Tree: strings.Repeat("c", 40), Diff: []byte("diff"), Message: "Fix the sum", PolicyVersion: "v1", Carrier: carrier,
		},
		records: map[string]approval.Record{},
		pr: forge.PullRequest{
			Number: 7, Open: true, Draft: true,
			Head: forge.Tip{Branch: "coderflow/aaaaaaaaaaaa", Commit: carrier}, Base: forge.Tip{Branch: "main"},
		},
		reviews: []forge.Review{{ID: "10", Author: grace, State: forge.ReviewApproved, Commit: carrier, URL: "https://forge/review/10"}},
		access:  forge.AccessWrite,
		policy: policy.Policy{
			Version:      "v1",
			Environments: map[string]policy.Environment{"staging": {Name: "staging", Repositories: []string{repo.Key()}}},
			Bindings:     []policy.Binding{{Name: "g", Subject: grace.Subject, Role: "environment-admin", Resource: "environment/staging"}},
		},
		broken: map[string]error{},
	}
	w.proposal.Digest = w.proposal.ComputeDigest()
	return w
}

func (w *world) gate() *approval.Gate {
	return &approval.Gate{
		Forge: w, Ledger: w, Policies: w, Armory: w, History: w,
		Read: func(string) approval.Directives { return w.text },
		Now:  func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 600, time.UTC) },
	}
}

func (w *world) Task(context.Context, task.ID) (task.Task, error) { return w.task, w.broken["Task"] }

func (w *world) Proposal(context.Context, task.ID) (task.Proposal, error) {
	return w.proposal, w.broken["Proposal"]
}

func (w *world) Examinations(context.Context, task.ID) ([]task.Examination, error) {
	return w.examinations, w.broken["Examinations"]
}

func (w *world) Approval(_ context.Context, id string) (approval.Record, error) {
	r, ok := w.records[id]
	if !ok {
		return r, task.ErrNotFound
	}
	return r, w.broken["Approval"]
}

func (w *world) Policy(context.Context) (*policy.Policy, error) { return &w.policy, w.broken["Policy"] }

func (w *world) PullRequest(context.Context, forge.RepositoryRef, int) (forge.PullRequest, error) {
	return w.pr, w.broken["PullRequest"]
}

func (w *world) Review(_ context.Context, _ forge.RepositoryRef, _ int, id string) (forge.Review, error) {
	for _, r := range w.reviews {
		if r.ID == id {
			return r, w.broken["Review"]
		}
	}
	return forge.Review{}, forge.ErrNotFound
}

func (w *world) Reviews(context.Context, forge.RepositoryRef, int) ([]forge.Review, error) {
	return w.reviews, w.broken["Reviews"]
}

func (w *world) HeadChanges(context.Context, forge.RepositoryRef, int) ([]forge.HeadChange, error) {
	return w.changes, w.broken["HeadChanges"]
}

func (w *world) BranchHead(_ context.Context, _ forge.RepositoryRef, branch string) (string, error) {
	if err := w.broken["BranchHead"]; err != nil {
		return "", err
	}
	if head, is := w.branches[branch]; is {
		return head, nil
	}
	return "", forge.ErrNotFound
}

func (w *world) Contains(_ context.Context, _ forge.RepositoryRef, _, commit string) (bool, error) {
	return w.contains[commit], w.broken["Contains"]
}

func (w *world) Self(context.Context, string) (forge.User, error) {
	return forge.User{Subject: bot, Kind: forge.Bot}, w.broken["Self"]
}

func (w *world) AccessOf(_ context.Context, _ forge.RepositoryRef, u forge.User) (forge.Access, error) {
	if special, is := w.accessOf[u.Subject]; is {
		return special, w.broken["AccessOf"]
	}
	return w.access, w.broken["AccessOf"]
}

func (w *world) Check(_ context.Context, environment string, a approval.Arming) (approval.Arming, error) {
	if a.Profile != "notify" {
		return a, errors.New("there is no such profile")
	}
	a.Environment, a.Version = cmp.Or(a.Environment, environment), "p1"
	return a, nil
}

func (w *world) PushToken(context.Context, forge.RepositoryRef) (forge.Token, error) {
	return forge.Token{Value: "push", Source: "test"}, nil
}

// recorded takes the world to where the approval is stored and the task approved.
func recorded(t *testing.T, w *world) approval.Record {
	t.Helper()
	r, err := w.gate().Record(t.Context(), w.task.ID, "10")
	if err != nil {
		t.Fatalf("record: %v", err)
	}
	w.records[r.ID] = r
	w.task.State, w.task.ApprovalID = task.Approved, r.ID
	return r
}

func TestGrantCarriesExactlyWhatWasReviewed(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.text = approval.Directives{Message: "Sum correctly", Deploy: []approval.Arming{{Profile: "notify"}}}
	w.policy.Bindings[0].Role = "environment-admin"
	r := recorded(t, w)
	g, err := w.gate().Redeem(t.Context(), r.ID, policy.ToLand)
	if err != nil {
		t.Fatal(err)
	}
	if g.Tree() != w.proposal.Tree || g.Base() != w.proposal.BaseCommit || g.ExpectedOld() != carrier ||
		g.Ref() != "refs/heads/coderflow/aaaaaaaaaaaa" || g.Author() != grace || g.Repository() != repo {
		t.Errorf("grant is not the proposal: %v %v %v %v", g.Tree(), g.Base(), g.Ref(), g.Author())
	}
	if !strings.HasPrefix(g.Message(), "Sum correctly\n\nCoderflow-Task: aaaaaaaaaaaa\nCoderflow-Proposal: sha256:") {
		t.Errorf("message:\n%s", g.Message())
	}
	if !g.Date().Equal(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)) {
		t.Errorf("date %v has more than whole seconds or moved", g.Date())
	}
	if a := r.Armed; len(a) != 1 || a[0].Environment != "staging" || a[0].Version != "p1" {
		t.Errorf("armed %+v", a)
	}
	if d, is := g.Deployment(); is {
		t.Errorf("what lands deploys %+v", d)
	}
	c, err := g.Credential(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.TokenFor(approval.Grant{}); !errors.Is(err, approval.ErrNoGrant) {
		t.Errorf("credential used without a grant: %v", err)
	}
}

// Invariant 1: what no gate minted permits nothing and cannot be made from data.
func TestGrantCannotBeForged(t *testing.T) {
	t.Parallel()
	var zero approval.Grant
	if err := zero.Check(); !errors.Is(err, approval.ErrNoGrant) {
		t.Errorf("zero grant: %v", err)
	}
	if _, err := zero.Credential(t.Context(), newWorld()); !errors.Is(err, approval.ErrNoGrant) {
		t.Errorf("credential of the zero grant: %v", err)
	}
	w := newWorld()
	r := recorded(t, w)
	g, err := w.gate().Redeem(t.Context(), r.ID, policy.ToLand)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := json.Marshal(g); err == nil {
		t.Error("a grant was encoded as JSON")
	}
	if err := gob.NewEncoder(&bytes.Buffer{}).Encode(g); err == nil {
		t.Error("a grant was encoded by gob")
	}
	if err := json.Unmarshal([]byte(`{"minted":true}`), &zero); err == nil || zero.Check() == nil {
		t.Error("a grant was made from JSON")
	}
}

func TestRecordRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		spoil func(*world)
		why   string
	}{
		{"task not proposed", func(w *world) { w.task.State = task.Running }, "not waiting for an approval"},
		{"task already approved (threat 51)", func(w *world) { w.task.State = task.Approved }, "not waiting for an approval"},
		{"requester approves", func(w *world) { w.task.Requester = grace }, "requester"},
		{"older head", func(w *world) { w.reviews[0].Commit = strings.Repeat("9", 40) }, "the review is of commit"},
		{"branch rewritten", func(w *world) { w.changes = []forge.HeadChange{{Actor: ada}} }, "force-pushed"},
		{"unknown profile", func(w *world) { w.text.Deploy = []approval.Arming{{Profile: "x"}} }, "no such profile"},
		{"deploy and no-deploy", func(w *world) {
			w.text = approval.Directives{NoDeploy: true, Deploy: []approval.Arming{{Profile: "notify"}}}
		}, "both"},
		{"unclear directive", func(w *world) { w.text.Problems = []string{"what is /coderflow depoly?"} }, "depoly"},
		{"forged trailer", func(w *world) { w.text.Message = "x\n\nCoderflow-Task: other" }, "trailers"},
		{"message missing where it must be written", func(w *world) {
			env := w.policy.Environments["staging"]
			env.Gate.CommitMessage = policy.MessageWritten
			w.policy.Environments["staging"] = env
		}, "written in the approving review"},
		{"account unknown to the forge", func(w *world) { w.broken["AccessOf"] = forge.ErrNotFound }, "none"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			tt.spoil(w)
			_, err := w.gate().Record(t.Context(), w.task.ID, "10")
			refused := (*approval.RefusedError)(nil)
			if !errors.As(err, &refused) {
				t.Fatalf("not refused: %v", err)
			}
			if tree := refused.Decision.Reason.String(); !strings.Contains(tree, tt.why) || refused.Decision.Allowed {
				t.Errorf("the reason does not say %q:\n%s", tt.why, tree)
			}
		})
	}
}

// Invariant 5: an error while deciding is a refusal.
func TestErrorsNeverGrant(t *testing.T) {
	t.Parallel()
	for _, port := range []string{"Task", "Proposal", "Approval", "Examinations", "Policy", "PullRequest", "Review", "Reviews", "HeadChanges", "AccessOf", "Self"} {
		t.Run(port, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			r := recorded(t, w)
			w.broken[port] = errors.New("502 from " + port)
			if g, err := w.gate().Redeem(t.Context(), r.ID, policy.ToLand); err == nil || g.Check() == nil {
				t.Errorf("redeemed although %s fails", port)
			}
			w.task.State = task.Proposed
			if _, err := w.gate().Record(t.Context(), w.task.ID, "10"); err == nil && port != "Approval" {
				t.Errorf("recorded although %s fails", port)
			}
		})
	}
}

// Between the approval and the effect the world may change; each change here
// takes the grant away (rows 43, 44, 46, 47, 48 and invariant 2).
func TestThreat43To48RedeemLooksAgain(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*world, *approval.Record){
		"role revoked":                func(w *world, _ *approval.Record) { w.policy.Bindings = nil },
		"write access revoked":        func(w *world, _ *approval.Record) { w.access = forge.AccessRead },
		"review dismissed":            func(w *world, _ *approval.Record) { w.reviews[0].State = forge.ReviewDismissed },
		"review deleted":              func(w *world, _ *approval.Record) { w.reviews = nil },
		"review of another account":   func(w *world, _ *approval.Record) { w.reviews[0].Author = ada },
		"pull request closed":         func(w *world, _ *approval.Record) { w.pr.Open = false },
		"pull request retargeted":     func(w *world, _ *approval.Record) { w.pr.Base.Branch = "other" },
		"head moved":                  func(w *world, _ *approval.Record) { w.pr.Head.Commit = strings.Repeat("9", 40) },
		"head rewritten and restored": func(w *world, _ *approval.Record) { w.changes = []forge.HeadChange{{Actor: ada}} },
		"tree swapped in the store":   func(w *world, _ *approval.Record) { w.proposal.Tree = strings.Repeat("d", 40) },
		"diff swapped in the store":   func(w *world, _ *approval.Record) { w.proposal.Diff = []byte("other") },
		"message swapped": func(w *world, _ *approval.Record) {
			w.proposal.Message = "other"
		},
		"newer revision": func(w *world, _ *approval.Record) {
			w.proposal.Revision = 2
			w.proposal.Digest = w.proposal.ComputeDigest()
		},
		"digest of another proposal":  func(w *world, r *approval.Record) { r.Digest = "sha256:00"; w.records[r.ID] = *r },
		"task under another approval": func(w *world, _ *approval.Record) { w.task.ApprovalID = "other" },
		"task back to proposed":       func(w *world, _ *approval.Record) { w.task.State = task.Proposed },
		"task cancelled":              func(w *world, _ *approval.Record) { w.task.State = task.Cancelled },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			r := recorded(t, w)
			if _, err := w.gate().Redeem(t.Context(), r.ID, policy.ToLand); err != nil {
				t.Fatalf("before the change: %v", err)
			}
			change(w, &r)
			for _, purpose := range []policy.Purpose{policy.ToLand, policy.ToDeploy, policy.ToRecord, ""} {
				if g, err := w.redeem(t, r, purpose); err == nil || g.Check() == nil {
					t.Errorf("redeemed for %q", purpose)
				}
			}
		})
	}
}

func TestOwnForcePushOfTheLandingDoesNotVoidIt(t *testing.T) {
	t.Parallel()
	w := newWorld()
	r := recorded(t, w)
	w.task.LandedCommit = strings.Repeat("e", 40)
	w.task.State = task.Deploying
	w.pr.Head.Commit = w.task.LandedCommit
	w.changes = []forge.HeadChange{{Actor: forge.User{Subject: bot, Kind: forge.Bot}}}
	if _, err := w.redeem(t, r, policy.ToDeploy); err != nil {
		t.Errorf("refused: %v", err)
	}
}

// A git provider's account lands what was approved: that is the landing. Anything
// else that it pushes is a stranger's push.
func TestThreat43OnlyAPushOfTheApprovedCommitIsTheLanding(t *testing.T) {
	t.Parallel()
	landed, robot := strings.Repeat("e", 40), forge.User{Subject: forge.Subject{Host: forge.GitHub, ID: "88"}, Kind: forge.Person}
	for name, row := range map[string]struct {
		landed  string
		changes []forge.HeadChange
		want    bool
	}{
		"the landing":               {landed, []forge.HeadChange{{Actor: robot, Commit: landed}}, true},
		"something else before it":  {landed, []forge.HeadChange{{Actor: robot, Commit: strings.Repeat("d", 40)}, {Actor: robot, Commit: landed}}, false},
		"back to the proposal":      {landed, []forge.HeadChange{{Actor: robot, Commit: carrier}}, false},
		"nobody knows to what":      {landed, []forge.HeadChange{{Actor: robot}}, false},
		"nothing was to be landed":  {"", []forge.HeadChange{{Actor: robot, Commit: landed}}, false},
		"nothing, and nobody knows": {"", []forge.HeadChange{{Actor: robot}}, false},
	} {
		w := newWorld()
		r := recorded(t, w)
		w.task.LandedCommit, w.task.State = row.landed, task.Deploying
		if row.landed != "" {
			w.pr.Head.Commit = row.landed
		}
		w.changes = row.changes
		if _, err := w.redeem(t, r, policy.ToDeploy); (err == nil) != row.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMessageLosesWhatCouldDeceive(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.text.Message = "Fix\u202e it\x1b[31m\r\n\r\nbody\u200b  \n"
	r := recorded(t, w)
	if !strings.HasPrefix(r.Message, "Fix it[31m\n\nbody\n\nCoderflow-Task:") {
		t.Errorf("message %q", r.Message)
	}
}
