package contract

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// parameter is one parameter of an operation as the description gives it.
type parameter struct {
	name     string
	in       string // "path" or "query"
	required bool
	wide     bool // may hold slashes
	kind     string
	keys     []string // where its schema is in the document
}

// parametersOf reads the parameters of the operation at keys.
func parametersOf(doc map[string]any, keys []string) []parameter {
	list, _ := object(doc, keys...)["parameters"].([]any)
	var found []parameter
	for i, item := range list {
		node, _ := item.(map[string]any)
		node, at := resolve(doc, node, append(slices.Clone(keys), "parameters", strconv.Itoa(i)))
		p := parameter{required: isTrue(node, "required"), wide: isTrue(node, "x-multi-segment")}
		p.name, _ = node["name"].(string)
		p.in, _ = node["in"].(string)
		p.kind, _ = object(node, "schema")["type"].(string)
		p.keys = append(slices.Clone(at), "schema")
		found = append(found, p)
	}
	return found
}

// checkParameters holds the values in a path and in a query against an operation's parameters.
func (s *schemas) checkParameters(op *operation, path map[string]string, query url.Values) ([]fault, error) {
	var faults []fault
	known := map[string]bool{}
	for _, p := range op.parameters {
		values := query[p.name]
		if p.in == "path" {
			values = []string{path[p.name]}
		} else if p.in == "query" {
			known[p.name] = true
		}
		if len(values) == 0 && p.required {
			faults = append(faults, fault{message: p.in + " parameter " + p.name + " is missing"})
		}
		for _, value := range values {
			found, err := s.checkParameter(p, value)
			if err != nil {
				return nil, err
			}
			faults = append(faults, found...)
		}
	}
	for name := range query {
		if !known[name] {
			faults = append(faults, fault{message: "query parameter " + name + " is unknown"})
		}
	}
	slices.SortFunc(faults, func(a, b fault) int { return strings.Compare(a.message, b.message) })
	return faults, nil
}

// checkParameter reads one value as the type that the description gives it, and holds it against the schema.
func (s *schemas) checkParameter(p parameter, text string) ([]fault, error) {
	schema, err := s.at(p.keys...)
	if err != nil {
		return nil, err
	}
	var value any = text
	switch p.kind {
	case "integer", "number":
		value = json.Number(text)
		if _, err := strconv.ParseFloat(text, 64); err != nil {
			value = text
		}
	case "boolean":
		if b, err := strconv.ParseBool(text); err == nil {
			value = b
		}
	}
	faults := checkValue(schema, value)
	for i := range faults {
		faults[i].message = fmt.Sprintf("%s parameter %s: %s", p.in, p.name, faults[i].message)
	}
	return faults, nil
}
