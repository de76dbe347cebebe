package present

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/task"
)

var update = flag.Bool("update", false, "write testdata/*.md anew")

func TestTextsReadAsWritten(t *testing.T) {
	t.Parallel()
	draftless := sampleReview()
	draftless.DraftRefused, draftless.MessageRule, draftless.Profiles, draftless.Proposal.Risks = true, policy.MessageWritten, nil, nil
	draftless.ReviseOnReview = false
	failed := sampleStatus()
	failed.Task.State, failed.Task.Failure, failed.Task.LandedCommit = task.Failed, "the agent ran out of memory (512 MiB)", ""
	failed.Output, failed.Deployments, failed.PullRequestURL = "building\nKilled\n", nil, ""
	quorum, counted := sampleReview(), sampleCounted()
	quorum.Requirement = policy.Gate{Rules: []policy.GateRule{{
		Name: "workflows", Paths: []string{"**"}, Approvals: 2, From: []policy.Ask{{Role: "environment-admin"}},
	}}}.Require(policy.ChangeOf(quorum.Proposal))
	voted := sampleReview()
	voted.Traits = votes
	waiting := sampleStatus()
	refusal := sampleRefusal()
	waiting.Task.State, waiting.Task.LandedCommit, waiting.Deployments, waiting.Refused = task.Proposed, "", nil, &refusal
	for name, got := range map[string]string{
		"pull-request":           "# " + PullRequestTitle(sampleTask()) + "\n\n" + PullRequestBody(sampleReview())[0],
		"pull-request-draftless": PullRequestBody(draftless)[0],
		"status-deploying":       StatusComment(sampleStatus()),
		"status-failed":          StatusComment(failed),
		"status-proposed":        StatusComment(waiting),
		"pull-request-quorum":    quorum.approve(),
		"approval-counted":       ApprovalCounted(forge.User{Login: "rita"}, counted),
		"gate-counting":          GateCounting(countedTask(), counted, nil).Summary,
		"refusal":                Refusal(sampleRefusal()),
		"approval-refused":       ApprovalRefused(forge.User{Login: "mallory"}, sampleRefusal()),
		"why":                    Why(sampleTask(), sampleRefusal()),
		"help":                   Help(forge.Traits{}),
		"help-votes":             Help(votes),
		"pull-request-votes":     strings.Join(PullRequestBody(voted), "\n\n---- a comment ----\n\n"),
		"void":                   Void("mallory pushed 1234567890ab to the proposal branch"),
		"command-problem":        CommandProblem(`line 3: there is no command "rnu"; did you mean run?`),
		"gates":                  gates(),
		"message":                ProposedMessage(sampleTask()),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join("testdata", name+".md")
			if *update {
				if err := os.WriteFile(path, []byte(got+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got+"\n" != string(want) {
				t.Errorf("%s differs (write it with go test -update):\n%s", path, got)
			}
		})
	}
}

// votes are the traits of a forge with votes and short descriptions.
var votes = forge.Traits{ReviewsWaitForReady: true, DirectivesInComments: true, MaxDescription: 4_000}

// Whatever stands in it, a description is as short as the forge wants it, and what it leaves
// out is in the comments.
func TestDescriptionsAreAsShortAsTheForgeTakesThem(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"short", strings.Repeat("語 [x](y) @z ", 5_000)} {
		v := hostileReview(s)
		whole := PullRequestBody(v)
		v.Traits = votes
		parts := PullRequestBody(v)
		if len(parts) != len(whole)+1 {
			t.Errorf("%d parts, %d where descriptions may be long", len(parts), len(whole))
		}
		for name, text := range map[string]string{"proposed": parts[0], "landed": LandedBody(v, []forge.User{{Login: s}}, s)} {
			if n := utf8.RuneCountInString(text); n > votes.MaxDescription || !utf8.ValidString(text) {
				t.Errorf("%s: %d characters", name, n)
			}
		}
	}
}

func sampleCounted() policy.Decision {
	return policy.Decision{PolicyVersion: "sha256:1", Reason: policy.All("the review approves this proposal",
		policy.Yes("the pull request is open"),
		policy.All("the gate asks for 2 approvals, one of them by an environment-admin",
			policy.Yes("rita (github:3) approved this commit"),
			policy.No("1 of 2 approvals; one of them must be an environment-admin")))}
}

func countedTask() task.Task {
	t := sampleTask()
	rita := forge.User{Subject: forge.Subject{Host: forge.GitHub, ID: "3"}, Login: "rita"}
	t.Judged = []task.Judgement{
		{Review: "1", URL: "https://forge.example/1", Reviewer: rita, Counted: true},
		{Review: "2", URL: "https://forge.example/2", Reviewer: forge.User{Subject: forge.Subject{Host: forge.GitHub, ID: "4"}, Login: "eve"}},
		{Review: "3", URL: "https://forge.example/3", Reviewer: rita, Counted: true},
	}
	return t
}

func gates() string {
	var b strings.Builder
	rita := forge.User{Login: "rita"}
	all := []forge.GateCheck{GateRefused(sampleRefusal())}
	for _, s := range []task.State{task.Proposed, task.Landing, task.Landed, task.Superseded, task.Failed, task.Cancelled} {
		tk := sampleTask()
		tk.State, tk.LandedCommit, tk.Failure = s, "5555555555555555555555555555555555555555", "the branch moved"
		all = append(all, Gate(tk, sampleProposal(), rita))
	}
	for _, c := range all {
		fmt.Fprintf(&b, "# %s: %s\n\n%s\n\n", c.Status, c.Title, c.Summary)
	}
	return strings.TrimSpace(b.String())
}

func TestOnlyALandedProposalPassesTheGate(t *testing.T) {
	t.Parallel()
	for _, s := range append(task.States(), "new") {
		tk := sampleTask()
		tk.State = s
		passed := Gate(tk, sampleProposal(), forge.User{}).Status == forge.CheckSuccess
		if want := s == task.Landed || s == task.Deploying || s == task.Done; passed != want {
			t.Errorf("%s: passed %v", s, passed)
		}
	}
}

func TestEveryStateHasWords(t *testing.T) {
	t.Parallel()
	for _, s := range task.States() {
		if _, known := stateTexts[s]; !known {
			t.Errorf("%s has no words", s)
		}
	}
}

func TestThreat31TheManifestIsCompleteHoweverLong(t *testing.T) {
	t.Parallel()
	v := sampleReview()
	v.Proposal.Manifest, v.Proposal.Risks = nil, nil
	for i := range 5000 {
		path := fmt.Sprintf("dir/%s/file-%05d.go", strings.Repeat("x", i%100), i)
		v.Proposal.Manifest = append(v.Proposal.Manifest, task.PathChange{Path: path, Kind: task.Added, NewMode: "100644", Added: 1})
		v.Proposal.Risks = append(v.Proposal.Risks, task.Risk{Name: "executable", Path: path, Why: "x"})
	}
	v.Proposal.Manifest = append(v.Proposal.Manifest, task.PathChange{Path: strings.Repeat("\u202e", 1300), Kind: task.Added})
	parts := PullRequestBody(v)
	shown := map[string]bool{}
	for line := range strings.Lines(strings.Join(parts, "\n")) {
		shown[strings.TrimSuffix(line, "\n")] = true
	}
	if len(parts) < 3 {
		t.Fatalf("%d parts", len(parts))
	}
	for i, part := range parts {
		if len(part) > maxPart {
			t.Errorf("part %d has %d bytes", i, len(part))
		}
		if problem := effect(part); problem != "" {
			t.Errorf("part %d: %s", i, problem)
		}
	}
	for i, c := range v.Proposal.Manifest {
		if !shown[manifestLines(v.Proposal.Manifest[i : i+1])[0]] {
			t.Fatalf("path %q is missing", c.Path)
		}
		if i < 5000 && !shown[riskLines(v.Proposal.Risks[i : i+1])[0]] {
			t.Fatalf("the risk of %q is missing", c.Path)
		}
	}
}
