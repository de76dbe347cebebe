package engine

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/receipt"
	"github.com/coderflow/coderflow/internal/task"
)

// Somebody asks for a check again between the gate's look and the record: the approval's entry,
// of which receipts are made, has what the gate read.
func TestTheRecordOfAnApprovalSaysWhatTheGateRead(t *testing.T) {
	t.Parallel()
	l := newLab(check("tests"))
	read := task.Examination{ID: "bbbbbbbbbbbb", Task: l.w.t.ID, Revision: 1, Digest: l.p.Digest, Kind: task.Check, Name: "tests", Attempt: 1, State: task.ExaminationPassed}
	later := read
	later.ID, later.Attempt, later.State = "cccccccccccc", 2, task.ExaminationQueued
	l.all = []task.Examination{read, later}
	r := approval.Record{ID: "a1", Task: l.w.t.ID, Revision: 1, Digest: l.p.Digest, Approver: rob, Examined: []task.Examination{read}}
	if err := l.e.auditApproval(t.Context(), l, &l.w.t, r); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(l.audited, func(e audit.Entry) bool { return e.Action == audit.ApprovalRecorded })
	var told struct{ Checks []receipt.Result }
	if err := json.Unmarshal(l.audited[i].Detail, &told); err != nil {
		t.Fatal(err)
	}
	if len(told.Checks) != 1 || told.Checks[0].Examination != read.ID || told.Checks[0].Outcome != "passed" {
		t.Errorf("the entry has %+v", told.Checks)
	}
}
