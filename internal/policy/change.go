package policy

import (
	"fmt"
	"slices"

	"github.com/coderflow/coderflow/internal/forge"
)

// Authority is in whose name the policy is changed. The zero value may nothing.
type Authority struct {
	User forge.User
	// Local is whoever runs a command on the server's machine, who owns the
	// database anyway. Only what would lock everybody out is refused to them.
	Local bool
}

// CheckChange tells whether the actor may put after in the place of before. What
// the actor may is judged by before alone, so nothing that the change itself
// gives counts for it. The reason has one branch for each object that changes.
//
// Together the rules see to it that nobody ends with a permission on a resource
// that whoever changed the policy did not hold there; see docs/access.md.
func CheckChange(actor Authority, before, after *Policy) Decision {
	return checkChange(changeRules, actor, before, after)
}

func checkChange(rules []changeRule, actor Authority, before, after *Policy) Decision {
	c := newChange(actor, before, after)
	for _, rule := range rules {
		if !actor.Local || rule.always {
			rule.check(c)
		}
	}
	if actor.Local {
		c.say("the change", Yes("it is made on the server's machine, by whoever runs the server"))
	}
	if len(c.order) == 0 {
		return before.decision(Yes("nothing changes"))
	}
	var objects []Reason
	for _, object := range c.order {
		objects = append(objects, All(object, c.found[object]...))
	}
	return before.decision(All("the change is permitted", objects...))
}

// changeRule is one thing that every change must satisfy.
type changeRule struct {
	name   string
	always bool // for whoever runs the server too
	check  func(*change)
}

// change is what is different between two policies, and what was found about it.
type change struct {
	actor         Authority
	before, after *Policy
	was, is       *index // of before and after

	roles        []string  // custom roles that differ, by name
	removed, put []Binding // a changed binding is both
	members      []membership
	environments []string // that differ in any way, by name

	order []string
	found map[string][]Reason
}

// membership is one person who joins or leaves a team.
type membership struct {
	team   string
	member Member
	joins  bool
}

func newChange(actor Authority, before, after *Policy) *change {
	c := &change{actor: actor, before: before, after: after, was: before.index(), is: after.index(), found: map[string][]Reason{}}
	for _, name := range unionKeys(before.Roles, after.Roles) {
		old, existed := before.Roles[name]
		now, exists := after.Roles[name]
		if existed != exists || old.Description != now.Description || !sameSet(old.Permissions, now.Permissions) {
			c.roles = append(c.roles, name)
		}
	}
	c.removed, c.put = without(before.Bindings, after.Bindings), without(after.Bindings, before.Bindings)
	for _, name := range unionKeys(before.Teams, after.Teams) {
		old, now := before.Teams[name].Members, after.Teams[name].Members
		for _, m := range without(old, now) {
			c.members = append(c.members, membership{name, m, false})
		}
		for _, m := range without(now, old) {
			c.members = append(c.members, membership{name, m, true})
		}
	}
	for _, name := range unionKeys(before.Environments, after.Environments) {
		if !sameEnvironment(before.Environments, after.Environments, name) {
			c.environments = append(c.environments, name)
		}
	}
	return c
}

// say notes a reason about an object.
func (c *change) say(object string, r Reason) {
	if _, known := c.found[object]; !known {
		c.order = append(c.order, object)
	}
	c.found[object] = append(c.found[object], r)
}

// needs notes whether the actor held the permission on the resource before the
// change. The resource may be one that the change makes.
func (c *change) needs(object string, permission Permission, resource, why string) {
	question := fmt.Sprintf("%s takes %q %s", why, permission, at(resource))
	if c.actor.User.Subject.IsZero() {
		c.say(object, No(question, No("it is not known who makes the change")))
		return
	}
	c.say(object, All(question, c.was.reason(c.actor.User, permission, resource)))
}

// needsAll is needs for everything that a role gives on a resource. Only what is
// missing is told one by one: a role has many permissions.
func (c *change) needsAll(object string, role Role, resource, why string) {
	missing := 0
	for _, permission := range role.On(kindOf(resource)) {
		if !c.was.holds(c.actor.User.Subject, permission, resource) {
			c.needs(object, permission, resource, why)
			missing++
		}
	}
	if missing == 0 {
		c.say(object, Yes(fmt.Sprintf("whoever makes the change holds all that role %q gives %s", role.Name, at(resource))))
	}
}

func unionKeys[V any](a, b map[string]V) []string {
	keys := sortedKeys(a)
	for _, k := range sortedKeys(b) {
		if _, both := a[k]; !both {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}

// without are the elements of a that b has not.
func without[T comparable](a, b []T) []T {
	in := make(map[T]bool, len(b))
	for _, v := range b {
		in[v] = true
	}
	var rest []T
	for _, v := range a {
		if !in[v] {
			rest = append(rest, v)
		}
	}
	return rest
}

func sameSet(a, b []Permission) bool { return len(without(a, b)) == 0 && len(without(b, a)) == 0 }

func sameEnvironment(before, after map[string]Environment, name string) bool {
	old, existed := before[name]
	now, exists := after[name]
	return existed == exists && sameConfiguration(old, now) && len(changedProfiles(old, now)) == 0
}

func sameConfiguration(a, b Environment) bool {
	return a.Configuration == b.Configuration && a.Gate == b.Gate && slices.Equal(a.Repositories, b.Repositories)
}

func changedProfiles(a, b Environment) []string {
	var changed []string
	for _, name := range unionKeys(a.Profiles, b.Profiles) {
		if a.Profiles[name] != b.Profiles[name] {
			changed = append(changed, name)
		}
	}
	return changed
}
