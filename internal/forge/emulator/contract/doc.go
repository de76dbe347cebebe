// Package contract holds both sides of the conversation with GitHub to what GitHub publishes: the requests of
// CoderFlow's adapter, and the answers and deliveries of the local GitHub that stands in for it in tests.
//
// The descriptions are GitHub's own REST and webhook OpenAPI documents and GraphQL schema, as the Octokit project
// packages them (MIT, LICENSE.octokit), cut down by the program in trim/ to the operations in operations.txt and the
// events in events.txt. What they leave out or say wrongly, and only that, is listed with reasons in exceptions.go.
package contract

import (
	"bytes"
	"compress/gzip"
	"embed"
	"fmt"
	"io"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

//go:embed data/*.gz operations.txt events.txt permissions.txt
var files embed.FS

// unpack returns an embedded compressed file.
func unpack(name string) ([]byte, error) {
	packed, err := files.ReadFile("data/" + name)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("unpacking %s: %w", name, err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("unpacking %s: %w", name, err)
	}
	return text, nil
}

// unpackObject returns an embedded JSON object, its numbers as [encoding/json.Number].
func unpackObject(name string) (map[string]any, error) {
	text, err := unpack(name)
	if err != nil {
		return nil, err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	object, ok := doc.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("reading %s: it holds no JSON object", name)
	}
	return object, nil
}

// rows are the lines of an embedded list, without comments and blank lines.
func rows(name string) ([]string, error) {
	text, err := files.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	var kept []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			kept = append(kept, line)
		}
	}
	return kept, nil
}
