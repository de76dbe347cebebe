package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Every row of the faults has a test, and docs/faults.md names tests that are there.
func TestFault01To30EveryRowHasATest(t *testing.T) {
	t.Parallel()
	names := faultTests(t)
	page, err := os.ReadFile("../../docs/faults.md")
	if err != nil {
		t.Fatal(err)
	}
	covered := map[int]bool{}
	for line := range strings.Lines(string(page)) {
		row := regexp.MustCompile(`^\| (\d+)(?:–(\d+))? \|`).FindStringSubmatch(line)
		if row == nil {
			continue
		}
		first, _ := strconv.Atoi(row[1])
		last, _ := strconv.Atoi(row[2])
		for n := first; n <= max(first, last); n++ {
			covered[n] = true
			if !strings.Contains(names, fmt.Sprintf("Fault%02d", n)) && !strings.Contains(line, "TestFault01To18") && !strings.Contains(line, "TestFault01To03") {
				t.Errorf("no test is named for row %d", n)
			}
		}
		for _, named := range regexp.MustCompile("`(TestFault[0-9A-Za-z]+)…`").FindAllStringSubmatch(line, -1) {
			if !strings.Contains(names, "func "+named[1]) {
				t.Errorf("row %s names %s…, which is not there", row[1], named[1])
			}
		}
	}
	for n := 1; n <= 30; n++ {
		if !covered[n] {
			t.Errorf("docs/faults.md has no row %d", n)
		}
	}
}

// faultTests is the text of all tests of cmd/app and the packages below.
func faultTests(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, pattern := range []string{"*_test.go", "../../internal/*/*_test.go", "../../internal/*/*/*_test.go"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			all.Write(text)
		}
	}
	return all.String()
}
