package policy_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
)

func person(id, login string) forge.User {
	return forge.User{Subject: forge.Subject{Host: forge.GitHub, ID: id}, Login: login, Kind: forge.Person}
}

var (
	ada   = person("1", "ada")   // requester, developer
	grace = person("2", "grace") // environment-admin of staging
	linus = person("3", "linus") // environment-admin of staging
	eve   = person("4", "eve")   // nobody
	repo  = forge.RepositoryRef{Host: forge.GitHub, ID: "100", Owner: "acme", Name: "shop"}
)

const (
	carrier = "1111111111111111111111111111111111111111"
	landed  = "2222222222222222222222222222222222222222"
)

func rules() *policy.Policy {
	bind := func(u forge.User, role, resource string) policy.Binding {
		return policy.Binding{Name: u.Login + "-" + role, Subject: u.Subject, Role: role, Resource: resource}
	}
	return &policy.Policy{
		Version: "v1",
		Environments: map[string]policy.Environment{
			"staging":    {Name: "staging", Repositories: []string{repo.Key()}},
			"production": {Name: "production", Repositories: []string{repo.Key()}},
		},
		Bindings: []policy.Binding{
			bind(ada, "developer", "environment/staging"),
			bind(grace, "environment-admin", "environment/staging"),
			bind(linus, "environment-admin", "environment/staging"),
		},
	}
}

// approved is a review that stands in every respect; each test spoils one.
func approved() policy.ApprovalFacts {
	review := forge.Review{ID: "10", Author: grace, State: forge.ReviewApproved, Commit: carrier, SubmittedAt: time.Unix(1000, 0)}
	return policy.ApprovalFacts{
		Purpose: policy.ToRecord, Environment: "staging", Repository: repo, Requester: ada, ProposedHead: carrier, BaseBranch: "main",
		PullRequest: forge.PullRequest{
			Number: 1, Open: true,
			Head: forge.Tip{Branch: "coderflow/x", Commit: carrier}, Base: forge.Tip{Branch: "main"},
		},
		Review: review, Others: []forge.Review{review}, Access: forge.AccessWrite,
	}
}

func TestApprovalByPermittedPersonOfTheProposedHeadStands(t *testing.T) {
	t.Parallel()
	if d := rules().DecideApproval(approved()); !d.Allowed {
		t.Fatalf("refused:\n%s", d.Reason)
	}
}

func TestZeroValuesRefuse(t *testing.T) {
	t.Parallel()
	if (policy.Decision{}).Allowed {
		t.Error("the zero decision allows")
	}
	if d := rules().DecideApproval(policy.ApprovalFacts{}); d.Allowed {
		t.Errorf("no facts at all are allowed:\n%s", d.Reason)
	}
	if d := (&policy.Policy{}).DecideApproval(approved()); d.Allowed {
		t.Errorf("an empty policy allows:\n%s", d.Reason)
	}
}

// Each row breaks one condition of an approval that is otherwise fine, and the
// decision must refuse and name it. The threat rows are those of THREATS.md.
func TestThreat40To48ApprovalIsRefusedWhenOneConditionFails(t *testing.T) {
	t.Parallel()
	objection := func(state forge.ReviewState) forge.Review {
		return forge.Review{ID: "20", Author: linus, State: state, Commit: carrier, SubmittedAt: time.Unix(1000, 0)}
	}
	tests := []struct {
		name  string
		spoil func(*policy.ApprovalFacts)
		why   string
	}{
		{"threat 9: the repository was moved to another environment", func(f *policy.ApprovalFacts) { f.Repository.ID = "101" }, "does not list this repository"},
		{"threat 40: no role", func(f *policy.ApprovalFacts) { f.Review.Author = eve }, "has no role"},
		{"threat 40: only developer", func(f *policy.ApprovalFacts) { f.Review.Author, f.Requester = ada, linus }, "tasks:approve"},
		{"threat 40: only read access at the forge", func(f *policy.ApprovalFacts) { f.Access = forge.AccessRead }, `"read" access`},
		{"threat 41: an older head", func(f *policy.ApprovalFacts) { f.Review.Commit = landed }, "the review is of commit"},
		{"threat 42: a bot", func(f *policy.ApprovalFacts) { f.Review.Author.Kind = forge.Bot }, "not a person"},
		{"threat 42: the requester", func(f *policy.ApprovalFacts) { f.Requester = grace }, "requester"},
		{"requester unknown", func(f *policy.ApprovalFacts) { f.Requester = forge.User{} }, "not known who requested"},
		{"threat 43: branch rewritten and restored", func(f *policy.ApprovalFacts) {
			f.HeadChanges = []forge.HeadChange{{Actor: ada}}
		}, "force-pushed"},
		{"threat 43: head moved", func(f *policy.ApprovalFacts) { f.PullRequest.Head.Commit = landed }, "not what was proposed"},
		{"threat 44: dismissed", func(f *policy.ApprovalFacts) { f.Review.State = forge.ReviewDismissed }, "was dismissed"},
		{"threat 44: a later objection was dismissed", func(f *policy.ApprovalFacts) {
			f.Others = append(f.Others, objection(forge.ReviewDismissed))
		}, "a later review by linus was dismissed"},
		{"threat 45: only a comment", func(f *policy.ApprovalFacts) { f.Review.State = forge.ReviewCommented }, `"commented"`},
		{"threat 46: retargeted", func(f *policy.ApprovalFacts) { f.PullRequest.Base.Branch = "release" }, `now targets "release"`},
		{"threat 47: another id behind the login", func(f *policy.ApprovalFacts) { f.Review.Author.Subject.ID = "99" }, "has no role"},
		{"pull request closed", func(f *policy.ApprovalFacts) { f.PullRequest.Open = false }, "closed"},
		{"pull request merged", func(f *policy.ApprovalFacts) { f.PullRequest.Open, f.PullRequest.Merged = false, true }, "merged"},
		{"somebody requests changes", func(f *policy.ApprovalFacts) {
			f.Others = append([]forge.Review{objection(forge.ReviewChangesRequested)}, f.Others...)
		}, "linus requests changes"},
		{"the reviewer changed their mind", func(f *policy.ApprovalFacts) {
			second := f.Review
			second.ID, second.State = "11", forge.ReviewChangesRequested
			f.Others = append(f.Others, second)
		}, "changed their mind"},
		{"the forge does not list the review", func(f *policy.ApprovalFacts) { f.Others = nil }, "does not list"},
		{"threat 52: deploys where the reviewer may not", func(f *policy.ApprovalFacts) { f.Deploys = []string{"production"} }, "deployments:execute"},
		{"landed head is no head to record", func(f *policy.ApprovalFacts) {
			f.PullRequest.Head.Commit, f.LandedHead = landed, landed
		}, "not what was proposed"},
		{"head unknown", func(f *policy.ApprovalFacts) {
			f.PullRequest.Head.Commit, f.ProposedHead, f.Review.Commit = "", "", ""
		}, "not known"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			facts := approved()
			tt.spoil(&facts)
			if len(facts.Others) > 0 && facts.Others[0].ID == "10" {
				facts.Others[0] = facts.Review
			}
			d := rules().DecideApproval(facts)
			if d.Allowed {
				t.Fatalf("allowed:\n%s", d.Reason)
			}
			if !slices.ContainsFunc(d.Reason.Refusals(), func(why string) bool { return strings.Contains(why, tt.why) }) {
				t.Errorf("no refusal says %q:\n%s", tt.why, d.Reason)
			}
		})
	}
}

func TestHeadMayBeTheLandedCommitOnlyAfterLanding(t *testing.T) {
	t.Parallel()
	for purpose, want := range map[policy.Purpose]map[string]bool{
		policy.ToRecord: {carrier: true, landed: false},
		policy.ToLand:   {carrier: true, landed: true},
		policy.ToDeploy: {carrier: false, landed: true},
	} {
		for head, allowed := range want {
			facts := approved()
			facts.Purpose, facts.LandedHead, facts.PullRequest.Head.Commit = purpose, landed, head
			if d := rules().DecideApproval(facts); d.Allowed != allowed {
				t.Errorf("%s with head %.4s: allowed %v, want %v", purpose, head, d.Allowed, allowed)
			}
		}
	}
}

func TestObjectionIsWithdrawnByALaterApprovalOfTheSamePerson(t *testing.T) {
	t.Parallel()
	facts := approved()
	facts.Others = []forge.Review{
		{ID: "5", Author: linus, State: forge.ReviewChangesRequested, Commit: carrier},
		{ID: "6", Author: linus, State: forge.ReviewApproved, Commit: carrier},
		facts.Review,
	}
	if d := rules().DecideApproval(facts); !d.Allowed {
		t.Fatalf("refused:\n%s", d.Reason)
	}
}

func TestObjectionOfAStrangerDoesNotBlock(t *testing.T) {
	t.Parallel()
	facts := approved()
	facts.Others = append(facts.Others, forge.Review{ID: "30", Author: eve, State: forge.ReviewChangesRequested, Commit: carrier})
	if d := rules().DecideApproval(facts); !d.Allowed {
		t.Fatalf("refused:\n%s", d.Reason)
	}
}
