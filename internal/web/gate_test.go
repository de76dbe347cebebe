package web

import (
	"net/http"
	"testing"

	"github.com/coderflow/coderflow/internal/policy"
)

// Tasks are started, approved and deployed by what people do at the forge. No row
// of the API is asked for these permissions, because none does these things: a
// token, whoever's, is not a way around the gate.
func TestThreat06And40And52NoRouteStartsApprovesOrDeploys(t *testing.T) {
	t.Parallel()
	never := map[policy.Permission]bool{policy.TasksCreate: true, policy.TasksApprove: true, policy.DeploymentsExecute: true}
	writes := map[string]bool{"/tasks/:id/cancel": true, "/manifests": true, "/tokens": true, "/tokens/:id/revoke": true, "/secrets": true, "/secrets/remove": true}
	for _, row := range (&server{}).apiRows() {
		if never[row.permission] {
			t.Errorf("%s %s takes %s", row.method, row.path, row.permission)
		}
		if row.method != http.MethodGet && !writes[row.path] {
			t.Errorf("%s %s changes something: look whether it can get around the gate, then name it here", row.method, row.path)
		}
	}
}
