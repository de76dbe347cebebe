package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/task"
)

// An examiner is a kind of examination. The engine makes those that the environment
// wants of a proposal, gives each a workspace with exactly the result tree, starts its
// container, keeps its output, and ends it; the examiner says the rest.
type examiner interface {
	kind() task.ExaminationKind
	// wanted are those that the environment defines now, in order.
	wanted(env manifest.Environment) []wantedExamination
	// spec is the container but for what the engine fills in: name, workspaces, network,
	// runtime, limits and labels. What it opens for the container, closed closes.
	spec(ctx context.Context, o examined, x *task.Examination) (sandbox.Spec, error)
	// looked is called at each look at a running container; an error of it is only logged.
	looked(ctx context.Context, o examined, x *task.Examination) error
	// ended sets state, summary and result of one whose container ended. again asks for
	// another attempt.
	ended(ctx context.Context, o examined, x *task.Examination, end examinationEnd) (again bool, err error)
	// closed is called before the end is written, however it came, perhaps repeatedly.
	closed(ctx context.Context, x task.Examination) error
	// actions are what the audit log calls it when one is asked for, and when it ended.
	actions() (asked, ended audit.Action)
}

// examiners are all kinds.
func (e *Engine) examiners() []examiner { return []examiner{checks{e}, judges{e}} }

// wantedExamination is one that an environment defines.
type wantedExamination struct {
	name string
	// definition is "sha256:…" of all that the admin says of it.
	definition   string
	agent, model string
	limits       sandbox.Limits
	// base mounts the base tree too, at /base. Workspaces are read-only then.
	base bool
	// renew asks for another attempt when the definition changed.
	renew bool
	// purpose of its container and volumes; empty for that of its kind.
	purpose string
}

// examined is what an examination is of.
type examined struct {
	t   task.Task
	p   task.Proposal
	env manifest.Environment
	// policy is the version of the manifests that env is of.
	policy string
	// all are the task's examinations, oldest first, as they were when the look began.
	all []task.Examination
}

// examinationEnd is how a container ended. output has at most endOutput bytes from its
// end, redacted.
type examinationEnd struct {
	status sandbox.Status
	output []byte
}

const (
	// endOutput is how much of an output an examiner is given.
	endOutput = 1 << 20
	// maxExaminations bounds those of one kind of one revision, of all attempts.
	maxExaminations = 400
)

// examine takes the examinations of a proposal as far as they go now: those that it
// misses are asked for, those that wait are started, those that run are looked at. Their
// containers run by themselves and are found again by their names.
func (e *Engine) examine(ctx context.Context, w *work) error {
	o, err := e.toExamine(ctx, &w.t)
	if errors.Is(err, errNoEnvironment) {
		return e.dropExaminations(ctx, &w.t, "its environment was removed")
	}
	if err != nil {
		return err
	}
	var errs []error
	for _, kind := range e.examiners() {
		errs = append(errs, e.examineBy(ctx, kind, &o))
	}
	return errors.Join(errs...)
}

var errNoEnvironment = errors.New("the task's environment was removed")

func (e *Engine) toExamine(ctx context.Context, t *task.Task) (examined, error) {
	o := examined{t: *t}
	set, err := e.Manifests.Manifests(ctx)
	if err != nil {
		return o, fmt.Errorf("read the manifests: %w", err)
	}
	var known bool
	o.policy = set.Version
	if o.env, known = set.Environments[t.Environment]; !known {
		return o, errNoEnvironment
	}
	if o.p, err = e.Store.Proposal(ctx, t.ID); err != nil {
		return o, fmt.Errorf("read the proposal: %w", err)
	}
	o.all, err = e.Store.Examinations(ctx, t.ID)
	return o, err
}

// examineBy takes one kind further.
func (e *Engine) examineBy(ctx context.Context, kind examiner, o *examined) error {
	wanted := kind.wanted(o.env)
	var errs []error
	for _, x := range o.all {
		if x.Kind != kind.kind() || x.State.Ended() {
			continue
		}
		if why := unwanted(x, o.p, wanted); why != "" {
			errs = append(errs, e.cancelExamination(ctx, kind, o, x, why))
		} else if x.State == task.ExaminationRunning {
			errs = append(errs, e.watchExamination(ctx, kind, o, x))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	var err error
	if o.all, err = e.Store.Examinations(ctx, o.t.ID); err != nil {
		return err
	}
	if err := e.askMissing(ctx, kind, o, wanted); err != nil {
		return err
	}
	return e.startQueued(ctx, kind, o, wanted)
}

// unwanted says why an examination that has not ended is of no use any more, or "".
func unwanted(x task.Examination, p task.Proposal, wanted []wantedExamination) string {
	if x.Revision != p.Revision || x.Digest != p.Digest {
		return "the proposal was revised"
	}
	switch d, known := wantedBy(wanted, x); {
	case !known:
		return "the environment no longer defines it"
	case d.definition != x.Definition:
		return "its definition was changed"
	}
	return ""
}

func wantedBy(wanted []wantedExamination, x task.Examination) (wantedExamination, bool) {
	i := slices.IndexFunc(wanted, func(d wantedExamination) bool { return d.name == x.Name })
	if i < 0 {
		return wantedExamination{}, false
	}
	return wanted[i], true
}

// askMissing asks for what the environment defines and the proposal does not have: it
// never was, it was cancelled, or it was defined otherwise.
func (e *Engine) askMissing(ctx context.Context, kind examiner, o *examined, wanted []wantedExamination) error {
	latest := task.LatestExaminations(o.all, o.p.Revision)
	for _, d := range wanted {
		i := slices.IndexFunc(latest, func(x task.Examination) bool { return x.Kind == kind.kind() && x.Name == d.name })
		if i >= 0 && latest[i].State != task.ExaminationCancelled && (latest[i].Definition == d.definition || !d.renew) {
			continue
		}
		attempt := 1
		if i >= 0 {
			attempt = latest[i].Attempt + 1
		}
		x := e.newExamination(kind, *o, d, attempt, audit.System)
		if tooMany(*o, x.Kind) { // the gate says why, instead of waiting for what never comes
			x.State, x.Summary, x.FinishedAt = task.ExaminationBroken, tooManyOf(x.Kind), x.CreatedAt
		}
		if err := e.Store.InTx(ctx, func(tx Tx) error { return e.askExamination(ctx, tx, kind, &o.t, x) }); err != nil {
			return err
		}
		o.all = append(o.all, x)
	}
	return nil
}

// examinationsEnded reports whether everything that the environment defines of a proposal
// has ended. Where the environment was removed, nothing more comes.
func (e *Engine) examinationsEnded(ctx context.Context, t *task.Task) (bool, error) {
	o, err := e.toExamine(ctx, t)
	if errors.Is(err, errNoEnvironment) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	latest := task.LatestExaminations(o.all, o.p.Revision)
	for _, kind := range e.examiners() {
		for _, d := range kind.wanted(o.env) {
			if !slices.ContainsFunc(latest, func(x task.Examination) bool {
				return x.Kind == kind.kind() && x.Name == d.name && x.Digest == o.p.Digest && x.State.Ended()
			}) {
				return false, nil
			}
		}
	}
	return true, nil
}

// tooMany reports whether the revision has as many examinations of a kind as it may have.
func tooMany(o examined, kind task.ExaminationKind) bool {
	n := 0
	for _, x := range o.all {
		if x.Revision == o.p.Revision && x.Kind == kind {
			n++
		}
	}
	return n >= maxExaminations
}

func tooManyOf(kind task.ExaminationKind) string {
	return fmt.Sprintf("this revision has %d %ss already, the most there may be; a new revision begins anew", maxExaminations, kind)
}

func (e *Engine) newExamination(kind examiner, o examined, d wantedExamination, attempt int, by string) task.Examination {
	return task.Examination{
		ID: task.NewExaminationID(), Task: o.t.ID, Revision: o.p.Revision, Digest: o.p.Digest, Kind: kind.kind(), Name: d.name,
		Environment: o.t.Environment, Attempt: attempt, Definition: d.definition, State: task.ExaminationQueued,
		Agent: d.agent, Model: d.model, RequestedBy: by, PolicyVersion: o.policy, CreatedAt: e.Now().UTC(),
	}
}

// askExamination stores one with its audit entry, and has the task looked at.
func (e *Engine) askExamination(ctx context.Context, tx Tx, kind examiner, t *task.Task, x task.Examination) error {
	fresh, err := tx.InsertExamination(ctx, x)
	if err != nil || !fresh {
		return err
	}
	asked, ended := kind.actions()
	if err := e.audit(ctx, tx, t, x.RequestedBy, asked, examinationDetail(x)); err != nil {
		return err
	}
	if x.State.Ended() {
		if err := e.audit(ctx, tx, t, x.RequestedBy, ended, examinationDetail(x)); err != nil {
			return err
		}
	}
	return tx.Enqueue(ctx, queue.Job{Kind: queue.Advance, Key: string(t.ID)})
}

// examinationDetail is what the audit log says of an examination.
func examinationDetail(x task.Examination) map[string]any {
	detail := map[string]any{
		"examination": x.ID, "name": x.Name, "revision": x.Revision, "digest": x.Digest, "attempt": x.Attempt,
		"definition": x.Definition, "policyVersion": x.PolicyVersion,
	}
	if x.Agent != "" || x.Model != "" {
		detail["agent"], detail["model"] = x.Agent, x.Model
	}
	if x.State.Ended() {
		detail["state"], detail["summary"], detail["exitCode"] = x.State, x.Summary, x.ExitCode
		detail["reason"], detail["container"], detail["image"] = x.Reason, x.Container, x.Image
	}
	return detail
}

// startQueued starts what waits, as long as there is room on this node.
func (e *Engine) startQueued(ctx context.Context, kind examiner, o *examined, wanted []wantedExamination) error {
	open, err := e.Store.OpenExaminations(ctx)
	if err != nil {
		return err
	}
	running := 0
	for _, x := range open {
		if x.State == task.ExaminationRunning && x.Node == e.Node {
			running++
		}
	}
	var errs []error
	for i := range o.all {
		x := o.all[i]
		if x.Kind != kind.kind() || x.State != task.ExaminationQueued || x.Revision != o.p.Revision || running >= e.MaxExaminations {
			continue
		}
		d, known := wantedBy(wanted, x)
		if !known {
			continue // the next look cancels it
		}
		if err := e.startExamination(ctx, kind, o, d, x); err != nil {
			errs = append(errs, fmt.Errorf("start %s %q: %w", x.Kind, x.Name, err))
		}
		running++
	}
	return errors.Join(errs...)
}
