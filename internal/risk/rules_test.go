package risk

import (
	"context"
	"strings"
	"testing"
)

// whole is a file that is new.
func whole(path, text string) Input {
	return Input{Path: path, New: []byte(text), Added: Lines{{1, strings.Count(text, "\n") + 1}}}
}

// found lists the rules that name something of an added file.
func found(path, text string) (rules []string) {
	for _, h := range hits(newMeter(context.Background(), len(text)), path, []byte(text)) {
		rules = append(rules, h.rule.ID)
	}
	return rules
}

// Every rule has examples, and each of them says what the rule says.
func TestRulesAndTheirExamples(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, r := range Rules() {
		if seen[r.ID] {
			t.Errorf("two rules are called %s", r.ID)
		}
		seen[r.ID] = true
		if len(r.Hits) == 0 || len(r.Misses) == 0 || r.Why == "" || LevelOf(r.Name) == Note {
			t.Errorf("%s: examples, reason or level are missing", r.ID)
		}
		for _, e := range r.Hits {
			if got := found(e.File, e.Text); !contains(got, r.ID) {
				t.Errorf("%s does not name %s: %q (found %v)", r.ID, e.File, e.Text, got)
			}
		}
		for _, e := range r.Misses {
			if got := found(e.File, e.Text); contains(got, r.ID) {
				t.Errorf("%s names %s: %q", r.ID, e.File, e.Text)
			}
		}
	}
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

func TestThreat35SecretRulesAndTheirExamples(t *testing.T) {
	t.Parallel()
	for _, r := range SecretRules() {
		if len(r.Hits) == 0 || len(r.Misses) == 0 {
			t.Errorf("%s has no examples", r.ID)
		}
		for _, text := range r.Hits {
			if got := secretsOf("x.txt", text); !contains(got, r.ID) {
				t.Errorf("%s does not name %q (found %v)", r.ID, text, got)
			}
		}
		for _, text := range r.Misses {
			if got := secretsOf("x.txt", text); contains(got, r.ID) {
				t.Errorf("%s names %q", r.ID, text)
			}
		}
	}
}

func secretsOf(path, text string) (rules []string) {
	for _, f := range Secrets(context.Background(), whole(path, text)) {
		rules = append(rules, f.Rule)
	}
	return rules
}
