package web

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/engine"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/task"
	"github.com/coderflow/coderflow/internal/token"
)

// evidenceBook has one difference, of acme/x.
type evidenceBook struct {
	asked []engine.EvidenceQuery
	fails error
}

func (b *evidenceBook) Reconcile(ctx context.Context, q engine.EvidenceQuery) (audit.Reconciliation, error) {
	b.asked = append(b.asked, q)
	r, _ := b.Known(ctx)
	return r, b.fails
}

func (*evidenceBook) Known(context.Context) (audit.Reconciliation, error) {
	return audit.Reconciliation{
		Looks: []audit.Look{{Repository: "github:1", Name: "acme/x", NotLooked: []string{}}}, NotLooked: []string{},
		Differences: []audit.Difference{{Kind: audit.CommitGone, Repository: "github:1", Name: "acme/x", Subject: "c", What: "gone\x1b", Next: audit.CommitGone.Next()}},
	}, nil
}

func TestTheLogIsHeldAgainstTheForgeForWhoMayReadItWhole(t *testing.T) {
	t.Parallel()
	w := newAPIWorld(t, Limits{}, policy.Binding{Name: "b", Subject: owner, Role: "server-admin", Resource: "*"})
	k := w.token("k", owner, token.Scope{})
	answer := w.send("/audit/reconcile?repository=acme/x", k, "")
	if answer.Code != http.StatusOK || len(w.evidenceBook.asked) != 1 || w.evidenceBook.asked[0].Repository != "acme/x" || w.evidenceBook.asked[0].By != owner.String() {
		t.Errorf("%d %s %+v", answer.Code, answer.Body, w.evidenceBook.asked)
	}
	if found := w.ask(http.MethodGet, "/audit/differences?repository=ACME/x", k); !strings.Contains(found.Body.String(), "commit-gone") {
		t.Errorf("%d %s", found.Code, found.Body)
	}
	if none := w.ask(http.MethodGet, "/audit/differences?repository=acme/y", k); none.Code != http.StatusOK || strings.Contains(none.Body.String(), "commit-gone") {
		t.Errorf("%d %s", none.Code, none.Body)
	}
	for fails, want := range map[error]int{engine.ErrEvidenceBusy: http.StatusConflict, fmt.Errorf("x: %w", task.ErrNotFound): http.StatusNotFound} {
		w.evidenceBook.fails = fails
		if answer := w.send("/audit/reconcile", k, ""); answer.Code != want {
			t.Errorf("%v: %d %s", fails, answer.Code, answer.Body)
		}
	}
	if answer := w.send("/audit/reconcile?repository=a%20b", k, ""); answer.Code != http.StatusBadRequest {
		t.Errorf("%d", answer.Code)
	}
}
