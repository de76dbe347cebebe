package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

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
	return before.decision(All("who makes the change may make all of it", objects...))
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
	providers    []string // git providers that differ, by name

	order []string
	found map[string][]Reason
}

// membership is one person who joins or leaves a team, or a team at the forge
// that becomes the source of its members, or stops to be.
type membership struct {
	team   string
	member Member
	forge  *ForgeTeam // nil: a person
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
		c.members = append(c.members, memberships(name, before.Teams[name], after.Teams[name])...)
	}
	for _, name := range unionKeys(before.Environments, after.Environments) {
		if !sameEnvironment(before.Environments, after.Environments, name) {
			c.environments = append(c.environments, name)
		}
	}
	c.providers = changedHashes(before.Providers, after.Providers)
	return c
}

// changedHashes are the names with another hash, or with one on one side only.
func changedHashes(before, after map[string]string) []string {
	var changed []string
	for _, name := range unionKeys(before, after) {
		old, existed := before[name]
		now, exists := after[name]
		if existed != exists || old != now {
			changed = append(changed, name)
		}
	}
	return changed
}

// memberships are what differs between two versions of a team. Who is in a team at
// the forge is for that team's own managers: only which team it is counts here.
func memberships(name string, before, after Team) []membership {
	var differ []membership
	if !before.Forge.same(after.Forge) {
		if before.Forge != nil {
			differ = append(differ, membership{team: name, forge: before.Forge})
		}
		if after.Forge != nil {
			differ = append(differ, membership{team: name, forge: after.Forge, joins: true})
		}
	}
	old, now := before.listed(), after.listed()
	for _, m := range without(old, now) {
		differ = append(differ, membership{team: name, member: m})
	}
	for _, m := range without(now, old) {
		differ = append(differ, membership{team: name, member: m, joins: true})
	}
	return differ
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
	c.needsEach(object, []Permission{permission}, resource, why)
}

// needsAll is needs for everything that a role gives on a resource.
func (c *change) needsAll(object string, role Role, resource, why string) {
	c.needsEach(object, role.On(kindOf(resource)), resource, why)
}

// needsEach notes in one reason which of the permissions the actor lacks, and
// who can grant the first of them.
func (c *change) needsEach(object string, permissions []Permission, resource, why string) {
	who := c.actor.User
	if who.Subject.IsZero() {
		c.say(object, No("it is not known who makes the change"))
		return
	}
	var missing []Permission
	for _, permission := range permissions {
		if !c.was.holds(who.Subject, permission, resource) {
			missing = append(missing, permission)
		}
	}
	if len(missing) == 0 {
		c.say(object, Yes(fmt.Sprintf("%s takes %s %s, which %s holds", why, quoted(permissions), at(resource), userText(who))))
		return
	}
	c.say(object, No(fmt.Sprintf("%s takes %s %s, which %s does not hold; %s",
		why, quoted(missing), at(resource), userText(who), c.was.granterText(missing[0], resource))))
}

func quoted(permissions []Permission) string {
	if len(permissions) == 0 {
		return "nothing"
	}
	texts := make([]string, len(permissions))
	for i, p := range permissions {
		texts[i] = strconv.Quote(string(p))
	}
	return strings.Join(texts, ", ")
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
	return a.Configuration == b.Configuration && a.Gate.same(b.Gate) && slices.Equal(a.Repositories, b.Repositories)
}

func changedProfiles(a, b Environment) []string { return changedHashes(a.Profiles, b.Profiles) }
