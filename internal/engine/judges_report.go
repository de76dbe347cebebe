package engine

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/gitops"
	"github.com/coderflow/coderflow/internal/judge"
	"github.com/coderflow/coderflow/internal/present"
	"github.com/coderflow/coderflow/internal/task"
)

// reportJudges shows at the forge what the judges of the newest revision say: one comment that
// compares them, one check run that never says yes or no, and each judge's findings on the
// lines of the patch, once.
func (e *Engine) reportJudges(ctx context.Context, t *task.Task) error {
	if t.PullRequest == 0 {
		return nil
	}
	p, err := e.Store.Proposal(ctx, t.ID)
	if err != nil {
		return fmt.Errorf("read the proposal: %w", err)
	}
	view, err := e.judgesView(ctx, t, p)
	if err != nil || len(view.Judges) == 0 || p.Carrier == "" {
		return err
	}
	run, body := present.JudgesCheck(view), present.Judges(view)
	run.Commit, run.PullRequest, run.ExternalID, run.DetailsURL = p.Carrier, t.PullRequest, string(t.ID), e.PublicURL
	if view.Page != "" {
		run.DetailsURL = view.Page
	}
	key, said := "judges:"+string(t.ID), sha256.Sum256(fmt.Appendf(nil, "%s\n%+v", body, run))
	if last, ok := e.said.Load(key); ok && last == said {
		return nil
	}
	if err := e.Forge.SetGate(ctx, t.Repository, run); err != nil {
		return fmt.Errorf("set the check run of the judges of task %s: %w", t.ID, err)
	}
	if _, err := e.Forge.UpsertComment(ctx, t.Repository, forge.PullTopic(t.PullRequest), present.JudgesMarker(t.ID), body); err != nil {
		return fmt.Errorf("report the judges of task %s: %w", t.ID, err)
	}
	if t.State == task.Proposed { // the lines of the patch are at the head
		if err := e.postRemarks(ctx, t, p, view); err != nil {
			return err
		}
	}
	e.said.Store(key, said)
	return nil
}

// judgesView gathers what is shown. Without a judge there is nothing.
func (e *Engine) judgesView(ctx context.Context, t *task.Task, p task.Proposal) (v present.JudgesView, err error) {
	all, err := e.Store.Examinations(ctx, t.ID)
	if err != nil {
		return v, err
	}
	set, err := e.Manifests.Manifests(ctx)
	if err != nil {
		return v, fmt.Errorf("read the manifests: %w", err)
	}
	env := set.Environments[t.Environment]
	v = present.JudgesView{Task: t.ID, Revision: p.Revision, Page: e.taskPage(t.ID)}
	for _, rule := range env.Gate.Rules {
		if rule.Judges != nil {
			v.Raises = append(v.Raises, rule.Name)
		}
	}
	for _, x := range task.LatestExaminations(all, p.Revision) {
		if x.Kind != task.Judge {
			continue
		}
		j := present.JudgeView{Examination: x}
		if j.Usage, err = e.Store.ContainerUsage(ctx, x.ID); err != nil {
			return v, err
		}
		if j.Measured, err = e.measuredOf(ctx, x); err != nil {
			return v, err
		}
		v.Judges = append(v.Judges, j)
	}
	return v, nil
}

// postRemarks posts the findings of each judge that answered. Where the forge takes one of the
// lines for none that it shows, the review stands without them: the comment has all of it.
func (e *Engine) postRemarks(ctx context.Context, t *task.Task, p task.Proposal, v present.JudgesView) error {
	var index *gitops.PatchIndex
	for _, j := range v.Judges {
		if j.State != task.ExaminationPassed || j.Digest != p.Digest {
			continue
		}
		if index == nil {
			index = gitops.PatchLines(p.Diff)
		}
		remarks := present.JudgeRemarks(j, func(f judge.Finding) (string, int, bool) {
			line, ok := placeOf(index, f)
			return task.ProposalPath(t.ID), line, ok
		})
		if len(remarks) == 0 {
			continue
		}
		review := forge.NewRemarks{Commit: p.Carrier, Marker: present.JudgeMarker(j.Examination), Body: present.JudgeReview(j), Remarks: remarks}
		err := e.Forge.PostRemarks(ctx, t.Repository, t.PullRequest, review)
		if refused := (*forge.RefusedError)(nil); errors.As(err, &refused) {
			e.Logger.WarnContext(ctx, "a judge's findings are not shown on their lines", "task", t.ID, "judge", j.Name, "error", err)
			continue
		}
		if err != nil {
			return fmt.Errorf("post the findings of judge %q: %w", j.Name, err)
		}
	}
	return nil
}

// placeOf is the line of the patch where a finding is shown: its own, or where its file begins.
func placeOf(index *gitops.PatchIndex, f judge.Finding) (int, bool) {
	if line, ok := index.Line(f.Path, f.Line); ok {
		return line, true
	}
	return index.File(f.Path)
}

// measuredOf is what calibration found of the judge, as it is defined in the examination.
func (e *Engine) measuredOf(ctx context.Context, x task.Examination) (*judge.Measured, error) {
	m, err := e.Store.Measured(ctx, x.Environment, x.Name, x.Definition)
	if errors.Is(err, task.ErrNotFound) {
		return nil, nil
	}
	return &m, err
}
