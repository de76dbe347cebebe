package contract

import (
	"fmt"
	"strings"
	"sync"
)

// Grant is one permission of a GitHub App at one level.
type Grant struct {
	Permission string // such as "pull_requests"
	Level      string // "read" or "write"
}

// Permission returns the permission and level that an App needs for an operation: the first of [Needs]. Both are
// empty for what needs none. The path is as in the description or as requested; ok is false for what is not in
// permissions.txt.
func Permission(method, path string) (permission, level string, ok bool) {
	needs, ok := Needs(method, path)
	if !ok || len(needs) == 0 {
		return "", "", ok
	}
	return needs[0][0].Permission, needs[0][0].Level, true
}

// Needs returns the sets of grants of which an App must hold one completely; none for an operation that needs no
// grant. A GraphQL mutation is asked for as method "GRAPHQL" with its name as path.
func Needs(method, path string) (sets [][]Grant, ok bool) {
	table, err := permissionTable()
	if err != nil {
		panic(err) // the embedded file is wrong, which the tests of this package exclude
	}
	if sets, ok := table[method+" "+path]; ok {
		return sets, true
	}
	published, err := load()
	if err != nil {
		panic(err)
	}
	op, _ := published.routes.find(method, describedPath(path))
	if op == nil {
		return nil, false
	}
	sets, ok = table[op.method+" "+op.path]
	return sets, ok
}

// Satisfied tells whether an App with these permissions (name → level) may call an operation.
func Satisfied(method, path string, granted map[string]string) bool {
	sets, ok := Needs(method, path)
	if !ok {
		return false
	}
	for _, set := range sets {
		held := true
		for _, need := range set {
			held = held && (granted[need.Permission] == need.Level || granted[need.Permission] == "write")
		}
		if held {
			return true
		}
	}
	return len(sets) == 0
}

var permissionTable = sync.OnceValues(func() (map[string][][]Grant, error) {
	lines, err := rows("permissions.txt")
	if err != nil {
		return nil, err
	}
	table := map[string][][]Grant{}
	for _, line := range lines {
		fields := strings.Fields(line)
		if len(fields) < 3 {
			return nil, fmt.Errorf("permissions.txt: %q is no row", line)
		}
		sets, err := parseNeeds(fields[2:])
		if err != nil {
			return nil, fmt.Errorf("permissions.txt: %q: %w", line, err)
		}
		table[fields[0]+" "+fields[1]] = sets
	}
	return table, nil
})

func parseNeeds(fields []string) ([][]Grant, error) {
	if fields[0] == "app" || fields[0] == "none" {
		return nil, nil
	}
	var sets [][]Grant
	for _, field := range fields {
		var set []Grant
		for part := range strings.SplitSeq(field, "+") {
			permission, level, ok := strings.Cut(part, ":")
			if !ok || (level != "read" && level != "write") {
				return nil, fmt.Errorf("%q is no permission:level", part)
			}
			set = append(set, Grant{permission, level})
		}
		sets = append(sets, set)
	}
	return sets, nil
}
