package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/pkg/stdcopy"

	"github.com/coderflow/coderflow/internal/guestproto"
	"github.com/coderflow/coderflow/internal/sandbox"
)

// Inspect says what is known about a container. One that does not exist has StateGone, which is no error.
func (r *Runner) Inspect(ctx context.Context, name string) (sandbox.Status, error) {
	found, err := r.inspect(ctx, name)
	if errors.Is(err, sandbox.ErrNotFound) {
		return sandbox.Status{Name: name, State: sandbox.StateGone, ExitCode: -1}, nil
	}
	if err != nil {
		return sandbox.Status{}, err
	}
	status := engineStatus(name, found)
	if status.State != sandbox.StateExited {
		return status, nil
	}
	reports, err := r.reports(ctx, found.ID)
	if err != nil && !errors.Is(err, guestproto.ErrNoResult) {
		return sandbox.Status{}, err
	}
	conclude(&status, found.State.ExitCode, reports)
	return status, nil
}

// engineStatus is what the engine itself says.
func engineStatus(name string, found container.InspectResponse) sandbox.Status {
	labels := found.Config.Labels
	started, finished := engineTime(found.State.StartedAt), engineTime(found.State.FinishedAt)
	if !finished.IsZero() && finished.Before(started) {
		started = finished // the engine may note the start of a very short container after its end
	}
	return sandbox.Status{
		Name: name, ID: found.ID, ImageID: found.Image,
		Labels:     sandbox.Labels{Task: labels[labelTask], Purpose: labels[labelPurpose]},
		State:      state(found.State.Status),
		Paused:     found.State.Status == container.StatePaused,
		ExitCode:   -1,
		OOMKilled:  found.State.OOMKilled,
		StartedAt:  started,
		FinishedAt: finished,
		Detail:     found.State.Error,
	}
}

func state(status container.ContainerState) sandbox.State {
	switch status {
	case container.StateCreated:
		return sandbox.StateCreated
	case container.StateRunning, container.StatePaused, container.StateRestarting:
		return sandbox.StateRunning
	}
	return sandbox.StateExited
}

// engineTime parses the engine's RFC 3339; its zero is the year 1.
func engineTime(text string) time.Time {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || at.Year() <= 1 {
		return time.Time{}
	}
	return at
}

// conclude adds what the container's pid 1 reported.
func conclude(status *sandbox.Status, exitCode int, reports []guestproto.Report) {
	var result *guestproto.Result
	for _, report := range reports {
		if end := report.End; end != nil {
			status.Phases = append(status.Phases, sandbox.Phase{
				Name: string(end.Phase), ExitCode: end.ExitCode, Signal: end.Signal,
				TimedOut: end.TimedOut, Problem: end.Problem, Took: report.Took,
			})
			if end.Phase == guestproto.PhaseCommand {
				status.ExitCode = end.ExitCode
			}
		}
		if report.Result != nil {
			result = report.Result
		}
	}
	switch {
	case result != nil && result.Outcome.ExitCode() == exitCode:
		status.Truncated = result.Truncated
		status.Detail = result.Problem
		status.Reason = reason(*result, status.OOMKilled)
	case status.OOMKilled:
		status.Reason = sandbox.ReasonOutOfMemory
	default:
		status.Reason = sandbox.ReasonEngineLost
		status.Detail = fmt.Sprintf("The container ended with status %d and left no result.", exitCode)
	}
}

// reason names a bound that was met before the plain failure that followed from it.
func reason(result guestproto.Result, oomKilled bool) sandbox.Reason {
	plain := map[guestproto.Outcome]sandbox.Reason{
		guestproto.OutcomeOK:          sandbox.ReasonOK,
		guestproto.OutcomeSetupFailed: sandbox.ReasonSetupFailed,
		guestproto.OutcomeFailed:      sandbox.ReasonAgentFailed,
		guestproto.OutcomeTimeout:     sandbox.ReasonTimeout,
		guestproto.OutcomeStopped:     sandbox.ReasonStopped,
		guestproto.OutcomeDiskQuota:   sandbox.ReasonDiskQuota,
	}
	switch result.Outcome {
	case guestproto.OutcomeSetupFailed, guestproto.OutcomeFailed, guestproto.OutcomeTimeout:
	case guestproto.OutcomeOK, guestproto.OutcomeStopped, guestproto.OutcomeDiskQuota:
		return plain[result.Outcome]
	default:
		return sandbox.ReasonBroken
	}
	switch {
	case oomKilled || slices.Contains(result.Exhausted, guestproto.ResourceMemory):
		return sandbox.ReasonOutOfMemory
	case slices.Contains(result.Exhausted, guestproto.ResourceProcesses):
		return sandbox.ReasonProcessLimit
	case len(result.Exhausted) > 0:
		return sandbox.ReasonDiskFull
	}
	return plain[result.Outcome]
}

// reports reads the lines of pid 1, which has standard error to itself.
func (r *Runner) reports(caller context.Context, id string) ([]guestproto.Report, error) {
	ctx, cancel := context.WithTimeout(caller, callTimeout)
	defer cancel()
	text, err := r.stderr(ctx, id)
	if err != nil {
		return nil, engineError(caller, "reading the container's reports", err)
	}
	return guestproto.ReadReports(bytes.NewReader(text))
}

func (r *Runner) stderr(ctx context.Context, id string) ([]byte, error) {
	return r.printed(ctx, id, container.LogsOptions{ShowStderr: true}, guestproto.MaxReportBytes)
}

// printed reads the first bytes of one of a container's streams.
func (r *Runner) printed(ctx context.Context, id string, which container.LogsOptions, most int) ([]byte, error) {
	logs, err := r.engine.ContainerLogs(ctx, id, which)
	if err != nil {
		return nil, err
	}
	defer logs.Close()
	kept := &capped{left: most}
	if _, err := stdcopy.StdCopy(kept, kept, logs); err != nil {
		return nil, err
	}
	return kept.Bytes(), nil
}

// capped keeps the first bytes and drops the rest.
type capped struct {
	bytes.Buffer
	left int
}

func (c *capped) Write(p []byte) (int, error) {
	n := min(len(p), c.left)
	c.left -= n
	c.Buffer.Write(p[:n])
	return len(p), nil
}

// List returns the status of every container of this installation that came from Start, without what only the
// container's reports tell: Reason, Phases, ExitCode.
func (r *Runner) List(caller context.Context) ([]sandbox.Status, error) {
	ctx, cancel := context.WithTimeout(caller, callTimeout)
	defer cancel()
	found, err := r.engine.ContainerList(ctx, container.ListOptions{All: true, Filters: r.mine()})
	if err != nil {
		return nil, engineError(caller, "listing containers", err)
	}
	var list []sandbox.Status
	for _, c := range found {
		if c.Labels[labelHelper] != "" {
			continue
		}
		list = append(list, sandbox.Status{
			Name: c.Labels[labelName], ID: c.ID, ImageID: c.ImageID, State: state(c.State), Paused: c.State == container.StatePaused, ExitCode: -1,
			Labels: sandbox.Labels{Task: c.Labels[labelTask], Purpose: c.Labels[labelPurpose]},
		})
	}
	return list, nil
}

// mine filters for what belongs to this installation.
func (r *Runner) mine() filters.Args {
	return filters.NewArgs(filters.Arg("label", labelInstance+"="+r.instance))
}
