package approval_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/task"
)

// Threat 44: a variant beside which another one was approved is not approved, and an
// approval that is not yet carried out falls.
func TestThreat44ATaskThatWasReplacedIsNeitherApprovedNorLanded(t *testing.T) {
	t.Parallel()
	refusedFor := func(err error) {
		t.Helper()
		refused := (*approval.RefusedError)(nil)
		if !errors.As(err, &refused) || !strings.Contains(refused.Decision.Reason.Text, "took the place") {
			t.Errorf("got %v", err)
		}
	}
	w := newWorld()
	record, err := w.gate().Record(t.Context(), w.task.ID, "10")
	if err != nil {
		t.Fatal(err)
	}
	w.task.ReplacedBy = "bbbbbbbbbbbb"
	_, err = w.gate().Record(t.Context(), w.task.ID, "10")
	refusedFor(err)

	w.records[record.ID] = record
	w.task.State, w.task.ApprovalID = task.Approved, record.ID
	_, err = w.gate().Redeem(t.Context(), record.ID, policy.ToLand)
	refusedFor(err)
	w.task.State = task.Landing // its push may be at the forge
	if _, err = w.gate().Redeem(t.Context(), record.ID, policy.ToLand); err != nil {
		t.Errorf("what is being landed: %v", err)
	}
}
