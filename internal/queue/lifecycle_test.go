package queue_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
)

func TestJobTimeoutCancelsTheHandlersContext(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ended := make(chan error, 1)
		run(t, s, queue.Options{JobTimeout: 50 * time.Millisecond, MaxAttempts: 1, Handlers: handlers(
			func(ctx context.Context, _ string) error {
				<-ctx.Done()
				ended <- ctx.Err()
				return ctx.Err()
			})})
		enqueue(t, s, advance("slow"))
		select {
		case err := <-ended:
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("ended with %v", err)
			}
		case <-time.After(longEnough):
			t.Fatal("the job was not cancelled")
		}
	})
}

func TestStopWaitsForRunningJobsAndCancelsThemWhenItsTimeIsOver(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		var ran, finished keys
		q := run(t, s, queue.Options{Handlers: handlers(func(ctx context.Context, key string) error {
			ran.add(key)
			if key == "patient" {
				time.Sleep(300 * time.Millisecond)
			} else {
				<-ctx.Done()
			}
			finished.add(key)
			return ctx.Err()
		})})
		enqueue(t, s, advance("patient"))
		await(t, "the job to start", func() bool { return ran.count("patient") == 1 })
		stop(t, q, 10*time.Second)
		if finished.count("patient") != 1 {
			t.Error("Stop did not wait for the job")
		}
		if n := count(t, s, "completed"); n != 1 {
			t.Errorf("%d jobs are recorded as completed, want 1", n)
		}

		q = run(t, s, queue.Options{Handlers: handlers(func(ctx context.Context, key string) error {
			ran.add(key)
			<-ctx.Done()
			finished.add(key)
			return ctx.Err()
		})})
		enqueue(t, s, advance("endless"))
		await(t, "the job to start", func() bool { return ran.count("endless") == 1 })
		began := time.Now()
		stop(t, q, 100*time.Millisecond)
		if took := time.Since(began); took > 5*time.Second || finished.count("endless") != 1 {
			t.Errorf("Stop took %s, the job ended %d times", took, finished.count("endless"))
		}
	})
}

func stop(t *testing.T, q *queue.Queue, within time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	if err := q.Stop(ctx); err != nil {
		t.Fatalf("stop: %v", err)
	}
}

func TestAQueueNeedsHandlersAndAKnownDatabase(t *testing.T) {
	t.Parallel()
	if _, err := queue.New(queue.Options{Dialect: queue.SQLite}); err == nil {
		t.Error("a queue without handlers was made")
	}
	nothing := handlers(func(context.Context, string) error { return nil })
	if _, err := queue.New(queue.Options{Dialect: "mysql", DB: new(sql.DB), Handlers: nothing}); err == nil {
		t.Error("a queue on an unknown database was made")
	}
}
