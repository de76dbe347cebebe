package command_test

import (
	"testing"

	"github.com/coderflow/coderflow/internal/command"
)

func TestHasDirective(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]bool{
		"/coderflow deploy publish":                     true,
		"Fix totals\n\n/coderflow message":              true,
		"/coderflow no-push":                            true,
		"/coderflow TARGET main":                        true,
		"/coderflow status":                             false,
		"/coderflow revise use a map":                   false,
		"/coderflow deply publish":                      false, // a mistake is answered, not kept
		"please /coderflow deploy publish":              false,
		"> /coderflow deploy publish":                   false,
		"```\n/coderflow deploy publish\n```":           false,
		"<!-- \n/coderflow deploy publish\n-->":         false,
		"/coderflow":                                    false,
		"":                                              false,
		"/coderflow status\n\n/coderflow no-deploy":     true,
		"    /coderflow deploy publish":                 false, // a code block
		"text\n\n/coderflow deploy a\n/coderflow\u200b": true,
	} {
		if got := command.HasDirective(body); got != want {
			t.Errorf("%q: %v", body, got)
		}
	}
}

// A message directive alone leaves the rest as the message.
func TestMessageDirective(t *testing.T) {
	t.Parallel()
	d := command.ParseReview("Fix totals\n\nThey were off.\n\n/coderflow message")
	if len(d.Problems) != 0 || d.Message != "Fix totals\n\nThey were off." {
		t.Errorf("%+v", d)
	}
	if d := command.ParseReview("/coderflow message Fix totals"); len(d.Problems) != 1 {
		t.Errorf("%+v", d)
	}
}
