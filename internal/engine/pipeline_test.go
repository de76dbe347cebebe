package engine

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/freeze"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/secret"
)

func (w *pipeWorld) wants(id string, state deploy.RunState, words string) {
	w.t.Helper()
	if run := w.run(id); run.State != state || !strings.Contains(run.Detail, words) {
		w.t.Errorf("%s: %q, want %s: %q", run.State, run.Detail, state, words)
	}
}

func (w *pipeWorld) wantsAsked(n int) {
	w.t.Helper()
	if len(w.pipes.asked) != n {
		w.t.Errorf("the pipeline was asked %d times, want %d", len(w.pipes.asked), n)
	}
}

func TestADeploymentRunsItsPipeline(t *testing.T) {
	t.Parallel()
	w := newPipeWorld(t)
	id := w.asked("pipeline-1", map[string]string{"note": "; reboot `id` ' \" && $HOME"})
	run := w.looks(id)
	if run.State != deploy.Running || run.Pipeline.ID != "1" || run.Pipeline.URL != "https://pipes.example/1" || len(w.pipes.asked) != 1 {
		t.Fatalf("%+v", run)
	}
	r := w.pipes.asked[0]
	if r.Key != id || r.Commit != pipeLanded || r.Ref != "refs/heads/"+w.task.ID.Branch() || r.Repository != "self" ||
		!maps.Equal(r.Parameters, map[string]string{"channel": "beta", "note": "; reboot `id` ' \" && $HOME"}) {
		t.Errorf("asked for %+v", r)
	}
	w.pipes.said = []string{"build: done\n", "upload with s3cr3t-token-value\n"}
	w.looks(id)
	w.looks(id)
	w.pipes.end(forge.PipelineSucceeded)
	run = w.looks(id)
	if run.State != deploy.Succeeded || run.Pipeline.Result != "succeeded" || run.FinishedAt.IsZero() {
		t.Errorf("%+v", run)
	}
	if log := string(w.log); !strings.HasPrefix(log, "build: done\nupload with ") || strings.Contains(log, "s3cr3t") {
		t.Errorf("output %q", log)
	}
	if !slices.Equal(w.hub.shown, []forge.DeploymentState{forge.DeploymentInProgress, forge.DeploymentSuccess}) {
		t.Errorf("shown at the forge: %v", w.hub.shown)
	}
	for action, n := range map[audit.Action]int{audit.DeployIntent: 1, audit.DeployStarted: 1, audit.DeployEnded: 1, audit.DeployCancel: 0} {
		if got := w.audited(action); got != n {
			t.Errorf("%s: %d entries, want %d", action, got, n)
		}
	}
	w.looks(id)
	w.wantsAsked(1)
}

func TestHowAPipelineEndsIsToldTruthfully(t *testing.T) {
	t.Parallel()
	for result, row := range map[forge.PipelineResult]struct {
		state deploy.RunState
		words string
	}{
		forge.PipelineSucceeded: {deploy.Succeeded, ""},
		forge.PipelineFailed:    {deploy.Failed, "the pipeline's run failed"},
		forge.PipelinePartly:    {deploy.Failed, "succeeded in part only"},
		forge.PipelineCancelled: {deploy.Failed, "somebody cancelled"},
		forge.PipelineUnclear:   {deploy.Unknown, "does not say how"},
	} {
		w := newPipeWorld(t)
		id := w.asked("pipeline-1", nil)
		w.looks(id)
		w.pipes.end(result)
		w.looks(id)
		w.wants(id, row.state, row.words)
	}
	w := newPipeWorld(t)
	id := w.asked("pipeline-1", nil)
	w.looks(id)
	w.pipes.runs = nil
	w.looks(id)
	w.wants(id, deploy.Unknown, "was deleted before its end was seen")
}

// Threat 51: whoever else takes the same run on, one of them asks.
func TestThreat51SeveralAtOnceAskThePipelineOnce(t *testing.T) {
	t.Parallel()
	w := newPipeWorld(t)
	id := w.asked("pipeline-1", nil)
	var all sync.WaitGroup
	for range 6 {
		other := New(w.e.Options)
		all.Go(func() { _ = w.look(other) })
	}
	all.Wait()
	w.looks(id)
	w.wants(id, deploy.Running, "")
	w.wantsAsked(1)
	if len(w.pipes.runs) != 1 || w.audited(audit.DeployIntent) != 1 {
		t.Errorf("%d runs, %d intents", len(w.pipes.runs), w.audited(audit.DeployIntent))
	}
}

func TestFault17AnAnswerThatIsLostIsFoundAgain(t *testing.T) {
	t.Parallel()
	w := newPipeWorld(t)
	w.pipes.lose = errors.New("connection reset")
	id := w.asked("pipeline-1", nil)
	if run := w.looks(id); run.State != deploy.Running || run.Pipeline.ID != "1" {
		t.Errorf("%+v", run)
	}
	w.wantsAsked(1)
	// The answer came, and the server died before it was recorded.
	w = newPipeWorld(t)
	id = w.asked("pipeline-1", nil)
	if !w.crash(DeploymentStarted, func() { _ = w.look(w.e) }) || w.run(id).State != deploy.Created {
		t.Fatalf("%+v", w.run(id))
	}
	if run := w.looks(id); run.State != deploy.Running || run.Pipeline.ID != "1" {
		t.Errorf("%+v", run)
	}
	w.wantsAsked(1)
}

// Nothing tells a request that never arrived from one that is still on its way but time.
// It is not made again: the deployment fails, and says that it did not start.
func TestFault16AKillBeforeThePipelineIsAskedStartsNothing(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]func(*pipeWorld){
		"killed": func(w *pipeWorld) {
			if !w.crash(PipelineIntended, func() { _ = w.look(w.e) }) {
				t.Error("not killed")
			}
		},
		"the request never arrived": func(w *pipeWorld) {
			w.pipes.drop = errors.New("no route to host")
			_ = w.look(w.e)
			w.pipes.drop, w.pipes.asked = nil, nil
		},
	} {
		w := newPipeWorld(t)
		id := w.asked("pipeline-1", nil)
		begin(w)
		w.looks(id)
		w.wants(id, deploy.Created, "")
		w.wait(pipelineSettle + time.Second)
		w.looks(id)
		w.wants(id, deploy.Failed, "it did not start, and is not started any more by itself")
		if len(w.pipes.runs)+len(w.pipes.asked) > 0 {
			t.Errorf("%s: %d runs, asked %d times", name, len(w.pipes.runs), len(w.pipes.asked))
		}
	}
}

func TestFault17WhatCanNeitherBeFoundNorExcludedIsUnknown(t *testing.T) {
	t.Parallel()
	w := newPipeWorld(t)
	w.pipes.lose = errors.New("connection reset")
	id := w.asked("pipeline-1", nil)
	w.pipes.onQueue = func() { w.pipes.mu.Lock(); w.pipes.blind = errors.New("503"); w.pipes.mu.Unlock() }
	if err := w.look(w.e); err == nil {
		t.Error("nobody is told that the service does not answer")
	}
	w.wait(pipelineSettle + time.Minute)
	if err := w.look(w.e); err == nil {
		t.Error("nobody is told that the service does not answer")
	}
	w.wants(id, deploy.Created, "")
	w.wait(pipelineLost)
	w.looks(id)
	w.wants(id, deploy.Unknown, "what came of it cannot be learnt: 503")
	w.pipes.blind = nil
	w.looks(id)
	w.wants(id, deploy.Unknown, "")
	w.wantsAsked(1)
}

// A database that was set back has no record of what was started since.
func TestARunThatWasStartedBeforeIsTakenUp(t *testing.T) {
	t.Parallel()
	w := newPipeWorld(t)
	id := w.asked("pipeline-1", nil)
	w.pipes.runs = []forge.PipelineRun{{ID: "77", Name: "release-" + id, Commit: pipeLanded}}
	if run := w.looks(id); run.State != deploy.Running || run.Pipeline.ID != "77" {
		t.Errorf("%+v", run)
	}
	w.wantsAsked(0)
}

func TestAPipelineThatNeverEndsIsCancelled(t *testing.T) {
	t.Parallel()
	w := newPipeWorld(t)
	id := w.asked("pipeline-1", nil)
	w.looks(id)
	w.wait(15*time.Minute - time.Second)
	w.looks(id)
	if len(w.pipes.cancel) > 0 {
		t.Fatal("cancelled before its time")
	}
	w.wait(2 * time.Second)
	w.looks(id)
	w.looks(id)
	w.wants(id, deploy.Running, "")
	if !slices.Equal(w.pipes.cancel, []string{"1"}) || w.audited(audit.DeployCancel) != 1 {
		t.Errorf("cancelled %q, %d entries", w.pipes.cancel, w.audited(audit.DeployCancel))
	}
	w.pipes.end(forge.PipelineCancelled)
	w.looks(id)
	w.wants(id, deploy.Failed, "it took longer than its profile permits")
	w.wants(id, deploy.Failed, "the pipeline's run was cancelled")
	// One that does not end when it is cancelled is not waited for without end.
	w = newPipeWorld(t)
	id = w.asked("pipeline-1", nil)
	w.looks(id)
	w.wait(16 * time.Minute)
	w.looks(id)
	w.wait(pipelineCancel + time.Second)
	w.looks(id)
	w.wants(id, deploy.Unknown, "has not ended")
	// One that was done by then succeeded.
	w = newPipeWorld(t)
	id = w.asked("pipeline-1", nil)
	w.looks(id)
	w.wait(16 * time.Minute)
	w.looks(id)
	w.pipes.end(forge.PipelineSucceeded)
	w.looks(id)
	w.wants(id, deploy.Succeeded, "had succeeded before it was cancelled")
}

func TestFault17AKillBeforeARunIsCancelledLeavesTheOrder(t *testing.T) {
	t.Parallel()
	w := newPipeWorld(t)
	id := w.asked("pipeline-1", nil)
	w.looks(id)
	w.wait(16 * time.Minute)
	if !w.crash(PipelineStopped, func() { _ = w.look(w.e) }) || len(w.pipes.cancel) > 0 {
		t.Fatal("not killed before it was cancelled")
	}
	w.looks(id)
	if len(w.pipes.cancel) != 1 || w.audited(audit.DeployCancel) != 1 {
		t.Errorf("cancelled %q, %d entries", w.pipes.cancel, w.audited(audit.DeployCancel))
	}
}

func TestWhatTheServiceRefusesDidNotStart(t *testing.T) {
	t.Parallel()
	for words, err := range map[string]error{
		"there is no pipeline Acme/release that CoderFlow's account may see": forge.ErrNotFound,
		"may not queue runs of pipeline Acme/release":                        forge.ErrForbidden,
		"was not started: the forge asks to wait 1m0s":                       &forge.RateLimitError{RetryAfter: time.Minute, Cause: errors.New("429")},
		"the service says: Unexpected parameter 'note'":                      &forge.RefusedError{Operation: "run", Words: "Unexpected parameter 'note'"},
	} {
		w := newPipeWorld(t)
		w.pipes.refuse = err
		id := w.asked("pipeline-1", nil)
		w.looks(id)
		w.wants(id, deploy.Failed, words)
		w.wantsAsked(1)
	}
	w := newPipeWorld(t)
	w.manifests(strings.Replace(pipeManifests, "pipeline: release", "pipeline: relase", 1))
	id := w.asked("pipeline-1", nil)
	w.looks(id)
	w.wants(id, deploy.Failed, "there is no pipeline Acme/relase")
	w.wantsAsked(0)
}

func TestThreat48ARoleThatWasRevokedStartsNoPipeline(t *testing.T) {
	t.Parallel()
	w := newPipeWorld(t)
	id := w.asked("pipeline-1", nil)
	before := w.set
	w.manifests(strings.Replace(pipeManifests, "environment-admin", "viewer", 1))
	profile, _ := w.set.Profile("staging", "release")
	if old, _ := before.Profile("staging", "release"); old.Digest() != profile.Digest() {
		t.Fatal("another profile")
	}
	w.looks(id)
	w.wants(id, deploy.Withheld, string(policy.DeploymentsExecute))
	w.wantsAsked(0)
	// Revoked between the first look and the start.
	w = newPipeWorld(t)
	id = w.asked("pipeline-1", nil)
	gits := pipeGits{w: w}
	w.e.Git = slowGit{gits, func() { w.manifests(strings.Replace(pipeManifests, "environment-admin", "viewer", 1)) }}
	w.looks(id)
	w.wants(id, deploy.Withheld, string(policy.DeploymentsExecute))
	w.wantsAsked(0)
}

// slowGit lets something happen while it fetches.
type slowGit struct {
	pipeGits
	meanwhile func()
}

func (g slowGit) IsAncestor(ctx context.Context, ref forge.RepositoryRef, commit, of string) (bool, error) {
	g.meanwhile()
	return g.pipeGits.IsAncestor(ctx, ref, commit, of)
}

func TestAPipelineTakesTheCommitFromABranchThatHasIt(t *testing.T) {
	t.Parallel()
	w := newPipeWorld(t)
	id := w.asked("pipeline-1", nil)
	w.heads = map[string]string{"main": pipeLanded} // merged, and its branch is deleted
	w.looks(id)
	if len(w.pipes.asked) != 1 || w.pipes.asked[0].Ref != "refs/heads/main" {
		t.Errorf("%+v", w.pipes.asked)
	}
	w = newPipeWorld(t)
	id = w.asked("pipeline-1", nil)
	w.heads = map[string]string{"main": strings.Repeat("f", 40)} // squashed
	w.looks(id)
	w.wants(id, deploy.Withheld, "is on no branch any more from which a pipeline could take it")
	w.wantsAsked(0)
}

func TestAPipelineThatTakesAnotherCommitIsCancelled(t *testing.T) {
	t.Parallel()
	for _, result := range []forge.PipelineResult{forge.PipelineCancelled, forge.PipelineSucceeded} {
		w := newPipeWorld(t)
		w.pipes.commit = strings.Repeat("f", 40)
		id := w.asked("pipeline-1", nil)
		w.looks(id)
		if !slices.Equal(w.pipes.cancel, []string{"1"}) {
			t.Errorf("cancelled %q", w.pipes.cancel)
		}
		w.pipes.end(result)
		w.looks(id)
		w.wants(id, deploy.Failed, "the pipeline took commit ffffffffffff instead of eeeeeeeeeeee")
	}
}

func TestAServerWithoutAzureDevOpsSaysSo(t *testing.T) {
	t.Parallel()
	w := newPipeWorld(t)
	id := w.asked("pipeline-1", nil)
	w.e.Deployer = &deploy.Executor{}
	w.looks(id)
	w.wants(id, deploy.Withheld, "this server has no Azure DevOps: the section azureDevOps of its coderflow.yaml is missing")
	q := &deployRequest{DeployRequest: DeployRequest{Environment: "staging", Profile: "release"}, e: w.e, set: w.set}
	refused := (*deploy.RequestError)(nil)
	if _, _, err := q.profile(); !errors.As(err, &refused) || refused.Kind != deploy.Conflict || !strings.Contains(refused.Problem, "an administrator of the server adds it") {
		t.Errorf("a request: %v", err)
	}
}

func (w *pipeWorld) freeze(resource string) freeze.Freeze {
	w.t.Helper()
	f := freeze.Freeze{ID: "f1", Resource: resource, Reason: "wrong release", By: "github:1", At: w.now}
	w.froze = freeze.Set{f}
	if _, _, err := w.e.Freezes.Look(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	return f
}

func (w *pipeWorld) thaw() {
	w.t.Helper()
	w.froze = nil
	if _, _, err := w.e.Freezes.Look(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// A container is paused; a run elsewhere cannot be, so it is cancelled. Either way it
// goes on being looked at after the thaw.
func TestAFreezeStartsNoPipelineAndCancelsWhatRuns(t *testing.T) {
	t.Parallel()
	w := newPipeWorld(t)
	id := w.asked("pipeline-1", nil)
	w.freeze("environment/staging")
	w.looks(id)
	w.wants(id, deploy.Pending, "")
	w.wantsAsked(0)
	w.thaw()
	w.looks(id)
	w.wants(id, deploy.Running, "")
	done := map[string]bool{}
	if err := w.e.cancelFrozen(t.Context(), freeze.Freeze{ID: "f0", Resource: "environment/production"}, done); err != nil || len(w.pipes.cancel) > 0 {
		t.Errorf("another environment's: %v, %q", err, w.pipes.cancel)
	}
	f := w.freeze("environment/staging")
	w.pipes.finish = true
	for range 3 {
		if err := w.e.cancelFrozen(t.Context(), f, done); err != nil {
			t.Error(err)
		}
	}
	if err := New(w.e.Options).cancelFrozen(t.Context(), f, map[string]bool{}); err != nil { // another node
		t.Error(err)
	}
	if w.audited(audit.DeployCancel) != 1 || len(w.pipes.cancel) != 2 {
		t.Errorf("%d orders, cancelled %q", w.audited(audit.DeployCancel), w.pipes.cancel)
	}
	w.looks(id)
	w.wants(id, deploy.Running, "") // no state changes while it is frozen
	w.thaw()
	w.looks(id)
	w.wants(id, deploy.Failed, "environment staging has been frozen by github:1")
	w.wantsAsked(1)
}

// A freeze that comes while the pipeline is asked finds the run by its id.
func TestAFreezeFindsARunThatWasAskedForAtTheLastMoment(t *testing.T) {
	t.Parallel()
	w := newPipeWorld(t)
	id := w.asked("pipeline-1", nil)
	w.pipes.lose = errors.New("broken off")
	var f freeze.Freeze
	w.pipes.onQueue = func() { f = w.freeze("server") }
	_ = w.look(w.e)
	w.wants(id, deploy.Created, "")
	if err := w.e.cancelFrozen(t.Context(), f, map[string]bool{}); err != nil || !slices.Equal(w.pipes.cancel, []string{"1"}) {
		t.Errorf("%v, cancelled %q", err, w.pipes.cancel)
	}
	w.pipes.end(forge.PipelineCancelled)
	w.thaw()
	w.looks(id)
	w.wants(id, deploy.Failed, "the whole server has been frozen")
}

func TestOutputOfAPipelineIsKeptOnceAndWithinBounds(t *testing.T) {
	t.Parallel()
	w := newPipeWorld(t)
	id := w.asked("pipeline-1", nil)
	w.looks(id)
	w.pipes.said = []string{"one\n"}
	w.looks(id)
	// The text is stored, and the server dies before the place is.
	w.edit(id, func(r *deploy.Run) bool { r.Pipeline.Place, r.Pipeline.Kept = "", 0; return true })
	w.pipes.said = append(w.pipes.said, "two\n")
	w.looks(id)
	if string(w.log) != "one\ntwo\n" {
		t.Errorf("output %q", w.log)
	}
	long := strings.Repeat("x", 99) + "\n"
	for range 40 {
		w.pipes.said = append(w.pipes.said, strings.Repeat(long, 3000))
	}
	w.pipes.end(forge.PipelineSucceeded)
	w.looks(id)
	w.wants(id, deploy.Succeeded, "")
	if len(w.log) > pipelineOutput || !strings.HasSuffix(string(w.log), pipelineCut) {
		t.Errorf("%d bytes are kept, which end with %q", len(w.log), w.log[len(w.log)-100:])
	}
}

func TestACanaryInThePipelinesOutputCancelsIt(t *testing.T) {
	t.Parallel()
	w := newPipeWorld(t)
	decoy, err := secret.NewValue("OLD", []byte("decoy-that-nobody-uses"))
	if err != nil {
		t.Fatal(err)
	}
	w.canary = secret.NewTripwire(decoy.AsCanary())
	id := w.asked("pipeline-1", nil)
	w.looks(id)
	w.pipes.said = []string{"here is decoy-that-nobody-uses\n"}
	w.looks(id)
	if len(w.pipes.cancel) == 0 || len(w.log) > 0 || len(w.trips) == 0 {
		t.Errorf("cancelled %q, output %q, %d trips", w.pipes.cancel, w.log, len(w.trips))
	}
	w.pipes.end(forge.PipelineSucceeded)
	w.looks(id)
	w.wants(id, deploy.Failed, "canary OLD appeared")
}
