package approval_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/task"
)

const (
	kind  = `{"recommendation":"approve","scores":{"security":{"score":9}}}`
	harsh = `{"recommendation":"reject","scores":{"security":{"score":2}}}`
)

// judged is a world in which a judge's doubts ask for two approvals.
func judged(results ...string) *world {
	w := newWorld()
	w.gateOf(func(g *policy.Gate) {
		g.Rules = []policy.GateRule{{Name: "doubts", Approvals: 2, Judges: &policy.JudgeRule{Recommend: []string{"reject"}, Below: map[string]int{"security": 5}}}}
	})
	env := w.policy.Environments["staging"]
	env.Judges = []policy.AskedJudge{{Name: "strict", Definition: "sha256:def"}}
	w.policy.Environments["staging"] = env
	for _, result := range results {
		w.said(result)
	}
	return w
}

func (w *world) said(result string) {
	w.examinations = append(w.examinations, task.Examination{
		ID: task.NewExaminationID(), Task: w.task.ID, Revision: 1, Kind: task.Judge, Name: "strict", Digest: w.proposal.Digest,
		Definition: "sha256:def", Attempt: len(w.examinations) + 1, State: task.ExaminationPassed, Result: json.RawMessage(result),
	})
}

// What a judge says can make an approval wait for others, and so does its silence; nothing that
// it says is an approval.
func TestAJudgeCanOnlyAskForMore(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		w    *world
		says string // empty: one approval is enough
	}{
		"it is content":                    {judged(kind), ""},
		"it rejects":                       {judged(harsh), `judge "strict" recommends "reject"`},
		"it has not answered":              {judged(), `no valid verdict of judge "strict"`},
		"its answer is none":               {judged(`{"problem":"x"}`), `no valid verdict`},
		"asked again, it is content":       {judged(harsh, kind), `recommends "reject"`},
		"content, and two are asked for":   {func() *world { w := judged(kind); w.gateOf(func(g *policy.Gate) { g.Approvals = 2 }); return w }(), "1 of 2 approvals"},
		"content, and a check is required": {func() *world { w := judged(kind); w.requires("lint"); return w }(), "has not run"},
	} {
		_, err := row.w.gate().Record(t.Context(), row.w.task.ID, "10")
		refused := (*approval.RefusedError)(nil)
		switch {
		case row.says == "":
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		case !errors.As(err, &refused) || !refused.Waiting || !strings.Contains(refused.Decision.Reason.String(), row.says):
			t.Errorf("%s: it does not say %q: %v", name, row.says, err)
		}
	}
}

// Between the approval and its landing a judge may still speak. What has landed is deployed
// whatever is missing, and not against what was said.
func TestAnApprovalIsRedeemedOnlyWhileJudgesAskForNoMore(t *testing.T) {
	t.Parallel()
	w := judged(kind)
	r := recorded(t, w)
	if _, err := w.redeem(t, r, policy.ToLand); err != nil {
		t.Fatal(err)
	}
	w.said(harsh)
	refused := (*approval.RefusedError)(nil)
	if g, err := w.redeem(t, r, policy.ToLand); !errors.As(err, &refused) || g.Check() == nil {
		t.Errorf("granted: %v", err)
	}
	w.examinations = nil
	if _, err := w.redeem(t, r, policy.ToLand); !errors.As(err, &refused) {
		t.Errorf("granted without a verdict: %v", err)
	}
	w.lands()
	if _, err := w.redeem(t, r, policy.ToDeploy); err != nil {
		t.Errorf("what has landed cannot be deployed: %v", err)
	}
}
