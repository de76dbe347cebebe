package manifest

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/agent"
	"github.com/coderflow/coderflow/internal/policy"
	sy "github.com/coderflow/coderflow/internal/strictyaml"
)

// Judge is an AI reviewer of every proposal of the environment. What it says decides nothing.
type Judge struct {
	Name  string `json:"name" yaml:"name,required"`
	Agent Agent  `json:"agent" yaml:"agent,required"`
	// Model is what it may use for one verdict. Default: what the environment's agent may.
	Model *Model `json:"model,omitempty" yaml:"model"`
	// Prompt is what it is to look at in particular.
	Prompt string `json:"prompt,omitempty" yaml:"prompt"`
	// Timeout is for one try. Default: 15m.
	Timeout sy.Duration `json:"timeout,omitempty" yaml:"timeout"`
}

// JudgeRule is when a rule of the gate matches because of what judges say. It matches, too,
// while a judge of the environment has not said anything valid.
type JudgeRule struct {
	// Recommend are recommendations, one of which is enough.
	Recommend []string `json:"recommend,omitempty" yaml:"recommend"`
	// Below are scores by aspect, less than one of which is enough.
	Below map[string]int `json:"below,omitempty" yaml:"below"`
}

const (
	maxJudges        = 8
	maxJudgePrompt   = 8 << 10 // judge.MaxInstruction
	maxJudgeTime     = 4 * time.Hour
	defaultJudgeTime = 15 * time.Minute
	maxJudgeScore    = 10 // judge.MaxScore
)

// What a verdict holds, in the words of package judge, which a test compares.
var (
	judgeAspects         = []string{"correctness", "quality", "completeness", "performance", "security"}
	judgeRecommendations = []string{"approve", "revise", "reject"}
)

// policy is the rule as decisions are made by it.
func (r *JudgeRule) policy() *policy.JudgeRule {
	if r == nil {
		return nil
	}
	return &policy.JudgeRule{Recommend: r.Recommend, Below: r.Below}
}

// ForJudge is the environment as the judge's container has it: another agent, no scripts, no
// hosts, no room to write in; and of the rest what the judge says or the environment has.
func (e Environment) ForJudge(j Judge) Environment {
	e.Agent, e.Scripts, e.Network = j.Agent, Scripts{}, Network{}
	if j.Model != nil {
		e.Model = j.Model
	}
	e.Limits.WallTime = j.Timeout
	return e
}

// JudgeNamed finds a judge of the environment.
func (e Environment) JudgeNamed(name string) (Judge, bool) {
	i := slices.IndexFunc(e.Judges, func(j Judge) bool { return j.Name == name })
	if i < 0 {
		return Judge{}, false
	}
	return e.Judges[i], true
}

// JudgeDefinition is "sha256:…" of everything that decides what a judge is: its agent and image,
// model, budget, prompt, limits.
func (e Environment) JudgeDefinition(j Judge) string {
	as := e.ForJudge(j)
	text, err := json.Marshal(map[string]any{
		"name": j.Name, "agent": as.Agent, "model": as.Model, "prompt": j.Prompt, "limits": as.Limits, "sandbox": as.Sandbox,
	})
	if err != nil { // texts, numbers and maps of them always encode
		panic(fmt.Sprintf("encode a judge: %v", err))
	}
	sum := sha256.Sum256(append([]byte("coderflow.dev/judge/v1\n"), text...))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// withJudgeImages names the image of each judge that names none: its preset's, or the server's.
func (e Environment) withJudgeImages(image string) []Judge {
	judges := slices.Clone(e.Judges)
	for i, j := range judges {
		preset, _ := agent.Lookup(j.Agent.Preset) // checked when it was applied
		judges[i].Agent.Image = cmp.Or(j.Agent.Image, preset.Image, image)
	}
	return judges
}

func (e *Environment) checkJudges(w wrong) {
	if len(e.Judges) > maxJudges {
		w("spec.judges", "has more than %d judges", maxJudges)
	}
	seen := map[string]bool{}
	for i := range e.Judges {
		j := &e.Judges[i]
		at := fmt.Sprintf("spec.judges[%d]", i)
		if !bindingName.MatchString(j.Name) {
			w(at+".name", "want a letter or underscore, then up to 63 letters, digits, hyphens and underscores; this is %q", j.Name)
		}
		if seen[strings.ToLower(j.Name)] {
			w(at+".name", "there are two judges %q", j.Name)
		}
		seen[strings.ToLower(j.Name)] = true
		if j.Timeout == 0 {
			j.Timeout = sy.Duration(defaultJudgeTime)
		}
		if t := time.Duration(j.Timeout); t < time.Second || t > maxJudgeTime {
			w(at+".timeout", "want between 1s and %s", maxJudgeTime)
		}
		if len(j.Prompt) > maxJudgePrompt {
			w(at+".prompt", "has more than %d bytes", maxJudgePrompt)
		}
		checkText(w, at+".prompt", j.Prompt)
		e.checkJudgeAgent(j, func(path, format string, args ...any) {
			w(strings.Replace(path, "spec", at, 1), format, args...)
		})
	}
}

// checkJudgeAgent checks agent and model as the environment's own are checked.
func (e *Environment) checkJudgeAgent(j *Judge, w wrong) {
	j.Agent.check(w)
	as := e.ForJudge(*j)
	if j.Model != nil {
		own := *j.Model
		as.Model = &own
		as.checkModel(w)
		j.Model = as.Model
		return
	}
	as.checkPreset(w)
}

// check checks what a rule says of judges.
func (r *JudgeRule) check(w wrong, at string) {
	if r == nil {
		return
	}
	if len(r.Recommend) == 0 && len(r.Below) == 0 {
		w(at, "says nothing of a verdict: name recommend or below")
	}
	for i, word := range r.Recommend {
		if !slices.Contains(judgeRecommendations, word) {
			w(fmt.Sprintf("%s.recommend[%d]", at, i), "want one of %s, not %q", strings.Join(judgeRecommendations, ", "), word)
		}
	}
	for _, aspect := range slices.Sorted(maps.Keys(r.Below)) {
		if !slices.Contains(judgeAspects, aspect) {
			w(at+".below."+aspect, "want one of %s", strings.Join(judgeAspects, ", "))
		}
		if n := r.Below[aspect]; n < 1 || n > maxJudgeScore {
			w(at+".below."+aspect, "want a score between 1 and %d", maxJudgeScore)
		}
	}
}

// checkJudgeRules refuses rules on judges where there are none: they would hold for ever.
func (e *Environment) checkJudgeRules(w wrong) {
	for i, r := range e.Gate.Rules {
		if r.Judges != nil && len(e.Judges) == 0 {
			w(fmt.Sprintf("spec.gate.rules[%d].judges", i), "the environment has no judges: it would hold for every change")
		}
	}
}
