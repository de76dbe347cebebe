package main

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
)

// Each story fails by itself where something that must be seen is not; here is
// what people read.
func TestTheDemoTellsItsStories(t *testing.T) {
	t.Parallel()
	requireEngine(t)
	for story, lines := range map[string][]string{
		"first": {"refused, with the reason under the issue", "no commit: the requester of a task cannot approve it", "exit status 0", "is done", "✓ VERIFIED", "proves nothing: NOT VERIFIED"},
		"incident": {
			"nothing was reached: 0 connections", "migrations/0007_tidy_up.sql:4", "CONNECT db.production.internal:5432",
			"no commit: 1 of 2 approvals", "is rejected: nothing was committed, pushed or deployed",
		},
	} {
		for _, host := range []string{forge.GitHub, forge.AzureDevOps} {
			t.Run(story+" at "+host, func(t *testing.T) {
				t.Parallel()
				cmd := exec.CommandContext(t.Context(), binary, "demo", "--exit", "--forge", host, "--story", story, "--dir", shortDir(t))
				cmd.WaitDelay = time.Minute
				out, err := cmd.CombinedOutput()
				if err != nil || bytes.Contains(out, []byte("✗")) {
					t.Fatalf("%v\n%s", err, out)
				}
				for _, want := range lines {
					if !strings.Contains(string(out), want) {
						t.Errorf("it does not say %q:\n%s", want, out)
					}
				}
			})
		}
	}
}
