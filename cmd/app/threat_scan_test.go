package main

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	gh "github.com/google/go-github/v62/github"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/task"
)

// twoByRisk asks for a second approval where data can be destroyed.
const twoByRisk = `gate:
  rules:
    - {name: destruction, risks: [destructive-sql, destructive-command], approvals: 2}`

// destroyer writes a migration and a script. What it says in comments and strings is
// no statement.
const destroyer = `mkdir -p db
printf '%s\n' '-- DROP TABLE comments;' "SELECT 'TRUNCATE x';" 'ALTER TABLE receipts ADD total int;' 'DROP TABLE' '  receipts_old;' > db/7.sql
printf '%s\n' '#!/bin/sh' '# rm -rf /' 'set -e' 'rm -rf "$DATA"/*' > clean.sh
printf '%s\n' 'DROP TABLE is what this change does.' > NOTES.md
`

func newScanWorld(t *testing.T, agent, spec string) *world {
	t.Helper()
	w := newStoppedWorld(t, func(_ *emulator.Options, s *settings) { s.Agent, s.Spec, s.Extra = agent, spec, looksOften })
	if err := w.hub.AddCollaborator(sampleRepo, eve, "write"); err != nil {
		t.Fatal(err)
	}
	w.manifests("approvers.yaml", "apiVersion: coderflow.dev/v1\nkind: Role\nmetadata: {name: approver}\nspec:\n  permissions: [\"tasks:view\", \"tasks:approve\"]\n---\n"+
		binding("eve-approves", w.subject(eve), "approver", "environment/staging"))
	w.start()
	return w
}

// annotations are what the gate's check on a commit points at: "LEVEL PATH:LINE MESSAGE".
// It waits for the check, which is set when a state was reached.
func (w *world) annotations(commit string) []string {
	w.t.Helper()
	var runs *gh.ListCheckRunsResults
	w.wait("a check run on "+commit, func(ctx context.Context) (bool, error) {
		var err error
		runs, _, err = w.gitHub(maria).Checks.ListCheckRunsForRef(ctx, sampleOwner, sampleName, commit, nil)
		return err == nil && len(runs.CheckRuns) == 1, err
	})
	list, _, err := w.gitHub(maria).Checks.ListCheckRunAnnotations(w.t.Context(), sampleOwner, sampleName, runs.CheckRuns[0].GetID(), &gh.ListOptions{PerPage: 100})
	if err != nil {
		w.t.Fatal(err)
	}
	var texts []string
	for _, a := range list {
		texts = append(texts, fmt.Sprintf("%s %s:%d %s", a.GetAnnotationLevel(), a.GetPath(), a.GetStartLine(), a.GetMessage()))
	}
	return texts
}

// A reviewer sees what is dangerous before anything else, at its line; and one
// approval is not enough for it.
func TestThreat36DestructiveStatementsAreShownAndRaiseTheQuorum(t *testing.T) {
	t.Parallel()
	w := newScanWorld(t, destroyer, twoByRisk)
	proposed := w.taskOf(w.run(maria).Number, task.Proposed)
	pr, err := w.pullRequest(t.Context(), proposed.PullRequest)
	if err != nil {
		t.Fatal(err)
	}
	top, _, _ := strings.Cut(pr.Body, "## What was asked")
	for _, want := range []string{
		"2 risks: look here first", "| `destructive-sql` | `db/7.sql:4` | it drops a table with all of its rows: `DROP TABLE RECEIPTS_OLD` |",
		"| `destructive-command` | `clean.sh:4` |", "rm -rf $DATA/*",
	} {
		if !strings.Contains(top, want) {
			t.Errorf("the top of the pull request does not say %q:\n%s", want, top)
		}
	}
	if want := `rule "destruction"`; !strings.Contains(pr.Body, want) || !strings.Contains(pr.Body, "2 approvals") {
		t.Errorf("the pull request does not say %q:\n%s", want, pr.Body)
	}
	w.approve(tom, proposed.PullRequest, "fine")
	w.waitSaid(forge.PullTopic(proposed.PullRequest), "1 of 2 approvals")
	w.noCommit(proposed)
	w.annotated(proposed)

	w.approve(eve, proposed.PullRequest, "I have seen the table")
	done := w.taskOf(proposed.Issue, task.Done)
	got := w.annotations(done.LandedCommit)
	if len(got) != 2 || !strings.HasPrefix(got[0], "failure db/7.sql:4 ") || !strings.HasPrefix(got[1], "failure clean.sh:4 ") {
		t.Errorf("annotations of the commit: %q", got)
	}
	w.nothingMentioned()
}

// annotated holds the annotations of a proposal against the patch that they point at.
func (w *world) annotated(proposed task.Task) {
	w.t.Helper()
	p, err := w.db().Proposal(w.t.Context(), proposed.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	lines := strings.Split(string(p.Diff), "\n")
	var want []string
	for _, c := range []struct{ line, message string }{
		{"+DROP TABLE", "db/7.sql:4: it drops a table with all of its rows\nDROP TABLE RECEIPTS_OLD"},
		{`+rm -rf "$DATA"/*`, "clean.sh:4: it removes a root, a home, everything here, or what becomes one of these when a variable is empty\nrm -rf $DATA/*"},
	} {
		for n, line := range lines {
			if line == c.line {
				want = append(want, fmt.Sprintf("failure %s:%d %s", task.ProposalPath(p.Task), n+1, c.message))
			}
		}
	}
	if got := w.annotations(p.Carrier); fmt.Sprint(got) != fmt.Sprint(want) || len(want) != 2 {
		w.t.Errorf("annotations of the proposal:\n%q\nwant\n%q", got, want)
	}
}

// What looks like somebody's secret stops the proposal; a file that the environment
// names may hold it, and then it is a risk that everybody sees.
func TestThreat35ForeignSecretsStopAProposalOrAreARisk(t *testing.T) {
	t.Parallel()
	key := "AKIA" + "Q7ZK2MWX5RNB3HVT"
	agent := `case "$(cat /coderflow/prompt* 2>/dev/null)" in *fixture*) mkdir -p testdata; f=testdata/key;; *) f=config.ini;; esac
printf 'region = x\nkey = ` + key[:10] + `%s\n' ` + key[10:] + ` > $f`
	w := newScanWorld(t, agent, "proposal:\n  secretPatterns: {allow: [\"testdata/**\"]}")
	issue := w.run(maria)
	refused := w.taskOf(issue.Number, task.Refused)
	if !strings.Contains(refused.Failure, "config.ini:2") || !strings.Contains(refused.Failure, "aws-access-key") {
		t.Errorf("the failure is %q", refused.Failure)
	}
	w.waitSaid(issue.Topic(), "config.ini:2")
	if said := w.everythingAtTheForge(issue.Topic()); strings.Contains(said, key[:12]) {
		t.Errorf("the forge shows the value:\n%s", said)
	}
	if out, err := exec.Command("grep", "-rlaF", key, w.dir).CombinedOutput(); err == nil {
		t.Errorf("it lies in %s", out)
	}

	second := w.issue(maria)
	w.say(maria, second.Topic(), "/coderflow run write the fixture")
	proposed := w.taskOf(second.Number, task.Proposed)
	pr, err := w.pullRequest(t.Context(), proposed.PullRequest)
	if err != nil {
		t.Fatal(err)
	}
	if body := pr.Body; !strings.Contains(body, "| `secret-pattern` | `testdata/key:2` |") || strings.Contains(body, key[:12]) {
		t.Errorf("the pull request says\n%s", body)
	}
}
