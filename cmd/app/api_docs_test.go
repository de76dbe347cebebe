package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/token"
)

// What docs/api.md tells people to run exists, with its flags, and the form of a
// token is the one it says.
func TestTheDocumentationOfTheAPIKeepsItsWord(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	commands := regexp.MustCompile(`(?m)^    coderflow (.+)$`).FindAllStringSubmatch(string(text), -1)
	if len(commands) < 4 {
		t.Errorf("only %d commands found", len(commands))
	}
	for _, m := range commands {
		checkCommand(t, strings.Fields(m[1]))
	}
	form := regexp.MustCompile("`(cfp_\\[[^`]+)`").FindStringSubmatch(string(text))
	if len(form) == 0 || !regexp.MustCompile("^"+form[1]+"$").MatchString(token.New().Reveal()) {
		t.Errorf("a token does not have the form %q", form)
	}
}
