package manifest

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	yaml "github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/coderflow/coderflow/internal/agent"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/gitops"
	"github.com/coderflow/coderflow/internal/policy"
	sy "github.com/coderflow/coderflow/internal/strictyaml"
)

var update = flag.Bool("update", false, "write manifests/schema anew")

const schemaDir = "../../manifests/schema"

// manifestTypes are what each kind is read into.
var manifestTypes = map[string]reflect.Type{
	KindEnvironment:       reflect.TypeFor[envelope[named, Environment]](),
	KindDeploymentProfile: reflect.TypeFor[envelope[namedIn, profileSpec]](),
	KindRole:              reflect.TypeFor[envelope[named, roleSpec]](),
	KindTeam:              reflect.TypeFor[envelope[named, teamSpec]](),
	KindRoleBinding:       reflect.TypeFor[envelope[named, bindingSpec]](),
	KindGitProvider:       reflect.TypeFor[envelope[named, providerSpec]](),
}

type schema = map[string]any

var approvals = schema{"type": "integer", "minimum": 1, "maximum": policy.MaxApprovals}

func enum[T ~string](values []T) schema {
	var list []any
	for _, v := range values {
		list = append(list, string(v))
	}
	return schema{"enum": list}
}

// leaves are the schemas of types that are read from a single value.
var leaves = map[reflect.Type]schema{
	reflect.TypeFor[sy.Size]():            {"type": []any{"string", "integer"}, "pattern": "^[0-9]{1,15}(KiB|MiB|GiB|TiB|kB|MB|GB|TB|B)?$"},
	reflect.TypeFor[sy.Duration]():        {"type": "string", "pattern": "^([0-9.]+(ns|us|ms|s|m|h))+$|^0$"},
	reflect.TypeFor[RepositoryID]():       {"type": []any{"string", "integer"}, "pattern": anyID.String(), "minimum": 1},
	reflect.TypeFor[scalar]():             {"type": []any{"string", "number", "boolean"}},
	reflect.TypeFor[Principal]():          {"type": "string", "pattern": `^(github:([1-9][0-9]*|@)|azuredevops:([0-9a-f]{8}-|@)|service:[a-z]|oidc:[a-z]|team:)`},
	reflect.TypeFor[ForgeID]():            {"type": []any{"string", "integer"}, "pattern": anyID.String(), "minimum": 1},
	reflect.TypeFor[deploy.Concurrency](): enum(deploy.Concurrencies),
	reflect.TypeFor[profileNetwork](): {"oneOf": []any{
		schema{"const": "none"},
		schema{"type": "object", "properties": schema{"hosts": schema{"type": "array", "items": schema{"type": "string"}}}, "required": []any{"hosts"}, "additionalProperties": false},
	}},
	reflect.TypeFor[Operation]():                enum([]Operation{Fetch, Push}),
	reflect.TypeFor[policy.Permission]():        enum(policy.PermissionNames()),
	reflect.TypeFor[policy.CommitMessageRule](): enum([]policy.CommitMessageRule{policy.MessageProposed, policy.MessageWritten}),
}

// particular are fields of a plain type with a rule of their own.
var particular = map[string]schema{
	"Agent.Preset":         enum(agent.Names()),
	"parameterSpec.Type":   enum([]string{"string", "number", "boolean", "select"}),
	"Repository.Host":      enum(forgeHosts),
	"ForgeTeam.Host":       enum(forgeHosts),
	"providerSpec.Host":    enum(forgeHosts),
	"Gate.Approvals":       approvals,
	"GateRule.Approvals":   approvals,
	"Ask.Count":            approvals,
	"GateRule.Risks":       {"type": "array", "items": enum(gitops.RiskNames())},
	"bindingSpec.Resource": {"type": "string", "pattern": `^(environment/[^/]+|team/[^/]+|server|\*)$`},
}

func schemaOf(t reflect.Type, comments map[string]string) schema {
	if leaf, is := leaves[t]; is {
		return leaf
	}
	switch t.Kind() {
	case reflect.Pointer:
		return schemaOf(t.Elem(), comments)
	case reflect.Slice:
		return schema{"type": "array", "items": schemaOf(t.Elem(), comments)}
	case reflect.Map:
		return schema{"type": "object", "additionalProperties": schemaOf(t.Elem(), comments)}
	case reflect.Struct:
		return structSchema(t, comments)
	case reflect.Bool:
		return schema{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return schema{"type": "integer"}
	case reflect.Float64:
		return schema{"type": "number"}
	}
	return schema{"type": "string"}
}

func structSchema(t reflect.Type, comments map[string]string) schema {
	properties, required := schema{}, []any{}
	for i := range t.NumField() {
		field := t.Field(i)
		key, option, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		if key == "" || key == "-" {
			continue
		}
		property := schema{}
		name := t.Name() + "." + field.Name
		from := particular[name]
		if from == nil {
			from = schemaOf(field.Type, comments)
		}
		for k, v := range from {
			property[k] = v
		}
		if text := comments[name]; text != "" {
			property["description"] = text
		}
		properties[key] = property
		if option == "required" {
			required = append(required, key)
		}
	}
	s := schema{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

// fieldComments are what the source says about each field, by "Type.Field".
func fieldComments(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	comments := map[string]string{}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, is := n.(*ast.TypeSpec)
			if !is {
				return true
			}
			if structure, is := spec.Type.(*ast.StructType); is {
				for _, f := range structure.Fields.List {
					for _, ident := range f.Names {
						text := strings.TrimSpace(f.Doc.Text() + " " + f.Comment.Text())
						comments[spec.Name.Name+"."+ident.Name] = strings.Join(strings.Fields(text), " ")
					}
				}
			}
			return true
		})
	}
	return comments
}

func generated(t *testing.T, kind string, comments map[string]string) []byte {
	t.Helper()
	s := structSchema(manifestTypes[kind], comments)
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = kind
	properties, _ := s["properties"].(schema)
	if kind == KindDeploymentProfile {
		spec, _ := properties["spec"].(schema)
		spec["oneOf"] = []any{schema{"required": []any{"script"}}, schema{"required": []any{"azurePipeline"}}}
	}
	properties["apiVersion"], properties["kind"] = schema{"const": APIVersion}, schema{"const": kind}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(s); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestPublishedSchemasAreThoseOfTheTypes(t *testing.T) {
	t.Parallel()
	comments := fieldComments(t)
	for _, kind := range kinds {
		path, want := filepath.Join(schemaDir, kind+".json"), generated(t, kind, comments)
		if *update {
			if err := os.MkdirAll(schemaDir, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what the types say (%v): go test ./internal/manifest -run Schemas -update", path, err)
		}
	}
}

func compiled(t *testing.T) map[string]*jsonschema.Schema {
	t.Helper()
	all := map[string]*jsonschema.Schema{}
	for _, kind := range kinds {
		s, err := jsonschema.NewCompiler().Compile(filepath.Join(schemaDir, kind+".json"))
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		all[kind] = s
	}
	return all
}

// validate holds one manifest, as YAML, to the schema of its kind.
func validate(t *testing.T, schemas map[string]*jsonschema.Schema, text string) error {
	t.Helper()
	var value any
	if err := yaml.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(encoded))
	if err != nil {
		t.Fatal(err)
	}
	kind, _ := instance.(map[string]any)["kind"].(string)
	if schemas[kind] == nil {
		return fmt.Errorf("no schema for the kind %q", kind)
	}
	return schemas[kind].Validate(instance)
}

func TestExamplesAndWhatIsWrittenSatisfyTheSchemas(t *testing.T) {
	t.Parallel()
	schemas := compiled(t)
	files, err := filepath.Glob("../../manifests/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, name := range files {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range strings.Split(string(content), "\n---\n") {
			if err := validate(t, schemas, text); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	objects, err := parse(t, minimalEnvironment, minimalProfile, access).Objects()
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		if err := validate(t, schemas, string(YAML([]Object{o}))); err != nil {
			t.Errorf("%s %s: %v", o.Kind, o.Name, err)
		}
	}
}

func TestSchemasRefuseWhatIsRefusedWhenApplied(t *testing.T) {
	t.Parallel()
	schemas := compiled(t)
	for name, text := range map[string]string{
		"unknown key":        strings.Replace(minimalEnvironment, "repositories", "repos", 1),
		"id that is no id":   strings.Replace(minimalEnvironment, "1001", "shop", 1),
		"unknown permission": "apiVersion: coderflow.dev/v1\nkind: Role\nmetadata: {name: a}\nspec: {permissions: [\"tasks:own\"]}\n",
		"bare login":         "apiVersion: coderflow.dev/v1\nkind: RoleBinding\nmetadata: {name: a}\nspec: {subject: alice, role: viewer, resource: server}\n",
		"no spec":            "apiVersion: coderflow.dev/v1\nkind: Team\nmetadata: {name: a}\n",
	} {
		if err := validate(t, schemas, text); err == nil {
			t.Errorf("%s: the schema accepts it", name)
		}
		if _, err := Parse(map[string][]byte{"x.yaml": []byte(text)}); err == nil {
			t.Errorf("%s: it applies", name)
		}
	}
}
