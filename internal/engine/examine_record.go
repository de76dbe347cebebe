package engine

import (
	"encoding/json"

	"github.com/coderflow/coderflow/internal/receipt"
	"github.com/coderflow/coderflow/internal/task"
)

// resultsOf are the results of a kind in the words of receipts. A judge's is what it
// recommends.
func resultsOf(all []task.Examination, kind task.ExaminationKind) []receipt.Result {
	results := []receipt.Result{}
	for _, x := range all {
		if x.Kind != kind {
			continue
		}
		r := receipt.Result{Examination: x.ID, Name: x.Name, Attempt: x.Attempt, Definition: x.Definition, Outcome: string(x.State)}
		var verdict struct{ Recommendation string }
		if kind == task.Judge && x.State == task.ExaminationPassed && json.Unmarshal(x.Result, &verdict) == nil && verdict.Recommendation != "" {
			r.Outcome = verdict.Recommendation
		}
		results = append(results, r)
	}
	return results
}
