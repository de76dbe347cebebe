package web

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/task"
	"github.com/coderflow/coderflow/internal/token"
)

// Chain implements Chains: a chain that ends with a deployment into each environment.
func (w *apiWorld) Chain(_ context.Context, id task.ID) (audit.Chain, error) {
	entry := func(seq int64, environment string, action audit.Action, detail string) audit.Entry {
		return audit.Entry{Seq: seq, At: w.now, Actor: requester.String(), Action: action, Task: string(id), Environment: environment, Detail: json.RawMessage(detail)}
	}
	c := audit.ChainOf(string(id), []audit.Entry{
		entry(3, "staging", audit.TaskCreated, `{"issue":1,"url":"https://forge.test/i/1","trigger":"<b>comment</b>\u202e"}`),
		entry(5, "staging", audit.ApprovalRecorded, `{"approval":"a1","review":"javascript:alert(1)"}`),
		entry(6, "staging", audit.DeployEnded, `{"deployment":"r1","environment":"staging","profile":"p","approval":"a1","state":"succeeded"}`),
		entry(7, "production", audit.DeployEnded, `{"deployment":"r2","environment":"production","profile":"p","approval":"a1","state":"failed"}`),
	})
	c.Compare(audit.Rows{State: "queued", Requester: requester.String(), Approval: "a2"})
	return c, nil
}

func TestThreat49TheChainHidesDeploymentsOfOtherEnvironments(t *testing.T) {
	t.Parallel()
	w := newAPIWorld(t, Limits{}, policy.Binding{Name: "b", Subject: owner, Role: "viewer", Resource: "environment/staging"})
	answer := w.ask(http.MethodGet, "/tasks/"+string(here)+"/chain", w.token("k", owner, token.Scope{}))
	var chain audit.Chain
	if err := json.Unmarshal(answer.Body.Bytes(), &chain); err != nil {
		t.Fatal(err)
	}
	if chain.Hidden != 1 || len(chain.Acts(audit.StepDeployed)) != 1 || strings.Contains(answer.Body.String(), "production") || strings.Contains(answer.Body.String(), "r2") {
		t.Errorf("%s", answer.Body)
	}
	if len(chain.Steps) != 8 || len(chain.Differences) == 0 {
		t.Errorf("%s", answer.Body)
	}
}

func TestTheChainIsOnOnePage(t *testing.T) {
	t.Parallel()
	w, c := signedIn(t)
	w.api.tasks[0].Requester = forge.User{Subject: requester, Login: "zoe"}
	answer, page := w.get(c, w.server.URL+"/tasks/"+string(here)+"/chain")
	for _, want := range []string{
		"Created by", "Judged", "none", "<td>5</td>", `href="https://forge.test/i/1"`, "staging/p: succeeded", "approval: the log says a1",
		"Deployments into environments that you may not see: 1",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if scripted(page) {
		t.Error("the page has a script that is not ours")
	}
	for _, hostile := range []string{"<b>comment", "\u202e", "javascript:", "production", "style="} {
		if strings.Contains(page, hostile) {
			t.Errorf("the page has %q", hostile)
		}
	}
	if csp := answer.Header.Get("Content-Security-Policy"); answer.StatusCode != http.StatusOK || csp != pagePolicy {
		t.Errorf("%d %q", answer.StatusCode, csp)
	}
	hidden, a := w.get(c, w.server.URL+"/tasks/"+string(there)+"/chain")
	absent, b := w.get(c, w.server.URL+"/tasks/"+string(none)+"/chain")
	if hidden.StatusCode != http.StatusNotFound || absent.StatusCode != http.StatusNotFound || a != b {
		t.Errorf("%d %s\n%d %s", hidden.StatusCode, a, absent.StatusCode, b)
	}
	if answer, page := w.get(w.browser(nil), w.server.URL+"/tasks/"+string(here)+"/chain"); strings.Contains(page, "staging") {
		t.Errorf("a stranger sees %d %s", answer.StatusCode, page)
	}
}
