package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/gitops"
)

// A deployment whose profile names a pipeline passes the same gate, queue and freezes as
// one in a container. What differs is that nothing of it can be made before it starts,
// and found again by a name of ours. So it is created in the database alone, by one of
// all who try, and only that one asks the pipeline, once. Whatever happens then, the
// run is looked for at the service, by the deployment's id that it carries.

// Times of looking for, and at, a pipeline's run.
const (
	// pipelinePace is how often one that is under way is looked at.
	pipelinePace = 5 * time.Second
	// pipelineAsk bounds one request, and how long after the intent it may be made.
	pipelineAsk = 30 * time.Second
	// pipelineSettle is how long after the intent a run may still turn up.
	pipelineSettle = 5 * time.Minute
	// pipelineLost bounds how long a service is asked that does not answer.
	pipelineLost = time.Hour
	// pipelineCancel is how long a run may take to end that was cancelled: the most that
	// Azure Pipelines leaves to its jobs for that, and a little more.
	pipelineCancel = 65 * time.Minute
)

// askPipeline has the pipeline of the profile run, if the gate permits it now.
func (e *Engine) askPipeline(ctx context.Context, w *work, run *deploy.Run, profile deploy.Profile) error {
	if err := e.Deployer.Runs(profile); err != nil {
		return e.withhold(ctx, w, run, err.Error()+"; an administrator of the server adds it, or gives the profile a script")
	}
	grant, ok, err := e.mayDeploy(ctx, w, run)
	if err != nil || !ok {
		return err
	}
	run.Pipeline = deploy.PipelineRecord{Pipeline: *profile.Pipeline, Timeout: profile.Timeout}
	if run.Pipeline.Ref, err = e.refOf(ctx, w, run, grant); err != nil {
		return err
	}
	if run.Pipeline.Ref == "" {
		return e.withhold(ctx, w, run, fmt.Sprintf("commit %.12s is on no branch any more from which a pipeline could take it: "+
			"neither where it landed nor on %s. Deploy the merge of it instead", run.Commit, w.t.BaseBranch))
	}
	// One that was started and whose record is lost (a database that was restored) is found again.
	earlier, found, err := e.Deployer.Pipelines.Find(ctx, run.PipelineRequest())
	if refusal := refusedByPipeline(run, err); refusal != "" {
		return e.neverAsked(ctx, w, run, refusal)
	}
	if err != nil {
		return fmt.Errorf("look for an earlier run of pipeline %s: %w", run.Pipeline.Pipeline.Ref(), err)
	}
	if grant, ok, err = e.mayDeploy(ctx, w, run); err != nil || !ok { // the fetch took its time
		return err
	}
	if err := e.Freezes.Unfrozen(ctx, w.t.Environment, run.Environment); err != nil {
		return err
	}
	first, err := e.intendPipeline(ctx, run, grant)
	if err != nil || !first {
		return err
	}
	if found {
		e.pipelineRuns(ctx, run, earlier, grant)
		return nil
	}
	e.Failpoint(PipelineIntended)
	e.queuePipeline(ctx, w, run, profile, grant)
	return nil
}

// intendPipeline records the intent. Only the first to do so may ask the pipeline.
func (e *Engine) intendPipeline(ctx context.Context, run *deploy.Run, grant approval.Grant) (first bool, err error) {
	run.State, run.Pipeline.AskedAt = deploy.Created, e.Now().UTC()
	decision := grant.Decision()
	err = e.Store.InTx(ctx, func(tx Tx) (err error) {
		if first, err = tx.BeginRun(ctx, *run); err != nil || !first {
			return err
		}
		return e.auditRun(ctx, tx, run, audit.System, audit.DeployIntent, &decision)
	})
	if err != nil {
		return false, fmt.Errorf("record the intent to run pipeline %s: %w", run.Pipeline.Pipeline.Ref(), err)
	}
	if !first { // somebody else asks
		*run, err = e.Store.Deployment(ctx, run.ID)
	}
	return first, err
}

// queuePipeline asks the pipeline. From here on nothing is an error of preparing: what
// cannot be recorded now, the next look finds at the service.
func (e *Engine) queuePipeline(ctx context.Context, w *work, run *deploy.Run, profile deploy.Profile, grant approval.Grant) {
	if late := e.Now().Sub(run.Pipeline.AskedAt); late > pipelineAsk { // others may have given it up
		e.Logger.WarnContext(ctx, "a pipeline is not asked, because too much time has passed since the intent", "deployment", run.ID, "late", late)
		return
	}
	asking, cancel := context.WithTimeout(ctx, pipelineAsk)
	defer cancel()
	started, err := e.Deployer.Queue(asking, grant, *run, profile)
	refusal := refusedByPipeline(run, err)
	if limited := (*forge.RateLimitError)(nil); errors.As(err, &limited) {
		refusal = fmt.Sprintf("pipeline %s was not started: %s", run.Pipeline.Pipeline.Ref(), lastWords(err))
	}
	if refusal != "" {
		if err := e.neverAsked(ctx, w, run, refusal); err != nil {
			e.Logger.WarnContext(ctx, "the refusal of a pipeline is not recorded", "deployment", run.ID, "refusal", refusal, "error", err)
		}
		return
	}
	if err != nil {
		e.Logger.WarnContext(ctx, "a pipeline was asked and it is not known what came of it; its run is looked for", "deployment", run.ID, "error", err)
		return
	}
	e.Failpoint(DeploymentStarted)
	e.pipelineRuns(ctx, run, started, grant)
}

// refusedByPipeline says for people why a service certainly started nothing, or "".
func refusedByPipeline(run *deploy.Run, err error) string {
	refused := (*forge.RefusedError)(nil)
	switch {
	case errors.As(err, &refused):
		return fmt.Sprintf("pipeline %s was not started; the service says: %s", run.Pipeline.Pipeline.Ref(), lastWords(errors.New(refused.Words)))
	case errors.Is(err, forge.ErrNotFound):
		return fmt.Sprintf("there is no pipeline %s that CoderFlow's account may see: check the project and the pipeline in the profile", run.Pipeline.Pipeline.Ref())
	case errors.Is(err, forge.ErrForbidden):
		return fmt.Sprintf("CoderFlow's account may not queue runs of pipeline %s: give it \"Queue builds\" there", run.Pipeline.Pipeline.Ref())
	case errors.Is(err, deploy.ErrNotGranted), errors.Is(err, approval.ErrNoGrant):
		return "pipeline " + run.Pipeline.Pipeline.Ref().String() + " was not started: " + err.Error()
	}
	return ""
}

func (e *Engine) neverAsked(ctx context.Context, w *work, run *deploy.Run, why string) error {
	run.State, run.FinishedAt, run.Detail = deploy.Failed, e.Now().UTC(), why
	return e.endRun(ctx, w, run)
}

// pipelineRuns records the run that was started.
func (e *Engine) pipelineRuns(ctx context.Context, run *deploy.Run, started forge.PipelineRun, grant approval.Grant) {
	before := *run
	decision := grant.Decision()
	see(run, started)
	run.State, run.StartedAt = deploy.Running, e.Now().UTC()
	if err := e.saveRun(ctx, run, audit.DeployStarted, &decision); err != nil {
		*run = before
		e.Logger.WarnContext(ctx, "the run of a pipeline is not recorded; it is looked for", "deployment", run.ID, "pipelineRun", started.ID, "error", err)
	}
}

// see takes into the record what the service says of the run.
func see(run *deploy.Run, now forge.PipelineRun) {
	run.Pipeline.ID, run.Pipeline.Run, run.Pipeline.URL, run.Pipeline.Result = now.ID, now.Name, now.URL, string(now.Result)
}

// findPipeline looks for the run of a pipeline that was, or was about to be, asked.
func (e *Engine) findPipeline(ctx context.Context, w *work, run *deploy.Run) error {
	if e.Deployer.Pipelines == nil {
		return e.lostPipeline(ctx, w, run, deploy.ErrNoPipelines)
	}
	found, is, err := e.Deployer.Pipelines.Find(ctx, run.PipelineRequest())
	switch {
	case err != nil:
		return e.lostPipeline(ctx, w, run, err)
	case is:
		see(run, found)
		run.State, run.StartedAt = deploy.Running, e.Now().UTC()
		return e.saveRun(ctx, run, audit.DeployStarted, nil)
	case e.Now().Before(run.Pipeline.AskedAt.Add(pipelineSettle)):
		return nil // it may turn up
	}
	return e.neverAsked(ctx, w, run, fmt.Sprintf("the intent to run pipeline %s was recorded at %s, and no run of it carries this deployment's id: "+
		"it did not start, and is not started any more by itself", run.Pipeline.Pipeline.Ref(), run.Pipeline.AskedAt.Format(time.RFC3339)))
}

// lostPipeline is an error of the service about a run that is, or may be, under way. It
// is asked again; after too long the outcome is unknown.
func (e *Engine) lostPipeline(ctx context.Context, w *work, run *deploy.Run, err error) error {
	until := run.Pipeline.AskedAt.Add(pipelineLost)
	if run.State == deploy.Running {
		until = overdueAt(run).Add(pipelineCancel)
	}
	if ctx.Err() != nil || !e.Now().After(until) {
		return fmt.Errorf("look for the run of pipeline %s: %w", run.Pipeline.Pipeline.Ref(), err)
	}
	run.State, run.FinishedAt = deploy.Unknown, e.Now().UTC()
	run.Detail = fmt.Sprintf("pipeline %s was asked, and what came of it cannot be learnt: %s", run.Pipeline.Pipeline.Ref(), lastWords(err))
	return e.endRun(ctx, w, run)
}

// refOf is a ref from which the commit can be reached now: the branch where it landed, or
// the one that it was merged into. It is empty if there is none.
func (e *Engine) refOf(ctx context.Context, w *work, run *deploy.Run, grant approval.Grant) (string, error) {
	refs := []string{"refs/heads/" + w.t.BaseBranch}
	if run.Covers != deploy.CoversMerge && grant.Ref() != refs[0] {
		refs = append([]string{grant.Ref()}, refs...)
	}
	remote, err := e.remote(ctx, run.Repository, w.t.Requester)
	if err != nil {
		return "", err
	}
	for attempt := 1; ; attempt++ {
		for _, ref := range refs {
			on, err := e.onBranch(ctx, remote, strings.TrimPrefix(ref, "refs/heads/"), run.Commit)
			if err != nil {
				return "", err
			}
			if on {
				return ref, nil
			}
		}
		if run.Covers != deploy.CoversMerge || attempt == fetchAttempts { // a merge is shown a moment after it is reported
			return "", nil
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(fetchPause):
		}
	}
}

func (e *Engine) onBranch(ctx context.Context, remote gitops.Remote, branch, commit string) (bool, error) {
	head, err := e.Git.Fetch(ctx, remote, branch)
	if errors.Is(err, gitops.ErrNoBranch) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("fetch %s: %w", branch, err)
	}
	on, err := e.Git.IsAncestor(ctx, remote.Repository, commit, head)
	if errors.Is(err, gitops.ErrObjectMissing) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for commit %.12s on %s: %w", commit, branch, err)
	}
	return on, nil
}
