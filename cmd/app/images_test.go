package main

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/agent/image"
)

// coderflowImages runs the program in a directory without a configuration.
func coderflowImages(t *testing.T, env []string, arguments ...string) (stdout, stderr string, code int) {
	t.Helper()
	command := exec.CommandContext(t.Context(), binary, append([]string{"images"}, arguments...)...)
	command.Dir = t.TempDir()
	if env != nil {
		command.Env = append(command.Environ(), env...)
	}
	var out, errors strings.Builder
	command.Stdout, command.Stderr = &out, &errors
	_ = command.Run()
	return out.String(), errors.String(), command.ProcessState.ExitCode()
}

func TestTheImagesOfAllAgentsAreListedWithOrWithoutThem(t *testing.T) {
	t.Parallel()
	out, said, code := coderflowImages(t, nil, "ls", "--json")
	var entries []image.Entry
	if err := json.Unmarshal([]byte(out), &entries); err != nil || code != 0 {
		t.Fatalf("exit %d, %v: %s%s", code, err, out, said)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Preset)
		if e.Wanted == "" || e.Reference == "" || (e.State == image.Missing) != (e.ID == "") {
			t.Errorf("%+v", e)
		}
	}
	if strings.Join(names, " ") != "claude codex gemini opencode qwen" {
		t.Errorf("%v", names)
	}
	// On a base that does not exist, none is current.
	out, _, code = coderflowImages(t, nil, "ls", "--base", "coderflow/none:1")
	if code != 0 || strings.Contains(out, string(image.Current)) || !strings.Contains(out, "codex") {
		t.Errorf("exit %d: %s", code, out)
	}
}

func TestAnImageThatCannotBeBuiltSaysWhatToDo(t *testing.T) {
	t.Parallel()
	for want, run := range map[string]struct {
		code      int
		env, args []string
	}{
		"`make setup` builds the sandbox image": {1, nil, []string{"build", "--base", "coderflow/none:1", "codex"}},
		`must be one of "claude"`:               {2, nil, []string{"build", "cursor"}},
		"no-such.yaml":                          {1, nil, []string{"ls", "--config", "no-such.yaml"}},
		// On this base none is built yet.
		"`scripts/setup --agents` installs it": {1, []string{"PATH=/nonexistent"}, []string{"build", "--base", "coderflow/sandbox-base:bookworm", "codex"}},
		"Docker":                               {1, []string{"DOCKER_HOST=unix:///nonexistent.sock"}, []string{"ls"}},
	} {
		if _, said, code := coderflowImages(t, run.env, run.args...); code != run.code || !strings.Contains(said, want) {
			t.Errorf("%v: exit %d, want %d with %q: %s", run.args, code, run.code, want, said)
		}
	}
}
