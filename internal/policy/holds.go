package policy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/coderflow/coderflow/internal/forge"
)

// Bounds of what a reason shows; the rest is counted.
const (
	maxShownBindings = 8
	maxShownPeople   = 3
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// HoldsOn is [Policy.DecideOn] as a reason, for building larger trees.
func (p *Policy) HoldsOn(user forge.User, permission Permission, resource string) Reason {
	x := p.index()
	kind, name, err := ParseResource(resource)
	switch {
	case user.Subject.IsZero():
		return No("the forge did not say who acts")
	case err != nil:
		return No(err.Error())
	case !x.exists(resource):
		return No(fmt.Sprintf("there is no %s %q", kind, name))
	case !permission.Known():
		return No(fmt.Sprintf("there is no permission %q", permission))
	case !permission.On(kind):
		return No(fmt.Sprintf("%q means nothing %s", permission, at(resource)))
	case permission == TasksApprove && !isHuman(user.Subject):
		return No(fmt.Sprintf("%s is a service, and %q is for people only", userText(user), permission))
	}
	return x.reason(user, permission, resource)
}

// reason explains [index.holds].
func (x *index) reason(user forge.User, permission Permission, resource string) Reason {
	var asked permissionSet
	if permission.On(kindOf(resource)) {
		asked = setOf([]Permission{permission})
	}
	who, hidden, holds := userText(user), 0, false
	var held []Reason
	x.each(user.Subject, resource, func(b bound) {
		given := b.gives&asked != 0
		if len(held) < maxShownBindings || given && !holds {
			held = append(held, x.bindingReason(b, who, permission, given))
		} else {
			hidden++
		}
		holds = holds || given
	})
	if hidden > 0 {
		held = append(held, Reason{OK: holds, Text: fmt.Sprintf("and %d bindings that are not shown", hidden)})
	}
	if !holds {
		held = append(held, x.unreadTeams(asked, resource)...)
	}
	switch {
	case holds:
		return Any(fmt.Sprintf("%s may %q %s", who, permission, at(resource)), held...)
	case len(held) == 0:
		return No(fmt.Sprintf("%s has no role %s, so not %q; %s", who, at(resource), permission, x.granterText(permission, resource)))
	}
	held = append(held, No(fmt.Sprintf("%q %s is missing; %s", permission, at(resource), x.granterText(permission, resource))))
	return Any(fmt.Sprintf("%s lacks %q %s", who, permission, at(resource)), held...)
}

func userText(u forge.User) string {
	if u.Login == "" {
		return u.Subject.String()
	}
	return fmt.Sprintf("%s (%s)", u.Login, u.Subject)
}

// unreadTeams are the teams that would have to be asked and cannot: the subject
// may be in one of them at the forge.
func (x *index) unreadTeams(asked permissionSet, resource string) []Reason {
	var reasons []Reason
	for _, name := range x.unread {
		gives := permissionSet(0)
		for _, r := range []string{resource, Everything} {
			for _, b := range x.places[r].teams[name] {
				gives |= b.gives
			}
		}
		if team := x.policy.Teams[name].Forge; gives&asked != 0 {
			reasons = append(reasons, No(fmt.Sprintf("team %q has nobody in it: who is in %s at %s is not known (%s)",
				name, team.Name, team.Host, team.Unread)))
		}
	}
	return reasons
}

func (x *index) bindingReason(b bound, who string, permission Permission, given bool) Reason {
	if !b.known {
		return No(fmt.Sprintf("binding %q names an unknown role %q", b.Name, b.Role))
	}
	text := "role " + b.Role + " on " + b.Resource + " (binding " + strconv.Quote(b.Name)
	if b.Team != "" {
		text += " through team " + strconv.Quote(b.Team)
		if team := x.policy.Teams[b.Team].Forge; team != nil {
			text += ", which is " + team.Name + " at " + team.Host
		}
	}
	text += ")"
	if given {
		return Yes(text + " allows it")
	}
	return No(who + " has " + text + ", which does not include " + strconv.Quote(string(permission)))
}

// granterText says who can grant the permission on the resource: who manages
// bindings there and holds it, on the resource itself or on everything. It names
// nobody and nothing of any other environment.
func (x *index) granterText(permission Permission, resource string) string {
	var options []string
	kind, name, _ := ParseResource(resource)
	everywhere := x.people(permission, Everything)
	var local []string
	if resource != Everything {
		local = x.people(permission, resource)
	}
	admin := map[Kind]string{OnEnvironment: "environment-admin", OnTeam: "team-admin"}[kind]
	switch role, _ := PredefinedRole(admin); {
	case role.Includes(permission, kind):
		article := map[bool]string{true: "an ", false: "a "}[kind == OnEnvironment]
		options = append(options, article+admin+" of "+name+list(local))
	case len(local) > 0:
		options = append(options, strings.Join(local, " or "))
	}
	options = append(options, "a "+ServerAdmin+list(everywhere))
	text := strings.Join(options, " or ") + " can grant it"
	if len(local) == 0 && len(everywhere) == 0 {
		text += " (nobody is one yet: whoever runs the server can, with coderflow apply)"
	}
	return text
}

// people are who can grant the permission by a binding on exactly this resource.
func (x *index) people(permission Permission, resource string) []string {
	names := x.granters[grant{permission, resource}]
	if len(names) > maxShownPeople {
		return append(slices.Clone(names[:maxShownPeople]), "others")
	}
	return names
}

func list(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return " (" + strings.Join(names, ", ") + ")"
}

// Holder is somebody who holds a permission on a resource, and by what.
type Holder struct {
	Subject  forge.Subject `json:"subject"`
	Login    string        `json:"login,omitempty"`
	Role     string        `json:"role"`
	Resource string        `json:"resource"`
	Binding  string        `json:"binding"`
	Team     string        `json:"team,omitempty"`
	// ForgeTeam is where the team's members are read, "ORGANIZATION/TEAM".
	ForgeTeam string `json:"forgeTeam,omitempty"`
}

// Who lists everybody who holds the permission on the resource, once for each
// binding that gives it, ordered by subject.
func (p *Policy) Who(permission Permission, resource string) ([]Holder, error) {
	x := p.index()
	kind, name, err := ParseResource(resource)
	switch {
	case err != nil:
		return nil, err
	case !x.exists(resource):
		return nil, fmt.Errorf("there is no %s %q", kind, name)
	case !permission.On(kind):
		return nil, fmt.Errorf("%q means nothing %s", permission, at(resource))
	}
	var holders []Holder
	for i := range p.Bindings {
		b := &p.Bindings[i]
		role := x.roles[b.Role]
		if (b.Resource != resource && b.Resource != Everything) || !role.Includes(permission, kindOf(b.Resource)) ||
			withheld(b)&setOf([]Permission{permission}) != 0 {
			continue
		}
		h := Holder{Subject: b.Subject, Login: b.Login, Role: b.Role, Resource: b.Resource, Binding: b.Name, Team: b.Team}
		if b.Team == "" {
			holders = append(holders, h)
		}
		if team := p.Teams[b.Team].Forge; team != nil {
			h.ForgeTeam = team.Name
		}
		for _, m := range p.Teams[b.Team].people() {
			h.Subject, h.Login = m.Subject, m.Login
			holders = append(holders, h)
		}
	}
	slices.SortStableFunc(holders, func(a, b Holder) int { return cmp.Compare(a.Subject.String(), b.Subject.String()) })
	return holders, nil
}

// AllRoles lists the predefined roles, then the custom ones by name.
func (p *Policy) AllRoles() []Role {
	list := PredefinedRoles()
	for _, name := range sortedKeys(p.Roles) {
		if !Shadows(name) {
			list = append(list, p.Roles[name].clone())
		}
	}
	return list
}

// serverAdmins are the people to whom, or to whose team, server-admin is bound.
func serverAdmins(p *Policy) []forge.Subject {
	var admins []forge.Subject
	for _, b := range p.Bindings {
		if b.Role != ServerAdmin || b.Resource != Everything {
			continue
		}
		if b.Team == "" && isHuman(b.Subject) {
			admins = append(admins, b.Subject)
		}
		for _, m := range p.Teams[b.Team].people() {
			admins = append(admins, m.Subject)
		}
	}
	return admins
}

// adminsKept says what keeps the server from having no admin: 2 a person who is
// named, 1 a team at the forge, 0 nothing.
func adminsKept(p *Policy) (kept int) {
	for _, b := range p.Bindings {
		if b.Role != ServerAdmin || b.Resource != Everything {
			continue
		}
		team := p.Teams[b.Team]
		switch {
		case b.Team == "" && isHuman(b.Subject), len(team.listed()) > 0:
			return 2
		case team.Forge != nil:
			kept = 1
		}
	}
	return kept
}
