package engine

import (
	"context"
	"encoding/json"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/receipt"
	"github.com/coderflow/coderflow/internal/task"
)

// stoodAt are the last examinations of exactly what was approved, as they stood when the
// gate decided: the step that asks the gate is the one that writes them.
func (e *Engine) stoodAt(ctx context.Context, r approval.Record) ([]task.Examination, error) {
	all, err := e.Store.Examinations(ctx, r.Task)
	if err != nil {
		return nil, err
	}
	var stood []task.Examination
	for _, x := range task.LatestExaminations(all, r.Revision) {
		if x.Digest == r.Digest {
			stood = append(stood, x)
		}
	}
	return stood, nil
}

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
