package policy

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/coderflow/coderflow/internal/task"
)

// JudgeRule is when a rule of the gate matches because of what AI judges say. A rule that
// matches raises what is needed, so all that a verdict can do is ask for more people: no
// verdict lowers what the rest of the gate asks for, and one that is missing counts as the
// worst.
type JudgeRule struct {
	// Recommend are recommendations, one of which is enough.
	Recommend []string
	// Below are scores by aspect, less than one of which is enough.
	Below map[string]int
}

func (r *JudgeRule) same(other *JudgeRule) bool {
	if r == nil || other == nil {
		return r == other
	}
	if len(r.Below) != len(other.Below) {
		return false
	}
	for aspect, score := range r.Below {
		if o, has := other.Below[aspect]; !has || o != score {
			return false
		}
	}
	return slices.Equal(r.Recommend, other.Recommend)
}

// Judged is what one judge said about exactly the proposal.
type Judged struct {
	Name string
	// Missing tells that there is no valid verdict of the judge as it is defined now.
	Missing bool `json:",omitempty"`
	// Verdicts are all valid ones: another try does not take back what one said.
	Verdicts []JudgeVerdict `json:",omitempty"`
}

// JudgeVerdict is what a decision needs of a verdict.
type JudgeVerdict struct {
	Recommend string
	Scores    map[string]int
}

// Judges is what the environment's judges said. The zero value is that nothing is known of
// them: a rule that names judges holds then.
type Judges struct {
	Known bool `json:",omitempty"`
	// Landed tells that the change has landed, and none is asked any more: a verdict that
	// is missing, of a judge that came later perhaps, keeps nothing from being deployed.
	Landed bool     `json:",omitempty"`
	Judged []Judged `json:",omitempty"`
}

// AskedJudge is a judge of an environment.
type AskedJudge struct {
	Name       string
	Definition string // "sha256:…" of what the admin says of it now
}

// JudgedOf is what the judges of an environment said of the proposal of the digest. A valid
// verdict counts whatever became of another try; one that was given under another definition
// still counts against the change, and is missing all the same.
func JudgedOf(all []task.Examination, digest string, asked []AskedJudge) Judges {
	judges := Judges{Known: true}
	for _, a := range asked {
		one := Judged{Name: a.Name, Missing: true}
		for _, x := range all {
			if x.Kind != task.Judge || x.Name != a.Name || digest == "" || x.Digest != digest || x.State != task.ExaminationPassed {
				continue
			}
			v, ok := verdictOf(x.Result)
			if !ok {
				continue
			}
			one.Verdicts = append(one.Verdicts, v)
			one.Missing = one.Missing && x.Definition != a.Definition
		}
		judges.Judged = append(judges.Judged, one)
	}
	return judges
}

// verdictOf reads what a decision needs of a stored verdict.
func verdictOf(result json.RawMessage) (JudgeVerdict, bool) {
	var stored struct {
		Recommendation string `json:"recommendation"`
		Scores         map[string]struct {
			Score int `json:"score"`
		} `json:"scores"`
	}
	if json.Unmarshal(result, &stored) != nil || stored.Recommendation == "" {
		return JudgeVerdict{}, false
	}
	v := JudgeVerdict{Recommend: stored.Recommendation, Scores: map[string]int{}}
	for aspect, s := range stored.Scores {
		v.Scores[aspect] = s.Score
	}
	return v, true
}

// matches says why the rule holds, or "".
func (r *JudgeRule) matches(j Judges) string {
	switch {
	case r == nil:
		return ""
	case !j.Known:
		return "no judge's verdict is known"
	case len(j.Judged) == 0 && !j.Landed:
		return "the environment has no judge"
	}
	for _, one := range j.Judged {
		for _, v := range one.Verdicts {
			if why := r.about(v); why != "" {
				return fmt.Sprintf("judge %q %s", one.Name, why)
			}
		}
	}
	var missing []string
	for _, one := range j.Judged {
		if one.Missing || len(one.Verdicts) == 0 {
			missing = append(missing, fmt.Sprintf("%q", one.Name))
		}
	}
	if len(missing) > 0 && !j.Landed {
		return "there is no valid verdict of judge " + strings.Join(missing, ", ")
	}
	return ""
}

// about says what of a verdict the rule is about, or "".
func (r *JudgeRule) about(v JudgeVerdict) string {
	if slices.Contains(r.Recommend, v.Recommend) {
		return fmt.Sprintf("recommends %q", v.Recommend)
	}
	for _, aspect := range slices.Sorted(maps.Keys(r.Below)) {
		score, scored := v.Scores[aspect]
		switch {
		case !scored:
			return "does not score " + aspect
		case score < r.Below[aspect]:
			return fmt.Sprintf("scores %s %d, less than %d", aspect, score, r.Below[aspect])
		}
	}
	return ""
}
