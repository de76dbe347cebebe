package main

import (
	"encoding/json"
	"fmt"
	"slices"
)

// trimExamples keeps the example payloads of the events that events.txt lists, as event → payloads.
func trimExamples(pkg *archive, dir string) ([]byte, error) {
	text, err := pkg.read("package/api.github.com/index.json")
	if err != nil {
		return nil, err
	}
	var published []struct {
		Name     string
		Examples []any
	}
	if err := json.Unmarshal(text, &published); err != nil {
		return nil, fmt.Errorf("reading the examples: %w", err)
	}
	events, err := readEvents(dir)
	if err != nil {
		return nil, err
	}
	kept := map[string][]any{}
	for _, event := range published {
		if slices.Contains(events, event.Name) {
			kept[event.Name] = event.Examples
		}
	}
	return compact(kept)
}
