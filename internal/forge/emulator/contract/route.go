package contract

import (
	"fmt"
	"net/url"
	"strings"
)

// operation is one row of operations.txt with what the description says of it.
type operation struct {
	id       string // GitHub's operationId, such as "pulls/create"
	method   string
	path     string // the template
	segments []segment
	spec     map[string]any
	keys     []string // where spec is in the document

	parameters []parameter
}

// segment is one step of a path template; param is empty for a literal. A wide parameter may hold slashes, as the
// description marks them with x-multi-segment: a ref, a path of a file.
type segment struct {
	literal, param string
	wide           bool
}

// routes finds the operation of a request.
type routes map[string][]*operation // by method

func newRoutes(doc map[string]any) (routes, error) {
	list, err := rows("operations.txt")
	if err != nil {
		return nil, err
	}
	found := routes{}
	for _, row := range list {
		method, path, _ := strings.Cut(row, " ")
		keys := []string{"paths", path, strings.ToLower(method)}
		spec := object(doc, keys...)
		if spec == nil {
			return nil, fmt.Errorf("operations.txt: %s is not in data/rest.json.gz: run the trim program", row)
		}
		id, _ := spec["operationId"].(string)
		op := &operation{id: id, method: method, path: path, spec: spec, keys: keys, parameters: parametersOf(doc, keys)}
		op.segments = template(path, op.parameters)
		found[method] = append(found[method], op)
	}
	return found, nil
}

func template(path string, parameters []parameter) []segment {
	wide := map[string]bool{}
	for _, parameter := range parameters {
		wide[parameter.name] = parameter.wide
	}
	var segments []segment
	for part := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		if strings.HasPrefix(part, "{") {
			name := strings.Trim(part, "{}")
			segments = append(segments, segment{param: name, wide: wide[name]})
		} else {
			segments = append(segments, segment{literal: part})
		}
	}
	return segments
}

// find returns the operation with the most literal segments that matches, and the values of its path parameters.
func (r routes) find(method, escapedPath string) (*operation, map[string]string) {
	var best *operation
	var bestValues map[string]string
	parts := strings.Split(strings.Trim(escapedPath, "/"), "/")
	for _, op := range r[method] {
		values := map[string]string{}
		if match(op.segments, parts, values) && (best == nil || op.literals() > best.literals()) {
			best, bestValues = op, values
		}
	}
	return best, bestValues
}

func (op *operation) literals() int {
	n := 0
	for _, s := range op.segments {
		if s.literal != "" {
			n++
		}
	}
	return n
}

func match(segments []segment, parts []string, values map[string]string) bool {
	if len(segments) == 0 || len(parts) == 0 {
		return len(segments) == len(parts)
	}
	if first := segments[0]; first.literal != "" {
		return first.literal == parts[0] && match(segments[1:], parts[1:], values)
	}
	widest := 1
	if segments[0].wide {
		widest = len(parts)
	}
	for n := 1; n <= widest; n++ {
		value, err := url.PathUnescape(strings.Join(parts[:n], "/"))
		if err == nil && value != "" && match(segments[1:], parts[n:], values) {
			values[segments[0].param] = value
			return true
		}
	}
	return false
}
