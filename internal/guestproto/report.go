package guestproto

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// `guest init` owns the container's standard error: what it runs writes into a pipe that init copies to standard
// output, and init is not traceable, so that no line there can be forged. Each line is one Report.

// Phase is a part of a run.
type Phase string

// The phases, in order.
const (
	PhaseSetup   Phase = "setup"
	PhaseCommand Phase = "command"
	PhaseCleanup Phase = "cleanup"
)

// Outcome says in one word how a run ended.
type Outcome string

// The outcomes.
const (
	OutcomeOK          Outcome = "ok"
	OutcomeSetupFailed Outcome = "setup-failed"
	OutcomeFailed      Outcome = "failed"
	OutcomeTimeout     Outcome = "timeout"
	OutcomeStopped     Outcome = "stopped" // TERM from outside: a cancel, or the engine going down
	OutcomeDiskQuota   Outcome = "disk-quota"
	OutcomeBroken      Outcome = "broken" // init itself could not do its work
)

// ExitCode is the exit status of the container for an outcome. The numbers lie outside what shells use for
// signals and outside 125–127, which Docker uses.
func (o Outcome) ExitCode() int {
	switch o {
	case OutcomeOK:
		return 0
	case OutcomeSetupFailed:
		return 101
	case OutcomeFailed:
		return 102
	case OutcomeTimeout:
		return 103
	case OutcomeStopped:
		return 104
	case OutcomeDiskQuota:
		return 106
	}
	return 105
}

// Resource is a bound that a run ran into, as the kernel's own counters show it.
type Resource string

// The resources.
const (
	ResourceMemory    Resource = "memory"
	ResourceProcesses Resource = "processes"
	ResourceTmp       Resource = "tmp"
	ResourceHome      Resource = "home"
	ResourceWorkspace Resource = "workspace"
	ResourceQuota     Resource = "workspace-quota" // what the task may add to its workspace
	ResourceHost      Resource = "host-disk"       // what has to stay free for others
)

// Report is one line of init: the start or end of a phase, or the last line with the result.
type Report struct {
	Time   time.Time     `json:"time"`
	Start  Phase         `json:"start,omitempty"`
	End    *PhaseEnd     `json:"end,omitempty"`
	Result *Result       `json:"result,omitempty"`
	Took   time.Duration `json:"took,omitempty"` // of an ended phase or of the whole run
}

// PhaseEnd is how a phase ended. A process that was killed has ExitCode -1 and a signal number.
type PhaseEnd struct {
	Phase    Phase  `json:"phase"`
	ExitCode int    `json:"exitCode"`
	Signal   int    `json:"signal,omitempty"`
	TimedOut bool   `json:"timedOut,omitempty"`
	Problem  string `json:"problem,omitempty"` // why it could not be started
}

// Failed reports whether the phase ended otherwise than by exiting with 0.
func (e PhaseEnd) Failed() bool {
	return e.ExitCode != 0 || e.Signal != 0 || e.TimedOut || e.Problem != ""
}

// Result is the last line of every run that init could finish.
type Result struct {
	Outcome     Outcome    `json:"outcome"`
	Exhausted   []Resource `json:"exhausted,omitempty"`
	OutputBytes int64      `json:"outputBytes"`         // written by what ran, before the cut
	Truncated   bool       `json:"truncated,omitempty"` // the output was cut
	Problem     string     `json:"problem,omitempty"`
}

// MaxReportBytes bounds all reports of one run.
const MaxReportBytes = 64 << 10

// ErrNoResult says that the reports end without a result: init was killed, or the engine with it.
var ErrNoResult = errors.New("the run left no result")

// ReadReports reads all reports of a run up to the result. Without one it returns what there is and ErrNoResult.
func ReadReports(r io.Reader) ([]Report, error) {
	var reports []Report
	lines := bufio.NewScanner(io.LimitReader(r, MaxReportBytes))
	lines.Buffer(make([]byte, 4096), MaxReportBytes)
	for lines.Scan() {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 || line[0] != '{' {
			// The runtime of the helper may complain in plain text before it dies.
			continue
		}
		var report Report
		if err := json.Unmarshal(line, &report); err != nil {
			return reports, fmt.Errorf("reading a report of the run: %w", err)
		}
		reports = append(reports, report)
		if report.Result != nil {
			return reports, nil
		}
	}
	if err := lines.Err(); err != nil {
		return reports, fmt.Errorf("reading the reports of the run: %w", err)
	}
	return reports, ErrNoResult
}
