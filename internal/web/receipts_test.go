package web

import (
	"context"
	"net/http"
	"testing"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/engine"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/receipt"
	"github.com/coderflow/coderflow/internal/task"
	"github.com/coderflow/coderflow/internal/token"
)

// Approvals in the world: one in each environment, and none.
const approvedHere, approvedThere, approvedNone = "ahere", "athere", "anone"

// receiptDesk has a receipt of every approval: the environments whose deployments it shows.
type receiptDesk struct{ w *apiWorld }

func (d receiptDesk) Issue(_ context.Context, id string, shows func(string) bool) (engine.IssuedReceipt, error) {
	text := id
	for _, name := range []string{"staging", "production"} {
		if shows(name) {
			text += " " + name
		}
	}
	if id == "a1" {
		return engine.IssuedReceipt{}, receipt.ErrNothingLanded
	}
	if id == approvedBefore {
		return engine.IssuedReceipt{}, receipt.ErrTellsMore
	}
	return engine.IssuedReceipt{Digest: "sha256:1", Envelope: []byte(text)}, nil
}

func (d receiptDesk) Approvals(_ context.Context, id task.ID) ([]approval.Record, error) {
	return map[task.ID][]approval.Record{here: {{ID: "a1"}, {ID: approvedHere}}, there: {{ID: approvedThere}}}[id], nil
}

func (d receiptDesk) Covering(_ context.Context, commit string) (landed, merged []task.Task, err error) {
	if commit != someCommit {
		return nil, nil, nil
	}
	return d.w.tasks[1:2], d.w.tasks[:1], nil
}

// KeptUnder has a commit that approvals of both environments kept.
func (d receiptDesk) KeptUnder(_ context.Context, commit string) ([]approval.Record, error) {
	if commit != keptCommit && commit != earlyCommit {
		return nil, nil
	}
	if commit == earlyCommit {
		return []approval.Record{{ID: approvedBefore, Environment: "staging"}}, nil
	}
	return []approval.Record{
		{ID: approvedThere, Environment: "production", Repository: forge.RepositoryRef{Host: forge.GitHub, ID: "1"}},
		{ID: approvedHere, Environment: "staging", Repository: forge.RepositoryRef{Host: forge.GitHub, ID: "1"}},
	}, nil
}

const (
	keptCommit = "1111111111111111111111111111111111111111"
	// earlyCommit was kept under approvedBefore, which an earlier version recorded.
	earlyCommit, approvedBefore = "2222222222222222222222222222222222222222", "abefore"
)

func TestReceiptsAreForWhoeverMaySeeTheTask(t *testing.T) {
	t.Parallel()
	w := newAPIWorld(t, Limits{}, policy.Binding{Name: "b", Subject: owner, Role: "viewer", Resource: "environment/staging"})
	secret := w.token("k", owner, token.Scope{})
	const none = "0000000000000000000000000000000000000000"
	for path, want := range map[string]struct {
		code int
		body string
	}{
		"/approvals/ahere/receipt":                                 {http.StatusOK, "ahere staging"},
		"/approvals/athere/receipt":                                {http.StatusNotFound, ""},
		"/approvals/a%2f/receipt":                                  {http.StatusNotFound, ""},
		"/receipts?commit=" + someCommit:                           {http.StatusOK, "ahere staging"}, // the merge that the caller may see
		"/receipts?repository=github:1&commit=" + someCommit:       {http.StatusOK, "ahere staging"},
		"/receipts?repository=github:2&commit=" + someCommit:       {http.StatusNotFound, ""},
		"/receipts?commit=" + none:                                 {http.StatusNotFound, ""},
		"/receipts?commit=" + keptCommit:                           {http.StatusOK, "ahere staging"},
		"/receipts?repository=github:1&commit=" + keptCommit:       {http.StatusOK, "ahere staging"},
		"/receipts?repository=github:2&commit=" + keptCommit:       {http.StatusNotFound, ""},
		"/receipts?commit=" + earlyCommit:                          {http.StatusNotFound, ""},
		"/receipts?task=" + string(here):                           {http.StatusOK, "ahere staging"},
		"/receipts?task=" + string(there):                          {http.StatusNotFound, ""},
		"/receipts?task=cccccccccccc":                              {http.StatusNotFound, ""},
		"/receipts":                                                {http.StatusBadRequest, ""},
		"/receipts?commit=x":                                       {http.StatusBadRequest, ""},
		"/receipts?task=x":                                         {http.StatusBadRequest, ""},
		"/receipts?repository=../x&commit=" + someCommit:           {http.StatusBadRequest, ""},
		"/receipts?task=" + string(here) + "&commit=" + someCommit: {http.StatusBadRequest, ""},
	} {
		answer := w.ask(http.MethodGet, path, secret)
		if answer.Code != want.code || want.body != "" && answer.Body.String() != want.body {
			t.Errorf("%s: %d %s", path, answer.Code, answer.Body)
		}
		if want.code == http.StatusOK && (answer.Header().Get("Content-Type") != receipt.MediaType || answer.Header().Get("X-Receipt-Digest") != "sha256:1") {
			t.Errorf("%s: %v", path, answer.Header())
		}
	}
	w.approvals["a1"] = approval.Record{ID: "a1", Environment: "staging"}
	if answer := w.ask(http.MethodGet, "/approvals/a1/receipt", secret); answer.Code != http.StatusNotFound {
		t.Errorf("before anything landed: %d %s", answer.Code, answer.Body)
	}
}
