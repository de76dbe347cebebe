package manifest

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A node is a value of a manifest on its way to a file: a [mapping], a list or
// a scalar.
type node any

// scalarNode is a single value. raw ones are written as they are: numbers, true
// and false, and text that is read from any scalar.
type scalarNode struct {
	text string
	raw  bool
	bare bool // a quantity, which needs no quotes in YAML
}

type entry struct {
	key   string
	value node
}

// mapping keeps the order of its keys.
type mapping []entry

type sequence []node

var (
	digits   = regexp.MustCompile(`^(0|[1-9][0-9]{0,17})$`)
	quantity = regexp.MustCompile(`^[0-9]+[A-Zhmsu][A-Za-z0-9.]*$`) // sizes and durations
)

// nodeOf turns a value into a node by its yaml tags, the way strictyaml reads
// it. Keys that have the value which they have when they are left out are left
// out: byDefault is that value.
func nodeOf(v, byDefault reflect.Value) (node, error) {
	if text, is := v.Interface().(encoding.TextMarshaler); is {
		b, err := text.MarshalText()
		return scalarNode{text: string(b), raw: digits.Match(b), bare: quantity.Match(b)}, err
	}
	switch v.Kind() {
	case reflect.Pointer:
		return nodeOf(v.Elem(), reflect.Zero(v.Type().Elem()))
	case reflect.Struct:
		return structNode(v, byDefault)
	case reflect.Slice:
		list := sequence{}
		for i := range v.Len() {
			item, err := nodeOf(v.Index(i), reflect.Zero(v.Type().Elem()))
			if err != nil {
				return nil, err
			}
			list = append(list, item)
		}
		return list, nil
	case reflect.Map:
		return mapNode(v)
	case reflect.String:
		_, free := reflect.New(v.Type()).Interface().(encoding.TextUnmarshaler) // takes a number too
		return scalarNode{text: v.String(), raw: free && digits.MatchString(v.String())}, nil
	case reflect.Bool:
		return scalarNode{text: strconv.FormatBool(v.Bool()), raw: true}, nil
	case reflect.Int, reflect.Int64:
		return scalarNode{text: strconv.FormatInt(v.Int(), 10), raw: true}, nil
	case reflect.Float64:
		return scalarNode{text: strconv.FormatFloat(v.Float(), 'f', -1, 64), raw: true}, nil
	}
	return nil, fmt.Errorf("a manifest cannot have a value of type %s", v.Type())
}

func structNode(v, byDefault reflect.Value) (node, error) {
	m := mapping{}
	for i := range v.NumField() {
		key, option, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		field, usual := v.Field(i), byDefault.Field(i)
		if key == "" || key == "-" || option != "required" && field.IsZero() && usual.IsZero() {
			continue
		}
		value, err := nodeOf(field, usual)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		if empty(value) && option != "required" {
			continue
		}
		m = append(m, entry{key, value})
	}
	return m, nil
}

func empty(n node) bool {
	switch v := n.(type) {
	case mapping:
		return len(v) == 0
	case sequence:
		return len(v) == 0
	}
	return false
}

func mapNode(v reflect.Value) (node, error) {
	m := mapping{}
	for _, key := range v.MapKeys() {
		value, err := nodeOf(v.MapIndex(key), reflect.Zero(v.Type().Elem()))
		if err != nil {
			return nil, err
		}
		m = append(m, entry{key.String(), value})
	}
	slices.SortFunc(m, func(a, b entry) int { return strings.Compare(a.key, b.key) })
	return m, nil
}

// MarshalJSON implements json.Marshaler.
func (m mapping) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, e := range m {
		if i > 0 {
			b.WriteByte(',')
		}
		key, err := json.Marshal(e.key)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(e.value)
		if err != nil {
			return nil, err
		}
		b.Write(append(append(key, ':'), value...))
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// MarshalJSON implements json.Marshaler.
func (s scalarNode) MarshalJSON() ([]byte, error) {
	if s.raw {
		return []byte(s.text), nil
	}
	return json.Marshal(s.text)
}
