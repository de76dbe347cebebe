package web

import (
	"bytes"
	"encoding/json"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/labstack/echo/v4"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// document is the API's description, and the schemas in it ready for use.
type document struct {
	root     map[string]any
	compiler *jsonschema.Compiler
	mu       sync.Mutex
}

const documentURL = "https://coderflow.test/openapi.json"

var published = sync.OnceValues(func() (*document, error) {
	asJSON, err := yaml.YAMLToJSON(description)
	if err != nil {
		return nil, err
	}
	root, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		return nil, err
	}
	d := &document{root: root.(map[string]any), compiler: jsonschema.NewCompiler()}
	d.compiler.DefaultDraft(jsonschema.Draft2020) // that of OpenAPI 3.1
	d.compiler.AssertFormat()
	return d, d.compiler.AddResource(documentURL, root)
})

// at follows keys, and a reference at the end of each step; it returns where it ended.
func (d *document) at(keys ...string) (any, []string) {
	var node any = d.root
	var where []string
	for _, key := range keys {
		m, _ := node.(map[string]any)
		node, where = m[key], append(where[:len(where):len(where)], key)
		if m, ok := node.(map[string]any); ok && m["$ref"] != nil {
			parts := strings.Split(strings.TrimPrefix(m["$ref"].(string), "#/"), "/")
			node, where = d.at(parts...)
		}
	}
	return node, where
}

func (d *document) check(t *testing.T, value any, keys []string) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	var pointer strings.Builder
	for _, key := range keys {
		pointer.WriteString("/" + url.PathEscape(strings.NewReplacer("~", "~0", "/", "~1").Replace(key)))
	}
	schema, err := d.compiler.Compile(documentURL + "#" + pointer.String())
	if err != nil {
		t.Fatalf("the description at %v: %v", keys, err)
	}
	if err := schema.Validate(value); err != nil {
		t.Errorf("an answer is not as described at %v: %v", keys, err)
	}
}

// operation finds the described path that a request's path is an instance of.
func (d *document) operation(r *http.Request) (path string, known bool) {
	paths, _ := d.at("paths")
	asked := strings.TrimPrefix(r.URL.Path, apiPrefix)
	if op, _ := d.at("paths", asked, strings.ToLower(r.Method)); op != nil { // one without parameters comes first
		return asked, true
	}
	for pattern := range paths.(map[string]any) {
		expression := "^" + regexp.MustCompile(`\\\{[a-z]+\\\}`).ReplaceAllString(regexp.QuoteMeta(pattern), "[^/]+") + "$"
		if op, _ := d.at("paths", pattern, strings.ToLower(r.Method)); op != nil && regexp.MustCompile(expression).MatchString(asked) {
			return pattern, true
		}
	}
	return "", false
}

// describe fails the test if the answer is not one that the description promises.
func describe(t *testing.T, r *http.Request, answer *httptest.ResponseRecorder) {
	t.Helper()
	d, err := published()
	if err != nil {
		t.Fatal(err)
	}
	path, known := d.operation(r)
	if !known {
		if answer.Code != http.StatusNotFound && answer.Code != http.StatusMethodNotAllowed {
			t.Errorf("%s %s is not described and answers %d", r.Method, r.URL.Path, answer.Code)
		}
		return
	}
	keys := []string{"paths", path, strings.ToLower(r.Method), "responses", strconv.Itoa(answer.Code)}
	response, where := d.at(keys...)
	if response == nil {
		t.Errorf("%s %s: the description has no status %d: %s", r.Method, path, answer.Code, answer.Body)
		return
	}
	d.headers(t, answer, where)
	media, _, _ := mime.ParseMediaType(answer.Header().Get(echo.HeaderContentType))
	content, _ := d.at(append(where, "content", media)...)
	if content == nil {
		t.Errorf("%s %s: %d has the type %q", r.Method, path, answer.Code, media)
		return
	}
	var value any = answer.Body.String()
	if media == echo.MIMEApplicationJSON {
		if value, err = jsonschema.UnmarshalJSON(bytes.NewReader(answer.Body.Bytes())); err != nil {
			t.Errorf("%s %s: %v", r.Method, path, err)
			return
		}
	}
	d.check(t, value, append(where, "content", media, "schema"))
}

func (d *document) headers(t *testing.T, answer *httptest.ResponseRecorder, where []string) {
	t.Helper()
	headers, _ := d.at(append(where, "headers")...)
	described, _ := headers.(map[string]any)
	for name := range described {
		_, at := d.at(append(where, "headers", name)...)
		text := answer.Header().Get(name)
		if text == "" {
			t.Errorf("the answer %d has no header %s", answer.Code, name)
			continue
		}
		var value any = text
		if schema, _ := d.at(append(at, "schema")...); schema.(map[string]any)["type"] != "string" {
			if err := json.Unmarshal([]byte(text), &value); err != nil {
				t.Errorf("header %s: %v", name, err)
			}
			if n, isNumber := value.(float64); isNumber {
				value = json.Number(strconv.FormatInt(int64(n), 10))
			}
		}
		d.check(t, value, append(at, "schema"))
	}
}

// Every route is described and every description is a route, with the same
// permission and the same parameters.
func TestTheDescriptionAndTheServerAgree(t *testing.T) {
	t.Parallel()
	d, err := published()
	if err != nil {
		t.Fatal(err)
	}
	described := map[string]bool{}
	paths, _ := d.at("paths")
	for path, item := range paths.(map[string]any) {
		for method := range item.(map[string]any) {
			described[strings.ToUpper(method)+" "+path] = true
		}
	}
	s := newServer(Options{API: &API{}})
	routes := map[string]bool{"GET /openapi.yaml": true, "GET /auth": true, "POST /auth/device": true, "POST /auth/device/token": true}
	for _, row := range s.apiRows() {
		path := regexp.MustCompile(`:([a-z]+)`).ReplaceAllString(row.path, "{$1}")
		routes[row.method+" "+path] = true
		keys := []string{"paths", path, strings.ToLower(row.method)}
		if said, _ := d.at(append(keys, "x-permission")...); row.permission != "" && said != string(row.permission) || row.permission == "" && said != nil {
			t.Errorf("%s %s takes %q, described is %v", row.method, path, row.permission, said)
		}
		d.sameParameters(t, row, keys)
	}
	for name := range routes {
		if !described[name] {
			t.Errorf("%s is not described", name)
		}
	}
	for name := range described {
		if !routes[name] {
			t.Errorf("%s is described and not there", name)
		}
	}
}

func (d *document) sameParameters(t *testing.T, row apiRow, keys []string) {
	t.Helper()
	list, _ := d.at(append(keys, "parameters")...)
	parameters, _ := list.([]any)
	var said []string
	for _, p := range parameters {
		if m := p.(map[string]any); m["in"] == "query" {
			said = append(said, m["name"].(string))
		}
	}
	if strings.Join(said, ",") != strings.Join(row.query, ",") {
		t.Errorf("%s %s takes %v, described are %v", row.method, row.path, row.query, said)
	}
}

func TestTheDescriptionIsForEverybody(t *testing.T) {
	t.Parallel()
	w := newAPIWorld(t, Limits{})
	if answer := w.ask(http.MethodGet, "/openapi.yaml", ""); answer.Code != http.StatusOK || answer.Body.String() != string(description) {
		t.Errorf("%d", answer.Code)
	}
}
