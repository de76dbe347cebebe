package queue_test

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
)

func TestMain(m *testing.M) {
	if os.Getenv(victimEnv) != "" {
		os.Exit(victim())
	}
	os.Exit(storetest.Main(m))
}

// run starts a queue on the store and stops it when the test ends.
func run(t *testing.T, s *store.Store, o queue.Options) *queue.Queue {
	t.Helper()
	o.DB, o.Dialect, o.PollInterval = s.DB(), s.Dialect(), 20*time.Millisecond
	q, err := queue.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := q.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), longEnough)
		defer cancel()
		if err := q.Stop(ctx); err != nil {
			t.Errorf("stop the queue: %v", err)
		}
	})
	return q
}

func handlers(h queue.Handler) map[queue.Kind]queue.Handler {
	return map[queue.Kind]queue.Handler{queue.Advance: h}
}

func enqueue(t *testing.T, s *store.Store, jobs ...queue.Job) {
	t.Helper()
	err := s.InTx(t.Context(), func(tx *store.Tx) error {
		for _, j := range jobs {
			if err := tx.Enqueue(t.Context(), j); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func advance(key string) queue.Job { return queue.Job{Kind: queue.Advance, Key: key} }

// longEnough is how long a test waits for what comes unless something is broken.
const longEnough = 2 * time.Minute

// await fails the test unless done becomes true.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(longEnough)
	for !done() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s", what, longEnough)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// keys records which jobs ran, and how often.
type keys struct {
	mu  sync.Mutex
	ran map[string]int
}

func (k *keys) add(key string) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ran == nil {
		k.ran = map[string]int{}
	}
	k.ran[key]++
	return k.ran[key]
}

func (k *keys) count(key string) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.ran[key]
}

func TestAJobOfACommittedTransactionRunsAndOneOfARolledBackNever(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		var ran keys
		run(t, s, queue.Options{Handlers: handlers(func(_ context.Context, key string) error {
			ran.add(key)
			return nil
		})})
		failure := errors.New("no")
		err := s.InTx(t.Context(), func(tx *store.Tx) error {
			if err := tx.Enqueue(t.Context(), advance("rolled back")); err != nil {
				return err
			}
			return failure
		})
		if !errors.Is(err, failure) {
			t.Fatalf("InTx returned %v", err)
		}
		enqueue(t, s, advance("committed"))
		await(t, "the committed job", func() bool { return ran.count("committed") == 1 })
		enqueue(t, s, advance("later"))
		await(t, "a later job", func() bool { return ran.count("later") == 1 })
		if ran.count("rolled back") != 0 {
			t.Error("the job of a rolled-back transaction ran")
		}
	})
}

func TestAJobIsNotEnqueuedTwiceWhileItWaits(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		soon, later := time.Now().Add(time.Hour), time.Now().Add(2*time.Hour)
		enqueue(t, s, queue.Job{Kind: queue.Advance, Key: "a", RunAt: later})
		enqueue(t, s, queue.Job{Kind: queue.Advance, Key: "a", RunAt: later}, queue.Job{Kind: queue.Advance, Key: "b", RunAt: later})
		if n := waiting(t, s); n != 2 {
			t.Fatalf("%d jobs wait, want one of a and one of b", n)
		}
		enqueue(t, s, queue.Job{Kind: queue.Advance, Key: "a", RunAt: soon})
		if n := waiting(t, s); n != 3 {
			t.Fatalf("%d jobs wait: a job that must run sooner was left out", n)
		}
		enqueue(t, s, queue.Job{Kind: queue.Advance, Key: "a", RunAt: soon}, queue.Job{Kind: queue.Deliver, Key: "a", RunAt: soon})
		if n := waiting(t, s); n != 4 {
			t.Fatalf("%d jobs wait, want the one of another kind added", n)
		}
		counted := 0
		counts, err := queue.Counts(t.Context(), s.DB())
		for _, c := range counts {
			counted += c.Jobs
		}
		if err != nil || counted != 4 {
			t.Errorf("counted %+v, %v", counts, err)
		}
	})
}

func waiting(t *testing.T, s *store.Store) (n int) {
	t.Helper()
	err := s.DB().QueryRowContext(t.Context(), "SELECT COUNT(*) FROM river_job WHERE state IN ('available', 'scheduled')").Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A running job may have looked before the change that wants it again, so that
// it must not swallow the new one.
func TestAJobEnqueuedWhileTheSameRunsRunsAgain(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		var ran keys
		proceed := make(chan struct{})
		run(t, s, queue.Options{Handlers: handlers(func(ctx context.Context, key string) error {
			if ran.add(key) == 1 {
				<-proceed
			}
			return nil
		})})
		enqueue(t, s, advance("task"))
		await(t, "the first run", func() bool { return ran.count("task") == 1 })
		enqueue(t, s, advance("task"))
		close(proceed)
		await(t, "the second run", func() bool { return ran.count("task") == 2 })
	})
}

func TestADelayedJobRunsAtItsTimeWithoutWaitingForRiversScheduler(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		// Another process leads and is dead: nobody's scheduler runs.
		if _, err := s.DB().ExecContext(t.Context(), `INSERT INTO river_leader (elected_at, expires_at, leader_id, name)
			VALUES ('2026-01-01 00:00:00', '2099-01-01 00:00:00', 'another process', 'default')`); err != nil {
			t.Fatal(err)
		}
		var at atomic.Int64
		run(t, s, queue.Options{Handlers: handlers(func(context.Context, string) error {
			at.Store(time.Now().UnixNano())
			return nil
		})})
		due := time.Now().Add(700 * time.Millisecond)
		enqueue(t, s, queue.Job{Kind: queue.Advance, Key: "later", RunAt: due})
		await(t, "the delayed job", func() bool { return at.Load() != 0 })
		late := time.Unix(0, at.Load()).Sub(due)
		if late < -2*time.Millisecond { // stored with milliseconds
			t.Errorf("ran %s too early", -late)
		}
		if late > 3*time.Second {
			t.Errorf("ran %s late", late)
		}
	})
}

func TestAgainNeitherLosesTheJobNorCountsAsAnAttempt(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		var ran keys
		discarded := make(chan queue.Job, 1)
		run(t, s, queue.Options{
			MaxAttempts: 2,
			Handlers: handlers(func(_ context.Context, key string) error {
				if ran.add(key) < 6 {
					return queue.Again(10*time.Millisecond, errors.New("busy"))
				}
				return nil
			}),
			OnDiscard: func(_ context.Context, j queue.Job, _ error) { discarded <- j },
		})
		enqueue(t, s, advance("patient"))
		await(t, "six runs", func() bool { return ran.count("patient") == 6 })
		await(t, "completion", func() bool { return count(t, s, "completed") == 1 })
		if len(discarded) > 0 {
			t.Error("the job was discarded")
		}
	})
}

func count(t *testing.T, s *store.Store, state string) (n int) {
	t.Helper()
	err := s.DB().QueryRowContext(t.Context(), "SELECT COUNT(*) FROM river_job WHERE state = '"+state+"'").Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestErrorsAndPanicsAreRetriedAndGivenUpAfterTheLastAttempt(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		var ran keys
		type discard struct {
			job queue.Job
			err error
		}
		discarded := make(chan discard, 10)
		run(t, s, queue.Options{
			MaxAttempts: 2,
			Handlers: handlers(func(_ context.Context, key string) error {
				n := ran.add(key)
				switch {
				case key == "panics":
					panic("out of range")
				case key == "recovers" && n > 1:
					return nil
				}
				return errors.New("cannot")
			}),
			OnDiscard: func(_ context.Context, j queue.Job, err error) { discarded <- discard{j, err} },
		})
		enqueue(t, s, advance("panics"), advance("fails"), advance("recovers"), queue.Job{Kind: "unknown", Key: "x"})
		got := map[string]error{}
		for range 3 {
			select {
			case d := <-discarded:
				got[d.job.Key] = d.err
			case <-time.After(longEnough):
				t.Fatalf("discarded only %v", got)
			}
		}
		var panicked *queue.PanicError
		if !errors.As(got["panics"], &panicked) || panicked.Value != "out of range" {
			t.Errorf("the panic was told as %v", got["panics"])
		}
		if got["fails"] == nil || got["x"] == nil {
			t.Errorf("discarded %v, want fails and x among them", got)
		}
		await(t, "the job that recovers", func() bool { return count(t, s, "completed") == 1 })
		if ran.count("fails") != 2 || ran.count("panics") != 2 || ran.count("recovers") != 2 {
			t.Errorf("attempts: %v, want two each", ran.ran)
		}
	})
}
