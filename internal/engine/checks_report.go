package engine

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/present"
	"github.com/coderflow/coderflow/internal/task"
)

// reportChecks shows the checks of the newest revision at the forge: a check run, and one
// comment once something failed or all have ended.
func (e *Engine) reportChecks(ctx context.Context, t *task.Task) error {
	if t.PullRequest == 0 {
		return nil
	}
	view, commits, err := e.checksView(ctx, t)
	if err != nil || len(view.Checks) == 0 {
		return err
	}
	run := present.ChecksRun(view)
	run.ExternalID, run.PullRequest, run.DetailsURL = string(t.ID), t.PullRequest, e.PublicURL
	if view.Page != "" {
		run.DetailsURL = view.Page
	}
	body, shown := present.ChecksComment(view)
	key, said := "checks:"+string(t.ID), sha256.Sum256(fmt.Appendf(nil, "%s\n%+v\n%v\n%t", body, run, commits, shown))
	if last, ok := e.said.Load(key); ok && last == said {
		return nil
	}
	for _, run.Commit = range commits {
		if err := e.Forge.SetGate(ctx, t.Repository, run); err != nil {
			return fmt.Errorf("set the check run of the checks of task %s: %w", t.ID, err)
		}
	}
	if shown {
		if _, err := e.Forge.UpsertComment(ctx, t.Repository, forge.PullTopic(t.PullRequest), present.ChecksMarker(t.ID), body); err != nil {
			return fmt.Errorf("report the checks of task %s: %w", t.ID, err)
		}
	}
	e.said.Store(key, said)
	return nil
}

// checksView gathers what is shown, and the commits that show it: the carrier, and that
// of the landed change where the pull request has it, whose tree is the one that was checked.
func (e *Engine) checksView(ctx context.Context, t *task.Task) (v present.ChecksView, commits []string, err error) {
	p, err := e.standing(ctx, t)
	if err != nil {
		return v, nil, err
	}
	all, err := e.Store.Examinations(ctx, t.ID)
	if err != nil {
		return v, nil, err
	}
	set, err := e.Manifests.Manifests(ctx)
	if err != nil {
		return v, nil, fmt.Errorf("read the manifests: %w", err)
	}
	v = present.ChecksView{Task: t.ID, Revision: p.Revision, Digest: p.Digest, Page: e.taskPage(t.ID)}
	for _, x := range task.LatestExaminations(all, p.Revision) {
		if x.Kind != task.Check {
			continue
		}
		defined, _ := set.Environments[t.Environment].Check(x.Name)
		c := present.CheckView{Examination: x, Required: defined.Required}
		if x.State == task.ExaminationFailed || x.State == task.ExaminationBroken {
			if c.Output, err = e.logTail(ctx, x.LogStream()); err != nil {
				return v, nil, err
			}
		}
		v.Checks = append(v.Checks, c)
	}
	commits = []string{p.Carrier}
	if t.State.HasLanded() && t.LandedCommit != "" {
		target, err := e.landedOn(ctx, t)
		if err != nil {
			return v, nil, err
		}
		if target == "" {
			commits = append(commits, t.LandedCommit)
		}
	}
	return v, commits, nil
}

// taskPage is the task's page in the console; empty where nobody can sign in.
func (e *Engine) taskPage(id task.ID) string {
	if e.PagesURL == "" {
		return ""
	}
	return strings.TrimRight(e.PagesURL, "/") + "/tasks/" + string(id)
}
