package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// printYAML prints what the value is as JSON, with its keys in the same order.
// Strings are quoted as JSON does, which YAML reads alike, unless they are plain:
// the YAML library writes control characters as they are, some of which it then
// reads as something else.
func printYAML(s streams, value any) error {
	var text bytes.Buffer
	if err := writeJSON(&text, value, ""); err != nil {
		return err
	}
	in := json.NewDecoder(&text)
	in.UseNumber()
	n, err := readNode(in)
	if err != nil {
		return fmt.Errorf("write YAML: %w", err)
	}
	_, err = io.WriteString(s.out, strings.Join(n.lines(), "\n")+"\n")
	return err
}

// yamlNode is a value of JSON with its keys in order. One of the three is set.
type yamlNode struct {
	single string // as it is written; empty: a mapping or a list
	keys   []string
	values []yamlNode // of keys, or of a list
}

// lines are the node as a block.
func (n yamlNode) lines() []string {
	if n.single != "" {
		return []string{n.single}
	}
	var list []string
	for i, value := range n.values {
		below := value.lines()
		switch {
		case n.keys == nil:
			list = append(list, "- "+below[0])
			list = append(list, indented(below[1:])...)
		case value.single != "":
			list = append(list, n.keys[i]+": "+value.single)
		default:
			list = append(append(list, n.keys[i]+":"), indented(below)...)
		}
	}
	return list
}

func indented(lines []string) []string {
	for i := range lines {
		lines[i] = "  " + lines[i]
	}
	return lines
}

func readNode(in *json.Decoder) (yamlNode, error) {
	token, err := in.Token()
	if err != nil {
		return yamlNode{}, err
	}
	switch v := token.(type) {
	case json.Delim:
		return readMany(in, v)
	case string:
		return yamlNode{single: yamlString(v)}, nil
	case nil:
		return yamlNode{single: "null"}, nil
	}
	return yamlNode{single: fmt.Sprint(token)}, nil
}

func readMany(in *json.Decoder, opened json.Delim) (yamlNode, error) {
	n := yamlNode{}
	for in.More() {
		if opened == '{' {
			key, err := in.Token()
			if err != nil {
				return n, err
			}
			text, ok := key.(string)
			if !ok {
				return n, errors.New("a key is no string")
			}
			n.keys = append(n.keys, yamlString(text))
		}
		value, err := readNode(in)
		if err != nil {
			return n, err
		}
		n.values = append(n.values, value)
	}
	if len(n.values) == 0 {
		n.single = map[json.Delim]string{'{': "{}", '[': "[]"}[opened]
	}
	_, err := in.Token() // the closing one
	return n, err
}

// plain are strings that YAML 1.1 and 1.2 read as strings without quotes.
var plain = regexp.MustCompile(`^[A-Za-z/][A-Za-z0-9_./@+-]*([: ][A-Za-z0-9_./@+(-][A-Za-z0-9_./@+()-]*)*$`)

// reserved are words that one of the versions reads as something else.
var reserved = []string{"true", "false", "yes", "no", "on", "off", "y", "n", "null"}

func yamlString(text string) string {
	if plain.MatchString(text) && !slices.Contains(reserved, strings.ToLower(text)) {
		return text
	}
	var quoted bytes.Buffer
	encoder := json.NewEncoder(&quoted)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(text) // a string and a buffer
	return strings.TrimSuffix(string(inertJSON(bytes.TrimSuffix(quoted.Bytes(), []byte("\n")))), "\n")
}
