package present

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/coderflow/coderflow/internal/task"
)

// outcomes counts the examinations of a kind by what became of them.
func outcomes(all []task.Examination, kind task.ExaminationKind) (of int, by map[task.ExaminationState]int) {
	by = map[task.ExaminationState]int{}
	for _, x := range all {
		if x.Kind == kind {
			of++
			by[x.State]++
		}
	}
	return of, by
}

// checkCounts says how many checks passed: "✅ 3 of 3 passed".
func checkCounts(all []task.Examination) Inert {
	of, by := outcomes(all, task.Check)
	if of == 0 {
		return Inert{"–"}
	}
	text := Say("%s of %s passed", by[task.ExaminationPassed], of)
	switch waiting := by[task.ExaminationQueued] + by[task.ExaminationRunning]; {
	case by[task.ExaminationPassed] == of:
		return Say("✅ %s", text)
	case waiting > 0:
		return Say("⚙ %s, %s under way", text, waiting)
	}
	return Say("❌ %s", text)
}

// verdict is the part of a judge's verdict that a line has room for.
type verdict struct {
	Scores map[string]struct {
		Score int `json:"score"`
	} `json:"scores"`
	Recommendation string `json:"recommendation"`
}

// judgeScores says what judges recommend, and their scores on average.
func judgeScores(all []task.Examination) Inert {
	of, by := outcomes(all, task.Judge)
	if of == 0 {
		return Inert{"–"}
	}
	var texts []string
	for _, x := range all {
		if x.Kind != task.Judge || x.State != task.ExaminationPassed {
			continue
		}
		var v verdict
		if json.Unmarshal(x.Result, &v) != nil || !slices.Contains([]string{"approve", "revise", "reject"}, v.Recommendation) {
			continue
		}
		total := 0
		for _, s := range v.Scores {
			total += s.Score
		}
		text := Say("%s: %s", short(x.Name), Inert{v.Recommendation})
		if len(v.Scores) > 0 {
			text = Say("%s, %s of 10", text, Inert{fmt.Sprintf("%.1f", float64(total)/float64(len(v.Scores)))})
		}
		texts = append(texts, text.markdown)
	}
	if waiting := by[task.ExaminationQueued] + by[task.ExaminationRunning]; waiting > 0 {
		texts = append(texts, fmt.Sprintf("%d under way", waiting))
	}
	if broken := by[task.ExaminationBroken] + by[task.ExaminationFailed]; broken > 0 {
		texts = append(texts, fmt.Sprintf("%d without a valid verdict", broken))
	}
	if len(texts) == 0 {
		return Inert{"none answered"}
	}
	return Inert{strings.Join(texts, "; ")}
}

// examined says in one line what checks and judges made of which revision.
func (v StatusView) examined() string {
	var parts []string
	if v.Revision > 1 {
		parts = append(parts, fmt.Sprintf("revision %d", v.Revision))
	}
	if of, _ := outcomes(v.Examinations, task.Check); of > 0 {
		parts = append(parts, Say("checks: %s", checkCounts(v.Examinations)).markdown)
	}
	if of, _ := outcomes(v.Examinations, task.Judge); of > 0 {
		parts = append(parts, Say("judges, as advice: %s", judgeScores(v.Examinations)).markdown)
	}
	return strings.Join(parts, " · ")
}
