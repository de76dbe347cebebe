package contract

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// dialect tells how a document writes a value that may be null.
type dialect int

const (
	openAPI30 dialect = iota // "nullable": true
	openAPI31                // JSON Schema itself: "type": ["string", "null"]
)

// schemas compiles the schemas of one document as they are asked for; compiling all of them takes seconds, a test
// needs a dozen. It is safe for concurrent use.
type schemas struct {
	doc      map[string]any
	mu       sync.Mutex
	compiler *jsonschema.Compiler
	compiled map[string]*jsonschema.Schema
}

const documentURL = "https://contract.invalid/description.json"

func newSchemas(doc map[string]any, written dialect) (*schemas, error) {
	if written == openAPI30 {
		spellNull(doc)
	}
	allowDefaults(doc)
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.RegisterFormat(&jsonschema.Format{Name: "uri-template", Validate: form("URI template", templateForm)})
	compiler.RegisterFormat(&jsonschema.Format{Name: "email", Validate: form("e-mail address", emailForm)})
	compiler.AssertFormat()
	if err := compiler.AddResource(documentURL, doc); err != nil {
		return nil, fmt.Errorf("loading the description: %w", err)
	}
	return &schemas{doc: doc, compiler: compiler, compiled: map[string]*jsonschema.Schema{}}, nil
}

// The library's own checks of these formats refuse what GitHub means by them.
var (
	// templateForm is a URI with expressions of RFC 6570, such as {/sha} and {?since,all}.
	templateForm = regexp.MustCompile(`^[a-z]+://([^{}\s]|\{[+#./;?&]?[\w.,*:]+\})*$`)
	// emailForm has the addresses of Apps: 41898282+github-actions[bot]@users.noreply.github.com.
	emailForm = regexp.MustCompile(`^[^@\s]+@[^@\s]+$`)
)

func form(name string, pattern *regexp.Regexp) func(any) error {
	return func(value any) error {
		if text, ok := value.(string); ok && !pattern.MatchString(text) {
			return errors.New("not of the form of a " + name)
		}
		return nil
	}
}

// at compiles the schema at a path of keys in the document.
func (s *schemas) at(keys ...string) (*jsonschema.Schema, error) {
	pointer := pointerTo(keys)
	s.mu.Lock()
	defer s.mu.Unlock()
	if schema, ok := s.compiled[pointer]; ok {
		return schema, nil
	}
	schema, err := s.compiler.Compile(documentURL + "#" + fragment.Replace(pointer))
	if err != nil {
		return nil, fmt.Errorf("compiling the schema at %s: %w", pointer, err)
	}
	s.compiled[pointer] = schema
	return schema, nil
}

// fragment escapes what a JSON pointer may hold and a URL fragment may not.
var fragment = strings.NewReplacer("%", "%25", "{", "%7B", "}", "%7D", " ", "%20", "+", "%2B")

func pointerTo(keys []string) string {
	var b strings.Builder
	for _, key := range keys {
		b.WriteByte('/')
		b.WriteString(strings.NewReplacer("~", "~0", "/", "~1").Replace(key))
	}
	return b.String()
}

// resolve follows a $ref to its component; the keys lead there.
func resolve(doc map[string]any, node map[string]any, keys []string) (map[string]any, []string) {
	for range 8 {
		ref, ok := node["$ref"].(string)
		if !ok {
			return node, keys
		}
		keys = strings.Split(strings.TrimPrefix(ref, "#/"), "/")
		node = object(doc, keys...)
	}
	return node, keys
}

// object walks down objects; a missing key ends in nil, which reads as an empty object.
func object(node map[string]any, keys ...string) map[string]any {
	for _, key := range keys {
		node, _ = node[key].(map[string]any)
	}
	return node
}

// isTrue says whether the key is there and is the JSON value true.
func isTrue(node map[string]any, key string) bool {
	value, _ := node[key].(bool)
	return value
}

// spellNull turns OpenAPI 3.0's "nullable" into the type "null" of JSON Schema, below value.
func spellNull(value any) {
	switch value := value.(type) {
	case map[string]any:
		for _, child := range value {
			spellNull(child)
		}
		if isTrue(value, "nullable") {
			allowNull(value)
		}
	case []any:
		for _, child := range value {
			spellNull(child)
		}
	}
}

func allowNull(schema map[string]any) {
	delete(schema, "nullable")
	null := map[string]any{"type": "null"}
	if kind, ok := schema["type"].(string); ok {
		schema["type"] = []any{kind, "null"}
	}
	if enum, ok := schema["enum"].([]any); ok && !slices.Contains(enum, nil) {
		schema["enum"] = append(slices.Clone(enum), nil)
	}
	for _, choice := range []string{"anyOf", "oneOf"} {
		if options, ok := schema[choice].([]any); ok {
			schema[choice] = append(slices.Clone(options), null)
		}
	}
	if all, ok := schema["allOf"]; ok {
		delete(schema, "allOf")
		schema["anyOf"] = []any{map[string]any{"allOf": all}, null}
	}
}

// fault is one place where a value does not fit its schema.
type fault struct {
	pointer string // JSON pointer into the value, "" is the whole value
	message string
}

// check holds a JSON text against a schema.
func check(schema *jsonschema.Schema, text []byte) []fault {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return []fault{{message: "is not JSON: " + err.Error()}}
	}
	return checkValue(schema, value)
}

func checkValue(schema *jsonschema.Schema, value any) []fault {
	err := schema.Validate(value)
	var invalid *jsonschema.ValidationError
	if errors.As(err, &invalid) {
		return leaves(invalid, message.NewPrinter(language.English), nil)
	}
	if err != nil {
		return []fault{{message: err.Error()}}
	}
	return nil
}

// leaves are the innermost causes: they name the place, what encloses them only says that something is wrong.
func leaves(e *jsonschema.ValidationError, printer *message.Printer, found []fault) []fault {
	at := pointerTo(e.InstanceLocation)
	if missing, ok := e.ErrorKind.(*kind.Required); ok {
		for _, name := range missing.Missing {
			found = append(found, fault{at + pointerTo([]string{name}), "is required and missing"})
		}
		return found
	}
	if len(e.Causes) == 0 {
		return append(found, fault{at, e.ErrorKind.LocalizedString(printer)})
	}
	for _, cause := range e.Causes {
		found = leaves(cause, printer, found)
	}
	return found
}

// unknownKeys are the keys of a request body that no branch of its schema names. The description forbids almost no
// keys, and GitHub ignores those that it does not know: a misspelt one would be lost without a word.
func (s *schemas) unknownKeys(schema map[string]any, text []byte) []string {
	var body map[string]json.RawMessage
	if json.Unmarshal(text, &body) != nil {
		return nil
	}
	known := map[string]bool{}
	if !s.namedKeys(schema, known) {
		return nil
	}
	var unknown []string
	for key := range body {
		if !known[key] {
			unknown = append(unknown, key)
		}
	}
	slices.Sort(unknown)
	return unknown
}

// namedKeys adds the properties of a schema and its branches; false if none are named anywhere.
func (s *schemas) namedKeys(schema map[string]any, known map[string]bool) bool {
	schema, _ = resolve(s.doc, schema, nil)
	for key := range object(schema, "properties") {
		known[key] = true
	}
	for _, choice := range []string{"allOf", "anyOf", "oneOf"} {
		options, _ := schema[choice].([]any)
		for _, option := range options {
			if branch, ok := option.(map[string]any); ok {
				s.namedKeys(branch, known)
			}
		}
	}
	return len(known) > 0
}
