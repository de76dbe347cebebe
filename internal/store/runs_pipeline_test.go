package store_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
)

var asked = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// However many processes are about to ask a pipeline, one is told that it may.
func TestFault28ADeploymentBeginsOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		v, approval := approvedTask(t, s)
		run := deployment(t, s, v, approval, deploy.Run{ID: "piped", Environment: "staging", Profile: "p"})
		begin := func() (first bool) {
			inTx(t, s, func(ctx context.Context, tx *store.Tx) (err error) {
				first, err = tx.BeginRun(ctx, run)
				return err
			})
			return first
		}
		if begin() {
			t.Error("it begins without its turn")
		}
		claim(t, s, run.ID)
		run.Pipeline = deploy.PipelineRecord{Pipeline: deploy.Pipeline{Host: "azuredevops", Project: "acme", Name: "7"}, Ref: "refs/heads/main", AskedAt: asked}
		var firsts atomic.Int32
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if begin() {
					firsts.Add(1)
				}
			})
		}
		all.Wait()
		if firsts.Load() != 1 {
			t.Errorf("%d of them began it", firsts.Load())
		}
		under, err := s.RunsUnderWay(t.Context())
		if err != nil || len(under) != 1 || under[0].State != deploy.Created || under[0].Pipeline != run.Pipeline || under[0].Stopped != (deploy.Stop{}) {
			t.Fatalf("%+v, %v", under, err)
		}
	})
}

func TestTheFirstOrderToStopADeploymentStands(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		v, approval := approvedTask(t, s)
		run := deployment(t, s, v, approval, deploy.Run{ID: "piped", Environment: "staging", Profile: "p"})
		stop := func(why string) (first bool) {
			inTx(t, s, func(ctx context.Context, tx *store.Tx) (err error) {
				first, err = tx.StopRun(ctx, run.ID, deploy.Stop{Why: why, At: asked})
				return err
			})
			return first
		}
		if stop("too early") {
			t.Error("what waits is stopped")
		}
		claim(t, s, run.ID)
		end(t, s, run, deploy.Created)
		if !stop("it takes too long") || stop("frozen") {
			t.Error("not the first order alone")
		}
		run.Pipeline.ID = "42"
		end(t, s, run, deploy.Running) // which leaves the order
		got, err := s.Deployment(t.Context(), run.ID)
		if err != nil || got.Stopped != (deploy.Stop{Why: "it takes too long", At: asked}) || got.Pipeline.ID != "42" {
			t.Errorf("%+v, %v", got, err)
		}
		end(t, s, run, deploy.Failed)
		if under, err := s.RunsUnderWay(t.Context()); err != nil || len(under) > 0 {
			t.Errorf("%+v, %v", under, err)
		}
	})
}
