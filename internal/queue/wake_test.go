package queue_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
)

func TestAJobIsFoundAtItsCommitHoweverFarTheNextPollIs(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		const steps = 20
		var ran keys
		q, err := queue.New(queue.Options{
			DB: s.DB(), Dialect: s.Dialect(), Wake: s.Wake(), PollInterval: time.Hour,
			Handlers: handlers(func(ctx context.Context, key string) error {
				ran.add(key)
				n, err := strconv.Atoi(key)
				if err != nil || n == steps {
					return err
				}
				return s.InTx(ctx, func(tx *store.Tx) error { return tx.Enqueue(ctx, advance(strconv.Itoa(n+1))) })
			}),
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := q.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer stop(t, q, longEnough)
		enqueue(t, s, advance("1"))
		await(t, "each job enqueues the next", func() bool { return ran.count(strconv.Itoa(steps)) == 1 })
	})
}

func TestARingWithoutAQueueIsLostAndHarmless(t *testing.T) {
	t.Parallel()
	w := queue.NewWake()
	for range 3 {
		w.Ring(queue.Anybody)
	}
}
