package contract

import (
	"fmt"
	"strings"
)

// correction mends one place of the REST description that is plainly wrong, where an exception would have to let
// more pass than is meant. It fails when the description does not have the mistake any more.
type correction struct {
	keys   []string // where the schema is
	mend   func(schema map[string]any) bool
	reason string
}

var corrections = []correction{
	{
		keys: []string{"paths", "/app/installations", "get", "responses", "200", "content", "application/json", "schema", "items", "properties", "account"},
		mend: anyOfInsteadOfAllOf,
		reason: "an installation's account would have to be a user and an enterprise at once; the description of a " +
			"single installation says anyOf",
	},
	{
		keys: []string{"paths", "/repos/{owner}/{repo}/issues/{issue_number}/labels", "post", "requestBody", "content", "application/json", "schema"},
		mend: alsoPlainNames,
		reason: "GitHub takes a plain array of names, too, as earlier versions of the description say and go-github " +
			"sends it",
	},
}

func anyOfInsteadOfAllOf(schema map[string]any) bool {
	all, ok := schema["allOf"]
	if ok {
		delete(schema, "allOf")
		schema["anyOf"] = all
	}
	return ok
}

func alsoPlainNames(schema map[string]any) bool {
	options, ok := schema["oneOf"].([]any)
	if !ok || len(options) != 1 {
		return false
	}
	names := map[string]any{"type": "array", "items": map[string]any{"type": "string"}}
	schema["oneOf"] = append(options, names)
	return true
}

// correct applies all corrections to the REST description.
func correct(doc map[string]any) error {
	for _, c := range corrections {
		node := object(doc, c.keys...)
		if node == nil || !c.mend(node) {
			return fmt.Errorf("a correction is not needed any more: %s (%s)", strings.Join(c.keys, " "), c.reason)
		}
	}
	return nil
}

// allowDefaults lets an empty text pass where the description gives it as the default of a text with a format:
// deployment statuses without an address have "environment_url": "".
func allowDefaults(value any) {
	switch value := value.(type) {
	case map[string]any:
		if format, ok := value["format"]; ok && value["default"] == "" {
			delete(value, "format")
			value["anyOf"] = []any{map[string]any{"const": ""}, map[string]any{"format": format}}
		}
		for _, child := range value {
			allowDefaults(child)
		}
	case []any:
		for _, child := range value {
			allowDefaults(child)
		}
	}
}
