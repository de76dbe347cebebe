package manifest

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	sy "github.com/coderflow/coderflow/internal/strictyaml"
)

// Key names an object. Environment is that of a profile, whose Name may also be
// ENVIRONMENT/NAME.
type Key struct {
	Kind        string `json:"kind"`
	Name        string `json:"name"`
	Environment string `json:"environment,omitempty"`
}

// place is where [Object] has the same.
func (k Key) place() (kind, name string, err error) {
	if kind, err = kindNamed(k.Kind); err != nil {
		return "", "", err
	}
	if kind == KindDeploymentProfile && k.Environment != "" {
		return kind, k.Environment + "/" + k.Name, nil
	}
	return kind, k.Name, nil
}

// Edit changes some objects of a set and leaves the rest.
type Edit struct {
	Files  map[string][]byte // each object takes the place of that of its kind and name
	Delete []Key
	// Sees tells what of the set its author may see; nil: everything. Problems say
	// nothing of other objects, and of other environments not that they exist.
	Sees func(kind, name string) bool
}

// Merge returns the set after the edit. It is checked as a whole, so that an
// object that others name cannot go without them. The error has every problem.
func Merge(ctx context.Context, r Resolver, set *Set, e Edit) (*Set, error) {
	m := &merge{builder: builder{lookup: lookup(ctx, r)}, edit: e, gone: map[string]bool{}, given: map[string]bool{}}
	docs, err := m.parse(e.Files)
	if err != nil {
		return nil, err
	}
	objects, err := set.Objects()
	if err != nil {
		return nil, err
	}
	m.remove(objects)
	for _, d := range docs {
		m.take(d)
	}
	m.checkReferences()
	if len(docs)+len(e.Delete)+len(m.problems) == 0 {
		m.add(&sy.Problem{Text: "nothing is given"})
	}
	if err := sy.Join(m.problems); err != nil {
		return nil, err // of what is given alone
	}
	if err := m.keep(objects); err != nil {
		return nil, err
	}
	after, err := m.set()
	if len(m.problems) > 0 {
		return nil, sy.Join(m.shown(objects))
	}
	return after, err
}

// merge is an edit on its way.
type merge struct {
	builder
	edit        Edit
	gone, given map[string]bool // KIND NAME
}

func (m *merge) sees(kind, name string) bool { return m.edit.Sees == nil || m.edit.Sees(kind, name) }

// remove notes what goes. What the author may not see is not there.
func (m *merge) remove(objects []Object) {
	there := byKey(objects)
	for _, key := range m.edit.Delete {
		kind, name, err := key.place()
		if err != nil {
			m.add(&sy.Problem{File: "delete", Text: err.Error()})
			continue
		}
		if _, known := there[kind+" "+name]; !known || !m.sees(kind, name) {
			m.add(&sy.Problem{File: "delete", Text: fmt.Sprintf("there is no %s %q in force, or you may not see it", kind, name)})
		}
		m.gone[kind+" "+name] = true
	}
}

// take reads a document that is given.
func (m *merge) take(d *sy.Document) {
	var outline envelope[struct {
		Name        string `yaml:"name"`
		Environment string `yaml:"environment"`
	}, any]
	d.Decode(&outline) // its problems are found again below
	kind, name := outline.Kind, outline.Metadata.Name
	if kind == KindDeploymentProfile {
		name = outline.Metadata.Environment + "/" + name
	}
	if key := kind + " " + name; m.gone[key] {
		m.add(d.Problem("metadata.name", "%s %q is given and is to be deleted", kind, name))
	} else {
		m.given[key] = true
	}
	m.read(d)
}

// checkReferences refuses the name of an environment that is neither given nor
// one that the author sees, in the same words whether or not it exists.
func (m *merge) checkReferences() {
	known := func(name string) bool { return m.given[KindEnvironment+" "+name] || m.sees(KindEnvironment, name) }
	const words = "there is no environment %q, or you may not see it"
	for _, p := range m.profiles {
		if name := p.value.Environment; name != "" && !known(name) {
			m.add(p.doc.Problem("metadata.environment", words, name))
		}
	}
	for _, b := range m.bindings {
		if name, is := strings.CutPrefix(b.value.Resource, "environment/"); is && !known(name) {
			m.add(b.doc.Problem("spec.resource", words, name))
		}
	}
}

// inForce begins the name of a document that was not given.
const inForce = "in force: "

// keep reads again what stays as it is.
func (m *merge) keep(objects []Object) error {
	for _, o := range objects {
		key := o.Kind + " " + o.Name
		if m.given[key] || m.gone[key] {
			continue
		}
		docs, err := sy.Parse(inForce+key, YAML([]Object{o}))
		if err != nil {
			return fmt.Errorf("read what is in force again: %w", err)
		}
		for _, d := range docs {
			m.read(d)
		}
	}
	return nil
}

// shown are the problems without what the author may not see.
func (m *merge) shown(objects []Object) []*sy.Problem {
	if m.edit.Sees == nil {
		return m.problems
	}
	unseen := map[string]bool{}
	var names []string
	for _, o := range objects {
		if !m.sees(o.Kind, o.Name) {
			unseen[inForce+o.Kind+" "+o.Name] = true
			names = append(names, strconv.Quote(o.Name[strings.Index(o.Name, "/")+1:]), `"…"`)
		}
	}
	mask := strings.NewReplacer(names...)
	var list []*sy.Problem
	hidden := 0
	for _, p := range m.problems {
		if unseen[p.File] {
			hidden++
			continue
		}
		masked := *p
		for _, hint := range []string{"; did you mean ", " (known: "} {
			masked.Text, _, _ = strings.Cut(masked.Text, hint)
		}
		masked.Text = mask.Replace(masked.Text)
		list = append(list, &masked)
	}
	if hidden > 0 {
		list = append(list, &sy.Problem{Text: fmt.Sprintf("%d objects in force that you may not see would have no meaning any more", hidden)})
	}
	return list
}

// Problems are the single problems of an error of [ParseWith] or [Merge].
func Problems(err error) []string {
	var texts []string
	for _, problem := range unjoin(err) {
		texts = append(texts, problem.Error())
	}
	return texts
}
