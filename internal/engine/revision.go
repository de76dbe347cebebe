package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/task"
)

// A revision begins in the step that waits for humans, and only there: a task that is
// approved goes on. From then until it is put up or comes to nothing the task is in no
// state in which the gate takes an approval, and those of before are void.

// revisionPause is how often a revision that waits for a free place is looked at.
const revisionPause = 5 * time.Second

// revisionWaits reports that an agent is to revise the proposal and must wait for another
// one to end, or that another node goes on with the task. The forge, which bounds how often
// it may be asked, is not asked meanwhile.
func (e *Engine) revisionWaits(ctx context.Context, w *work) (bool, error) {
	asked, err := e.agentAsked(ctx, &w.t)
	if err != nil || !asked {
		return false, err
	}
	if free, err := e.hasRoom(ctx, &w.t); err != nil || free {
		return false, err
	}
	if left, err := e.leaveForLabels(ctx, w); err != nil || left {
		return left, err
	}
	return true, e.again(ctx, &w.t, revisionPause)
}

// agentAsked reports whether an agent is to revise the proposal next.
func (e *Engine) agentAsked(ctx context.Context, t *task.Task) (bool, error) {
	known, err := e.Store.Feedback(ctx, t.ID)
	pending := task.Pending(known)
	rebases := slices.ContainsFunc(pending, func(f task.Feedback) bool { return f.Kind == task.FeedbackRebase })
	return err == nil && len(pending) > 0 && !rebases, err
}

// whyUnrevised says what an agent waits for that is to revise the proposal.
func (e *Engine) whyUnrevised(ctx context.Context, t *task.Task) (string, error) {
	asked, err := e.agentAsked(ctx, t)
	if err != nil || !asked {
		return "", err
	}
	l, err := e.readLine(ctx)
	return l.why(t.Environment, e.lively()), err
}

// leaveForLabels gives a task that is to be revised to a node that has the labels of its
// environment and a free place, if this one does not have them: it took the task over, or
// the labels changed. What is up for review is in the database; checks of it that run here
// end, as they do when a revision begins.
func (e *Engine) leaveForLabels(ctx context.Context, w *work) (left bool, err error) {
	l, err := e.readLine(ctx)
	if err != nil || e.self().Has(l.labels(w.t.Environment)) {
		return false, err
	}
	best, some := l.best(e.lively(), w.t.Environment)
	if !some {
		return false, nil
	}
	return true, e.leave(ctx, w, fmt.Sprintf("its node %s does not have the labels that a revision takes", e.Self.Name), best.ID)
}

// feedback begins a revision if one was asked for. held tells that no review is to be
// judged now: there is feedback, so what is up for review is about to be replaced.
func (e *Engine) feedback(ctx context.Context, w *work, reviews []forge.Review) (held bool, err error) {
	known, err := e.Store.Feedback(ctx, w.t.ID)
	if err != nil {
		return false, err
	}
	if err := e.takeReviews(ctx, w, reviews, known); err != nil {
		return false, err
	}
	if known, err = e.Store.Feedback(ctx, w.t.ID); err != nil {
		return false, err
	}
	pending := task.Pending(known)
	rebase := slices.DeleteFunc(slices.Clone(pending), func(f task.Feedback) bool { return f.Kind != task.FeedbackRebase })
	switch {
	case len(pending) == 0:
		return false, nil
	case len(rebase) > 0: // first: what is revised is then on the new base
		return true, e.beginRevision(ctx, w, task.FeedbackRebase, rebase, reviews)
	}
	return true, e.beginRevision(ctx, w, task.FeedbackRevise, pending, reviews)
}

// beginRevision takes up feedback: in one transaction the revision is recorded, what was
// approved before is void, and the task leaves the state in which it can be approved.
func (e *Engine) beginRevision(ctx context.Context, w *work, kind task.FeedbackKind, list []task.Feedback, reviews []forge.Review) error {
	p, err := e.Store.Proposal(ctx, w.t.ID)
	if err != nil {
		return fmt.Errorf("read the proposal: %w", err)
	}
	keys := make([]string, len(list))
	for i, f := range list {
		keys[i] = f.Key
	}
	to := task.Collecting
	if kind == task.FeedbackRebase {
		if done, err := e.onTip(ctx, w, p, keys); done || err != nil {
			return err
		}
	} else {
		to = task.Preparing
		if free, err := e.hasRoom(ctx, &w.t); err != nil || !free {
			return errors.Join(err, e.again(ctx, &w.t, revisionPause))
		}
		if err := e.chooseWorkspace(ctx, w, p); err != nil {
			return err
		}
	}
	r := task.Revision{Task: w.t.ID, Number: w.t.Round() + 1, Kind: kind, State: task.RevisionMaking, After: p.Revision, StartedAt: e.Now().UTC()}
	w.t.Revision, w.t.Failure, w.t.Run.Node = r.Number, "", e.Node // where it is made
	void, err := e.voidReviews(ctx, w, reviews, fmt.Sprintf("revision %d was asked for, which replaces what was reviewed; it takes a new review of that", r.Number))
	if err != nil {
		return err
	}
	before := w.stored
	err = e.move(ctx, w, to, func(tx Tx) error {
		if to == task.Preparing {
			if err := e.stillRoom(ctx, tx, &before); err != nil {
				return err
			}
		}
		if err := tx.StartRevision(ctx, r, keys); err != nil {
			return err
		}
		err := e.audit(ctx, tx, &w.t, audit.System, audit.RevisionStarted, map[string]any{
			"revision": r.Number, "kind": kind, "after": p.Revision, "digest": p.Digest, "feedback": keys, "voided": len(void),
		})
		return errors.Join(err, e.auditVoid(ctx, tx, &w.t, p.Digest, void))
	})
	if errors.Is(err, errNotYet) {
		w.t = w.stored
		return e.again(ctx, &w.t, revisionPause)
	}
	return err
}

// stillRoom fails with errNotYet if there is no room on this node any more, in the
// transaction that takes it.
func (e *Engine) stillRoom(ctx context.Context, tx Tx, t *task.Task) error {
	set, err := e.Manifests.Manifests(ctx)
	if err != nil {
		return fmt.Errorf("read the manifests: %w", err)
	}
	places, err := tx.LockLine(ctx)
	if err != nil {
		return err
	}
	others := slices.DeleteFunc(places, func(p task.Place) bool { return p.Task == t.ID })
	if !(line{others, set}).room(e.self(), t) {
		return errNotYet
	}
	return nil
}

// onTip answers a rebase that has nothing to do: what is up for review, and what was
// approved of it, stays as it is.
func (e *Engine) onTip(ctx context.Context, w *work, p task.Proposal, keys []string) (done bool, err error) {
	tip, err := e.tipOf(ctx, w)
	if fail := (*failure)(nil); errors.As(err, &fail) {
		return false, nil // the revision says so
	}
	if err != nil || tip != p.BaseCommit {
		return false, err
	}
	r := task.Revision{Task: w.t.ID, Number: w.t.Round() + 1, Kind: task.FeedbackRebase, State: task.RevisionMaking, After: p.Revision, StartedAt: e.Now().UTC()}
	why := fmt.Sprintf("it is on the tip of %s already: commit %.12s", p.BaseBranch, tip)
	return true, e.save(ctx, w, func(t *task.Task) { t.Revision = r.Number }, func(tx Tx) error {
		if err := tx.StartRevision(ctx, r, keys); err != nil {
			return err
		}
		if err := tx.EndRevision(ctx, w.t.ID, r.Number, task.RevisionNothing, why); err != nil {
			return err
		}
		err := e.audit(ctx, tx, &w.t, audit.System, audit.RevisionEnded, map[string]any{
			"revision": r.Number, "state": task.RevisionNothing, "why": why, "stands": p.Revision, "digest": p.Digest, "feedback": keys,
		})
		if err != nil {
			return err
		}
		return tx.Enqueue(ctx, queue.Job{Kind: queue.Advance, Key: string(w.t.ID)}) // for what else was asked
	})
}

// voidReviews refuses every approving review that is not answered for good: each of its
// authors has to approve anew. It returns those refusals.
func (e *Engine) voidReviews(ctx context.Context, w *work, reviews []forge.Review, why string) ([]task.Judgement, error) {
	set, err := e.Manifests.Manifests(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the manifests: %w", err)
	}
	d := policy.Decision{Reason: policy.No(why), PolicyVersion: set.Version}
	all, refused := w.t.Judged, []task.Judgement{}
	refuse := func(r forge.Review) {
		j := judgement(r, d, e.Now())
		all, refused = judged(all, j), append(refused, j)
	}
	for _, j := range w.t.Judged {
		if j.Counted {
			refuse(forge.Review{ID: j.Review, URL: j.URL, Author: j.Reviewer})
		}
	}
	for _, r := range reviews {
		known := slices.ContainsFunc(all, func(j task.Judgement) bool { return j.Review == r.ID })
		if r.State == forge.ReviewApproved && !known {
			refuse(r)
		}
	}
	w.t.Judged = all
	return refused, nil
}

func (e *Engine) auditVoid(ctx context.Context, tx Tx, t *task.Task, digest string, void []task.Judgement) error {
	for _, j := range void {
		err := e.audit(ctx, tx, t, j.Reviewer.Subject.String(), audit.ApprovalRefused, map[string]any{
			"review": j.URL, "decision": decisionOf(j), "digest": digest,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// standing is the proposal that the pull request shows: while a revision is made, the
// one before it.
func (e *Engine) standing(ctx context.Context, t *task.Task) (task.Proposal, error) {
	if t.Revising() {
		return e.Store.ProposalBefore(ctx, t.ID, t.Round())
	}
	return e.Store.Proposal(ctx, t.ID)
}

// making is the recorded proposal of the revision that is being made, and the one that
// it follows; former is zero for the first. It fails with task.ErrNotFound if the
// proposal was not recorded yet.
func (e *Engine) making(ctx context.Context, t *task.Task) (p, former task.Proposal, err error) {
	if t.Round() > 1 {
		if former, err = e.Store.ProposalBefore(ctx, t.ID, t.Round()); err != nil {
			return p, former, fmt.Errorf("read the proposal before revision %d: %w", t.Round(), err)
		}
	}
	p, err = e.Store.Proposal(ctx, t.ID)
	if err == nil && p.Revision != t.Round() {
		err = fmt.Errorf("revision %d: %w", t.Round(), task.ErrNotFound)
	}
	return p, former, err
}

// round is the revision that is being made; zero for the first.
func (e *Engine) round(ctx context.Context, t *task.Task) (task.Revision, error) {
	if t.Round() == 1 {
		return task.Revision{Number: 1}, nil
	}
	all, err := e.Store.Revisions(ctx, t.ID)
	if err != nil {
		return task.Revision{}, err
	}
	i := slices.IndexFunc(all, func(r task.Revision) bool { return r.Number == t.Round() })
	if i < 0 {
		return task.Revision{}, fmt.Errorf("revision %d of task %s: %w", t.Round(), t.ID, task.ErrNotFound)
	}
	return all[i], nil
}

// chooseWorkspace lets the agent go on in the workspace of before if that still has
// exactly what is up for review; otherwise it begins a new one with that.
func (e *Engine) chooseWorkspace(ctx context.Context, w *work, p task.Proposal) error {
	if w.t.Run.Tree == p.Tree && w.t.Run.Tree != "" {
		volumes, err := e.Storage.Volumes(ctx)
		if err != nil {
			return fmt.Errorf("look for the workspace: %w", err)
		}
		name := VolumeOf(&w.t)
		if slices.ContainsFunc(volumes, func(v sandbox.VolumeInfo) bool { return v.Name == name && v.Whole }) {
			return nil
		}
	}
	if err := e.bring(ctx, &w.t, w.t.Requester, p); err != nil {
		return err
	}
	commit, err := e.Git.ResultCommit(ctx, resultOf(p))
	if err != nil {
		return fmt.Errorf("make a commit of what is up for review: %w", err)
	}
	w.t.Run.Volume, w.t.Run.Start = fmt.Sprintf("%s-r%d", VolumeName(w.t.ID), w.t.Round()+1), commit
	return nil
}
