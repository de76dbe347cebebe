package manifest

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/policy"
	sy "github.com/coderflow/coderflow/internal/strictyaml"
)

// placed is an object and the document it was read from.
type placed[T any] struct {
	value T
	doc   *sy.Document
}

// builder collects objects and everything that is wrong with them.
type builder struct {
	environments []placed[Environment]
	profiles     []placed[deploy.Profile]
	roles        []placed[policy.Role]
	teams        []placed[Team]
	bindings     []placed[Binding]
	providers    []placed[GitProvider]
	problems     []*sy.Problem
	// lookup asks the forge who has a login; nil: it cannot be asked.
	lookup *asker
}

func (b *builder) add(problems ...*sy.Problem) { b.problems = append(b.problems, problems...) }

// reporter reports mistakes of one document, one for each key: a value that
// could not be decoded needs no second complaint about its zero value.
type reporter struct {
	b        *builder
	doc      *sy.Document
	reported map[string]bool
}

func (b *builder) reporter(d *sy.Document, decoded []*sy.Problem) *reporter {
	r := &reporter{b: b, doc: d, reported: map[string]bool{}}
	for _, p := range decoded {
		r.reported[p.Path] = true
	}
	b.add(decoded...)
	return r
}

func (r *reporter) wrong(path, format string, args ...any) {
	for above := path; above != ""; above = above[:max(strings.LastIndexAny(above, ".["), 0)] {
		if r.reported[above] {
			return
		}
	}
	for reported := range r.reported { // "metadata" missing is reported, not each key in it
		if strings.HasPrefix(path, reported+".") {
			return
		}
	}
	r.reported[path] = true
	r.b.add(r.doc.Problem(path, format, args...))
}

// set checks what concerns several objects and returns the finished set.
func (b *builder) set() (*Set, error) {
	s := &Set{
		Environments: map[string]Environment{}, Profiles: map[string]map[string]deploy.Profile{},
		Roles: map[string]policy.Role{}, Teams: map[string]Team{}, Providers: map[string]GitProvider{}, policies: &policies{},
	}
	folded := map[string]string{}
	for _, e := range b.environments {
		if other, taken := folded[strings.ToLower(e.value.Name)]; taken && e.value.Name != "" {
			b.add(e.doc.Problem("metadata.name", "environment %q is already defined (as %q); case does not tell them apart, as their labels would be the same", e.value.Name, other))
		}
		folded[strings.ToLower(e.value.Name)] = e.value.Name
		s.Environments[e.value.Name] = e.value
	}
	b.checkLabels()
	b.addProfiles(s)
	b.addRoles(s)
	b.addTeams(s)
	b.addBindings(s)
	b.addProviders(s)
	b.checkGates(s)
	b.checkStanding(s)
	if err := sy.Join(b.problems); err != nil {
		return nil, err
	}
	s.normalize()
	if err := s.seal(); err != nil {
		return nil, err
	}
	return s, nil
}

// checkLabels refuses two environments that the same label would start for the
// same repository, unless it is the default label, which then needs --env.
func (b *builder) checkLabels() {
	type use struct{ repository, label string }
	first := map[use]string{}
	for _, e := range b.environments {
		for i, r := range e.value.Repositories {
			u := use{r.Ref().Key(), strings.ToLower(e.value.Label)}
			if other, taken := first[u]; taken && u.label != defaultEnvironment().Label {
				b.add(e.doc.Problem("spec.label", "environment %q has the same label for the repository %s", other, e.value.Repositories[i].Name))
				break
			}
			first[u] = e.value.Name
		}
	}
}

func (b *builder) addProfiles(s *Set) {
	for _, p := range b.profiles {
		environment := p.value.Environment
		if _, known := s.Environments[environment]; !known && environment != "" {
			b.add(p.doc.Problem("metadata.environment", "there is no environment %q%s", environment, sy.Nearest(environment, s.environmentNames())))
		}
		if _, twice := s.Profiles[environment][p.value.Name]; twice && p.value.Name != "" {
			b.add(p.doc.Problem("metadata.name", "environment %q already has a profile %q", environment, p.value.Name))
		}
		if s.Profiles[environment] == nil {
			s.Profiles[environment] = map[string]deploy.Profile{}
		}
		s.Profiles[environment][p.value.Name] = p.value
	}
}

// normalize orders what has no order, so that it does not change the version.
func (s *Set) normalize() {
	for name, e := range s.Environments {
		slices.SortFunc(e.Repositories, func(a, b Repository) int { return cmp.Compare(a.Ref().Key(), b.Ref().Key()) })
		slices.Sort(e.BaseBranches)
		s.Environments[name] = e
	}
	for name, r := range s.Roles {
		r.Permissions = slices.Sorted(slices.Values(r.Permissions))
		s.Roles[name] = r
	}
	for name, t := range s.Teams {
		slices.SortFunc(t.Members, func(a, b Principal) int { return cmp.Compare(a.String(), b.String()) })
		s.Teams[name] = t
	}
	for name, p := range s.Providers {
		slices.SortFunc(p.Repositories, func(a, b Repository) int { return cmp.Compare(a.Ref().Key(), b.Ref().Key()) })
		slices.Sort(p.Operations)
		s.Providers[name] = p
	}
	slices.SortFunc(s.Bindings, func(a, b Binding) int { return cmp.Compare(a.Name, b.Name) })
}

func (s *Set) environmentNames() []string { return slices.Sorted(maps.Keys(s.Environments)) }
