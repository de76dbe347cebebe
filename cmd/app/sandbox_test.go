package main

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/task"
)

// command runs the built program on the world's installation.
func (w *world) command(stdin string, args ...string) (stdout, stderr string, code int) {
	w.t.Helper()
	cmd := exec.Command(binary, append(args, "-c", w.in.config)...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		w.t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func withRetention(yaml string) worldOption {
	return func(_ *emulator.Options, s *settings) {
		s.Spec, s.Extra = "retention: "+yaml, "reconcile: {interval: 1s}"
	}
}

func TestWhatTasksLeaveCanBeLookedInto(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withAgent(quickAgent+"\nmkdir -p new && echo made > new/file"))
	issue := w.run(maria)
	found := w.taskOf(issue.Number, task.Proposed)
	id := string(found.ID)

	out, _, _ := w.command("", "sandbox", "ls", "--json")
	var things []thing
	if err := json.Unmarshal([]byte(out), &things); err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	kinds := map[string]thing{}
	for _, thing := range things {
		kinds[thing.Kind] = thing
	}
	if kinds["container"].Task != id || kinds["workspace"].Kept.Why != "its task is open" || kinds["base"].Commit != found.BaseCommit || !kinds["base"].InUse {
		t.Errorf("listed: %s", out)
	}
	if out, _, _ = w.command("", "sandbox"); !strings.Contains(out, id) || !strings.Contains(out, "its task is open") {
		t.Errorf("listed for people:\n%s", out)
	}
	if out, _, _ = w.command("", "sandbox", "inspect", id); !strings.Contains(out, "exited ok") || !strings.Contains(out, found.Run.Image) {
		t.Errorf("inspected:\n%s", out)
	}

	archive, warning, code := w.command("", "sandbox", "export", id)
	if files := untar(t, archive); code != 0 || files["new/file"] != "made\n" || !strings.Contains(files["receipt.awk"], "$2 * $3") {
		t.Errorf("exported: status %d, %s, %d bytes", code, warning, len(archive))
	}

	out, said, code := w.command("cat new/file; touch gone; ls -A /run/coderflow; ls /coderflow/prompt.md; id -u; exit 7\n", "sandbox", "shell", id)
	if code != 7 || out != "made\n10001\n" || !strings.Contains(said, "cannot access") {
		t.Errorf("the shell ended with %d:\n%s\n%s", code, out, said)
	}
	archive, _, _ = w.command("", "sandbox", "export", id)
	if _, written := untar(t, archive)["gone"]; written {
		t.Error("the shell wrote into the task's own workspace")
	}
	if out, _, _ = w.command("", "sandbox", "ls"); strings.Contains(out, "shell") {
		t.Errorf("the shell left something behind:\n%s", out)
	}
	if _, said, code = w.command("", "sandbox", "export", "aaaaaaaaaaaa"); code != notFoundStatus || !strings.Contains(said, "there is no task") {
		t.Errorf("an unknown task: %d, %s", code, said)
	}
}

func untar(t *testing.T, archive string) map[string]string {
	t.Helper()
	files := map[string]string{}
	for reader := tar.NewReader(strings.NewReader(archive)); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimPrefix(header.Name, "./")] = string(content)
	}
}

func TestOldThingsGoAndThoseOfOpenTasksStay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withRetention("{workspace: 0s, output: 0s}"))
	kept := w.run(maria)
	open := w.taskOf(kept.Number, task.Proposed)
	issue := w.run(maria)
	ended := w.taskOf(issue.Number, task.Proposed)
	w.say(maria, issue.Topic(), "/coderflow cancel")
	w.taskOf(issue.Number, task.Cancelled)

	w.wait("the removal of what the cancelled task left", func(context.Context) (bool, error) {
		out, _, _ := w.command("", "sandbox", "ls")
		return !strings.Contains(out, string(ended.ID)), nil
	})
	w.auditTells(ended.ID, "storage.removed")
	if text, err := w.db().ReadLog(t.Context(), "task/"+string(ended.ID), 0, 100); err != nil || len(text) > 0 {
		t.Errorf("output of the cancelled task: %q, %v", text, err)
	}
	time.Sleep(6 * time.Second) // the next look for old things
	if out, _, _ := w.command("", "sandbox", "ls"); strings.Count(out, string(open.ID)) < 2 {
		t.Errorf("the open task lost its things:\n%s", out)
	}
	w.approve(tom, open.PullRequest, "")
	w.taskOf(kept.Number, task.Done)
}
