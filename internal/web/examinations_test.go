package web

import (
	"net/http"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/task"
	"github.com/coderflow/coderflow/internal/token"
)

// Threat 49: an examination is found under its own task alone.
func TestThreat49ExaminationsAreReadUnderTheirTask(t *testing.T) {
	t.Parallel()
	w := newAPIWorld(t, Limits{}, policy.Binding{Name: "b", Subject: owner, Role: "viewer", Resource: "environment/staging"})
	secret := w.token("k", owner, token.Scope{})
	w.book.examinations = []task.Examination{{
		ID: someExam, Task: here, Revision: 1, Digest: "sha256:a", Kind: task.Judge, Name: "style", Environment: "staging", Attempt: 2,
		Definition: "sha256:d", State: task.ExaminationPassed, Result: []byte(`{"summary":"\u001b[31m<script>"}`), RequestedBy: "coderflow",
	}}
	for path, want := range map[string]int{
		"": http.StatusOK, "/" + someExam: http.StatusOK, "/" + someExam + "/log": http.StatusOK,
		"/ffffffffffff": http.StatusNotFound, "/ffffffffffff/log": http.StatusNotFound, "/..%2f": http.StatusNotFound,
	} {
		answer := w.ask(http.MethodGet, "/tasks/"+string(here)+"/examinations"+path, secret)
		if answer.Code != want || strings.ContainsRune(answer.Body.String(), 0x1b) {
			t.Errorf("%s: %d, want %d: %s", path, answer.Code, want, answer.Body)
		}
	}
}
