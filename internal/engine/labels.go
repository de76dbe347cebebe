package engine

import (
	"context"
	"slices"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/present"
	"github.com/coderflow/coderflow/internal/task"
)

// showLabel sets the label of the newest request on the issue. It is a courtesy: a forge
// that does not take it keeps no task from going on.
func (e *Engine) showLabel(ctx context.Context, t *task.Task) {
	set, err := e.Manifests.Manifests(ctx)
	if err != nil || !set.Environments[t.Environment].StateLabels || t.Issue == 0 {
		return
	}
	newest, err := e.newestOf(ctx, t)
	if err != nil || len(newest) == 0 {
		return
	}
	want, at := present.StateLabel(newest...), labelPlace{t.Repository.Key(), t.Issue}
	if said, known := e.said.Load(at); known && said == want {
		return
	}
	if err := e.Forge.SetStateLabel(ctx, t.Repository, t.Issue, want, present.StateLabels()); err != nil {
		e.Logger.WarnContext(ctx, "state label not set", "task", t.ID, "issue", t.Issue, "error", err)
		return
	}
	e.said.Store(at, want)
}

// labelPlace is the key of what an issue was last labelled with.
type labelPlace struct {
	repository string
	issue      int
}

// newestOf are the tasks of the newest request on the task's issue, if the task is one
// of them: an older one no longer speaks for the issue.
func (e *Engine) newestOf(ctx context.Context, t *task.Task) ([]task.Task, error) {
	latest, err := e.Store.LatestTask(ctx, t.Repository, forge.IssueTopic(t.Issue))
	if err != nil {
		return nil, err
	}
	if latest.ID == t.ID && t.Group == "" {
		return []task.Task{*t}, nil
	}
	if t.Group == "" || latest.Group != t.Group {
		return nil, nil
	}
	all, err := e.Store.Variants(ctx, t.Group)
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(all, func(o task.Task) bool { return o.ID == t.ID }); i >= 0 {
		all[i] = *t
	}
	return all, nil
}
