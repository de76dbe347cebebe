package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/client"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/task"
)

// standing deploys whatever is approved, and announces whatever is merged.
const standing = `deployments:
    onApproval:
      - {profile: publish, parameters: {channel: beta}}
    onMerge:
      - {profile: announce, parameters: {text: merged}}`

// saysWhat prints what a deployment was given and sees.
const saysWhat = `echo "trigger=$CODERFLOW_TRIGGER commit=$CODERFLOW_COMMIT"
printf 'given=%s\n' "${PARAM_CHANNEL:-}${PARAM_TEXT:-}"
grep -c 'total += \$2 \* \$3' receipt.awk
if echo changed > /workspace/receipt.awk; then echo "the commit can be changed"; fi`

// announce is a profile with a parameter of free text.
func announce(environment string) string {
	return "apiVersion: coderflow.dev/v1\nkind: DeploymentProfile\nmetadata: {name: announce, environment: " + environment + "}\nspec:\n" +
		"  parameters:\n    - {name: text, required: true}\n  script: |\n    " + strings.ReplaceAll(saysWhat, "\n", "\n    ") + "\n"
}

const robotText = "apiVersion: coderflow.dev/v1\nkind: Role\nmetadata: {name: deployer}\nspec:\n  permissions: [\"deployments:view\", \"deployments:execute\"]\n---\n"

// newDeployWorld has the service "robot" deploy into staging.
func newDeployWorld(t *testing.T, spec, script string, more ...worldOption) *world {
	t.Helper()
	w := newStoppedWorld(t, append(more, func(_ *emulator.Options, s *settings) { s.Spec, s.Script = spec, script })...)
	w.manifests("robot.yaml", robotText+binding("robot-deploys", "service:robot", "deployer", "environment/staging")+"---\n"+announce("staging"))
	return w
}

// robot makes a token of the service.
func (w *world) robot() string {
	w.t.Helper()
	out, errors, err := w.cli("tokens", "create", "-c", w.in.config, "--for", "service:robot", "--name", "robot", "-o", "json")
	if err != nil {
		w.t.Fatalf("make a token for the service: %v: %s", err, errors)
	}
	var made struct{ Token string }
	if err := json.Unmarshal([]byte(out), &made); err != nil {
		w.t.Fatal(err)
	}
	return made.Token
}

// mergeBy merges the pull request as a person and returns the commit that the forge reports.
func (w *world) mergeBy(login string, number int) string {
	w.t.Helper()
	commit, err := w.people.merge(w.t.Context(), login, number)
	if err != nil {
		w.t.Fatal(err)
	}
	return commit
}

// deployed waits until the run has the state.
func (w *world) deployed(id string, state deploy.RunState) deploy.Run {
	w.t.Helper()
	db := w.db()
	var run deploy.Run
	w.wait(fmt.Sprintf("deployment %s %s", id, state), func(ctx context.Context) (found bool, err error) {
		run, err = db.Deployment(ctx, id)
		if err == nil && run.State.Ended() && run.State != state {
			return false, fmt.Errorf("deployment %s is %s: %s", id, run.State, run.Detail)
		}
		return err == nil && run.State == state, err
	})
	return run
}

// only one of the task's runs has the profile and the trigger.
func (w *world) runOf(id task.ID, profile string, trigger deploy.Trigger) deploy.Run {
	w.t.Helper()
	runs, err := w.db().DeployRuns(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	runs = slices.DeleteFunc(runs, func(r deploy.Run) bool { return r.Profile != profile || r.Trigger != trigger })
	if len(runs) != 1 {
		w.t.Fatalf("%d runs of %s by %s, want one: %+v", len(runs), profile, trigger, runs)
	}
	return runs[0]
}

// ask requests a deployment and returns the answer.
func (w *world) ask(secret, environment, profile, commit string, parameters map[string]string, more ...string) (reply, client.Deployment) {
	w.t.Helper()
	body := map[string]any{"environment": environment, "profile": profile, "commit": commit, "parameters": parameters}
	for i := 0; i+1 < len(more); i += 2 {
		body[more[i]] = more[i+1]
	}
	answer := w.post("/deployments", secret, body)
	var d client.Deployment
	if answer.status < 300 {
		if err := json.Unmarshal([]byte(answer.body), &d); err != nil {
			w.t.Fatal(err)
		}
	}
	return answer, d
}

// refusals counts what the audit log says about refused deployments by an actor.
func (w *world) refusals(actor string) (n int) {
	w.t.Helper()
	entries, err := w.db().AuditEntries(context.Background(), store.AuditFilter{Limit: 1000})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range entries {
		if e.Action == audit.DeployRefused && e.Actor == actor {
			n++
		}
	}
	return n
}

// What is approved is deployed by what the environment says; what is merged, after
// the forge reports it; and a pipeline deploys the same commits again, and no other.
func TestWhatWasApprovedIsDeployedOnApprovalOnMergeAndByRequest(t *testing.T) {
	onBoth(t, func(t *testing.T, at worldOption) {
		w := newDeployWorld(t, standing, saysWhat, at)
		w.start()
		robot := w.robot()
		proposed := w.taskOf(w.run(maria).Number, task.Proposed)
		w.approve(tom, proposed.PullRequest, "Count every item")
		done := w.taskOf(proposed.Issue, task.Done)
		first, waiting := w.runOf(done.ID, "publish", deploy.OnApproval), w.runOf(done.ID, "announce", deploy.OnMerge)
		if first.State != deploy.Succeeded || first.Commit != done.LandedCommit || first.Covers != deploy.CoversLanded {
			t.Errorf("on approval: %+v", first)
		}
		if want := "trigger=onApproval commit=" + done.LandedCommit + "\ngiven=beta\n1\n"; !strings.HasPrefix(w.output("deploy/"+first.ID), want) {
			t.Errorf("it saw\n%s", w.output("deploy/"+first.ID))
		}
		if waiting.State != deploy.Armed || waiting.Commit != "" {
			t.Errorf("on merge, before it: %+v", waiting)
		}

		merge := w.mergeBy(tom, done.PullRequest)
		announced := w.deployed(waiting.ID, deploy.Succeeded)
		if announced.Commit != merge || announced.Covers != deploy.CoversMerge || merge == done.LandedCommit {
			t.Errorf("on merge %s: %+v", merge, announced)
		}
		if out := w.output("deploy/" + announced.ID); !strings.HasPrefix(out, "trigger=onMerge commit="+merge+"\ngiven=merged\n1\n") || strings.Contains(out, "the commit can be changed") {
			t.Errorf("it saw\n%s", out)
		}

		for _, commit := range []string{merge, done.LandedCommit, merge} { // again, and back to an earlier one
			answer, d := w.ask(robot, "staging", "publish", commit, map[string]string{"channel": "stable"}, "reason", "nightly")
			if answer.status != http.StatusAccepted {
				t.Fatalf("a request for %s: %d %s", commit, answer.status, answer.body)
			}
			run := w.deployed(d.ID, deploy.Succeeded)
			if run.Commit != commit || run.RequestedBy.Subject.String() != "service:robot" || run.ArmedBy.Login != w.loginOf(tom) || run.Reason != "nightly" {
				t.Errorf("by request: %+v", run)
			}
		}
		if now := w.taskOf(proposed.Issue, task.Done); now.ID != done.ID {
			t.Errorf("the task is %+v", now)
		}
		shown := w.hub.Deployments(sampleRepo)
		for i, d := range shown {
			want := []string{"in_progress", "success", "inactive"} // the forge's own word for what another one replaced
			if i == len(shown)-1 || w.onAzure() {
				want = want[:2]
			}
			if !slices.Equal(d.States, want) || d.Environment != "staging" {
				t.Errorf("the forge shows %+v", d)
			}
		}
		if len(shown) != 5 {
			t.Errorf("the forge shows %d deployments, want 5", len(shown))
		}
		w.auditHas(done.ID, map[audit.Action]int{
			audit.PushDone: 1, audit.DeployRequested: 3, audit.DeployMerged: 1, audit.DeployIntent: 5, audit.DeployStarted: 5, audit.DeployEnded: 5,
		})
		w.landedExactly(done)
	})
}

// Rows 49, 52 and 53 of requests: who may not, what no approval covers, what another
// environment's gate does not let through, and what is text stays text.
func TestThreat49And52And53RequestsDeployOnlyWhatWasApprovedForThere(t *testing.T) {
	t.Parallel()
	w := newDeployWorld(t, "", "cat /run/secrets/* /run/secrets/../secrets/* 2>/dev/null; "+saysWhat)
	w.production("viewer")
	w.manifests("more.yaml", announce("production")+"---\n"+binding("eve-looks", w.subject(eve), "viewer", "environment/staging"))
	w.start()
	w.setSecret("production/PASSWORD", "deploy", productionSecret)
	robot := w.robot()
	looker, _ := w.token(eve)
	issue := w.issue(maria).Number
	w.say(maria, forge.IssueTopic(issue), "/coderflow run --env staging")
	proposed := w.taskOf(issue, task.Proposed)
	base := w.head(proposed.PullRequest)
	if answer, _ := w.ask(robot, "staging", "publish", base, nil); answer.status != http.StatusNotFound {
		t.Errorf("the proposal, before anybody approved it: %d %s", answer.status, answer.body)
	}
	w.approve(tom, proposed.PullRequest, "Count every item")
	done := w.taskOf(proposed.Issue, task.Done)
	commit := done.LandedCommit

	for _, row := range []struct {
		name, secret, environment, profile, commit string
		parameters                                 map[string]string
		status                                     int
	}{
		{"who may look only", looker, "staging", "publish", commit, nil, http.StatusForbidden},
		{"who sees nothing there", looker, "production", "announce", commit, map[string]string{"text": "x"}, http.StatusNotFound},
		{"an environment where it has no role", robot, "production", "announce", commit, map[string]string{"text": "x"}, http.StatusNotFound},
		{"the inert proposal", robot, "staging", "publish", base, nil, http.StatusNotFound},
		{"what nobody approved", robot, "staging", "publish", strings.Repeat("0", 40), nil, http.StatusNotFound},
		{"a short id", robot, "staging", "publish", commit[:12], nil, http.StatusUnprocessableEntity},
		{"a branch", robot, "staging", "publish", "main", nil, http.StatusUnprocessableEntity},
		{"no such profile", robot, "staging", "other", commit, nil, http.StatusNotFound},
		{"a value that is not an option", robot, "staging", "publish", commit, map[string]string{"channel": "stable; reboot"}, http.StatusUnprocessableEntity},
		{"no such parameter", robot, "staging", "publish", commit, map[string]string{"LD_PRELOAD": "x"}, http.StatusUnprocessableEntity},
		{"two lines", robot, "staging", "announce", commit, map[string]string{"text": "a\nb"}, http.StatusUnprocessableEntity},
	} {
		before := w.refusals("service:robot") + w.refusals(w.subject(eve))
		if answer, _ := w.ask(row.secret, row.environment, row.profile, row.commit, row.parameters); answer.status != row.status {
			t.Errorf("%s: %d %s", row.name, answer.status, answer.body)
		}
		if after := w.refusals("service:robot") + w.refusals(w.subject(eve)); after != before+1 {
			t.Errorf("%s: %d refusals in the log, then %d", row.name, before, after)
		}
	}
	if all := w.containers("deploy"); len(all) != 0 {
		t.Errorf("containers were made: %+v", all)
	}

	const text = `"; echo PWNED; $(touch /tmp/pwned; echo PWNED) ` + "`id`" + ` ' && rm -rf / #`
	answer, d := w.ask(robot, "staging", "announce", commit, map[string]string{"text": text})
	if answer.status != http.StatusAccepted {
		t.Fatalf("%d %s", answer.status, answer.body)
	}
	w.deployed(d.ID, deploy.Succeeded)
	if out := w.output("deploy/" + d.ID); !strings.Contains(out, "\ngiven="+text+"\n") || strings.Contains(out, productionSecret) {
		t.Errorf("the text did not stay one:\n%s", out)
	}

	// The service may deploy into production now; the approval was given for staging.
	desk := &desk{t: t, dir: w.dir, config: w.in.config}
	desk.must("apply", "--merge", "-f", desk.write("robot-in-production.yaml", binding("robot-in-production", "service:robot", "deployer", "environment/production")))
	answer, _ = w.ask(robot, "production", "announce", commit, map[string]string{"text": "x"})
	if answer.status != http.StatusConflict || !strings.Contains(answer.body, "does not count in production") && !strings.Contains(answer.body, "has no role") {
		t.Errorf("staging's approval in production: %d %s", answer.status, answer.body)
	}
	desk.must("apply", "--merge", "-f", desk.write("tom-in-production.yaml", binding("tom-in-production", w.subject(tom), "environment-admin", "environment/production")))
	answer, d = w.ask(robot, "production", "announce", commit, map[string]string{"text": "x"})
	if answer.status != http.StatusAccepted {
		t.Fatalf("an approval that counts there too: %d %s", answer.status, answer.body)
	}
	w.deployed(d.ID, deploy.Succeeded)

	// Rows 44 and 48: what falls after the landing.
	review := w.lastReview(done.PullRequest)
	w.dismiss(done.PullRequest, review)
	if answer, _ = w.ask(robot, "staging", "publish", commit, nil); answer.status != http.StatusConflict || !strings.Contains(answer.body, "dismissed") {
		t.Errorf("under a dismissed review: %d %s", answer.status, answer.body)
	}
	w.entriesSayEnough(audit.DeployRequested, audit.DeployRefused)
}

func (w *world) lastReview(number int) forge.Review {
	w.t.Helper()
	reviews, err := w.reviews(w.t.Context(), number)
	if err != nil || len(reviews) == 0 {
		w.t.Fatalf("%d reviews: %v", len(reviews), err)
	}
	return reviews[len(reviews)-1]
}

// The same request many times at once is one run; with other content it is refused.
func TestTheSameKeyAtOnceIsOneDeployment(t *testing.T) {
	t.Parallel()
	w := newDeployWorld(t, "", saysWhat)
	w.start()
	robot := w.robot()
	proposed := w.taskOf(w.run(maria).Number, task.Proposed)
	w.approve(tom, proposed.PullRequest, "Count every item")
	done := w.taskOf(proposed.Issue, task.Done)
	var ids sync.Map
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			answer, d := w.ask(robot, "staging", "publish", done.LandedCommit, nil, "key", "pipeline-4711")
			if answer.status != http.StatusAccepted && answer.status != http.StatusOK {
				t.Errorf("%d %s", answer.status, answer.body)
			}
			ids.Store(d.ID, true)
		})
	}
	all.Wait()
	runs, err := w.db().DeployRuns(t.Context(), done.ID)
	if err != nil || len(runs) != 1 {
		t.Fatalf("%d runs: %v", len(runs), err)
	}
	ids.Range(func(id, _ any) bool {
		if id != runs[0].ID {
			t.Errorf("a request was told of %v, the run is %s", id, runs[0].ID)
		}
		return true
	})
	if answer, _ := w.ask(robot, "staging", "publish", done.LandedCommit, map[string]string{"channel": "stable"}, "key", "pipeline-4711"); answer.status != http.StatusConflict {
		t.Errorf("the same key for something else: %d %s", answer.status, answer.body)
	}
	w.deployed(runs[0].ID, deploy.Succeeded)
	if answer, d := w.ask(robot, "staging", "publish", done.LandedCommit, nil, "key", "pipeline-4711"); answer.status != http.StatusOK || d.ID != runs[0].ID {
		t.Errorf("the same request later: %d %+v", answer.status, d)
	}
	w.auditHas(done.ID, map[audit.Action]int{audit.DeployRequested: 1, audit.DeployStarted: 1})
}

// Whoever may approve and not deploy approves; what the environment would deploy is
// not armed, and everybody sees why. A review can also say that nothing is deployed.
func TestAnApprovalDeploysNothingWhoseAuthorMayNotOrDoesNotWantTo(t *testing.T) {
	t.Parallel()
	w := newDeployWorld(t, standing, saysWhat)
	if err := w.hub.AddCollaborator(sampleRepo, eve, "write"); err != nil {
		t.Fatal(err)
	}
	w.manifests("approvers.yaml", "apiVersion: coderflow.dev/v1\nkind: Role\nmetadata: {name: approver}\nspec:\n  permissions: [\"tasks:view\", \"tasks:approve\"]\n---\n"+
		binding("eve-approves", w.subject(eve), "approver", "environment/staging"))
	w.start()
	proposed := w.taskOf(w.run(maria).Number, task.Proposed)
	w.approve(eve, proposed.PullRequest, "Count every item")
	done := w.taskOf(proposed.Issue, task.Done)
	for profile, trigger := range map[string]deploy.Trigger{"publish": deploy.OnApproval, "announce": deploy.OnMerge} {
		if run := w.runOf(done.ID, profile, trigger); run.State != deploy.Withheld || !strings.Contains(run.Detail, "not armed") || !strings.Contains(run.Detail, "deployments:execute") {
			t.Errorf("%s: %+v", profile, run)
		}
	}
	w.waitSaid(forge.IssueTopic(done.Issue), "not armed")
	w.auditHas(done.ID, map[audit.Action]int{audit.PushDone: 1, audit.DeployRefused: 2, audit.DeployIntent: 0})

	proposed = w.taskOf(w.run(maria).Number, task.Proposed)
	w.approve(tom, proposed.PullRequest, "Count every item\n\n/coderflow no-deploy")
	done = w.taskOf(proposed.Issue, task.Done)
	if runs, err := w.db().DeployRuns(t.Context(), done.ID); err != nil || len(runs) != 0 {
		t.Errorf("with no-deploy: %+v, %v", runs, err)
	}
	if all := w.containers("deploy"); len(all) != 0 {
		t.Errorf("containers were made: %+v", all)
	}
}
