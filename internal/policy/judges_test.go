package policy_test

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/task"
)

var (
	anyVerdict = rapid.Custom(func(t *rapid.T) policy.JudgeVerdict {
		return policy.JudgeVerdict{
			Recommend: rapid.SampledFrom([]string{"approve", "revise", "reject", ""}).Draw(t, "recommend"),
			Scores:    rapid.MapOf(rapid.SampledFrom([]string{"security", "quality"}), rapid.IntRange(-1, 11)).Draw(t, "scores"),
		}
	})
	anyJudges = rapid.Custom(func(t *rapid.T) policy.Judges {
		return policy.Judges{
			Known: rapid.Bool().Draw(t, "known"),
			Judged: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) policy.Judged {
				return policy.Judged{
					Name: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "name"), Missing: rapid.Bool().Draw(t, "missing"),
					Verdicts: rapid.SliceOfN(anyVerdict, 0, 2).Draw(t, "verdicts"),
				}
			}), 0, 2).Draw(t, "judged"),
		}
	})
	anyJudgeRule = rapid.Custom(func(t *rapid.T) policy.GateRule {
		r := anyRule.Draw(t, "rule")
		r.Name, r.Judges = "judges", &policy.JudgeRule{
			Recommend: rapid.SliceOfN(rapid.SampledFrom([]string{"revise", "reject"}), 0, 2).Draw(t, "recommendations"),
			Below:     rapid.MapOf(rapid.SampledFrom([]string{"security", "quality"}), rapid.IntRange(1, 10)).Draw(t, "below"),
		}
		return r
	})
)

// demands reports whether what satisfies r satisfies less, too.
func demands(r, less policy.Requirement) bool {
	if r.Approvals < less.Approvals || r.RequesterMayApprove && !less.RequesterMayApprove {
		return false
	}
	for _, ask := range less.From {
		found := false
		for _, own := range r.From {
			found = found || own.Role == ask.Role && own.Team == ask.Team && own.Count >= ask.Count
		}
		if !found {
			return false
		}
	}
	return true
}

// Whatever judges say, and whether they say anything, the gate asks for no less than without
// them, and for no less than the same gate without its rules on judges.
func TestNoVerdictLowersWhatTheGateAsksFor(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		plain := anyGate.Draw(t, "gate")
		gate, change := plain, policy.Change{Paths: rapid.SliceOfN(anyPath, 0, 4).Draw(t, "paths")}
		gate.Rules = append(append([]policy.GateRule(nil), plain.Rules...), rapid.SliceOfN(anyJudgeRule, 1, 3).Draw(t, "rules")...)
		judged := change
		judged.Judges = anyJudges.Draw(t, "judges")
		if got, least := gate.Require(judged), plain.Require(change); !demands(got, least) {
			t.Fatalf("verdicts lower %v to %v", least, got)
		}
		if got, unknown := gate.Require(judged), gate.Require(change); !demands(unknown, got) {
			t.Fatalf("with verdicts it takes %v, without any only %v", got, unknown)
		}
		more := judged
		more.Judges.Judged = append([]policy.Judged(nil), judged.Judges.Judged...)
		if n := len(more.Judges.Judged); n > 0 { // another try of a judge that has a verdict
			last := &more.Judges.Judged[n-1]
			if len(last.Verdicts) > 0 {
				last.Verdicts = append(append([]policy.JudgeVerdict(nil), last.Verdicts...), anyVerdict.Draw(t, "another"))
				if got, least := gate.Require(more), gate.Require(judged); !demands(got, least) {
					t.Fatalf("another try lowers %v to %v", least, got)
				}
			}
		}
	})
}

func TestARuleOnJudgesHoldsForWhatTheySayAndWhileTheyAreSilent(t *testing.T) {
	t.Parallel()
	gate := policy.Gate{Rules: []policy.GateRule{{Name: "doubts", Approvals: 2, Judges: &policy.JudgeRule{
		Recommend: []string{"reject"}, Below: map[string]int{"security": 5},
	}}}}
	scores := map[string]int{"security": 5, "quality": 0}
	low := maps.Clone(scores)
	low["security"] = 4
	said := func(name string, v ...policy.JudgeVerdict) policy.Judged {
		return policy.Judged{Name: name, Verdicts: v}
	}
	for why, judges := range map[string]policy.Judges{
		"":                                       {Known: true, Judged: []policy.Judged{said("a", policy.JudgeVerdict{"approve", scores}), said("b", policy.JudgeVerdict{"revise", scores})}},
		"no judge's verdict is known":            {},
		"the environment has no judge":           {Known: true},
		`no valid verdict of judge "b"`:          {Known: true, Judged: []policy.Judged{said("a", policy.JudgeVerdict{"approve", scores}), said("b")}},
		`no valid verdict of judge "c"`:          {Known: true, Judged: []policy.Judged{{Name: "c", Missing: true, Verdicts: []policy.JudgeVerdict{{"approve", scores}}}}},
		`judge "b" recommends "reject"`:          {Known: true, Judged: []policy.Judged{said("a"), said("b", policy.JudgeVerdict{"approve", scores}, policy.JudgeVerdict{"reject", scores})}},
		`judge "a" scores security 4, less than`: {Known: true, Judged: []policy.Judged{said("a", policy.JudgeVerdict{"approve", low})}},
		`judge "a" does not score security`:      {Known: true, Judged: []policy.Judged{said("a", policy.JudgeVerdict{"approve", nil})}},
	} {
		r := gate.Require(policy.Change{Paths: []task.PathChange{{Path: "a"}}, Judges: judges})
		if got := strings.Join(r.Because, "\n"); (r.Approvals == 2) != (why != "") || !strings.Contains(got, why) {
			t.Errorf("want %q: %d approvals, %s", why, r.Approvals, got)
		}
	}
}

// What stands in the database is read for the digest that is approved and the definition of now.
func TestVerdictsCountForExactlyTheProposalAndTheJudgeAsItIs(t *testing.T) {
	t.Parallel()
	said := func(name, digest, definition string, state task.ExaminationState, result string) task.Examination {
		return task.Examination{Kind: task.Judge, Name: name, Digest: digest, Definition: definition, State: state, Result: json.RawMessage(result)}
	}
	const reject, approve = `{"recommendation":"reject","scores":{"security":{"score":1}}}`, `{"recommendation":"approve","scores":{}}`
	asked := []policy.AskedJudge{{Name: "a", Definition: "now"}}
	passed, broken := task.ExaminationPassed, task.ExaminationBroken
	for name, row := range map[string]struct {
		all      []task.Examination
		missing  bool
		verdicts int
	}{
		"nothing":                    {nil, true, 0},
		"a verdict":                  {[]task.Examination{said("a", "d", "now", passed, approve)}, false, 1},
		"of another revision":        {[]task.Examination{said("a", "e", "now", passed, approve)}, true, 0},
		"of another judge":           {[]task.Examination{said("b", "d", "now", passed, approve)}, true, 0},
		"of the judge as it was":     {[]task.Examination{said("a", "d", "then", passed, reject)}, true, 1},
		"broken":                     {[]task.Examination{said("a", "d", "now", broken, `{"problem":"x"}`)}, true, 0},
		"another try that broke":     {[]task.Examination{said("a", "d", "now", passed, reject), said("a", "d", "now", broken, `{}`)}, false, 1},
		"another try that is kinder": {[]task.Examination{said("a", "d", "now", passed, reject), said("a", "d", "now", passed, approve)}, false, 2},
		"a result that is none":      {[]task.Examination{said("a", "d", "now", passed, `[]`), said("a", "d", "now", passed, `{}`)}, true, 0},
		"a check of the name":        {[]task.Examination{{Kind: task.Check, Name: "a", Digest: "d", Definition: "now", State: passed, Result: json.RawMessage(approve)}}, true, 0},
		"one that has not ended":     {[]task.Examination{said("a", "d", "now", task.ExaminationRunning, approve)}, true, 0},
	} {
		got := policy.JudgedOf(row.all, "d", asked)
		if !got.Known || len(got.Judged) != 1 || got.Judged[0].Missing != row.missing || len(got.Judged[0].Verdicts) != row.verdicts {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := policy.JudgedOf([]task.Examination{said("a", "", "now", passed, approve)}, "", asked); !got.Judged[0].Missing {
		t.Errorf("a proposal without a digest is judged: %+v", got)
	}
}
