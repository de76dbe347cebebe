package engine

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/gitops"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/present"
	"github.com/coderflow/coderflow/internal/task"
)

// tailBytes is how much of an output people are shown at the forge.
const tailBytes = 4 << 10

// report tells people where the task stands: the one status comment on the
// issue, the gate's check on the pull request, and an answer to each review
// that the gate refused. It is repeated until it was said; a task that ended
// stays open to the engine until then.
func (e *Engine) report(ctx context.Context, w *work) error {
	if err := e.answerReviews(ctx, w); err != nil {
		return err
	}
	if err := e.tellRevisions(ctx, w); err != nil {
		return err
	}
	if err := e.reportChecks(ctx, &w.t); err != nil {
		return err
	}
	if err := e.reportJudges(ctx, &w.t); err != nil {
		return err
	}
	view, err := e.statusView(ctx, &w.t)
	if err != nil {
		return err
	}
	body := present.StatusComment(view)
	if w.t.Group == w.t.ID { // the first speaks for all of them
		if body, err = e.groupComment(ctx, &w.t); err != nil {
			return err
		}
	}
	check, hasCheck, err := e.gateCheck(ctx, &w.t)
	if err != nil {
		return err
	}
	said := sha256.Sum256(fmt.Appendf(nil, "%s\n%+v", body, check))
	if last, ok := e.said.Load(w.t.ID); ok && last == said && w.t.Reported == w.t.State {
		return nil
	}
	if err := e.reportIssue(ctx, &w.t, body); err != nil {
		return err
	}
	e.Failpoint(StatusSaid)
	if hasCheck {
		if err := e.Forge.SetGate(ctx, w.t.Repository, check); err != nil {
			return fmt.Errorf("set the gate's check of task %s: %w", w.t.ID, err)
		}
		e.Failpoint(GateSet)
	}
	if err := e.reportVoid(ctx, w); err != nil {
		return err
	}
	if err := e.tellTooLate(ctx, w); err != nil {
		return err
	}
	if err := e.closeEnded(ctx, w); err != nil {
		return err
	}
	e.said.Store(w.t.ID, said)
	if w.t.Reported == w.t.State {
		return nil
	}
	return e.save(ctx, w, func(t *task.Task) { t.Reported = t.State }, nil)
}

// answerReviews tells each refused reviewer why, and each whose approval counts
// what is missing, once for each answer.
func (e *Engine) answerReviews(ctx context.Context, w *work) error {
	told := slices.Clone(w.t.Judged)
	changed := false
	for i, j := range told {
		if j.Allowed && j.Kept == "" || j.Told {
			continue
		}
		marker := "<!-- coderflow:review=" + j.Review + " -->"
		body := marker + "\n" + present.ApprovalRefused(j.Reviewer, decisionOf(j))
		switch {
		case j.Kept != "":
			body = marker + "\n" + present.CommitKept(j.Reviewer, j.Kept)
		case j.Counted:
			body = marker + "\n" + present.ApprovalCounted(j.Reviewer, decisionOf(j))
		}
		if _, err := e.Forge.UpsertComment(ctx, w.t.Repository, forge.PullTopic(w.t.PullRequest), marker, body); err != nil {
			return fmt.Errorf("answer review %s: %w", j.Review, err)
		}
		e.Failpoint(ReviewAnswered)
		told[i].Told, changed = true, true
	}
	if !changed {
		return nil
	}
	return e.save(ctx, w, func(t *task.Task) { t.Judged = told }, nil)
}

// reportVoid says on the pull request that its proposal can no longer be approved.
func (e *Engine) reportVoid(ctx context.Context, w *work) error {
	if w.t.State != task.Superseded || w.t.PullRequest == 0 || w.t.ReplacedBy != "" {
		return nil
	}
	marker := "<!-- coderflow:void=" + string(w.t.ID) + " -->"
	if _, err := e.Forge.UpsertComment(ctx, w.t.Repository, forge.PullTopic(w.t.PullRequest), marker, marker+"\n"+present.Void(w.t.Failure)); err != nil {
		return fmt.Errorf("say that task %s is void: %w", w.t.ID, err)
	}
	return nil
}

func decisionOf(j task.Judgement) policy.Decision {
	var d policy.Decision
	if err := json.Unmarshal(j.Decision, &d); err != nil {
		d.Reason = policy.No("the decision cannot be read any more")
	}
	return d
}

// lastRefusal is the newest judgement, if it is a refusal.
func lastRefusal(t *task.Task) *policy.Decision {
	if len(t.Judged) == 0 {
		return nil
	}
	last := t.Judged[len(t.Judged)-1]
	if last.Allowed || last.Counted {
		return nil
	}
	d := decisionOf(last)
	return &d
}

// lastCounted is what is missing beside the approvals that count, nil if none does.
func lastCounted(t *task.Task) *policy.Decision {
	for _, j := range slices.Backward(t.Judged) {
		if j.Counted {
			d := decisionOf(j)
			return &d
		}
	}
	return nil
}

// gateCheck is the check run as it should be now, on the commit where it counts.
func (e *Engine) gateCheck(ctx context.Context, t *task.Task) (check forge.GateCheck, shown bool, err error) {
	if t.PullRequest == 0 {
		return check, false, nil
	}
	p, err := e.standing(ctx, t)
	if err != nil {
		return check, false, fmt.Errorf("read the proposal: %w", err)
	}
	var record approval.Record
	if t.ApprovalID != "" {
		if record, err = e.Store.Approval(ctx, t.ApprovalID); err != nil {
			return check, false, fmt.Errorf("read approval %s: %w", t.ApprovalID, err)
		}
	}
	check = present.Gate(*t, p, record.Approvers()...)
	if t.Revising() {
		check = present.GateRevising(*t)
	}
	if t.State == task.Proposed {
		refused, counted := lastRefusal(t), lastCounted(t)
		switch {
		case counted != nil:
			check = present.GateCounting(*t, *counted, refused)
		case refused != nil:
			check = present.GateRefused(*refused)
		case t.Failure != "":
			check = present.GateHeld(p, t.Failure)
		}
	}
	check.Commit = p.Carrier
	if slices.Contains([]task.State{task.Landed, task.Deploying, task.Done}, t.State) {
		if record.OnOtherBranch() {
			check = present.GateLandedOn(t.LandedCommit, p.Digest, record.Approvers(), record.Target)
		}
		check.Commit = t.LandedCommit
		check.Summary += present.Receipt(e.receiptURL(record.ID), t.LandedCommit)
	}
	check.ExternalID, check.PullRequest, check.DetailsURL = string(t.ID), t.PullRequest, e.PublicURL
	if t.State == task.Proposed {
		check.Summary = present.RiskSummary(p) + check.Summary
	}
	check.Annotations, err = annotations(p, check.Commit)
	return check, true, err
}

// annotations point at the risks of a proposal: in the patch that its carrier holds,
// and at the real lines on the commit that landed.
func annotations(p task.Proposal, commit string) ([]forge.Annotation, error) {
	if len(p.Risks) == 0 {
		return nil, nil
	}
	places, err := gitops.Places(p)
	if err != nil {
		return nil, fmt.Errorf("find the risks in the patch: %w", err)
	}
	return present.Annotations(p, func(i int) (string, int, bool) {
		if commit == p.Carrier {
			return task.ProposalPath(p.Task), places[i].Patch, places[i].Patch > 0
		}
		return p.Risks[i].Path, places[i].Result, places[i].Result > 0 && utf8.ValidString(p.Risks[i].Path)
	}), nil
}

// risksByName counts risks, those that are not listed too.
func risksByName(risks []task.Risk) map[string]int {
	n := map[string]int{}
	for _, r := range risks {
		n[r.Name] += 1 + r.More
	}
	return n
}

// statusView gathers what the status of a task shows.
func (e *Engine) statusView(ctx context.Context, t *task.Task) (present.StatusView, error) {
	issueURL, _, _ := strings.Cut(t.TriggerURL, "#")
	v := present.StatusView{Task: *t, IssueURL: issueURL, PullRequestURL: t.PullRequestURL}
	if t.State == task.Proposed {
		v.Refused, v.Counted = lastRefusal(t), lastCounted(t)
	}
	var err error
	if v.InLine, v.LostNode, err = e.whereabouts(ctx, t); err != nil {
		return v, err
	}
	if v.LandedOn, err = e.landedOn(ctx, t); err != nil {
		return v, err
	}
	if v.Timeline, err = e.timeline(ctx, t); err != nil {
		return v, err
	}
	if t.State == task.Failed {
		told, err := e.account(ctx, t)
		if err != nil {
			return v, err
		}
		v.Output = told.feed
	}
	if v.Models, err = e.modelView(ctx, t.ID); err != nil {
		return v, err
	}
	if v.Revision, v.Examinations, err = e.examinationsOf(ctx, t); err != nil {
		return v, err
	}
	runs, err := e.Store.DeployRuns(ctx, t.ID)
	if err != nil {
		return v, fmt.Errorf("read the deployments: %w", err)
	}
	if len(runs) > present.MaxDeployments { // the newest are those that matter
		slices.Reverse(runs)
	}
	for i, run := range runs {
		d := present.DeploymentView{Run: run}
		if run.State != deploy.Pending && run.State != deploy.Armed && i < present.MaxDeployments {
			if d.Output, err = e.logTail(ctx, "deploy/"+run.ID); err != nil {
				return v, err
			}
		}
		v.Deployments = append(v.Deployments, d)
	}
	return v, nil
}

// landedOn is the branch, other than the proposal's, that has the task's commit.
func (e *Engine) landedOn(ctx context.Context, t *task.Task) (string, error) {
	if t.ApprovalID == "" || !slices.Contains([]task.State{task.Landed, task.Deploying, task.Done}, t.State) {
		return "", nil
	}
	record, err := e.Store.Approval(ctx, t.ApprovalID)
	if err != nil {
		return "", fmt.Errorf("read approval %s: %w", t.ApprovalID, err)
	}
	return record.Target, nil
}

func (e *Engine) logTail(ctx context.Context, stream string) (string, error) {
	return e.logTailFrom(ctx, stream, 0)
}

// logTailFrom is the end of what stands in the stream from a byte on.
func (e *Engine) logTailFrom(ctx context.Context, stream string, from int64) (string, error) {
	size, err := e.Store.LogSize(ctx, stream)
	if err != nil {
		return "", fmt.Errorf("read the output: %w", err)
	}
	tail, err := e.Store.ReadLog(ctx, stream, max(from, size-tailBytes), tailBytes)
	if err != nil && !errors.Is(err, task.ErrNotFound) {
		return "", fmt.Errorf("read the output: %w", err)
	}
	return string(tail), nil
}
