package guestproto

import (
	"errors"
	"strings"
	"testing"
)

func TestReportsAreReadUpToTheResult(t *testing.T) {
	t.Parallel()
	text := `runtime: something plain
{"time":"2026-01-02T03:04:05Z","start":"command"}
{"time":"2026-01-02T03:04:06Z","end":{"phase":"command","exitCode":3},"took":1000000000}
{"time":"2026-01-02T03:04:07Z","result":{"outcome":"failed","exhausted":["tmp"],"outputBytes":5}}
{"time":"2026-01-02T03:04:08Z","result":{"outcome":"ok"}}
`
	reports, err := ReadReports(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	last := reports[len(reports)-1].Result
	if len(reports) != 3 || last == nil || last.Outcome != OutcomeFailed || last.Exhausted[0] != ResourceTmp {
		t.Errorf("reports %+v", reports)
	}
	if reports[1].End.ExitCode != 3 || reports[1].Took.Seconds() != 1 {
		t.Errorf("end %+v", reports[1])
	}
}

func TestReportsWithoutAResultSaySo(t *testing.T) {
	t.Parallel()
	if _, err := ReadReports(strings.NewReader("")); !errors.Is(err, ErrNoResult) {
		t.Errorf("%v", err)
	}
	if _, err := ReadReports(strings.NewReader(strings.Repeat("x", 2*MaxReportBytes))); err == nil {
		t.Error("an endless line is a result")
	}
}

func TestOutcomesHaveDifferentExitCodes(t *testing.T) {
	t.Parallel()
	seen := map[int]Outcome{}
	for _, outcome := range []Outcome{
		OutcomeOK, OutcomeSetupFailed, OutcomeFailed, OutcomeTimeout, OutcomeStopped, OutcomeBroken,
	} {
		if other, twice := seen[outcome.ExitCode()]; twice {
			t.Errorf("%s and %s have the same", outcome, other)
		}
		seen[outcome.ExitCode()] = outcome
	}
}
