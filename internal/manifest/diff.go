package manifest

import (
	"fmt"
	"strings"
)

// Change is one object that differs between two sets.
type Change struct {
	Kind   string        `json:"kind"`
	Name   string        `json:"name"`
	Act    Act           `json:"act"`
	Fields []FieldChange `json:"fields,omitempty"` // of a changed one
}

// Act is what happens to an object.
type Act string

// The acts.
const (
	Added   Act = "added"
	Changed Act = "changed"
	Removed Act = "removed"
)

// FieldChange is one key whose value differs. An empty side has no such key.
type FieldChange struct {
	Path string `json:"path"`
	Old  string `json:"old"`
	New  string `json:"new"`
}

// Diff tells what putting after in the place of before changes, by kind, then
// name. Before may be nil: nothing is in force.
func Diff(before, after *Set) ([]Change, error) {
	var old []Object
	var err error
	if before != nil {
		if old, err = before.Objects(); err != nil {
			return nil, err
		}
	}
	now, err := after.Objects()
	if err != nil {
		return nil, err
	}
	was, is := byKey(old), byKey(now)
	var changes []Change
	for _, kind := range kinds {
		for _, o := range now {
			if _, existed := was[o.Kind+" "+o.Name]; o.Kind == kind && !existed {
				changes = append(changes, Change{Kind: kind, Name: o.Name, Act: Added})
			}
		}
		for _, o := range old {
			other, exists := is[o.Kind+" "+o.Name]
			switch fields := fieldChanges(o, other); {
			case o.Kind != kind:
			case !exists:
				changes = append(changes, Change{Kind: kind, Name: o.Name, Act: Removed})
			case len(fields) > 0:
				changes = append(changes, Change{Kind: kind, Name: o.Name, Act: Changed, Fields: fields})
			}
		}
	}
	return changes, nil
}

func byKey(objects []Object) map[string]Object {
	m := map[string]Object{}
	for _, o := range objects {
		m[o.Kind+" "+o.Name] = o
	}
	return m
}

func fieldChanges(old, now Object) []FieldChange {
	before, after := fields{values: map[string]string{}}, fields{values: map[string]string{}}
	before.walk("", old.body)
	after.walk("", now.body)
	var changes []FieldChange
	for _, path := range before.paths {
		if is, still := after.values[path]; !still || is != before.values[path] {
			changes = append(changes, FieldChange{Path: path, Old: before.values[path], New: is})
		}
	}
	for _, path := range after.paths {
		if _, was := before.values[path]; !was {
			changes = append(changes, FieldChange{Path: path, New: after.values[path]})
		}
	}
	return changes
}

// fields are the single values of an object by their path, in order. A list of
// single values is one value.
type fields struct {
	paths  []string
	values map[string]string
}

func (f *fields) put(path, value string) {
	f.paths = append(f.paths, path)
	f.values[path] = value
}

func (f *fields) walk(path string, n node) {
	switch v := n.(type) {
	case mapping:
		for _, e := range v {
			f.walk(strings.TrimPrefix(path+"."+e.key, "."), e.value)
		}
	case sequence:
		var singles []string
		for i, item := range v {
			if s, single := item.(scalarNode); single {
				singles = append(singles, s.text)
			} else {
				f.walk(fmt.Sprintf("%s[%d]", path, i), item)
			}
		}
		if len(singles) > 0 || len(v) == 0 {
			f.put(path, "["+strings.Join(singles, ", ")+"]")
		}
	case scalarNode:
		f.put(path, v.text)
	}
}
