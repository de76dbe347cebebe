package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/coderflow/coderflow/internal/atonce"
	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/gitops"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/secret"
	"github.com/coderflow/coderflow/internal/task"
)

// admit waits for a free place.
func (e *Engine) admit(ctx context.Context, w *work) error {
	if err := e.stopped(ctx, &w.t); err != nil {
		return err
	}
	l, err := e.readLine(ctx)
	if err != nil {
		return err
	}
	back, err := e.comesBack(ctx, &w.t)
	if err != nil {
		return err
	}
	me, err := e.selfNow(ctx)
	if err != nil {
		return err
	}
	if !back {
		if !slices.Contains(l.next(me), w.t.ID) {
			return nil // [Engine.Schedule] looks again, here and on other nodes
		}
		if best, some := l.best(e.lively(), w.t.Environment); some && best.ID != e.Node {
			return e.enqueue(ctx, []queue.Job{{Kind: queue.Advance, Key: string(w.t.ID), Queue: queue.NodeQueue(best.ID)}})
		}
	}
	w.t.Run.Node = e.Node
	err = e.move(ctx, w, task.Preparing, func(tx Tx) error {
		if back {
			return nil
		}
		return e.takePlace(ctx, tx, w.t.ID, l.set, me)
	})
	if errors.Is(err, errNotYet) {
		w.t = w.stored
		return nil
	}
	return err
}

// comesBack reports whether the container of a task that waits for a place is on this node
// already: others took the node for dead, and it lives.
func (e *Engine) comesBack(ctx context.Context, t *task.Task) (bool, error) {
	if !e.returnsTo(t) {
		return false, nil
	}
	status, err := e.Sandbox.Inspect(ctx, containerName(t))
	if err != nil {
		return false, fmt.Errorf("inspect the container: %w", err)
	}
	return status.State == sandbox.StateRunning || status.State == sandbox.StateExited, nil
}

// hasRoom reports whether another agent of the environment may run on this node now, beside
// those of other tasks.
func (e *Engine) hasRoom(ctx context.Context, t *task.Task) (bool, error) {
	l, err := e.readLine(ctx)
	return err == nil && l.room(e.self(), t), err
}

// prepare pins the base, fills the workspace and starts the container. From
// there on the container runs by itself, whatever becomes of this process.
func (e *Engine) prepare(ctx context.Context, w *work) error {
	if err := e.stopped(ctx, &w.t); err != nil {
		return err
	}
	env, err := e.environment(ctx, &w.t)
	if err != nil {
		return err
	}
	if err := e.pinBase(ctx, w); err != nil {
		return err
	}
	e.Failpoint(BasePinned)
	var spec sandbox.Spec
	err = atonce.Do(
		func() error { return e.fillWorkspace(ctx, w, env) },
		func() (err error) { spec, err = e.describe(ctx, w, env); return err },
	)
	if err != nil {
		return err
	}
	e.Failpoint(WorkspaceFilled)
	e.Sandbox.ReadyCollector(ctx, collectSpec(&w.t, env))
	if err := e.note(ctx, &w.t, audit.ContainerIntent, map[string]any{"container": spec.Name, "image": spec.Image}); err != nil {
		return err
	}
	e.Failpoint(BeforeContainer)
	container, err := e.Sandbox.Start(ctx, spec)
	if errors.Is(err, sandbox.ErrImageMissing) {
		return failed(err, "the image %q of environment %s is not on this Docker engine; an admin has to build or pull it", spec.Image, env.Name)
	}
	if errors.Is(err, sandbox.ErrRuntimeMissing) {
		return failed(err, "the runtime %q of environment %s is not one of this Docker engine's; `coderflow doctor` lists them", spec.Runtime, env.Name)
	}
	if err != nil {
		return fmt.Errorf("start the container: %w", err)
	}
	e.Failpoint(ContainerStarted)
	logged, err := e.Store.LogSize(ctx, "task/"+string(w.t.ID)) // nothing is added until the task is running
	if err != nil {
		return fmt.Errorf("read how much output is kept: %w", err)
	}
	w.t.Run = task.Run{
		Node: w.t.Run.Node, Volume: w.t.Run.Volume, Start: w.t.Run.Start, LogFrom: e.logFrom(w, container, logged),
		Container: container.Name, Image: container.ImageID, Agent: agentName(env), StartedAt: e.Now().UTC(),
	}
	if env.Model != nil {
		w.t.Run.Model = env.Model.Names[0]
	}
	return e.move(ctx, w, task.Running, func(tx Tx) error {
		return e.audit(ctx, tx, &w.t, audit.System, audit.ContainerStarted, map[string]any{
			"container": container.Name, "id": container.ID, "image": container.ImageID, "spec": container.Digest, "adopted": container.Adopted,
			"agent": w.t.Run.Agent, "model": w.t.Run.Model,
		})
	})
}

// logFrom is where the container's output begins in the task's. One that went on while
// its node was taken for dead has brought some already.
func (e *Engine) logFrom(w *work, container sandbox.Container, logged int64) int64 {
	if container.Adopted && w.t.Run.LostNode == e.Node {
		return w.t.Run.LogFrom
	}
	return logged
}

// describe gathers everything that the container is made of.
func (e *Engine) describe(ctx context.Context, w *work, env manifest.Environment) (sandbox.Spec, error) {
	socketDir, err := e.openModels(ctx, &w.t, env)
	if err != nil {
		return sandbox.Spec{}, err
	}
	c, err := e.conventions(ctx, &w.t)
	if err != nil {
		return sandbox.Spec{}, err
	}
	text, err := e.promptOf(ctx, &w.t, c)
	if err != nil {
		return sandbox.Spec{}, err
	}
	spec, err := containerSpec(w.t, env, socketDir, text)
	if err != nil {
		return spec, failed(err, "environment %s cannot run this task: %v", env.Name, err)
	}
	if spec.Secrets, err = e.Secrets.Open(ctx, env.Name, secret.ForTask); err != nil {
		return spec, fmt.Errorf("open the secrets of environment %s: %w", env.Name, err)
	}
	return spec, nil
}

func (e *Engine) environment(ctx context.Context, t *task.Task) (manifest.Environment, error) {
	set, err := e.Manifests.Manifests(ctx)
	if err != nil {
		return manifest.Environment{}, fmt.Errorf("read the manifests: %w", err)
	}
	env, ok := set.Environments[t.Environment]
	if !ok {
		return env, failed(nil, "environment %s was removed", t.Environment)
	}
	return agentOf(env, t)
}

// pinBase decides once which commit the task works on.
func (e *Engine) pinBase(ctx context.Context, w *work) error {
	if w.t.BaseCommit != "" {
		return e.bringBase(ctx, w)
	}
	repository, err := e.Forge.Repository(ctx, w.t.Repository)
	if errors.Is(err, forge.ErrNotFound) {
		return failed(err, "the forge no longer shows the repository %s under its id", w.t.Repository.FullName())
	}
	if err != nil {
		return fmt.Errorf("read the repository: %w", err)
	}
	branch := w.t.BaseBranch
	if branch == "" {
		branch = repository.DefaultBranch
	}
	remote, err := e.remote(ctx, w.t.Repository, w.t.Requester)
	if refused := (*CredentialError)(nil); errors.As(err, &refused) {
		return failed(err, "%v; whoever looks after the server can renew it", refused)
	}
	if err != nil {
		return err
	}
	commit, err := e.Git.Fetch(ctx, remote, branch)
	if errors.Is(err, gitops.ErrNoBranch) {
		return failed(err, "the repository has no branch %q", branch)
	}
	if err != nil {
		return fmt.Errorf("fetch %s: %w", branch, err)
	}
	return e.save(ctx, w, func(t *task.Task) { t.BaseBranch, t.BaseCommit = branch, commit }, func(tx Tx) error {
		return e.audit(ctx, tx, &w.t, audit.System, audit.BaseFetched, map[string]any{
			"branch": branch, "commit": commit, "credential": remote.Token.Source,
		})
	})
}

func (e *Engine) remote(ctx context.Context, ref forge.RepositoryRef, who forge.User) (gitops.Remote, error) {
	token, err := source{e: e, who: who}.ReadToken(ctx, ref)
	if err != nil {
		return gitops.Remote{}, fmt.Errorf("get a token to read %s: %w", ref.FullName(), err)
	}
	return gitops.Remote{Repository: ref, URL: e.Forge.GitURL(ref), Token: token}, nil
}

func (e *Engine) fillWorkspace(ctx context.Context, w *work, env manifest.Environment) error {
	err := e.workspace(ctx, w.t.Repository, sandbox.WorkspaceSpec{
		Volume: VolumeOf(&w.t), Commit: cmp.Or(w.t.Run.Start, w.t.BaseCommit), Image: env.Agent.Image,
		Labels: sandbox.Labels{Task: string(w.t.ID), Purpose: "task"},
	})
	if errors.Is(err, sandbox.ErrBaseMissing) {
		return failed(err, lostLayer)
	}
	return err
}

// workspace fills a volume with a commit of the mirror. Where its base is cached, no bundle is made.
func (e *Engine) workspace(ctx context.Context, ref forge.RepositoryRef, spec sandbox.WorkspaceSpec) error {
	spec.Repository = ref.Key()
	spec.Bundle = func(ctx context.Context, path string) error { return e.Git.Bundle(ctx, ref, spec.Commit, path) }
	if err := e.Sandbox.EnsureWorkspace(ctx, spec); err != nil {
		return fmt.Errorf("fill the workspace: %w", err)
	}
	return nil
}

const containerPrefix = "coderflow-task-"

// VolumeName names the first workspace of a task.
func VolumeName(id task.ID) string { return containerPrefix + string(id) }

// VolumeOf names the workspace that the task has now.
func VolumeOf(t *task.Task) string { return cmp.Or(t.Run.Volume, VolumeName(t.ID)) }

// containerName names the container of the revision that is being made.
func containerName(t *task.Task) string {
	if t.Round() > 1 {
		return fmt.Sprintf("%s%s%s%d", containerPrefix, t.ID, roundMark, t.Round())
	}
	return containerPrefix + string(t.ID)
}

// roundMark stands between a task's id and the number of a revision.
const roundMark = "-r"
