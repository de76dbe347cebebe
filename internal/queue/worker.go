package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/riverqueue/river"
)

// AgainError asks to run the job again later without counting it as a failure.
type AgainError struct {
	After time.Duration
	// Cause is why; it may be nil.
	Cause error
}

// Error implements error.
func (e *AgainError) Error() string {
	if e.Cause == nil {
		return fmt.Sprintf("again in %s", e.After)
	}
	return fmt.Sprintf("again in %s: %v", e.After, e.Cause)
}

// Unwrap returns the cause.
func (e *AgainError) Unwrap() error { return e.Cause }

// Again returns an error with which a handler asks to be called again after a
// while. It counts as no failed attempt, however often it is returned.
func Again(after time.Duration, cause error) error {
	return &AgainError{After: after, Cause: cause}
}

// minAgain keeps a handler that always says "again, at once" from spinning.
const minAgain = 50 * time.Millisecond

type worker struct {
	river.WorkerDefaults[step]
	options Options
	running *running
}

// Work implements river.Worker.
func (w *worker) Work(ctx context.Context, job *river.Job[step]) error {
	defer w.running.begin(job.ID)()
	log := w.options.Logger.With("job", job.Args.Job, "key", job.Args.Key, "attempt", job.Attempt)
	if job.Attempt > w.options.MaxAttempts {
		return w.giveUp(ctx, log, job.Args, errKilled)
	}
	err := w.call(ctx, job.Args)
	var again *AgainError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &again):
		log.DebugContext(ctx, "job runs again later", "after", again.After, "cause", again.Cause)
		return river.JobSnooze(max(again.After, minAgain))
	case job.Attempt >= w.options.MaxAttempts:
		return w.giveUp(ctx, log, job.Args, err)
	}
	log.WarnContext(ctx, "job failed and is retried", "error", err)
	return err
}

// errKilled is a job whose last attempt ended with its process.
var errKilled = errors.New("the last attempt did not end: its process was killed")

// giveUp tells the owner and ends the job. River's word for a job that ends
// before River itself runs out of attempts is "cancelled".
func (w *worker) giveUp(ctx context.Context, log *slog.Logger, s step, cause error) error {
	log.ErrorContext(ctx, "job failed for the last time and is given up", "error", cause)
	w.discarded(ctx, Job{Kind: s.Job, Key: s.Key}, cause)
	return river.JobCancel(cause)
}

// call runs the handler and turns a panic into an error.
func (w *worker) call(ctx context.Context, s step) (err error) {
	handler, known := w.options.Handlers[s.Job]
	if !known {
		// Another version of the program may know it: the usual retries give it time.
		return fmt.Errorf("no handler for jobs of kind %q", s.Job)
	}
	defer func() {
		if p := recover(); p != nil {
			err = &PanicError{Value: p, Stack: debug.Stack()}
		}
	}()
	return handler(ctx, s.Key)
}

// discarded tells the owner. Its context outlives the job's, which may be what
// ran out.
func (w *worker) discarded(ctx context.Context, j Job, cause error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), discardTimeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			w.options.Logger.ErrorContext(ctx, "telling of a discarded job panicked", "panic", p)
		}
	}()
	w.options.OnDiscard(ctx, j, cause)
}

const discardTimeout = 10 * time.Second

// PanicError is a handler that panicked.
type PanicError struct {
	Value any
	Stack []byte
}

// Error implements error.
func (e *PanicError) Error() string { return fmt.Sprintf("the job panicked: %v\n%s", e.Value, e.Stack) }
