// Package engine takes tasks along their way (DESIGN.md §2).
//
// Every step is level-triggered: it looks at the database, at Docker and at the
// forge, and does the next missing thing. A step may be killed anywhere and
// repeated; what it did before is found again by its name (container, branch,
// pull request, comment marker, commit id), never guessed.
//
// Nothing in this package commits, pushes or deploys by itself: those take an
// approval.Grant, and only the gate makes one.
package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/gitops"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/node"
	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/task"
)

// Manifests gives the admin's declarations in force now.
type Manifests interface {
	Manifests(ctx context.Context) (*manifest.Set, error)
}

// Options are the parts and settings of an [Engine].
type Options struct {
	Store Store
	Forge Forge
	Git   Git
	// Committer is the one of the commits that Git makes.
	Committer gitops.Identity
	Sandbox   Sandbox
	Storage   Storage
	// Bases says which cached bases are dropped.
	Bases  sandbox.EvictPolicy
	Models Models
	// Ways lead deployments to the hosts of their profiles.
	Ways      Ways
	Secrets   Secrets
	Manifests Manifests
	// Teams reads who is in teams at the forge; nil: nobody refreshes it.
	Teams *Memberships
	Gate  *approval.Gate
	// Freezes tells what is stopped in an emergency; nil: nothing ever is.
	Freezes *Freezes
	// Pauser pauses containers, OpenWays are the ways out of them that are open, and
	// Tokens those of the forge that are still good; nil: a freeze leaves them alone.
	Pauser   Pauser
	OpenWays OpenWays
	Tokens   TokenRevoker
	Deployer *deploy.Executor
	// Observer is told what happens; nil: nobody is.
	Observer Observer
	// GitCredentials are what git providers name.
	GitCredentials GitCredentials
	// People have tokens of their own; nil: none is kept.
	People People
	// OwnFallback lets the next source take the place of a person's token that cannot be used.
	OwnFallback bool
	// Admins hold server-admin by the server's configuration.
	Admins []forge.Subject
	Logger *slog.Logger
	Now    func() time.Time
	// Node names this process's place of work; it owns leases and containers.
	Node string
	// DataDir holds the inputs of tasks while they run.
	DataDir string
	// PublicURL is where people reach this server; it is only linked to.
	PublicURL string
	// PagesURL is where people read its pages; empty where nobody can sign in.
	PagesURL string
	// Self is this node as others see it; its id and its places are filled in.
	Self node.Node
	// Engineless says that there is no Docker engine here: steps of tasks are other nodes'.
	Engineless bool
	// LostAfter is how long another node may be silent before it is taken for dead.
	LostAfter time.Duration
	// MaxRunning is how many agents run at once on this node.
	MaxRunning int
	// MaxExaminations is how many checks and judges run at once on this node; less than 1: as many as agents.
	MaxExaminations int
	// Failpoint, if set, is called at each of [Failpoints]; tests kill the process there.
	Failpoint func(Failpoint)
}

// Engine takes tasks along their way. It keeps no state that matters.
type Engine struct {
	Options
	// said remembers what was last reported about a task, to spare the forge
	// reports that say the same. Losing it costs one report.
	said sync.Map
	// handling lets what several deliveries, or a delivery and the reconciler, tell
	// at once be handled once.
	handling singleflight.Group
	// evidence is what runs of ReconcileEvidence read before.
	evidence evidenceMemory
	// holds are the leases of tasks.
	holds holds
	peers peers
	// packing is what keepObjects has to look at.
	packing packing
	// arrivals are the deliveries that wait to be stored.
	arrivals arrivals[incoming]
	// finished are the deliveries whose handling has ended and is yet to be recorded.
	finished arrivals[string]
}

// New returns an engine. All parts are required.
func New(o Options) *Engine {
	if o.Failpoint == nil {
		o.Failpoint = func(Failpoint) {}
	}
	if o.MaxRunning <= 0 {
		o.MaxRunning = 2
	}
	if o.MaxExaminations <= 0 {
		o.MaxExaminations = o.MaxRunning
	}
	if o.LostAfter <= 0 {
		o.LostAfter = time.Minute
	}
	if o.Freezes == nil {
		o.Freezes = neverFrozen()
	}
	if o.Observer == nil {
		o.Observer = unobserved{}
	}
	e := &Engine{Options: o}
	e.arrivals.store, e.finished.store = e.storeDeliveries, e.finishDeliveries
	return e
}

// work is one worker's hold on one task.
type work struct {
	t task.Task
	// stored is t as the database has it. A step that fails halfway goes back to
	// it, so that nothing it only meant to do is reported or saved.
	stored task.Task
	// carrier is that of the proposal that was just recorded, if it was made beside its pack.
	carrier string
	// collecting is what the proposal was just collected from.
	collecting *collecting
}

// Advance takes the task as far as it will go now. It is the handler of
// queue.Advance jobs and safe to call at any time, any number of times.
func (e *Engine) Advance(ctx context.Context, key string) error {
	id, err := task.ParseID(key)
	if err != nil {
		return err
	}
	return e.withTask(ctx, id, func(ctx context.Context, w *work) error {
		for {
			moved, err := e.step(ctx, w)
			if err != nil {
				return errors.Join(err, e.report(ctx, w))
			}
			if !moved {
				return errors.Join(e.unexamined(ctx, w), e.report(ctx, w))
			}
		}
	})
}

// step does the next missing thing and tells whether the state changed.
func (e *Engine) step(ctx context.Context, w *work) (moved bool, err error) {
	before := w.t.State
	ctx, stepped := e.Observer.Stepping(ctx, w.t)
	defer func() { stepped(w.t, err) }()
	if step, ok := e.steps()[before]; ok {
		err = step(ctx, w)
	}
	if fail := (*failure)(nil); errors.As(err, &fail) {
		err = e.fail(ctx, w, fail)
	}
	if err != nil {
		w.t = w.stored
		return false, fmt.Errorf("task %s, %s: %w", w.t.ID, before, err)
	}
	return w.t.State != before, nil
}

func (e *Engine) steps() map[task.State]func(context.Context, *work) error {
	return map[task.State]func(context.Context, *work) error{
		task.Queued:     e.admit,
		task.Preparing:  e.prepare,
		task.Running:    e.watch,
		task.Collecting: e.propose,
		task.Proposed:   e.judge,
		task.Approved:   e.redeem,
		task.Landing:    e.land,
		task.Landed:     e.arm,
		task.Deploying:  e.deploy,
		task.Done:       e.deployLater,
	}
}

// failure is an error that ends a task; its text is for people.
type failure struct {
	to    task.State
	why   string
	cause error
	// final ends the task even if a proposal of it stands.
	final bool
}

// Error implements error.
func (f *failure) Error() string { return f.why }

// Unwrap returns the technical cause.
func (f *failure) Unwrap() error { return f.cause }

func failed(cause error, format string, args ...any) error {
	return &failure{to: task.Failed, why: fmt.Sprintf(format, args...), cause: cause}
}

func ended(to task.State, format string, args ...any) error {
	return &failure{to: to, why: fmt.Sprintf(format, args...)}
}

func (e *Engine) fail(ctx context.Context, w *work, f *failure) error {
	back, err := e.goesBack(ctx, w, f)
	if err != nil {
		return err
	}
	if back {
		e.Logger.WarnContext(ctx, "revision came to nothing", "task", w.t.ID, "revision", w.t.Round(), "why", f.why, "cause", f.cause)
		return e.revisionFell(ctx, w, f.why, nil)
	}
	w.t.Failure = f.why
	if f.cause != nil {
		e.Logger.WarnContext(ctx, "task ended", "task", w.t.ID, "state", f.to, "why", f.why, "cause", f.cause)
	}
	return e.move(ctx, w, f.to, nil)
}

// patient turns errors that only time mends into waiting, which is no failed
// attempt: a write that lost a race, and a forge that asks to wait.
func patient(err error) error {
	limited := (*forge.RateLimitError)(nil)
	switch {
	case errors.As(err, &limited):
		return queue.Again(max(limited.RetryAfter, time.Second), err)
	case errors.Is(err, task.ErrStale):
		return queue.Again(time.Second, err)
	}
	return err
}

// move changes the state, with its audit entry and whatever else belongs to it,
// in one transaction.
func (e *Engine) move(ctx context.Context, w *work, to task.State, also func(Tx) error) error {
	from := w.t.State
	if !task.CanMove(from, to) {
		return &task.TransitionError{From: from, To: to}
	}
	if reachesOut(from) && !reachesOut(to) {
		// However the run ended. What was spent is recorded with it.
		if err := e.closeModels(ctx, w.t.ID); err != nil {
			return err
		}
		if err := e.Sandbox.ForgetSecrets(containerName(&w.t)); err != nil {
			return err
		}
	}
	next := w.t
	next.State, next.UpdatedAt = to, e.Now()
	err := e.Store.InTx(ctx, func(tx Tx) error {
		if err := tx.SaveTask(ctx, &next); err != nil {
			return err
		}
		if also != nil {
			if err := also(tx); err != nil {
				return err
			}
		}
		if w.t.Revising() && to.Ended() {
			if err := e.revisionEnded(ctx, tx, &next); err != nil {
				return err
			}
		}
		detail := map[string]any{"from": from, "to": to}
		if next.Failure != "" {
			detail["why"] = next.Failure
		}
		return e.audit(ctx, tx, &next, audit.System, audit.TaskMoved, detail)
	})
	if err != nil {
		return fmt.Errorf("move from %s to %s: %w", from, to, err)
	}
	w.t, w.stored = next, next
	e.Logger.InfoContext(ctx, "task moved", "task", w.t.ID, "from", from, "to", to)
	e.Observer.Moved(ctx, from, w.t)
	e.Failpoint(Moved(to))
	if mayCollect(from) && !mayCollect(to) {
		e.Sandbox.DismissCollector(VolumeOf(&w.t))
	}
	if reachesOut(from) && !reachesOut(to) {
		e.scheduleSoon(ctx)
	}
	return nil
}

// mayCollect reports whether there may be a collector that waits or works.
func mayCollect(s task.State) bool { return reachesOut(s) || s == task.Collecting }

// reachesOut reports whether a task in the state may have a way out of its container.
func reachesOut(s task.State) bool { return s == task.Preparing || s == task.Running }

// save writes the task without a change of state.
func (e *Engine) save(ctx context.Context, w *work, change func(*task.Task), also func(Tx) error) error {
	next := w.t
	change(&next)
	next.UpdatedAt = e.Now()
	err := e.Store.InTx(ctx, func(tx Tx) error {
		if err := tx.SaveTask(ctx, &next); err != nil {
			return err
		}
		if also != nil {
			return also(tx)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("save task %s: %w", w.t.ID, err)
	}
	w.t, w.stored = next, next
	return nil
}

// note writes an audit entry by itself: an intent before an effect.
func (e *Engine) note(ctx context.Context, t *task.Task, action audit.Action, detail any) error {
	return e.Store.InTx(ctx, func(tx Tx) error { return e.audit(ctx, tx, t, audit.System, action, detail) })
}

func (e *Engine) audit(ctx context.Context, tx Tx, t *task.Task, actor string, action audit.Action, detail any) error {
	entry, err := audit.New(e.Now(), actor, action, detail)
	if err != nil {
		return err
	}
	entry.Task, entry.Environment = string(t.ID), t.Environment
	return tx.Audit(ctx, entry)
}

// again asks for another look at the task later, without counting as a failure.
func (e *Engine) again(ctx context.Context, t *task.Task, after time.Duration) error {
	return e.Store.InTx(ctx, func(tx Tx) error {
		return tx.Enqueue(ctx, queue.Job{Kind: queue.Advance, Key: string(t.ID), RunAt: e.Now().Add(after)})
	})
}
