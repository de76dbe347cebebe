package web

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/token"
)

var (
	randomResources = []string{"environment/staging", "environment/production", "team/red", "server", "*"}
	randomRoles     = []string{"viewer", "developer", "environment-admin", "team-admin", "server-admin", "own", "small"}
	randomSubjects  = []string{"github:1", "github:2", "github:3", "github:4", "service:ci", "team:red"}
)

// heldBy tells by the bindings themselves, and with none of the code that
// decides, whether somebody holds a permission on a resource.
func heldBy(p *policy.Policy, s forge.Subject, permission policy.Permission, resource string) bool {
	kind, _, _ := policy.ParseResource(resource)
	for _, b := range p.Bindings {
		mine := b.Subject == s && b.Team == ""
		for _, m := range p.Teams[b.Team].Members {
			mine = mine || m.Subject == s
		}
		role, predefined := policy.PredefinedRole(b.Role)
		if !predefined {
			role = p.Roles[b.Role]
		}
		bound, _, _ := policy.ParseResource(b.Resource)
		if mine && (b.Resource == resource || b.Resource == "*") && slices.Contains(role.Permissions, permission) && permission.On(kind) && permission.On(bound) {
			return true
		}
	}
	return false
}

func everybody() []forge.Subject {
	return []forge.Subject{person("1"), person("2"), person("3"), person("4"), service("ci")}
}

// Whatever is asked of the API by whom, in whatever order, nobody ends with a
// permission that whoever gave it did not hold there, and no token reaches what
// its maker did not reach with the one that was used.
func TestThreat49NoSequenceOfCallsGivesMoreThanSomebodyHeld(t *testing.T) {
	t.Parallel()
	granted, refused := 0, 0
	property := func(r *rapid.T) {
		w := newRuledWorld(t, randomStart(r)...)
		secrets := map[string]string{}
		for _, s := range everybody() {
			id := strings.ReplaceAll(s.String(), ":", "-")
			secrets[id] = w.token(id, s, token.Scope{})
		}
		for range rapid.IntRange(3, 10).Draw(r, "calls") {
			id := rapid.SampledFrom(slices.Sorted(keysOf(secrets))).Draw(r, "with")
			before, using := w.policy, w.known(secrets[id])
			if rapid.IntRange(0, 3).Draw(r, "what") == 0 {
				answer := w.send("/tokens", secrets[id], randomToken(r))
				if answer.Code == http.StatusCreated {
					made := decoded[issuedView](t, answer)
					secrets[made.ID] = made.Token
					if wrong := exceeds(before, using, w.known(made.Token)); wrong != "" {
						r.Fatalf("%s: %s", wrong, answer.Body)
					}
				}
				continue
			}
			answer := w.send("/manifests", secrets[id], randomChange(r))
			if answer.Code != http.StatusOK {
				refused++
				continue
			}
			granted++
			if wrong := gains(before, w.policy, using); wrong != "" {
				r.Fatalf("%s: %s", wrong, answer.Body)
			}
		}
	}
	enough := 20
	if testing.Short() { // a fifth of the inputs
		enough = 4
	}
	for range 10 { // until there was enough of both
		if rapid.Check(t, property); granted >= enough && refused >= enough {
			return
		}
	}
	t.Errorf("%d changes were made and %d refused: the test shows little", granted, refused)
}

func keysOf(m map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func (w *apiWorld) known(secret string) token.Token {
	value, err := token.Parse(secret)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.tokens[value.Hash()]
}

// gains says who has more after a change than whoever made it held, if anybody.
func gains(before, after *policy.Policy, using token.Token) string {
	for _, s := range everybody() {
		for _, info := range policy.Permissions() {
			for _, resource := range randomResources {
				if heldBy(after, s, info.Permission, resource) && !heldBy(before, s, info.Permission, resource) && !heldBy(before, using.Owner, info.Permission, resource) {
					return fmt.Sprintf("%s got %s on %s from %s", s, info.Permission, resource, using.Owner)
				}
			}
		}
	}
	return ""
}

// exceeds says what a new token reaches that the one that made it did not, for
// its owner or for the maker.
func exceeds(p *policy.Policy, using, made token.Token) string {
	for _, info := range policy.Permissions() {
		for _, resource := range randomResources {
			reaches := made.Scope.Within(info.Permission, resource).OK
			if made.Owner == using.Owner {
				reaches = reaches && heldBy(p, made.Owner, info.Permission, resource)
			}
			if reaches && info.Permission.On(kindOf(resource)) && !(using.Scope.Within(info.Permission, resource).OK && heldBy(p, using.Owner, info.Permission, resource)) {
				return fmt.Sprintf("a token of %s reaches %s on %s, which the token of %s does not", made.Owner, info.Permission, resource, using.Owner)
			}
		}
	}
	return ""
}

func kindOf(resource string) policy.Kind {
	kind, _, _ := policy.ParseResource(resource)
	return kind
}

func randomStart(r *rapid.T) []string {
	texts := []string{
		bindingYAML("start", "github:1", "server-admin", "*"), teamYAML("red", "github:3"), roleYAML("own", "bindings:manage", "tasks:view"),
		roleYAML("small", "roles:manage", "tokens:manage", "environments:manage"),
	}
	return append(texts, randomBindings(r, "a", 5)...)
}

func randomBindings(r *rapid.T, prefix string, most int) []string {
	var texts []string
	taken := map[string]bool{"github:1server-admin*": true} // at the start
	for i := range rapid.IntRange(0, most).Draw(r, "bindings") {
		subject := rapid.SampledFrom(randomSubjects).Draw(r, "subject")
		role, resource := rapid.SampledFrom(randomRoles).Draw(r, "role"), rapid.SampledFrom(randomResources).Draw(r, "resource")
		kind, _, _ := policy.ParseResource(resource)
		known := map[string]policy.Role{
			"own":   {Permissions: []policy.Permission{policy.BindingsManage, policy.TasksView}},
			"small": {Permissions: []policy.Permission{policy.RolesManage, policy.TokensManage, policy.EnvironmentsManage}},
		}
		as, custom := known[role]
		if !custom {
			as, _ = policy.PredefinedRole(role)
		}
		text := subject + role + resource
		if !as.Fits(kind) || taken[text] || strings.HasPrefix(subject, "service") && (slices.Contains(as.Permissions, policy.TasksApprove)) {
			continue
		}
		taken[text] = true
		texts = append(texts, bindingYAML(fmt.Sprintf("%s%d", prefix, i), subject, role, resource))
	}
	return texts
}

func randomChange(r *rapid.T) changeBody {
	body := changeBody{Mode: modeMerge}
	texts := randomBindings(r, rapid.SampledFrom([]string{"a", "b"}).Draw(r, "prefix"), 2)
	switch rapid.IntRange(0, 6).Draw(r, "more") {
	case 0:
		texts = append(texts, teamYAML("red", rapid.SliceOfNDistinct(rapid.SampledFrom(randomSubjects[:4]), 0, 3, rapid.ID[string]).Draw(r, "members")...))
	case 1:
		names := rapid.SliceOfNDistinct(rapid.SampledFrom(policy.PermissionNames()), 1, 4, rapid.ID[string]).Draw(r, "permissions")
		texts = append(texts, roleYAML(rapid.SampledFrom([]string{"own", "small"}).Draw(r, "role"), names...))
	case 2:
		name := rapid.SampledFrom([]string{"a0", "a1", "b0", "start"}).Draw(r, "deleted")
		body.Delete = []manifest.Key{{Kind: manifest.KindRoleBinding, Name: name}}
	case 3:
		body.Mode = modeReplace
		texts = append(texts, environmentYAML("staging"), environmentYAML("production"), teamYAML("red"), roleYAML("own", "tasks:view"), roleYAML("small", "roles:manage"))
	}
	body.Files = named(texts...)
	return body
}

func randomToken(r *rapid.T) tokenBody {
	body := tokenBody{Name: "t", Expires: "30m", Owner: rapid.SampledFrom([]string{"", "", "service:ci", "github:2"}).Draw(r, "owner")}
	if rapid.Bool().Draw(r, "narrowed") {
		for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(policy.PermissionNames()), 1, 3, rapid.ID[string]).Draw(r, "to") {
			body.Permissions = append(body.Permissions, policy.Permission(name))
		}
	}
	if rapid.Bool().Draw(r, "placed") {
		body.Environments = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"staging", "production"}), 1, 2, rapid.ID[string]).Draw(r, "in")
	}
	return body
}
