package manifest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/coderflow/coderflow/internal/policy"
	sy "github.com/coderflow/coderflow/internal/strictyaml"
)

type roleSpec struct {
	Description string              `yaml:"description"`
	Permissions []policy.Permission `yaml:"permissions,required"`
}

func (b *builder) readRole(d *sy.Document) {
	var m envelope[named, roleSpec]
	report := b.reporter(d, quotesHelp(d.Decode(&m)))
	role := policy.Role{Name: m.Metadata.Name, Description: m.Spec.Description, Permissions: m.Spec.Permissions}
	checkRole(report.wrong, role)
	b.roles = append(b.roles, placed[policy.Role]{role, d})
}

// quotesHelp says what to do about [tasks:view], which is read as a list with a
// mapping in it.
func quotesHelp(problems []*sy.Problem) []*sy.Problem {
	for _, p := range problems {
		if strings.HasSuffix(p.Path, "]") && strings.HasSuffix(p.Text, "this is a mapping") {
			p.Text += `; in a list in brackets put it in quotes: ["a:b"]`
		}
	}
	return problems
}

func checkRole(w wrong, r policy.Role) {
	switch {
	case !bindingName.MatchString(r.Name):
		w("metadata.name", "want a letter or underscore, then up to 63 letters, digits, hyphens and underscores; this is %q", r.Name)
	case policy.Shadows(r.Name):
		w("metadata.name", "%q is a predefined role, which cannot be redefined; choose another name", r.Name)
	}
	checkLine(w, "spec.description", r.Description, 1<<10)
	if len(r.Permissions) == 0 {
		w("spec.permissions", "name at least one permission; `coderflow access permissions` lists them")
	}
	for i, p := range r.Permissions {
		at := fmt.Sprintf("spec.permissions[%d]", i)
		switch {
		case !p.Known():
			w(at, "unknown permission %q%s", p, sy.Nearest(string(p), policy.PermissionNames()))
		case slices.Contains(r.Permissions[:i], p):
			w(at, "%q is listed twice", p)
		}
	}
}

func (b *builder) addRoles(s *Set) {
	for _, r := range b.roles {
		for other := range s.Roles {
			if strings.EqualFold(other, r.value.Name) && other != "" {
				b.add(r.doc.Problem("metadata.name", "there is already a role %q", other))
			}
		}
		s.Roles[r.value.Name] = r.value
	}
}

// role is a predefined role or one of the set's.
func (s *Set) role(name string) (policy.Role, bool) {
	if r, ok := policy.PredefinedRole(name); ok {
		return r, true
	}
	r, ok := s.Roles[name]
	return r, ok
}

func (s *Set) roleNames() []string {
	var names []string
	for _, r := range policy.PredefinedRoles() {
		names = append(names, r.Name)
	}
	return append(names, slices.Sorted(maps.Keys(s.Roles))...)
}
