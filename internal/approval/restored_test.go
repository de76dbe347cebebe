package approval_test

import (
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/task"
)

// The server was restored from a backup: a review from before then approves nothing,
// whatever the restored records say, and nothing goes on that one armed. A new one does,
// and so does a deployment that somebody asks for.
func TestNothingFromBeforeARestoreGoesOn(t *testing.T) {
	t.Parallel()
	restored := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		submitted time.Time
		counts    bool
	}{
		"before":       {restored.Add(-time.Second), false},
		"at that time": {restored, false},
		"not told":     {time.Time{}, false},
		"after":        {restored.Add(time.Second), true},
	} {
		w := newWorld()
		w.reviews[0].SubmittedAt = c.submitted
		w.text.Deploy = []approval.Arming{{Profile: "notify"}}
		r := recorded(t, w)
		g := w.gate()
		g.Restored = restored
		if _, err := g.Redeem(t.Context(), r.ID, policy.ToLand); (err == nil) != c.counts {
			t.Errorf("%s: landing: %v", name, err)
		}
		w.task.State, w.task.ApprovalID = task.Proposed, ""
		if _, err := g.Record(t.Context(), w.task.ID, "10"); (err == nil) != c.counts {
			t.Errorf("%s: a new record: %v", name, err)
		}
		w.task.ApprovalID = r.ID
		w.lands()
		armed := w.requested(r)
		armed.ArmedAs, armed.Profile, armed.Version, armed.Parameters = 0, r.Armed[0].Profile, r.Armed[0].Version, r.Armed[0].Parameters
		if _, err := g.RedeemDeployment(t.Context(), r.ID, armed); (err == nil) != c.counts {
			t.Errorf("%s: what it armed: %v", name, err)
		}
		if _, err := g.RedeemDeployment(t.Context(), r.ID, w.requested(r)); err != nil {
			t.Errorf("%s: a request: %v", name, err)
		}
	}
}
