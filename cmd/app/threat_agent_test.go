package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/task"
)

// A hostile agent arms everything that git could be made to run. Nothing of it
// runs on the host, and its honest change still arrives (row 26).
func TestThreat26NothingOfTheAgentRunsOutsideItsContainer(t *testing.T) {
	t.Parallel()
	canary := filepath.Join(t.TempDir(), "canary")
	arm := `
cmd="touch ` + canary + `"
git config core.fsmonitor "$cmd"; git config core.hooksPath .hooks; git config core.sshCommand "$cmd"
git config filter.x.clean "$cmd"; git config filter.x.smudge "$cmd"; git config diff.x.textconv "$cmd"; git config diff.external "$cmd"
mkdir -p .hooks .git/hooks
for hook in pre-commit post-checkout post-index-change reference-transaction pre-push; do
	printf '#!/bin/sh\n%s\n' "$cmd" >.git/hooks/$hook; cp .git/hooks/$hook .hooks/$hook; chmod +x .git/hooks/$hook .hooks/$hook
done
printf '* filter=x diff=x\n' >.gitattributes; cp .gitattributes .git/info/attributes
echo "receipt.awk" >.git/info/exclude
`
	w := newWorld(t, withAgent(arm+quickAgent))
	proposed := w.taskOf(w.run(maria).Number, task.Proposed)
	p, err := w.db().Proposal(t.Context(), proposed.ID)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(p.Diff), "total += $2 * $3") {
		t.Errorf("the change to receipt.awk is hidden:\n%s", p.Diff)
	}
	w.approve(tom, proposed.PullRequest, "")
	w.landedExactly(w.taskOf(proposed.Issue, task.Done))
	if _, err := os.Stat(canary); !os.IsNotExist(err) {
		t.Errorf("something of the agent ran on the host: %v", err)
	}
}

// Names and links that git or another file system would misread stop the
// proposal, by name (rows 27 to 29 and 33).
func TestThreat27To29WhatNoApprovalCanLift(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ agent, says string }{
		"threat 27: .GIT in a subdirectory":   {`mkdir -p a/.GIT && echo x >a/.GIT/config`, "a/.GIT"},
		"threat 27: 8.3 name":                 {`mkdir 'git~1' && echo x >'git~1/config'`, "git~1"},
		"threat 27: newline in a name":        {"echo x >'a\nb'", `a\nb`},
		"threat 28: symlink out of the tree":  {`ln -s ../../etc/passwd link`, "link"},
		"threat 28: absolute symlink":         {`ln -s /etc/passwd link`, "link"},
		"threat 29: named pipe":               {`mkfifo pipe`, "pipe"},
		"threat 33: nested repository":        {`git init -q sub && echo x >sub/f`, "sub"},
		"the place of proposals is CoderFlow": {`mkdir -p .coderflow/proposals && echo x >.coderflow/proposals/x.patch`, ".coderflow/proposals"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, withAgent(row.agent))
			refused := w.taskOf(w.run(maria).Number, task.Refused)
			if !strings.Contains(refused.Failure, row.says) {
				t.Errorf("the refusal does not name %q: %s", row.says, refused.Failure)
			}
			w.waitSaid(forge.IssueTopic(refused.Issue), "refused")
			if n := len(w.hub.PullRequests(sampleRepo)); n != 0 {
				t.Errorf("%d pull requests, want none", n)
			}
			for _, push := range w.hub.Pushes(sampleRepo) {
				if strings.HasPrefix(push.Ref, "refs/heads/coderflow/") {
					t.Errorf("%s was pushed", push.Ref)
				}
			}
		})
	}
}

// Generated text has no effect at the forge, whatever it is made of (row 38).
func TestThreat38GeneratedTextIsInert(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withAgent(`echo x >'@tom fixes #1 <img src=x> [a](http:b).txt'; `+quickAgent))
	issue, err := w.openIssue(t.Context(), maria, "Fixes #1 @tom acme/receipts#1 <script>", "Closes #1 @tom")
	if err != nil {
		t.Fatal(err)
	}
	before := len(w.hub.Notifications()) // maria's own words
	w.say(maria, issue.Topic(), "/coderflow run `x` please")
	proposed := w.taskOf(issue.Number, task.Proposed)
	w.approve(tom, proposed.PullRequest, "")
	w.taskOf(issue.Number, task.Done)
	if after := w.hub.Notifications(); len(after) != before {
		t.Errorf("text had effects: %+v", after[before:])
	}
}

// A failing, an endless and a silent agent end as what they are.
func TestAgentsThatFailOrDoNothingAreNamed(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		agent string
		state task.State
		says  string
	}{
		"no change": {"true", task.NoChange, "the agent changed nothing"},
		"failing":   {"echo it broke; exit 3", task.Failed, "it broke"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, withAgent(row.agent))
			ended := w.taskOf(w.run(maria).Number, row.state)
			w.waitSaid(forge.IssueTopic(ended.Issue), row.says)
		})
	}
}

// A running agent is stopped by /coderflow cancel; nothing of it is proposed.
func TestCancelStopsTheAgent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withAgent("echo started; "+quickAgent+"; sleep 300"))
	issue := w.run(maria)
	w.taskOf(issue.Number, task.Running)
	w.say(eve, issue.Topic(), "/coderflow cancel")
	w.waitSaid(issue.Topic(), "CoderFlow did not do this")
	w.say(maria, issue.Topic(), "/coderflow cancel")
	cancelled := w.taskOf(issue.Number, task.Cancelled)
	w.auditHas(cancelled.ID, map[audit.Action]int{audit.ContainerEnded: 1, audit.ProposalRecorded: 0})
	if n := len(w.hub.PullRequests(sampleRepo)); n != 0 {
		t.Errorf("%d pull requests, want none", n)
	}
}
