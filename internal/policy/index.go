package policy

import (
	"slices"

	"github.com/coderflow/coderflow/internal/forge"
)

// place is what is bound on one resource.
type place struct {
	people map[forge.Subject][]bound
	teams  map[string][]bound
}

// index answers what is bound to whom, where, without a search.
type index struct {
	policy *Policy
	roles  map[string]Role
	places map[string]place           // by resource
	teams  map[forge.Subject][]string // of each person, in order
	// granters name who can grant a permission by a binding on exactly the
	// resource: a few of them, as many as are ever shown.
	granters map[grant][]string
	// unread are the teams whose members the forge did not tell, in order.
	unread []string
}

// bound is a binding and what it gives where it is bound.
type bound struct {
	*Binding
	gives permissionSet
	known bool // that there is such a role
}

// grant is one permission on one resource.
type grant struct {
	permission Permission
	resource   string
}

func newIndex(p *Policy) *index {
	x := &index{
		policy: p, roles: map[string]Role{}, places: map[string]place{},
		teams: map[forge.Subject][]string{}, granters: map[grant][]string{},
	}
	for name, role := range p.Roles {
		x.roles[name] = role
	}
	for _, role := range predefined { // last: nothing shadows them
		x.roles[role.Name] = role
	}
	for _, name := range sortedKeys(p.Teams) {
		if team := p.Teams[name].Forge; team != nil && team.Unread != "" {
			x.unread = append(x.unread, name)
		}
		for _, m := range p.Teams[name].people() {
			x.teams[m.Subject] = append(x.teams[m.Subject], name)
		}
	}
	for i := range p.Bindings {
		b := &p.Bindings[i]
		x.addGranter(x.add(b))
	}
	return x
}

// add indexes a binding. What the binding would give to somebody who may never
// have it is left out here, whatever the manifests were checked for.
func (x *index) add(b *Binding) bound {
	at, known := x.places[b.Resource]
	if !known {
		at = place{people: map[forge.Subject][]bound{}, teams: map[string][]bound{}}
		x.places[b.Resource] = at
	}
	role, known := x.roles[b.Role]
	added := bound{b, setOf(role.On(kindOf(b.Resource))) &^ withheld(b), known}
	if b.Team != "" {
		at.teams[b.Team] = append(at.teams[b.Team], added)
	} else {
		at.people[b.Subject] = append(at.people[b.Subject], added)
	}
	return added
}

func (x *index) addGranter(b bound) {
	kind := kindOf(b.Resource)
	if b.gives&setOf([]Permission{BindingsManage}) == 0 {
		return
	}
	for _, permission := range x.roles[b.Role].On(kind) {
		g := grant{permission, b.Resource}
		if b.gives&setOf([]Permission{permission}) == 0 {
			continue
		}
		if names := x.granters[g]; len(names) <= maxShownPeople && !slices.Contains(names, b.Who()) {
			x.granters[g] = append(names, b.Who())
		}
	}
}

// each calls f with every binding that concerns the subject on the resource:
// own ones, then those of teams; on the resource, then on everything.
func (x *index) each(subject forge.Subject, resource string, f func(bound)) {
	if subject.IsZero() {
		return
	}
	for i, r := range [...]string{resource, Everything} {
		if i == 1 && resource == Everything {
			break
		}
		at := x.places[r]
		for _, b := range at.people[subject] {
			f(b)
		}
		if len(at.teams) == 0 {
			continue
		}
		for _, team := range x.teams[subject] {
			for _, b := range at.teams[team] {
				f(b)
			}
		}
	}
}

// holds reports whether the subject holds the permission on a resource, which
// need not exist: who holds it on everything holds it on what is yet to come.
func (x *index) holds(subject forge.Subject, permission Permission, resource string) bool {
	if !permission.On(kindOf(resource)) {
		return false
	}
	found, asked := false, setOf([]Permission{permission})
	x.each(subject, resource, func(b bound) { found = found || b.gives&asked != 0 })
	return found
}

// exists reports whether there is such a resource.
func (x *index) exists(resource string) bool {
	kind, name, err := ParseResource(resource)
	known := err == nil
	switch kind {
	case OnEnvironment:
		_, known = x.policy.Environments[name]
	case OnTeam:
		_, known = x.policy.Teams[name]
	}
	return known
}
