package engine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// testCounts are the tests that a check's output tells of. They are for people: the
// code that is examined wrote them.
type testCounts struct {
	Passed  int `json:"passed"`
	Failed  int `json:"failed"`
	Skipped int `json:"skipped"`
}

func (c testCounts) any() bool { return c.Passed+c.Failed+c.Skipped > 0 }

// String says the counts in words.
func (c testCounts) String() string {
	word := "tests"
	if c.Passed == 1 {
		word = "test"
	}
	parts := []string{fmt.Sprintf("%d %s passed", c.Passed, word)}
	if c.Failed > 0 {
		parts = append(parts, fmt.Sprintf("%d failed", c.Failed))
	}
	if c.Skipped > 0 {
		parts = append(parts, fmt.Sprintf("%d skipped", c.Skipped))
	}
	return strings.Join(parts, ", ")
}

// tapLine is a result of the Test Anything Protocol, version 12 to 14; subtests are
// indented and counted by the test that has them.
var tapLine = regexp.MustCompile(`^(not )?ok\b(?:[^#\\]|\\.)*(?:#\s*(?i:(skip|todo)))?`)

// countTests counts the results in TAP, or in what `go test -json` prints. Output that
// is neither has none.
func countTests(output []byte) testCounts {
	var c testCounts
	for line := range bytes.Lines(output) {
		line = bytes.TrimRight(line, "\r\n")
		if len(line) > 64<<10 {
			continue
		}
		switch {
		case bytes.HasPrefix(line, []byte(`{"`)):
			c.addEvent(line)
		case bytes.HasPrefix(line, []byte("ok")) || bytes.HasPrefix(line, []byte("not ok")):
			c.addTAP(line)
		}
	}
	return c
}

func (c *testCounts) addTAP(line []byte) {
	found := tapLine.FindSubmatch(line)
	switch {
	case found == nil || bytes.HasPrefix(line, []byte("ok  \t")): // what `go test` prints of a package
	case len(found[2]) > 0:
		c.Skipped++
	case len(found[1]) > 0:
		c.Failed++
	default:
		c.Passed++
	}
}

func (c *testCounts) addEvent(line []byte) {
	var event struct{ Action, Package, Test string }
	if json.Unmarshal(line, &event) != nil || event.Test == "" || event.Package == "" {
		return
	}
	switch event.Action {
	case "pass":
		c.Passed++
	case "fail":
		c.Failed++
	case "skip":
		c.Skipped++
	}
}
