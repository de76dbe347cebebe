package web

import (
	"net/http"
	"testing"

	"github.com/coderflow/coderflow/internal/policy"
)

// Tasks are started and approved by what people do at the forge: no row of the API
// is asked for these permissions, because none does these things. One row asks for
// a deployment, and hands it to the engine, which takes only what an approval
// covers. A token, whoever's, is not a way around the gate.
func TestThreat06And40And52NoRouteStartsApprovesOrGetsAroundTheGate(t *testing.T) {
	t.Parallel()
	never := map[policy.Permission]bool{policy.TasksCreate: true, policy.TasksApprove: true}
	writes := map[string]bool{
		"/tasks/:id/cancel": true, "/manifests": true, "/tokens": true, "/tokens/:id/revoke": true, "/secrets": true, "/secrets/remove": true,
		"/nodes/:node/drain": true, "/nodes/:node/resume": true, "/nodes/:node": true, // where steps are done, not which
		"/freezes":         true, // stops what the gate would let go on, and gives nothing of its own
		"/audit/reconcile": true, // reads the forge and notes what differs; mends nothing, and no decision reads it
		"/deployments":     true, // engine.RequestDeployment decides: the approval, the person, the environment's gate
	}
	for _, row := range (&server{}).apiRows() {
		if never[row.permission] || row.permission == policy.DeploymentsExecute && row.path != "/deployments" {
			t.Errorf("%s %s takes %s", row.method, row.path, row.permission)
		}
		if row.method != http.MethodGet && !writes[row.path] {
			t.Errorf("%s %s changes something: look whether it can get around the gate, then name it here", row.method, row.path)
		}
	}
}
