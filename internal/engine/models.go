package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/coderflow/coderflow/internal/agent"
	"github.com/coderflow/coderflow/internal/gitops"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/present"
	"github.com/coderflow/coderflow/internal/prompt"
	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/task"
)

// Models is the only way out of a container; see package gateway.
type Models interface {
	// Open makes the task's way ready and returns the directory of its socket,
	// which depends on the task alone. Opening it again, by another process too,
	// changes what is permitted and leaves the directory. It fails with
	// *UnusableError if the environment asks for what this server does not have.
	Open(ctx context.Context, t task.Task, env manifest.Environment) (socketDir string, err error)
	// Close ends the task's way. One that is not open is fine.
	Close(ctx context.Context, id task.ID) error
	// OpenExamination and CloseExamination do so for the container of an examination,
	// which has a way and a budget of its own, whatever its task spends.
	OpenExamination(ctx context.Context, x task.Examination, env manifest.Environment) (socketDir string, err error)
	CloseExamination(ctx context.Context, id string) error
}

// UnusableError says for people why an environment cannot be used on this server.
type UnusableError struct{ Why string }

// Error implements error.
func (e *UnusableError) Error() string { return e.Why }

// openModels opens the way out, if the environment has one. Where it has none
// any more, or one that cannot be used, an open way is closed: what was permitted
// before does not go on.
func (e *Engine) openModels(ctx context.Context, t *task.Task, env manifest.Environment) (socketDir string, err error) {
	if !env.ReachesOut() {
		return "", e.closeModels(ctx, t.ID)
	}
	if err := e.Freezes.Known(t.Environment); err != nil {
		return "", err
	}
	dir, err := e.Models.Open(ctx, *t, env)
	if unusable := (*UnusableError)(nil); errors.As(err, &unusable) {
		if err := e.closeModels(ctx, t.ID); err != nil {
			return "", err
		}
		return "", failed(err, "environment %s cannot be used: %s", env.Name, unusable.Why)
	}
	if err != nil {
		return "", fmt.Errorf("open the model gateway for task %s: %w", t.ID, err)
	}
	return dir, nil
}

func (e *Engine) closeModels(ctx context.Context, id task.ID) error {
	if err := e.Models.Close(ctx, id); err != nil {
		return fmt.Errorf("close the model gateway of task %s: %w", id, err)
	}
	return nil
}

// conventions reads what the project tells agents, from the base commit: what a
// task or a branch changed there does not count.
func (e *Engine) conventions(ctx context.Context, t *task.Task) (prompt.Conventions, error) {
	path, text, err := e.Git.FirstFile(ctx, t.Repository, t.BaseCommit, prompt.InstructionFiles, prompt.MaxInstructionFile)
	if errors.Is(err, gitops.ErrNoFile) {
		return prompt.Conventions{}, nil
	}
	if err != nil {
		return prompt.Conventions{}, fmt.Errorf("read the project's instructions for agents: %w", err)
	}
	return prompt.Conventions{Path: path, Text: string(text)}, nil
}

// containerSpec depends on the task, its base commit and the environment alone,
// so that a container made before a crash is recognised after it.
func containerSpec(t task.Task, env manifest.Environment, socketDir, text string) (sandbox.Spec, error) {
	config := agent.Config{Preset: env.Agent.Preset, Command: env.Agent.Command, Env: env.Agent.Env, Prompt: text}
	if env.Model != nil {
		config.Model = env.Model.Names[0]
	}
	command, err := agent.Resolve(config)
	if err != nil {
		return sandbox.Spec{}, err
	}
	reach(command.Env, env)
	spec := sandbox.Spec{
		Name: containerName(&t), Image: env.Agent.Image, Argv: command.Argv, Env: command.Env,
		Workspace: sandbox.Workspace{Volume: VolumeOf(&t)},
		Inputs: sandbox.Inputs{
			Prompt: []byte(text), Setup: []byte(env.Scripts.Setup), Cleanup: []byte(env.Scripts.Cleanup), Home: command.Home,
		},
		SocketDir: socketDir, Network: sandbox.NetworkNone, Runtime: env.Sandbox.Runtime, Limits: env.Limits.Sandbox(),
		Labels: sandbox.Labels{Task: string(t.ID), Purpose: "task"},
	}
	return spec, spec.Validate()
}

// reach tells the programs of a container where the gateway is. An
// administrator's variables do not change it: there is no other way.
func reach(variables map[string]string, env manifest.Environment) {
	if env.Model != nil {
		variables["CODERFLOW_GATEWAY_URL"], variables["CODERFLOW_MODEL"] = agent.GatewayURL, env.Model.Names[0]
	}
	if len(env.Network.Hosts) == 0 {
		return
	}
	proxy(variables)
}

// modelView gathers what a task did through the gateway.
func (e *Engine) modelView(ctx context.Context, id task.ID) (v present.ModelView, err error) {
	if v.Usage, err = e.Store.ModelUsage(ctx, id); err != nil {
		return v, err
	}
	if v.Refusals, err = e.Store.ModelRefusals(ctx, id); err != nil {
		return v, err
	}
	v.Hosts, err = e.Store.HostUses(ctx, id)
	return v, err
}

// agentName is what the task's record says about the agent: preset and version.
func agentName(env manifest.Environment) string {
	preset, err := agent.Lookup(env.Agent.Preset)
	if err != nil || preset.Version == "" {
		return env.Agent.Preset
	}
	return preset.Name + " " + preset.Version
}
