package engine

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/freeze"
	"github.com/coderflow/coderflow/internal/secret"
)

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
