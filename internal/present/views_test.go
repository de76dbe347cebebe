package present

import (
	"time"

	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/task"
)

const (
	issueURL  = "https://forge.example/acme/calc/issues/12"
	pullURL   = "https://forge.example/acme/calc/pull/13"
	commitURL = "https://forge.example/acme/calc/commit/5555555555555555555555555555555555555555"
	deployURL = "https://forge.example/acme/calc/deployments/7"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func sampleTask() task.Task {
	return task.Task{
		ID: "abcdefghijkl", State: task.Proposed, Environment: "dev", Issue: 12, BaseBranch: "main",
		Repository: forge.RepositoryRef{Host: "github", ID: "1", Owner: "acme", Name: "calc"},
		Requester:  forge.User{Login: "dora", Subject: forge.Subject{Host: "github", ID: "1001"}, Kind: forge.Person},
		Snapshot: task.Snapshot{
			Title: "Sum(1, 2) gives 4", Body: "See the failing test.<!-- psst -->", Instructions: "Keep the API as it is.\nAdd a test.", CommentsOmitted: 2,
		},
		Run:         task.Run{Image: "sha256:0f0f0f", ExitCode: 0, StartedAt: noon, FinishedAt: noon.Add(83 * time.Second)},
		PullRequest: 13,
	}
}

func sampleProposal() task.Proposal {
	t := sampleTask()
	return task.Proposal{
		Task: t.ID, Revision: 1, Repository: t.Repository, BaseBranch: "main", PolicyVersion: "7",
		BaseCommit: "1111111111111111111111111111111111111111", Tree: "2222222222222222222222222222222222222222",
		Carrier: "3333333333333333333333333333333333333333", Digest: "sha256:4444444444444444444444444444444444444444444444444444444444444444",
		Message: ProposedMessage(t), Ignored: 1,
		Manifest: []task.PathChange{
			{Path: ".github/workflows/ci.yml", Kind: task.Modified, OldMode: "100644", NewMode: "100644", Added: 2, Removed: 1},
			{Path: "calc.go", Kind: task.Modified, OldMode: "100644", NewMode: "100644", Added: 1, Removed: 1},
			{Path: "docs/a|b `c`.md", Kind: task.Deleted, OldMode: "100644", Removed: 4},
			{Path: "logo.png", Kind: task.Added, NewMode: "100644", Size: 2048, Added: -1, Removed: -1, Binary: true},
			{Path: "run.sh", Kind: task.Modified, OldMode: "100644", NewMode: "100755"},
		},
		Risks: []task.Risk{
			{Name: "workflow", Path: ".github/workflows/ci.yml", Why: "it steers what CI or a developer's tools run"},
			{Name: "hidden-characters", Path: "calc.go", Line: 12, Why: "the line contains U+202E"},
			{Name: "weaker-protection", Rule: "tf-protection-removed", Path: "main.tf", Line: 3, Removed: true, Why: "a protection against being destroyed is taken away", Excerpt: "prevent_destroy = true"},
			{Name: "destructive-sql", Rule: "sql-drop-table", Path: "db/7.sql", Line: 2, Why: "it drops a table with all of its rows", Excerpt: "DROP TABLE USERS | `x`", More: 3},
		},
	}
}

func sampleReview() PullRequestView {
	return PullRequestView{
		Output: "\x1b[31mok\x1b[0m: 1 receipt\nsee @octocat, fixes #1 <b>```</b>\n",
		Task:   sampleTask(), Proposal: sampleProposal(), IssueURL: issueURL, MessageRule: policy.MessageProposed, ReviseOnReview: true,
		Profiles: []deploy.Profile{
			{Name: "site", Environment: "dev", Description: "Puts the site onto the test server.", Parameters: []deploy.Parameter{
				{Name: "version", Type: deploy.String, Required: true},
				{Name: "size", Type: deploy.Select, Options: []string{"small", "big"}, Default: "small"},
			}},
			{Name: "smoke", Environment: "dev"},
		},
	}
}

func sampleRefusal() policy.Decision {
	return policy.Decision{PolicyVersion: "7", Reason: policy.All("the review approves this proposal",
		policy.Yes("the pull request is open"),
		policy.No("the review is of commit 1234567890ab, the proposal is 333333333333"),
		policy.Any("mallory (github:1003) lacks \"tasks:approve\" in environment \"dev\"",
			policy.No("role developer on environment/dev (binding \"devs\") does not include it")),
	)}
}

func sampleStatus() StatusView {
	t := sampleTask()
	t.State, t.LandedCommit = task.Deploying, "5555555555555555555555555555555555555555"
	return StatusView{
		Task: t, IssueURL: issueURL, PullRequestURL: pullURL, CommitURL: commitURL,
		Timeline: []Moment{
			{noon, Say("asked for by %s", t.Requester)},
			{noon.Add(2 * time.Second), Say("the agent started")},
			{noon.Add(85 * time.Second), Say("proposed with digest %s", "sha256:4444")},
			{noon.Add(25 * time.Hour), Say("approved by %s and pushed", forge.User{Login: "rita"})},
		},
		Deployments: []DeploymentView{
			{Run: deploy.Run{Profile: "site", Environment: "dev", State: deploy.Succeeded, StartedAt: noon, FinishedAt: noon.Add(9 * time.Second)}, URL: deployURL, Output: "copying\n\x1b[32mdone\x1b[0m\n"},
			{Run: deploy.Run{Profile: "smoke", Environment: "dev", State: deploy.Failed, ExitCode: 3, Detail: "the script ended with status 3"}},
		},
	}
}

// hostileReview is a view in which every text from outside is s.
func hostileReview(s string) PullRequestView {
	v := sampleReview()
	v.Task.Snapshot = task.Snapshot{Title: s, Body: s, Instructions: s}
	v.Task.Environment, v.Task.Requester.Login, v.Task.Run.Image, v.Task.BaseBranch = s, s, s, s
	p := &v.Proposal
	p.BaseBranch, p.PolicyVersion, p.Digest, p.Message, p.Tree = s, s, s, s, s
	p.Manifest = []task.PathChange{{Path: s, Kind: task.ChangeKind(s), OldMode: s, NewMode: "100755"}}
	p.Risks = []task.Risk{{Name: s, Path: s, Line: 1, Why: s}, {Name: s, Rule: s, Path: s, Line: 2, Removed: true, Why: s, Excerpt: s, More: 2}}
	v.IssueURL = s
	v.Requirement = policy.Requirement{Approvals: 2, From: []policy.Ask{{Team: s, Count: 2}, {Role: s, Count: 1}}, Because: []string{s}}
	v.Profiles = []deploy.Profile{{Name: s, Environment: s, Description: s, Parameters: []deploy.Parameter{{Name: s, Type: deploy.Select, Options: []string{s}, Default: s}}}}
	return v
}

func hostileStatus(s string, state task.State) StatusView {
	v := sampleStatus()
	v.Task = hostileReview(s).Task
	v.Task.State, v.Task.LandedCommit, v.Task.Failure = state, s, s
	v.IssueURL, v.PullRequestURL, v.CommitURL, v.Output, v.LandedOn, v.LostNode, v.InLine.Why = s, s, s, s, s, s, s
	d := hostileDecision(s)
	v.Refused, v.Counted = &d, &d
	v.Task.Judged = []task.Judgement{{Review: s, URL: s, Reviewer: forge.User{Login: s}, Counted: true}}
	v.Timeline = []Moment{{noon, Say("%s and %s", s, Plain(s))}}
	v.Deployments = []DeploymentView{{Run: deploy.Run{Profile: s, Environment: s, State: deploy.Failed, Detail: s}, URL: s, Output: s}}
	return v
}

func hostileDecision(s string) policy.Decision {
	return policy.Decision{PolicyVersion: s, Reason: policy.All(s, policy.Yes(s), policy.No(s, policy.No(s)))}
}

// everything returns all that the package can post with s in every place.
func everything(s string) []string {
	u, d := forge.User{Login: s}, hostileDecision(s)
	all := PullRequestBody(hostileReview(s))
	voted := hostileReview(s)
	voted.Traits = votes
	all = append(all, PullRequestBody(voted)...)
	all = append(all, Refusal(d), Why(hostileStatus(s, task.Failed).Task, d), CommandProblem(s), Void(s),
		ApprovalRefused(u, d), ApprovalCounted(u, d), GateCounting(hostileStatus(s, task.Proposed).Task, d, &d).Summary,
		Cancelling(hostileReview(s).Task), Help(forge.Traits{}),
		GateRefused(d).Summary, GateLanding([]forge.User{u, u}).Summary, GateLanded(s, s, []forge.User{u}).Summary, GateVoid(s).Summary, GateFailed(s).Summary,
		GateWaiting(hostileReview(s).Proposal).Summary, GateCancelled(task.State(s)).Summary, Link("words", s).String())
	_, refused := PushRefused(s, s+"; "+s, true)
	_, moved := TargetMoved(s)
	elsewhere := hostileReview(s)
	elsewhere.Targets = []string{s, s}
	all = append(all, missing(refused), missing(moved), CommitKept(u, s), GateHeld(elsewhere.Proposal, s).Summary, elsewhere.approve(),
		GateLandedOn(s, s, []forge.User{u}, s).Summary, GateElsewhere(s, s).Summary, LandedElsewhere(s, s, []forge.User{u}, s),
		LandedElsewhereBody(elsewhere, []forge.User{u}, s, s), LandedBody(elsewhere, []forge.User{u}, s))
	for _, state := range append(task.States(), task.State(s)) {
		all = append(all, StatusComment(hostileStatus(s, state)))
	}
	return all
}
