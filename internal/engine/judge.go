package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/atonce"
	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/receipt"
	"github.com/coderflow/coderflow/internal/task"
)

// Why a proposal is void.
const (
	voidByPush = "somebody else pushed to the proposal branch"
	voidByBase = "the pull request was pointed at another branch than the one the proposal was made for"
	// voidByRestore: the push may have been CoderFlow's own.
	voidByRestore = "the proposal branch is elsewhere than when the backup was taken that the server was restored from: " +
		"the change was landed, revised or pushed to since; nothing of it is done again"
)

// pushed says why a proposal whose branch moved is void.
func (e *Engine) pushed(t task.Task) string {
	if t.CreatedAt.Before(e.Gate.Restored) {
		return voidByRestore
	}
	return voidByPush
}

// judge waits for humans. It looks at the pull request and at every approving
// review that the gate has not answered for good, so that a lost delivery changes
// nothing but the time. Reviews that count and wait for others are judged again:
// who approved may have lost the right, and the gate may ask for more or less now.
func (e *Engine) judge(ctx context.Context, w *work) error {
	if err := e.stopped(ctx, &w.t); err != nil {
		return err
	}
	if waits, err := e.revisionWaits(ctx, w); waits || err != nil {
		return err
	}
	pr, err := e.proposalStands(ctx, w)
	if err != nil {
		return err
	}
	return e.decide(ctx, w, pr)
}

// decide follows what people say of a proposal that stands. What is about to be replaced
// is not examined first.
func (e *Engine) decide(ctx context.Context, w *work, pr forge.PullRequest) error {
	reviews, err := e.Forge.Reviews(ctx, w.t.Repository, w.t.PullRequest)
	if err != nil {
		return errors.Join(fmt.Errorf("read the reviews: %w", err), e.examine(ctx, w))
	}
	held, err := e.feedback(ctx, w, reviews)
	if held {
		return err
	}
	if err != nil {
		return errors.Join(err, e.examine(ctx, w))
	}
	examined := e.examine(ctx, w) // an engine that does not answer holds up no review: the gate looks at what is known
	return errors.Join(e.judgeReviews(ctx, w, reviews), examined, e.openToReview(ctx, w, pr))
}

func (e *Engine) judgeReviews(ctx context.Context, w *work, reviews []forge.Review) error {
	if err := e.dropWithdrawn(ctx, w, reviews); err != nil {
		return err
	}
	for _, r := range reviews {
		if r.State != forge.ReviewApproved || w.t.Settled(r.ID) {
			continue
		}
		if err := e.judgeReview(ctx, w, r); err != nil {
			return err
		}
		if w.t.State != task.Proposed {
			return nil
		}
	}
	return nil
}

// proposalStands reads the pull request, and ends the task if its proposal can no longer
// be approved.
func (e *Engine) proposalStands(ctx context.Context, w *work) (forge.PullRequest, error) {
	p, err := e.Store.Proposal(ctx, w.t.ID)
	if err != nil {
		return forge.PullRequest{}, fmt.Errorf("read the proposal: %w", err)
	}
	pr, err := e.Forge.PullRequest(ctx, w.t.Repository, w.t.PullRequest)
	if err != nil {
		return pr, fmt.Errorf("read pull request %d: %w", w.t.PullRequest, err)
	}
	switch {
	case !pr.Open:
		return pr, ended(task.Rejected, pullClosed)
	case pr.Head.Commit != p.Carrier:
		return pr, ended(task.Superseded, "%s", e.pushed(w.t))
	case pr.Base.Branch != p.BaseBranch:
		return pr, ended(task.Superseded, voidByBase)
	}
	var rewrites []forge.HeadChange
	err = atonce.Do(
		func() error { return e.neverClosed(ctx, &w.t) },
		func() (err error) { rewrites, err = e.Gate.Rewrites(ctx, w.t); return err },
	)
	if err != nil {
		return pr, err
	}
	if len(rewrites) > 0 {
		return pr, ended(task.Superseded, "%s force-pushed the proposal branch", rewrites[0].Actor.Login)
	}
	return pr, e.expire(ctx, w, p)
}

// judgeReview asks the gate about one review and keeps its answer.
func (e *Engine) judgeReview(ctx context.Context, w *work, r forge.Review) error {
	record, err := e.Gate.Record(ctx, w.t.ID, r.ID)
	if refused := (*approval.RefusedError)(nil); errors.As(err, &refused) {
		if refused.Waiting {
			return e.recordCounted(ctx, w, r, refused)
		}
		return e.recordRefusal(ctx, w, r, refused)
	}
	if err != nil {
		return fmt.Errorf("judge review %s: %w", r.ID, err)
	}
	e.Failpoint(ReviewJudged)
	w.t.Judged = completed(judged(w.t.Judged, judgement(r, record.Decision, e.Now())))
	w.t.ApprovalID, w.t.Failure = record.ID, ""
	others, err := e.siblings(ctx, w.t)
	if err != nil {
		return err
	}
	return e.approve(ctx, w, record, others)
}

// approve records an approval, unless a revision was asked for in the meantime.
func (e *Engine) approve(ctx context.Context, w *work, record approval.Record, others []task.Task) error {
	err := e.move(ctx, w, task.Approved, func(tx Tx) error {
		if err := unlessFeedback(ctx, tx, w.t.ID); err != nil {
			return err
		}
		fresh, err := tx.InsertApproval(ctx, record)
		if err != nil {
			return err
		}
		if !fresh {
			return fmt.Errorf("another approval of this proposal is in force: %w", task.ErrStale)
		}
		if err := e.chosen(ctx, tx, w.t, others, record.Approver.Subject.String()); err != nil {
			return err
		}
		return e.auditApproval(ctx, tx, &w.t, record)
	})
	if errors.Is(err, task.ErrReplaced) { // at the same moment; the next look ends this one
		return queue.Again(0, err)
	}
	return err
}

// auditApproval writes what was approved, which receipts show to everybody who may see
// the task, and apart from it why, and what it armed in which environments. Its checks are
// those that the gate read when it decided; the store may have newer attempts.
func (e *Engine) auditApproval(ctx context.Context, tx Tx, t *task.Task, r approval.Record) error {
	err := e.audit(ctx, tx, t, r.Approver.Subject.String(), audit.ApprovalRecorded, map[string]any{
		"approval": r.ID, "digest": r.Digest, "review": r.ReviewURL, "reviews": r.Reviews, "landing": receipt.LandingOf(r, e.Committer),
		"checks": resultsOf(r.Examined, task.Check), "judges": resultsOf(r.Examined, task.Judge),
	})
	if err != nil {
		return err
	}
	return e.audit(ctx, tx, t, r.Approver.Subject.String(), audit.ApprovalReasons, map[string]any{
		"approval": r.ID, "digest": r.Digest, "review": r.ReviewURL, "decision": r.Decision, "armed": r.Armed, "replay": r.Replay,
	})
}

func (e *Engine) recordRefusal(ctx context.Context, w *work, r forge.Review, refused *approval.RefusedError) error {
	d := refused.Decision
	digest, err := e.digestOf(ctx, w.t.ID)
	if err != nil {
		return err
	}
	return e.save(ctx, w, func(t *task.Task) {
		t.Judged = judged(t.Judged, judgement(r, d, e.Now()))
	}, func(tx Tx) error {
		return e.audit(ctx, tx, &w.t, r.Author.Subject.String(), audit.ApprovalRefused, map[string]any{
			"review": r.URL, "decision": d, "replay": refused.Replay, "digest": digest,
		})
	})
}

// digestOf is the digest of what a review is about.
func (e *Engine) digestOf(ctx context.Context, id task.ID) (string, error) {
	p, err := e.Store.Proposal(ctx, id)
	if err != nil && !errors.Is(err, task.ErrNotFound) { // it may be refused because there is none
		return "", fmt.Errorf("read what was reviewed: %w", err)
	}
	return p.Digest, nil
}

// recordCounted keeps that a review counts and what is missing beside it. The same
// answer as before is not written again.
func (e *Engine) recordCounted(ctx context.Context, w *work, r forge.Review, refused *approval.RefusedError) error {
	now := judgement(r, refused.Decision, e.Now())
	now.Counted = true
	i := slices.IndexFunc(w.t.Judged, func(j task.Judgement) bool { return j.Review == r.ID })
	if i >= 0 && bytes.Equal(w.t.Judged[i].Decision, now.Decision) {
		return nil
	}
	keep := func(t *task.Task) { t.Judged = judged(t.Judged, now) }
	if i >= 0 { // what is missing changed, not that it counts
		return e.save(ctx, w, keep, nil)
	}
	digest, err := e.digestOf(ctx, w.t.ID)
	if err != nil {
		return err
	}
	return e.save(ctx, w, keep, func(tx Tx) error {
		return e.audit(ctx, tx, &w.t, r.Author.Subject.String(), audit.ApprovalCounted, map[string]any{
			"review": r.URL, "decision": refused.Decision, "replay": refused.Replay, "digest": digest,
		})
	})
}

// dropWithdrawn refuses for good what was counted and is no approval any more.
func (e *Engine) dropWithdrawn(ctx context.Context, w *work, reviews []forge.Review) error {
	for _, j := range w.t.Judged {
		stands := func(r forge.Review) bool { return r.ID == j.Review && r.State == forge.ReviewApproved }
		if !j.Counted || slices.ContainsFunc(reviews, stands) {
			continue
		}
		gone := policy.Decision{Reason: policy.No("the review was dismissed or withdrawn after it was counted; it takes a new one")}
		if err := e.recordRefusal(ctx, w, forge.Review{ID: j.Review, URL: j.URL, Author: j.Reviewer}, &approval.RefusedError{Decision: gone}); err != nil {
			return err
		}
	}
	return nil
}

// judged puts a judgement in the place of the last one of the same review.
func judged(all []task.Judgement, j task.Judgement) []task.Judgement {
	all = slices.Clone(all)
	if i := slices.IndexFunc(all, func(o task.Judgement) bool { return o.Review == j.Review }); i >= 0 {
		all[i] = j
		return all
	}
	return append(all, j)
}

// completed makes everything that was counted part of the approval, so that it
// falls with it.
func completed(all []task.Judgement) []task.Judgement {
	for i := range all {
		if all[i].Counted {
			all[i].Allowed, all[i].Counted = true, false
		}
	}
	return all
}

func judgement(r forge.Review, d policy.Decision, at time.Time) task.Judgement {
	return task.Judgement{
		Review: r.ID, URL: r.URL, Reviewer: r.Author, Allowed: d.Allowed, Decision: encoded(d), At: at.UTC(),
	}
}

func encoded(d policy.Decision) json.RawMessage {
	text, err := json.Marshal(d)
	if err != nil { // texts and truth values always encode
		panic(fmt.Sprintf("encode a decision: %v", err))
	}
	return text
}

// redeem is the first look after the approval was recorded.
func (e *Engine) redeem(ctx context.Context, w *work) error {
	if err := e.stopped(ctx, &w.t); err != nil {
		return err
	}
	var refused error
	err := atonce.Do(
		func() error { return e.neverClosed(ctx, &w.t) },
		func() error { _, refused = e.Gate.Redeem(ctx, w.t.ApprovalID, policy.ToLand); return nil },
	)
	if err != nil {
		return err
	}
	if refused != nil {
		return e.approvalFell(ctx, w, refused)
	}
	return e.beginLanding(ctx, w)
}

// beginLanding is the last moment at which who asks for a revision is heard.
func (e *Engine) beginLanding(ctx context.Context, w *work) error {
	err := e.move(ctx, w, task.Landing, func(tx Tx) error { return unlessFeedback(ctx, tx, w.t.ID) })
	if errors.Is(err, errFeedback) {
		return e.revisedMeanwhile(ctx, w)
	}
	return err
}

// approvalFell takes a task whose approval no longer stands to where it now
// belongs. Errors that are no refusals are returned: they are tried again.
func (e *Engine) approvalFell(ctx context.Context, w *work, err error) error {
	refused := (*approval.RefusedError)(nil)
	if !errors.As(err, &refused) {
		return fmt.Errorf("redeem approval %s: %w", w.t.ApprovalID, err)
	}
	p, perr := e.Store.Proposal(ctx, w.t.ID)
	if perr != nil {
		return fmt.Errorf("read the proposal: %w", perr)
	}
	pr := refused.PullRequest
	if w.t.LandedCommit != "" && (pr.Head.Commit == w.t.LandedCommit || refused.Target.HasLanded) {
		return e.pushFound(ctx, w) // it was pushed before the approval fell; say so
	}
	to, why := task.Proposed, "the approval no longer stands"
	switch {
	case pr.Number != 0 && !pr.Open:
		to, why = task.Rejected, "the pull request was closed before the change was pushed"
	case refused.HeadRewritten || (pr.Number != 0 && pr.Head.Commit != p.Carrier):
		to, why = task.Superseded, e.pushed(w.t)
	case pr.Number != 0 && pr.Base.Branch != p.BaseBranch:
		to, why = task.Superseded, voidByBase
	}
	fallen := w.t.ApprovalID
	w.t.Judged = voided(w.t.Judged, refused.Decision)
	w.t.ApprovalID, w.t.LandedCommit, w.t.Failure = "", "", why
	return e.move(ctx, w, to, func(tx Tx) error {
		return e.audit(ctx, tx, &w.t, audit.System, audit.ApprovalVoid, map[string]any{
			"approval": fallen, "decision": refused.Decision, "digest": p.Digest,
		})
	})
}

// voided marks every judgement behind the approval that fell as refused with the
// new reasons; those of an approval that was used up before stay as they are. An approval falls as a whole: each of its reviewers has to approve anew.
func voided(judged []task.Judgement, d policy.Decision) []task.Judgement {
	judged = slices.Clone(judged)
	for i := range judged {
		if judged[i].Allowed && judged[i].Kept == "" {
			judged[i].Allowed, judged[i].Decision, judged[i].Told = false, encoded(d), false
		}
	}
	return judged
}
