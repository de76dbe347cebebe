package manifest

import (
	"strings"
	"testing"
	"time"

	sy "github.com/coderflow/coderflow/internal/strictyaml"
)

const twoChecks = `  checks:
    - {name: tests, script: make test, required: true, timeout: 5m}
    - {name: lint, command: [lint, "."], image: linter}
`

func checking(t *testing.T, from, to string) *Set {
	t.Helper()
	if !strings.Contains(twoChecks, from) {
		t.Fatalf("%q is not there", from)
	}
	return parse(t, minimalEnvironment+strings.Replace(twoChecks, from, to, 1)).WithImage("img")
}

// The engine and the gate must mean the same by a check as it is defined now.
func TestChecksAreReadWithTheirDefaultsAndTheRequiredOnesAreTheGates(t *testing.T) {
	t.Parallel()
	set := checking(t, "", "")
	e := set.Environments["staging"]
	tests, _ := e.Check("tests")
	lint, known := e.Check("lint")
	if !known || tests.Image != "img" || lint.Image != "linter" || lint.Timeout != sy.Duration(15*time.Minute) || tests.Timeout != sy.Duration(5*time.Minute) {
		t.Errorf("%+v %+v", tests, lint)
	}
	required := set.Policy().Environments["staging"].Checks
	if len(required) != 1 || required[0].Name != "tests" || required[0].Definition != e.CheckDefinition(tests) {
		t.Errorf("%+v", required)
	}
}

func TestAChangedCheckHasAnotherDefinition(t *testing.T) {
	t.Parallel()
	definition := func(s *Set) string {
		e := s.Environments["staging"]
		return e.CheckDefinition(e.Checks[0])
	}
	before := definition(checking(t, "", ""))
	for _, change := range [][2]string{
		{"make test", "make tests"}, {"5m", "6m"}, {"name: tests", "name: tests2"}, {"script: make test,", "script: make test, image: other,"},
		{"script: make test", "command: [make, test]"}, {"  checks:", "  limits: {memory: 3GiB}\n  checks:"}, {"  checks:", "  sandbox: {runtime: runsc}\n  checks:"},
	} {
		if definition(checking(t, change[0], change[1])) == before {
			t.Errorf("%q in the place of %q is the same check", change[1], change[0])
		}
	}
	for _, change := range [][2]string{{"required: true, ", ""}, {"linter", "another"}, {"  checks:", "  limits: {wallTime: 3m}\n  checks:"}} {
		if definition(checking(t, change[0], change[1])) != before {
			t.Errorf("%q in the place of %q is another check", change[1], change[0])
		}
	}
}

func TestChecksThatCannotBeRunAreRefused(t *testing.T) {
	t.Parallel()
	many := "  checks:\n" + strings.Repeat("    - {name: x, command: [x]}\n", maxChecks+1)
	for text, want := range map[string]string{
		"  checks: [{name: a}]\n":                                        "runs nothing",
		"  checks: [{name: a, command: [x], script: y}]\n":               "both a command and a script",
		"  checks: [{name: 'a b', command: [x]}]\n":                      "want a letter",
		"  checks: [{name: a, command: [x]}, {name: A, command: [x]}]\n": "two checks",
		"  checks: [{name: a, command: ['']}]\n":                         "names no program",
		"  checks: [{name: a, command: [x], timeout: 5h}]\n":             "want between",
		"  checks: [{name: a, command: [x], image: 'A B'}]\n":            "is not an image reference",
		"  checks: [{name: a, command: [x], network: host}]\n":           "network",
		many: "more than 20",
	} {
		if _, err := Parse(map[string][]byte{"a.yaml": []byte(minimalEnvironment + text)}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.70q: %v, want %q", text, err, want)
		}
	}
}
