package gitops

import (
	"context"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/task"
)

// bench is what stands behind a real gate: one proposal, approved by one
// reviewer. Grants come from that gate; there is no other way to one.
type bench struct {
	task     task.Task
	proposal task.Proposal
	record   approval.Record
	reviewer forge.User
	message  string
	// directives of the review, besides its message; branches at the forge.
	directives approval.Directives
	branches   map[string]string
}

var grace = forge.User{Subject: forge.Subject{Host: forge.GitHub, ID: "2"}, Login: "grace", Name: "Grace Hopper", Kind: forge.Person}

func newBench(base, tree, carrier string) *bench {
	b := &bench{
		task: task.Task{
			ID: testTask, State: task.Proposed, Environment: "staging", Repository: testRepo, PullRequest: 7,
			Requester: forge.User{Subject: forge.Subject{Host: forge.GitHub, ID: "1"}, Login: "ada", Kind: forge.Person},
		},
		proposal: task.Proposal{
			Task: testTask, Revision: 1, Repository: testRepo, BaseBranch: "main", BaseCommit: base, Tree: tree,
			Diff: []byte("diff"), Message: "Fix the sum", PolicyVersion: "v1", Carrier: carrier,
		},
		reviewer: grace,
	}
	b.proposal.Digest = b.proposal.ComputeDigest()
	return b
}

// grant records and redeems an approval of the bench's proposal.
func (b *bench) grant(t testing.TB) approval.Grant {
	t.Helper()
	gate := &approval.Gate{
		Forge: b, Ledger: b, Policies: b, Armory: nil,
		Read: func(string) approval.Directives {
			d := b.directives
			d.Message = b.message
			return d
		},
		Now: func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) },
	}
	if b.record.ID == "" {
		record, err := gate.Record(t.Context(), testTask, "10")
		if err != nil {
			t.Fatal(err)
		}
		b.record = record
		b.task.State, b.task.ApprovalID = task.Approved, record.ID
	}
	grant, err := gate.Redeem(t.Context(), b.record.ID, policy.ToLand)
	if err != nil {
		t.Fatal(err)
	}
	return grant
}

func (b *bench) credential(t testing.TB, grant approval.Grant) approval.Credential {
	t.Helper()
	credential, err := grant.Credential(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	return credential
}

func (b *bench) review() forge.Review {
	return forge.Review{ID: "10", Author: b.reviewer, State: forge.ReviewApproved, Commit: b.proposal.Carrier, URL: "https://forge/review/10"}
}

func (b *bench) Task(context.Context, task.ID) (task.Task, error)                  { return b.task, nil }
func (b *bench) Proposal(context.Context, task.ID) (task.Proposal, error)          { return b.proposal, nil }
func (b *bench) Examinations(context.Context, task.ID) ([]task.Examination, error) { return nil, nil }
func (b *bench) Approval(context.Context, string) (approval.Record, error) {
	return b.record, nil
}

func (b *bench) Policy(context.Context) (*policy.Policy, error) {
	return &policy.Policy{
		Version:      "v1",
		Environments: map[string]policy.Environment{"staging": {Name: "staging", Repositories: []string{testRepo.Key()}, Targets: []string{"**"}}},
		Bindings:     []policy.Binding{{Name: "g", Subject: b.reviewer.Subject, Role: "environment-admin", Resource: "environment/staging"}},
	}, nil
}

func (b *bench) PullRequest(context.Context, forge.RepositoryRef, int) (forge.PullRequest, error) {
	return forge.PullRequest{
		Number: 7, Open: true, Draft: true, Head: forge.Tip{Branch: testTask.Branch(), Commit: b.proposal.Carrier}, Base: forge.Tip{Branch: "main"},
	}, nil
}

func (b *bench) Review(context.Context, forge.RepositoryRef, int, string) (forge.Review, error) {
	return b.review(), nil
}

func (b *bench) Reviews(context.Context, forge.RepositoryRef, int) ([]forge.Review, error) {
	return []forge.Review{b.review()}, nil
}

func (b *bench) Self(context.Context, string) (forge.User, error) {
	return forge.User{Subject: forge.Subject{Host: forge.GitHub, ID: "77"}, Login: "coderflow[bot]", Kind: forge.Bot}, nil
}

func (b *bench) HeadChanges(context.Context, forge.RepositoryRef, int) ([]forge.HeadChange, error) {
	return nil, nil
}

func (b *bench) BranchHead(_ context.Context, _ forge.RepositoryRef, branch string) (string, error) {
	if head, is := b.branches[branch]; is {
		return head, nil
	}
	return "", forge.ErrNotFound
}

func (b *bench) AccessOf(context.Context, forge.RepositoryRef, forge.User) (forge.Access, error) {
	return forge.AccessWrite, nil
}

func (b *bench) PushToken(context.Context, forge.RepositoryRef) (forge.Token, error) {
	return forge.Token{Value: testToken}, nil
}
