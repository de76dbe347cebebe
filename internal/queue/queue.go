package queue

import (
	"context"
	crand "crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

// Handler does a job. It is called again with the same key whenever it is not
// certain that it finished, so it must look before it acts.
type Handler func(ctx context.Context, key string) error

// Options configure a [Queue]. DB, Dialect and Handlers are needed.
type Options struct {
	// DB is the pool that writes. For SQLite it must be the one connection that
	// every writer of the process uses.
	DB       *sql.DB
	Dialect  Dialect
	Handlers map[Kind]Handler
	// Workers is how many jobs of each queue run at once; 0 means 8.
	Workers int
	// Queues are those that it works; none means [Anybody].
	Queues []string
	Logger *slog.Logger
	// PollInterval is how often an idle queue looks for jobs; 0 means 150 ms.
	PollInterval time.Duration
	// Wake has it look at once when it is rung; nil: it only polls.
	Wake *Wake
	// JobTimeout cancels a handler's context; 0 means 2 minutes.
	JobTimeout time.Duration
	// MaxAttempts bounds failed attempts, not [Again]; 0 means 20, which with the
	// back-off of [retryPolicy] is a little over an hour.
	MaxAttempts int
	// OnDiscard is told of a job that failed for the last time and is given up.
	OnDiscard func(ctx context.Context, j Job, err error)
	// Node names this process and stays the same when it is started again; no two
	// running processes share it. With it, [Queue.Start] takes back at once the
	// jobs that a killed predecessor left running. Empty: a random name, and such
	// jobs come back by River's rescuer only.
	Node string
	// LostAfter is how long a job may be recorded as running here without running
	// before it runs again, see [sweeper]; 0 means 60 s, which is longer than River
	// tries to record an end.
	LostAfter time.Duration
	// StopGrace is how long Stop waits for cancelled jobs after its context ended;
	// 0 means 5 s.
	StopGrace time.Duration
}

// rescueMargin is added to the job timeout before a running job counts as lost
// with its process. A job that is still alive then was cancelled that long ago,
// so a second run beside it is the exception; leases and epochs fence it. The
// rescuer itself looks every 30 s.
const rescueMargin = 30 * time.Second

// fetchCooldown is the least time between two fetches, whoever rings.
const fetchCooldown = 2 * time.Millisecond

// Queue works jobs.
type Queue struct {
	client  *river.Client[*sql.Tx]
	options Options
	named   bool // Options.Node was given
	logger  *slog.Logger
	quiet   *slog.Logger // for what would repeat itself
	running *running

	stopSweeper context.CancelFunc
	sweeps      sync.WaitGroup
}

// New prepares a queue; the database must have been migrated.
func New(o Options) (*Queue, error) {
	named := o.Node != ""
	o = o.withDefaults()
	if len(o.Handlers) == 0 {
		return nil, errors.New("a job queue without handlers")
	}
	if o.MaxAttempts >= riverAttempts {
		return nil, fmt.Errorf("a job queue with %d attempts; the most is %d", o.MaxAttempts, riverAttempts-1)
	}
	driver, err := Driver(o.DB, o.Dialect)
	if err != nil {
		return nil, err
	}
	q := &Queue{
		options: o, named: named, logger: o.Logger, running: &running{ids: map[int64]struct{}{}},
		quiet: slog.New(newQuiet(o.Logger.Handler(), time.Now)), stopSweeper: func() {},
	}
	if o.Wake != nil {
		driver = wakeable{driver, o.Wake, o.Queues}
	}
	workers := river.NewWorkers()
	if err := river.AddWorkerSafely(workers, &worker{options: o, running: q.running}); err != nil {
		return nil, fmt.Errorf("register the job worker: %w", err)
	}
	q.client, err = river.NewClient(driver, &river.Config{
		ID:                          o.Node,
		PollOnly:                    o.Wake == nil,
		FetchPollInterval:           o.PollInterval,
		FetchCooldown:               min(o.PollInterval, fetchCooldown),
		JobTimeout:                  o.JobTimeout,
		RescueStuckJobsAfter:        o.JobTimeout + rescueMargin,
		RetryPolicy:                 retryPolicy{},
		CompletedJobRetentionPeriod: time.Hour,
		CancelledJobRetentionPeriod: 30 * 24 * time.Hour, // those given up
		Logger:                      q.quiet,
		Queues:                      o.queues(),
		Workers:                     workers,
	})
	if err != nil {
		return nil, fmt.Errorf("prepare the job queue: %w", err)
	}
	return q, nil
}

func (o Options) withDefaults() Options {
	orDefault(&o.Workers, 8)
	orDefault(&o.PollInterval, 150*time.Millisecond)
	orDefault(&o.JobTimeout, 2*time.Minute)
	orDefault(&o.MaxAttempts, 20)
	orDefault(&o.StopGrace, 5*time.Second)
	orDefault(&o.LostAfter, time.Minute)
	if len(o.Queues) == 0 {
		o.Queues = []string{Anybody}
	}
	if o.Node == "" {
		o.Node = "process-" + crand.Text()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.OnDiscard == nil {
		o.OnDiscard = func(context.Context, Job, error) {}
	}
	return o
}

func (o Options) queues() map[string]river.QueueConfig {
	all := map[string]river.QueueConfig{}
	for _, name := range o.Queues {
		all[name] = river.QueueConfig{MaxWorkers: o.Workers}
	}
	return all
}

func orDefault[T int | time.Duration](value *T, fallback T) {
	if *value <= 0 {
		*value = fallback
	}
}

// Start begins to work jobs. They run until [Queue.Stop], also after ctx ended.
func (q *Queue) Start(ctx context.Context) error {
	if q.named {
		if err := q.takeBack(ctx); err != nil {
			return fmt.Errorf("take back the jobs of node %s: %w", q.options.Node, err)
		}
	}
	if err := q.client.Start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("start the job queue: %w", err)
	}
	sweeping, stop := context.WithCancel(context.WithoutCancel(ctx))
	q.stopSweeper = stop
	q.sweeps.Go(func() { (&sweeper{queue: q}).run(sweeping) })
	return nil
}

// Stop fetches no more jobs and waits for those that run. When ctx ends it
// cancels them and waits StopGrace; jobs that still run are named in the error
// by their number only and are taken back at the next start.
func (q *Queue) Stop(ctx context.Context) error {
	q.stopSweeper()
	q.sweeps.Wait() // its statements are cancelled
	err := q.client.Stop(ctx)
	if err == nil || ctx.Err() == nil {
		return err
	}
	q.logger.WarnContext(ctx, "jobs did not end in time and are cancelled")
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), q.options.StopGrace)
	defer cancel()
	if err := q.client.StopAndCancel(grace); err != nil {
		return fmt.Errorf("stop the job queue: %w", err)
	}
	return nil
}

// maxBackOff bounds the pause between two attempts.
const maxBackOff = 5 * time.Minute

// retryPolicy waits 1 s, 2 s, 4 s … 5 min, each ±20 % so that jobs that failed
// together do not return together.
type retryPolicy struct{}

// NextRetry implements river.ClientRetryPolicy.
func (retryPolicy) NextRetry(job *rivertype.JobRow) time.Time {
	return time.Now().Add(backOff(len(job.Errors)+1, rand.Float64())) //nolint:gosec // it spreads load and guards nothing
}

// backOff is the pause after the n-th failure; random is in [0, 1).
func backOff(n int, random float64) time.Duration {
	pause := maxBackOff
	if n < 10 {
		pause = min(maxBackOff, time.Second<<max(n-1, 0))
	}
	return time.Duration(float64(pause) * (0.8 + 0.4*random))
}
