package contract

import (
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
)

// Examples yields the payloads that the Octokit project publishes for the events in events.txt, each with its event.
// It panics if the embedded file cannot be read, which is a fault of the build.
func Examples() iter.Seq2[string, []byte] {
	text, err := unpack("examples.json.gz")
	if err != nil {
		panic(err)
	}
	var published map[string][]json.RawMessage
	if err := json.Unmarshal(text, &published); err != nil {
		panic(fmt.Errorf("reading the examples: %w", err))
	}
	return func(yield func(string, []byte) bool) {
		for _, event := range slices.Sorted(maps.Keys(published)) {
			for _, payload := range published[event] {
				if !yield(event, payload) {
					return
				}
			}
		}
	}
}
