package risk

import (
	"regexp"
	"strings"
)

// variables are the values that a script gives to its variables. One that gets
// several, or one that is not known before it runs, is unknown.
type variables map[string]string

const unknown = "\x00"

func (v variables) set(name, value string) {
	if before, known := v[name]; known && before != value || strings.ContainsAny(value, "$"+literal+"(") || value == "" {
		value = unknown
	}
	v[name] = value
}

// resolve puts the value of the variable with which a path begins in its place, if
// the value is known.
func (v variables) resolve(path string) string {
	if !strings.HasPrefix(path, "$") {
		return path
	}
	n := 1
	for n < len(path) && isWordByte(path[n]) && path[n] != '$' {
		n++
	}
	if value, known := v[path[1:n]]; known && value != unknown {
		return value + path[n:]
	}
	return path
}

var makeAssignment = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_]*)\s*[:?]*=\s*(.*?)\s*$`)

// noteMake notes the assignment that a line of a Makefile is.
func (v variables) noteMake(line []byte) {
	if m := makeAssignment.FindSubmatch(line[:min(len(line), 1000)]); m != nil {
		v.set(string(m[1]), string(m[2]))
	}
}
