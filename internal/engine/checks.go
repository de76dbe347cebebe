package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/task"
)

// checks are the commands that an admin has run on every proposal: in a workspace of
// their own each, with no secret, no network and no way to a model.
type checks struct{ e *Engine }

func (checks) kind() task.ExaminationKind { return task.Check }

func (checks) actions() (asked, ended audit.Action) { return audit.CheckAsked, audit.CheckEnded }

func (checks) wanted(env manifest.Environment) []wantedExamination {
	var all []wantedExamination
	for _, c := range env.Checks {
		limits := env.Limits.Sandbox()
		limits.Wall = time.Duration(c.Timeout)
		all = append(all, wantedExamination{name: c.Name, definition: env.CheckDefinition(c), limits: limits, renew: true})
	}
	return all
}

func (checks) spec(_ context.Context, o examined, x *task.Examination) (sandbox.Spec, error) {
	c, known := o.env.Check(x.Name)
	if !known {
		return sandbox.Spec{}, fmt.Errorf("environment %s has no check %q", o.env.Name, x.Name)
	}
	spec := sandbox.Spec{Image: c.Image, Argv: c.Command, Env: map[string]string{"CI": "true", "CODERFLOW_CHECK": c.Name}}
	if c.Script != "" {
		spec.Argv, spec.Inputs.Script = []string{"/bin/sh", sandbox.ScriptPath}, []byte(c.Script)
	}
	return spec, nil
}

func (checks) looked(context.Context, examined, *task.Examination) error { return nil }

func (checks) closed(context.Context, task.Examination) error { return nil }

// ended takes the exit status for the result. What the output says of tests is counted
// for people; it decides nothing: the code that is examined wrote it.
func (checks) ended(_ context.Context, _ examined, x *task.Examination, end examinationEnd) (again bool, err error) {
	counts := countTests(end.output)
	switch end.status.Reason {
	case sandbox.ReasonOK:
		x.State, x.Summary = task.ExaminationPassed, "passed"
	case sandbox.ReasonAgentFailed:
		x.State, x.Summary = task.ExaminationFailed, fmt.Sprintf("ended with exit status %d", end.status.ExitCode)
	case sandbox.ReasonTimeout, sandbox.ReasonOutOfMemory, sandbox.ReasonProcessLimit, sandbox.ReasonDiskFull, sandbox.ReasonDiskQuota:
		x.State, x.Summary = task.ExaminationFailed, end.status.Reason.Explain()
	default:
		x.State, x.Summary = task.ExaminationBroken, end.status.Reason.Explain()
	}
	if !counts.any() {
		return false, nil
	}
	x.Summary += "; " + counts.String()
	x.Result, err = json.Marshal(counts)
	return false, err
}
