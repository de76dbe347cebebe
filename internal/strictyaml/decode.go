package strictyaml

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// Decode fills the struct that into points to. Keys that the document does not
// have leave their fields as they are, so defaults can be set before.
func (d *Document) Decode(into any) []*Problem {
	c := &decoder{doc: d}
	c.value(d.body, "", reflect.ValueOf(into).Elem())
	return c.problems
}

type decoder struct {
	doc      *Document
	problems []*Problem
}

func (c *decoder) report(path, format string, args ...any) {
	c.problems = append(c.problems, c.doc.Problem(path, format, args...))
}

func (c *decoder) value(n ast.Node, path string, into reflect.Value) {
	c.doc.at[path] = place(n)
	if n.Type() == ast.NullType {
		c.report(path, "has no value; give one or remove the key")
		return
	}
	if into.CanAddr() {
		if text, ok := into.Addr().Interface().(encoding.TextUnmarshaler); ok && !keyed(n, into) {
			c.text(n, path, text)
			return
		}
	}
	switch into.Kind() {
	case reflect.Interface: // whatever it is; the caller looks at it later
	case reflect.Pointer:
		fresh := reflect.New(into.Type().Elem())
		c.value(n, path, fresh.Elem())
		into.Set(fresh)
	case reflect.Struct:
		c.structure(n, path, into)
	case reflect.Slice:
		c.slice(n, path, into)
	case reflect.Map:
		c.mapping(n, path, into)
	default:
		c.scalar(n, path, into)
	}
}

// keyed reports whether the value is a mapping for a type that can be written as
// one, besides as a single word.
func keyed(n ast.Node, into reflect.Value) bool {
	if n.Type() != ast.MappingType && n.Type() != ast.MappingValueType || into.Kind() != reflect.Struct {
		return false
	}
	_, keys := structFields(into.Type())
	return len(keys) > 0
}

func (c *decoder) text(n ast.Node, path string, into encoding.TextUnmarshaler) {
	text, ok := scalarText(n)
	if !ok {
		c.report(path, "want a single value, this is %s", described(n))
		return
	}
	if err := into.UnmarshalText([]byte(text)); err != nil {
		c.report(path, "%v", err)
	}
}

func (c *decoder) structure(n ast.Node, path string, into reflect.Value) {
	values, ok := c.entries(n, path)
	if !ok {
		return
	}
	fields, known := structFields(into.Type())
	present := map[string]bool{}
	for _, kv := range values {
		key := keyText(kv)
		field, found := fields[key]
		if !found {
			c.doc.at[join(path, key)] = place(kv.Key)
			c.report(join(path, key), "unknown key %q%s", key, Nearest(key, known))
			continue
		}
		present[key] = true
		c.value(kv.Value, join(path, key), into.Field(field.index))
	}
	for _, key := range known {
		if fields[key].required && !present[key] {
			c.report(join(path, key), "this key is required")
		}
	}
}

func (c *decoder) mapping(n ast.Node, path string, into reflect.Value) {
	values, ok := c.entries(n, path)
	if !ok {
		return
	}
	made := reflect.MakeMap(into.Type())
	for _, kv := range values {
		value := reflect.New(into.Type().Elem()).Elem()
		c.value(kv.Value, join(path, keyText(kv)), value)
		made.SetMapIndex(reflect.ValueOf(keyText(kv)).Convert(into.Type().Key()), value)
	}
	into.Set(made)
}

// entries returns the key–value pairs of a mapping, each key once.
func (c *decoder) entries(n ast.Node, path string) ([]*ast.MappingValueNode, bool) {
	var values []*ast.MappingValueNode
	switch m := n.(type) {
	case *ast.MappingNode:
		values = m.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{m}
	default:
		c.report(path, "want keys and values, this is %s", described(n))
		return nil, false
	}
	seen := map[string]position{}
	var unique []*ast.MappingValueNode
	for _, kv := range values {
		key := keyText(kv)
		if first, twice := seen[key]; twice {
			c.doc.at[join(path, key)] = place(kv.Key)
			c.report(join(path, key), "this key is already set in line %d", first.line)
			continue
		}
		seen[key] = place(kv.Key)
		unique = append(unique, kv)
	}
	return unique, true
}

func (c *decoder) slice(n ast.Node, path string, into reflect.Value) {
	sequence, ok := n.(*ast.SequenceNode)
	if !ok {
		c.report(path, "want a list, this is %s", described(n))
		return
	}
	made := reflect.MakeSlice(into.Type(), len(sequence.Values), len(sequence.Values))
	for i, item := range sequence.Values {
		c.value(item, fmt.Sprintf("%s[%d]", path, i), made.Index(i))
	}
	into.Set(made)
}

func (c *decoder) scalar(n ast.Node, path string, into reflect.Value) {
	text, ok := scalarText(n)
	if !ok {
		c.report(path, "want a single value, this is %s", described(n))
		return
	}
	quoted := n.Type() == ast.StringType || n.Type() == ast.LiteralType
	if (into.Kind() == reflect.String) != quoted {
		hint := ""
		if into.Kind() == reflect.String {
			hint = "; put it in quotes"
		}
		c.report(path, "want %s, this is %s%s", wanted(into.Kind()), described(n), hint)
		return
	}
	if err := SetScalar(into, text); err != nil {
		c.report(path, "%v", err)
	}
}

// SetScalar sets a field of a basic kind, or one that reads text, from text.
func SetScalar(into reflect.Value, text string) error {
	if u, ok := into.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(text))
	}
	var err error
	switch into.Kind() {
	case reflect.String:
		into.SetString(text)
	case reflect.Bool:
		if text != "true" && text != "false" {
			return fmt.Errorf("want true or false, not %q", text)
		}
		into.SetBool(text == "true")
	case reflect.Int, reflect.Int64:
		var v int64
		if v, err = strconv.ParseInt(text, 10, into.Type().Bits()); err != nil {
			return fmt.Errorf("want a whole number, not %q", text)
		}
		into.SetInt(v)
	case reflect.Float64:
		var v float64
		if v, err = strconv.ParseFloat(text, 64); err != nil || v-v != 0 { // NaN and infinity
			return fmt.Errorf("want a number, not %q", text)
		}
		into.SetFloat(v)
	default:
		return fmt.Errorf("cannot be set from text (%s)", into.Kind())
	}
	return nil
}

func scalarText(n ast.Node) (string, bool) {
	switch s := n.(type) {
	case *ast.LiteralNode:
		return s.Value.Value, true
	case *ast.StringNode:
		return s.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true
	}
	return "", false
}

func wanted(k reflect.Kind) string {
	switch k {
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true or false"
	case reflect.Float64:
		return "a number"
	}
	return "a whole number"
}

func described(n ast.Node) string {
	switch n.Type() {
	case ast.MappingType, ast.MappingValueType:
		return "a mapping"
	case ast.SequenceType:
		return "a list"
	case ast.IntegerType, ast.FloatType:
		return "the number " + n.GetToken().Value
	case ast.BoolType:
		return n.GetToken().Value
	case ast.StringType, ast.LiteralType:
		return "text"
	}
	return "a " + strings.ToLower(n.Type().String())
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

type field struct {
	index    int
	required bool
}

func structFields(t reflect.Type) (byKey map[string]field, keys []string) {
	byKey = map[string]field{}
	for i := range t.NumField() {
		key, option, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		if key == "" || key == "-" {
			continue
		}
		byKey[key] = field{index: i, required: option == "required"}
		keys = append(keys, key)
	}
	return byKey, keys
}
