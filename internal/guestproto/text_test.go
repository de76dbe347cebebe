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

func TestAManifestIsWhatLsTreePrints(t *testing.T) {
	t.Parallel()
	const sha1 = "0123456789abcdef0123456789abcdef01234567"
	manifest := "100644 blob " + sha1 + "       5\ta b\n\xff\x00" + "160000 commit " + sha1 + "       -\tsub\x00"
	var entries []Entry
	err := ReadManifest(strings.NewReader(manifest), func(e Entry) error { entries = append(entries, e); return nil })
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 2 || entries[0].Path != "a b\n\xff" || entries[0].Size != 5 || entries[0].Mode != ModeFile ||
		entries[1].Mode != ModeGitlink || entries[1].Size != -1 {
		t.Errorf("entries %+v", entries)
	}
	for _, bad := range []string{
		"x", "\x00", "100644 blob " + sha1 + " 5\t\x00", "100644 blob 01 5\ta\x00", "100644 blob " + sha1 + " -1\ta\x00",
		"9 blob " + sha1 + " 5\ta\x00", "100644 blob " + sha1 + " 5\ta", strings.Repeat("a", 1<<17),
	} {
		if err := ReadManifest(strings.NewReader(bad), func(Entry) error { return nil }); !errors.Is(err, ErrManifest) {
			t.Errorf("%.40q: %v", bad, err)
		}
	}
}
