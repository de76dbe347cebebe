package risk

import (
	"os"
	"strings"
	"testing"
)

// docs/risks.md has every name and every rule.
func TestTheDocumentationNamesEveryRule(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/risks.md")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	names = append(names, Names()...)
	for _, r := range Rules() {
		names = append(names, r.ID+"` | `"+r.Name+"` | "+string(r.Reads)+" | "+r.Why)
	}
	for _, r := range SecretRules() {
		names = append(names, r.ID)
	}
	for _, name := range names {
		if !strings.Contains(string(text), "`"+name) {
			t.Errorf("docs/risks.md does not have %s", name)
		}
	}
}
