package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode"

	sy "github.com/coderflow/coderflow/internal/strictyaml"
)

const prefix = "CODERFLOW_"

// otherVariables begin with CODERFLOW_ and are not keys: the path of the
// configuration itself, what the set-up scripts use, failpoints, and what
// CoderFlow tells the programs in its containers.
var otherVariables = []string{
	"CODERFLOW_CONFIG", "CODERFLOW_FAILPOINT", "CODERFLOW_FAILPOINTS", "CODERFLOW_DOCKERD_LOG",
	"CODERFLOW_TASK", "CODERFLOW_PROMPT_FILE", "CODERFLOW_APPROVAL", "CODERFLOW_COMMIT", "CODERFLOW_DEPLOYMENT",
	"CODERFLOW_ENVIRONMENT", "CODERFLOW_PROFILE",
}

// otherPrefixes are families of such variables.
var otherPrefixes = []string{"CODERFLOW_TEST_", "CODERFLOW_DEMO_", "CODERFLOW_SETUP_"}

// Variable is the name of the variable that overrides a key.
func Variable(path string) string {
	var b strings.Builder
	b.WriteString(prefix)
	runes := []rune(path)
	for i, r := range runes {
		switch {
		case r == '.':
			b.WriteByte('_')
		case unicode.IsUpper(r) && i > 0 && unicode.IsLower(runes[i-1]):
			b.WriteByte('_')
			b.WriteRune(r)
		default:
			b.WriteRune(unicode.ToUpper(r))
		}
	}
	return b.String()
}

// Keys lists the path of every key, sorted.
func Keys() []string { return slices.Sorted(maps.Keys(keyTypes())) }

// squeeze makes names comparable whatever underscores they have.
func squeeze(variable string) string {
	return strings.ReplaceAll(strings.TrimPrefix(variable, prefix), "_", "")
}

// keyTypes maps the path of each key to its type.
func keyTypes() map[string]reflect.Type {
	all := map[string]reflect.Type{}
	collectKeys("", reflect.TypeFor[file](), all)
	return all
}

func collectKeys(path string, t reflect.Type, into map[string]reflect.Type) {
	for i := range t.NumField() {
		field := t.Field(i)
		key, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		inner := field.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if path != "" {
			key = path + "." + key
		}
		switch inner.Kind() {
		case reflect.Struct:
			collectKeys(key, inner, into)
		case reflect.Map: // its keys are names; see overrideModel
		default:
			into[key] = inner
		}
	}
}

// override applies the variables to the raw file.
func (l *loader) override(raw *file, environ []string) {
	byName := map[string]string{}
	for key := range keyTypes() {
		byName[squeeze(Variable(key))] = key
	}
	for _, entry := range slices.Sorted(slices.Values(environ)) {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, prefix) || otherVariable(name) {
			continue
		}
		if value != "" && (l.overrideModel(raw, name, value) || l.overrideGitCredential(raw, name, value) || l.overrideOIDC(raw, name, value)) {
			continue
		}
		key, known := byName[squeeze(name)]
		switch other, twice := l.set[key]; {
		case !known:
			l.unknown(name)
		case value == "": // as in `CODERFLOW_X= coderflow`: not set
		case twice:
			l.problems = append(l.problems, &sy.Problem{File: name, Path: key, Text: "is also set as " + other})
		default:
			l.set[key] = name
			if err := setKey(reflect.ValueOf(raw).Elem(), key, value); err != nil {
				l.wrong(key, "%v", err)
			}
		}
	}
}

func otherVariable(name string) bool {
	return slices.Contains(otherVariables, name) ||
		slices.ContainsFunc(otherPrefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}

func (l *loader) unknown(name string) {
	var names []string
	for _, key := range Keys() {
		names = append(names, Variable(key))
	}
	hint := sy.Nearest(name, names)
	if !strings.HasPrefix(hint, ";") { // the whole list helps nobody
		hint = "; docs/configuration.md lists them"
	}
	l.problems = append(l.problems, &sy.Problem{File: name, Text: fmt.Sprintf("there is no such setting%s", hint)})
}

// setKey sets the field at a key path, making sections that the file left out.
func setKey(v reflect.Value, path, value string) error {
	key, rest, deeper := strings.Cut(path, ".")
	for i := range v.NumField() {
		tag, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		if tag != key {
			continue
		}
		field := v.Field(i)
		if field.Kind() == reflect.Pointer {
			if field.IsNil() {
				field.Set(reflect.New(field.Type().Elem()))
			}
			field = field.Elem()
		}
		if deeper {
			return setKey(field, rest, value)
		}
		if rules, is := field.Addr().Interface().(*[]workItemFile); is {
			return setWorkItems(rules, value)
		}
		if field.Kind() == reflect.Slice {
			field.Set(reflect.ValueOf(splitList(value)))
			return nil
		}
		return sy.SetScalar(field, value)
	}
	return fmt.Errorf("there is no key %q", path)
}

func splitList(value string) []string {
	var items []string
	for item := range strings.SplitSeq(value, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}
