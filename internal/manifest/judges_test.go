package manifest

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/judge"
	"github.com/coderflow/coderflow/internal/policy"
	sy "github.com/coderflow/coderflow/internal/strictyaml"
)

// judging is the minimal environment with judges.
func judging(judges string) string { return minimalEnvironment + "  judges:\n" + judges }

const twoJudges = `    - {name: strict, agent: {preset: exec, command: [/judge]}, prompt: "Look at locks.", timeout: 5m}
    - name: claude
      agent: {preset: claude}
      model: {provider: p, names: [m], budget: {taskTokens: 1000}}
  limits: {memory: 2GiB}
  gate: {rules: [{name: doubts, judges: {recommend: [reject], below: {security: 5}}, approvals: 2}]}
`

func TestJudgesAreReadWithTheirDefaults(t *testing.T) {
	t.Parallel()
	set := parse(t, judging(twoJudges))
	stored, err := ParseCanonical(set.Canonical())
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]*Set{"applied": set, "stored": stored} {
		e := s.WithImage("img").Environments["staging"]
		strict, _ := e.JudgeNamed("strict")
		claude, known := e.JudgeNamed("claude")
		if !known || strict.Agent.Image != "img" || !strings.HasPrefix(claude.Agent.Image, "coderflow/agent-claude:") || s.Environments["staging"].Judges[0].Agent.Image != "" {
			t.Errorf("%s: %+v %+v", name, strict, claude)
		}
		as := e.ForJudge(claude)
		if as.Model.Budget.TaskTokens != 1000 || as.Limits.WallTime != sy.Duration(15*time.Minute) || as.Agent.Preset != "claude" {
			t.Errorf("%s: %+v", name, as)
		}
		want := &policy.JudgeRule{Recommend: []string{"reject"}, Below: map[string]int{"security": 5}}
		if got := s.Policy().Environments["staging"].Gate.Rules[0].Judges; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// A verdict counts under the definition that it was given under, so everything that makes
// another judge of it is in the definition.
func TestAChangedJudgeHasAnotherDefinition(t *testing.T) {
	t.Parallel()
	definition := func(from, to string) string {
		if !strings.Contains(twoJudges, from) {
			t.Fatalf("%q is not there", from)
		}
		e := parse(t, judging(strings.Replace(twoJudges, from, to, 1))).WithImage("img").Environments["staging"]
		return e.JudgeDefinition(e.Judges[0]) + e.JudgeDefinition(e.Judges[1])
	}
	seen := map[string]bool{definition("strict", "strict"): true}
	if !seen[definition("doubts", "other")] {
		t.Error("the gate's rules change what a judge is")
	}
	for from, to := range map[string]string{
		"[/judge]": "[/judge, -x]", "locks": "races", "5m": "6m", "provider: p": "provider: q", "names: [m]": "names: [n]",
		"1000": "1001", "2GiB": "3GiB", "preset: claude}": "preset: claude, image: other}",
	} {
		if d := definition(from, to); seen[d] {
			t.Errorf("%s → %s has the same definition as another", from, to)
		} else {
			seen[d] = true
		}
	}
}

func TestJudgesWithMistakesAreRefused(t *testing.T) {
	t.Parallel()
	one := "    - {name: a, agent: {preset: exec, command: [/j]}}\n"
	for text, says := range map[string]string{
		strings.Replace(one, "name: a", `name: "a b"`, 1):                                     "spec.judges[0].name",
		one + strings.Replace(one, "name: a", "name: A", 1):                                   "two judges",
		strings.Repeat(one, 9):                                                                "more than 8",
		strings.Replace(one, "[/j]", "[]", 1):                                                 "spec.judges[0].agent.command",
		strings.Replace(one, "exec", "exek", 1):                                               "spec.judges[0].agent.preset",
		"    - {name: a, agent: {preset: claude}}\n":                                          "spec.judges[0].model",
		strings.Replace(one, "}}", "}, timeout: 9h}", 1):                                      "between 1s and 4h",
		strings.Replace(one, "}}", "}, timeout: 1ms}", 1):                                     "between 1s and 4h",
		strings.Replace(one, "}}", "}, prompt: "+strings.Repeat("x", 9000)+"}", 1):            "more than 8192 bytes",
		strings.Replace(one, "}}", "}, model: {provider: P, names: [m]}}", 1):                 "spec.judges[0].model.provider",
		strings.Replace(one, "}}", "}, promt: x}", 1):                                         "promt",
		one + "  gate: {rules: [{name: r, judges: {}, approvals: 2}]}\n":                      "says nothing of a verdict",
		one + "  gate: {rules: [{name: r, judges: {recommend: [veto]}, approvals: 2}]}\n":     `not "veto"`,
		one + "  gate: {rules: [{name: r, judges: {below: {style: 3}}, approvals: 2}]}\n":     "want one of correctness",
		one + "  gate: {rules: [{name: r, judges: {below: {security: 11}}, approvals: 2}]}\n": "between 1 and 10",
		one + "  gate: {rules: [{name: r, judges: {recommend: [reject]}}]}\n":                 "asks for nothing",
		"    []\n  gate: {rules: [{name: r, judges: {recommend: [reject]}, approvals: 2}]}\n": "has no judges",
	} {
		_, err := Parse(map[string][]byte{"x.yaml": []byte(judging(text))})
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("want %q: %s: %v", says, strings.TrimSpace(text), err)
		}
	}
}

// Rules are checked with the words of package judge, which manifests do not import.
func TestRulesOnJudgesUseTheWordsOfVerdicts(t *testing.T) {
	t.Parallel()
	var aspects, recommendations []string
	for _, a := range judge.Aspects() {
		aspects = append(aspects, string(a))
	}
	for _, r := range judge.Recommendations() {
		recommendations = append(recommendations, string(r))
	}
	if !slices.Equal(aspects, judgeAspects) || !slices.Equal(recommendations, judgeRecommendations) || maxJudgeScore != judge.MaxScore || maxJudgePrompt != judge.MaxInstruction {
		t.Error("what rules can say is not what verdicts hold")
	}
}
