package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/coderflow/coderflow/internal/agent"
	"github.com/coderflow/coderflow/internal/agent/activity"
	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/judge"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/task"
)

// judges are the AI reviewers of an environment: each reads the result tree and the base, both
// read-only, without a secret and with no way out but to its model, and says what it thinks
// of the change. Nothing here reads a verdict to decide something.
type judges struct{ e *Engine }

func (judges) kind() task.ExaminationKind { return task.Judge }

func (judges) actions() (asked, ended audit.Action) { return audit.JudgeAsked, audit.JudgeAnswered }

// wanted does not renew: another prompt does not spend money on every proposal that waits.
func (judges) wanted(env manifest.Environment) []wantedExamination {
	var all []wantedExamination
	for _, j := range env.Judges {
		as := env.ForJudge(j)
		w := wantedExamination{
			name: j.Name, definition: env.JudgeDefinition(j), agent: agentName(as), limits: as.Limits.Sandbox(), base: true,
		}
		if as.Model != nil {
			w.model = as.Model.Names[0]
		}
		all = append(all, w)
	}
	return all
}

// spec depends on the examination, the proposal and the environment alone.
func (k judges) spec(ctx context.Context, o examined, x *task.Examination) (sandbox.Spec, error) {
	j, known := o.env.JudgeNamed(x.Name)
	if !known {
		return sandbox.Spec{}, fmt.Errorf("environment %s has no judge %q", o.env.Name, x.Name)
	}
	as := o.env.ForJudge(j)
	text := judge.Prompt(judge.Question{Task: o.t, Proposal: o.p, Instruction: j.Prompt, Complaint: complaint(o.all, *x)})
	config := agent.Config{Preset: as.Agent.Preset, Command: as.Agent.Command, Env: as.Agent.Env, Prompt: text, Apart: true}
	if as.Model != nil {
		config.Model = as.Model.Names[0]
	}
	command, err := agent.Resolve(config)
	if err != nil {
		return sandbox.Spec{}, fmt.Errorf("judge %q cannot be run: %w", j.Name, err)
	}
	reach(command.Env, as)
	socketDir, err := k.open(ctx, *x, as)
	return sandbox.Spec{
		Image: as.Agent.Image, Argv: command.Argv, Apart: true, Env: command.Env, SocketDir: socketDir,
		Inputs: sandbox.Inputs{Prompt: []byte(text), Home: command.Home},
	}, err
}

// open makes the judge's own way to its model, with its own budget.
func (k judges) open(ctx context.Context, x task.Examination, as manifest.Environment) (socketDir string, err error) {
	if as.Model == nil {
		return "", nil
	}
	if err := k.e.Freezes.Known(x.Environment); err != nil {
		return "", err
	}
	if socketDir, err = k.e.Models.OpenExamination(ctx, x, as); err != nil {
		return "", fmt.Errorf("open the model gateway for judge %q: %w", x.Name, err)
	}
	return socketDir, nil
}

// looked opens the way again after a restart, and stops a judge that said a canary.
func (k judges) looked(ctx context.Context, o examined, x *task.Examination) error {
	if err := k.e.tripped(ctx, x.Task, x.ID); err != nil {
		return errors.Join(err, k.e.Sandbox.Stop(ctx, x.ContainerName()))
	}
	j, known := o.env.JudgeNamed(x.Name)
	if !known {
		return nil
	}
	_, err := k.open(ctx, *x, o.env.ForJudge(j))
	return err
}

func (k judges) closed(ctx context.Context, x task.Examination) error {
	if err := k.e.Models.CloseExamination(ctx, x.ID); err != nil {
		return fmt.Errorf("close the model gateway of judge %q: %w", x.Name, err)
	}
	return nil
}

// ended reads the verdict. An answer that is none, and an agent that failed, get one more try,
// which is told what was wrong.
func (k judges) ended(ctx context.Context, o examined, x *task.Examination, end examinationEnd) (again bool, err error) {
	if err := k.closed(ctx, *x); err != nil { // what was under way there is judged
		return false, err
	}
	x.State, x.Result = task.ExaminationBroken, nil
	canary := (*CanaryError)(nil)
	if err := k.e.tripped(ctx, x.Task, x.ID); errors.As(err, &canary) {
		x.Summary, x.Reason = stopped(canary.Trip), "canary"
		return false, nil
	} else if err != nil {
		return false, err
	}
	v, problem := k.verdict(o, *x, end)
	if problem == "" {
		x.State, x.Summary = task.ExaminationPassed, judge.Brief(v)
		x.Result, err = json.Marshal(v)
		return false, err
	}
	retriable := end.status.Reason == sandbox.ReasonOK || end.status.Reason == sandbox.ReasonAgentFailed
	again = retriable && complaint(o.all, *x) == ""
	x.Summary = problem
	x.Result, err = json.Marshal(judge.Miss{Problem: problem, Retried: again})
	return again, err
}

// verdict reads what the agent said last, or says why that is no verdict.
func (k judges) verdict(o examined, x task.Examination, end examinationEnd) (v judge.Verdict, problem string) {
	if end.status.Reason != sandbox.ReasonOK {
		return v, strings.TrimSpace("no valid verdict: " + end.status.Reason.Explain() + " " + end.status.Detail)
	}
	name, _, _ := strings.Cut(x.Agent, " ")
	preset, err := agent.Lookup(name)
	if err != nil {
		return v, "no valid verdict: its agent is not known any more"
	}
	if outcome := activity.Conclude(eventsOf(preset.Output, end.output)); outcome.Verdict == activity.Failed {
		return v, "no valid verdict: the agent reported an error: " + activity.Brief(outcome.Reason)
	}
	answer := judge.NewAnswer(preset.Output)
	answer.Feed(end.output)
	if v, err = judge.Parse(answer.Text(), judge.Paths(o.p)); err != nil {
		return v, err.Error()
	}
	return v, ""
}

// eventsOf are those of an output with structure.
func eventsOf(format activity.Format, output []byte) []activity.Event {
	if format == activity.Text {
		return nil
	}
	p := activity.NewParser(format)
	return append(p.Feed(output), p.Close()...)
}

// complaint is what was wrong with the try that x is the second of; empty if x is a first one.
func complaint(all []task.Examination, x task.Examination) string {
	for _, o := range all {
		if o.Kind != x.Kind || o.Name != x.Name || o.Revision != x.Revision || o.Attempt != x.Attempt-1 || o.State != task.ExaminationBroken {
			continue
		}
		var miss judge.Miss
		if json.Unmarshal(o.Result, &miss) == nil && miss.Retried {
			return miss.Problem
		}
	}
	return ""
}
