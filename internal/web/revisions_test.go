package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/task"
	"github.com/coderflow/coderflow/internal/token"
)

func (w *apiWorld) Between(_ context.Context, from, to task.Proposal) ([]byte, error) {
	if from.Tree == "elsewhere" {
		return nil, task.ErrNotFound
	}
	if from.Tree == "long" {
		return nil, ErrDiffTooLong
	}
	return fmt.Appendf(nil, "from %s to %s\n", from.Tree, to.Tree), nil
}

// Every revision that was put up can be read, alone and against another one; what was
// not is not found, and a proposal that was changed in the store is shown to nobody.
func TestRevisionsAreReadAndCompared(t *testing.T) {
	t.Parallel()
	w := newAPIWorld(t, Limits{}, policy.Binding{Name: "b", Subject: owner, Role: "viewer", Resource: "environment/staging"})
	secret := w.token("k", owner, token.Scope{})
	for number, tree := range []string{"elsewhere", "one", "", "three", "long", "changed"} {
		p := task.Proposal{Task: here, Revision: number + 1, Tree: tree, Diff: fmt.Appendf(nil, "diff %d\n", number+1)}
		if p.Digest = p.ComputeDigest(); tree == "changed" {
			p.Tree = "another"
		}
		if tree != "" {
			w.book.proposals = append(w.book.proposals, p)
		}
	}
	w.book.revisions = []task.Revision{{
		Task: here, Number: 2, Kind: task.FeedbackRevise, State: task.RevisionProposed, After: 1, StartedAt: time.Unix(1000, 0).UTC(),
		Feedback: []task.Feedback{{
			Task: here, Key: "review:5", Kind: task.FeedbackReview, By: forge.User{Subject: owner, Login: "ada", Kind: forge.Person}, Text: "no\x1b[31m",
			Remarks: []task.Remark{{Path: "a.go", Line: 3, Text: "why?"}}, About: 1, At: time.Unix(900, 0).UTC(), Revision: 2,
		}},
	}}
	for query, want := range map[string]struct {
		status int
		body   string
	}{
		"?revision=2":           {http.StatusOK, "diff 2\n"},
		"?revision=1":           {http.StatusOK, "diff 1\n"},
		"?revision=4&against=2": {http.StatusOK, "from one to three\n"},
		"?revision=2&against=1": {http.StatusNotFound, "another server"},
		"?revision=2&against=5": {http.StatusRequestEntityTooLarge, "longer"},
		"?revision=3":           {http.StatusNotFound, "no such revision"},
		"?revision=99":          {http.StatusNotFound, "no such revision"},
		"?revision=0":           {http.StatusBadRequest, "number"},
		"?revision=two":         {http.StatusBadRequest, "number"},
		"?revision=6":           {http.StatusInternalServerError, ""},
		"?revision=2&against=6": {http.StatusInternalServerError, ""},
	} {
		answer := w.ask(http.MethodGet, "/tasks/"+string(here)+"/diff"+query, secret)
		if answer.Code != want.status || !strings.Contains(answer.Body.String(), want.body) {
			t.Errorf("%s: %d %s", query, answer.Code, answer.Body)
		}
		if query == "?revision=4&against=2" && answer.Header().Get("X-Proposal-Revision") != "4" {
			t.Errorf("headers %v", answer.Header())
		}
	}
	answer := w.ask(http.MethodGet, "/tasks/"+string(here)+"/revisions", secret)
	var list page[task.Revision]
	if err := json.Unmarshal(answer.Body.Bytes(), &list); err != nil || answer.Code != http.StatusOK || len(list.Items) != 1 || list.Items[0].Feedback[0].Remarks[0].Line != 3 {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
	if strings.ContainsRune(answer.Body.String(), 0x1b) {
		t.Error("an escape of a reviewer reaches the reader")
	}
}
