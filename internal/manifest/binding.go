package manifest

import (
	"strings"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
	sy "github.com/coderflow/coderflow/internal/strictyaml"
)

// Binding gives a subject a role on "environment/NAME" or on everything ("*").
type Binding struct {
	Name     string        `json:"name"`
	Subject  forge.Subject `json:"subject"`
	Role     string        `json:"role"`
	Resource string        `json:"resource"`
}

// roleNames are offered in messages; policy.PredefinedRole decides.
var roleNames = []string{"viewer", "developer", "environment-admin", "server-admin"}

func (b Binding) check(w wrong) {
	if !bindingName.MatchString(b.Name) {
		w("metadata.name", "want a letter or underscore, then up to 63 letters, digits, hyphens and underscores; this is %q", b.Name)
	}
	if b.Subject.IsZero() {
		w("spec.subject", "want HOST:ID, for example github:583231")
	}
	if _, known := policy.PredefinedRole(b.Role); !known {
		w("spec.role", "unknown role %q%s", b.Role, sy.Nearest(b.Role, roleNames))
	}
	if b.Resource == policy.Everything {
		return
	}
	if name, found := strings.CutPrefix(b.Resource, "environment/"); !found || !environmentName.MatchString(name) {
		w("spec.resource", "want environment/NAME or \"*\", not %q", b.Resource)
	}
	if b.Role == "server-admin" {
		w("spec.resource", "server-admin is a role on \"*\" only; environment-admin is the one for an environment")
	}
}

// environment names the environment that the binding is about, if it is one.
func (b Binding) environment() (string, bool) { return strings.CutPrefix(b.Resource, "environment/") }
