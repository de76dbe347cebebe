package main

import (
	"context"
	"os/exec"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/task"
)

// untidyAgent repairs the file, breaks another where the issue says so, and leaves things
// behind that are no part of its change.
const untidyAgent = quickAgent + `
touch .git/agent-was-here
if grep -q BREAK /coderflow/prompt.md; then echo broken > broken.txt; fi`

// freshChecks look for what only the agent's workspace could have. That of a change that breaks
// nothing waits until it is released.
const freshChecks = `checks:
  - name: tests
    required: true
    timeout: 10m
    script: |
      if test ! -e broken.txt; then ` + untilReleased + `; fi
      set -eux
      test ! -e .git/agent-was-here
      test ! -e written-after-collection
      test -z "$(git status --porcelain)"
      test "$(ls /sys/class/net)" = lo
      test -z "$(ls -A /run/secrets /run/coderflow/gateway.sock 2>/dev/null)"
      test "$(id -u)" = 10001
      echo "tree $(git rev-parse 'HEAD^{tree}')"
      touch may-write
      if test -e broken.txt; then printf '\033[31mnot ok 1 - @maria closes #1\033[0m\n'; echo "not ok 2 - total"; exit 1; fi
      echo "ok 1 - total"
      echo "ok 2 - empty # SKIP later"
  - {name: style, command: [awk, "END { exit 3 }", receipt.awk]}`

// A required check holds up the approval that came before its end, over a death of the
// server, and refuses it where it fails; what it ran on is exactly what was proposed.
func TestAnApprovalWaitsForItsRequiredChecks(t *testing.T) {
	onBoth(t, func(t *testing.T, at worldOption) {
		w := newStoppedWorld(t, at, func(_ *emulator.Options, s *settings) {
			s.Agent, s.Spec, s.Extra = untidyAgent, freshChecks, looksOften
		})
		w.start()
		good := w.taskOf(w.run(maria).Number, task.Proposed)
		w.intoVolume(good, "touch /workspace/written-after-collection")
		counted := 0
		if w.onAzure() {
			w.takesNoVotes(good)
		} else {
			counted = 1
			w.approve(tom, good.PullRequest, "")
			w.waitSaid(forge.PullTopic(good.PullRequest), "required check")
			w.waitCounted(good.ID, counted)
		}
		var running task.Examination
		w.waitTask(good.ID, "one check runs, the other has ended", func() (bool, error) {
			tests, style := w.examined(good.ID, "tests"), w.examined(good.ID, "style")
			if len(tests) == 0 || len(style) == 0 {
				return false, nil
			}
			running = tests[0]
			return running.State == task.ExaminationRunning && style[0].State.Ended(), nil
		})
		w.server.kill()
		w.releaseNamed(running.Container)
		w.start()
		w.waitTask(good.ID, "the check's end", func() (bool, error) {
			all := w.examined(good.ID, "tests")
			return len(all) == 1 && all[0].State.Ended(), nil
		})
		tests, style := w.examined(good.ID, "tests"), w.examined(good.ID, "style")
		output, err := w.db().ReadLog(t.Context(), tests[0].LogStream(), 0, 1<<16)
		if err != nil || tests[0].State != task.ExaminationPassed {
			t.Fatalf("%+v, %v\n%s", tests[0], err, output)
		}
		if w.onAzure() {
			w.approve(tom, good.PullRequest, "")
		}
		done := w.taskOf(good.Issue, task.Done)
		w.landedExactly(done)
		p, err := w.db().Proposal(t.Context(), good.ID)
		if err != nil {
			t.Fatal(err)
		}
		if len(tests) != 1 || tests[0].State != task.ExaminationPassed || tests[0].Digest != p.Digest || !strings.Contains(tests[0].Summary, "1 test passed, 1 skipped") {
			t.Errorf("tests: %+v", tests)
		}
		if len(style) != 1 || style[0].State != task.ExaminationFailed || style[0].ExitCode != 3 {
			t.Errorf("style: %+v", style)
		}
		if !strings.Contains(string(output), "tree "+p.Tree) {
			t.Errorf("it did not run on tree %s: %q", p.Tree, output)
		}
		w.auditHas(good.ID, map[audit.Action]int{audit.CheckAsked: 2, audit.CheckEnded: 2, audit.ApprovalCounted: counted, audit.ApprovalRecorded: 1})
		d := &desk{t: t, dir: w.dir, config: w.in.config}
		for _, want := range []struct{ text, args string }{
			{"1 test passed", "checks list"}, {tests[0].Definition, "checks show"}, {"ok 2 - empty # SKIP later", "checks logs"},
		} {
			args := append(strings.Fields(want.args), string(good.ID))
			if want.args != "checks list" {
				args = append(args, "tests")
			}
			if out := d.must(args...); !strings.Contains(out, want.text) {
				t.Errorf("coderflow %s does not say %q:\n%s", want.args, want.text, out)
			}
		}
		w.waitChecks(p.Carrier, "neutral") // only style, which is not required, failed

		issue, err := w.openIssue(t.Context(), maria, "BREAK the total", "It forgets the quantity.")
		if err != nil {
			t.Fatal(err)
		}
		w.say(maria, issue.Topic(), "/coderflow run")
		bad := w.taskOf(issue.Number, task.Proposed)
		w.waitChecks(w.head(bad.PullRequest), "failure")
		w.waitSaid(forge.PullTopic(bad.PullRequest), "0 tests passed, 1 failed")
		w.approve(tom, bad.PullRequest, "")
		w.waitSaid(forge.PullTopic(bad.PullRequest), "the change was revised, it takes a new review")
		w.waitCounted(bad.ID, 0)
		w.noCommit(bad)
		w.say(eve, forge.PullTopic(bad.PullRequest), "/coderflow check tests")
		w.waitSaid(forge.PullTopic(bad.PullRequest), "tasks:create")
		w.say(maria, forge.PullTopic(bad.PullRequest), "/coderflow check tests")
		w.waitTask(bad.ID, "a second attempt", func() (bool, error) {
			all := w.examined(bad.ID, "tests")
			return len(all) == 2 && all[1].State == task.ExaminationFailed && all[1].RequestedBy == w.subject(maria), nil
		})
		w.noCommit(bad)
		w.say(maria, forge.PullTopic(bad.PullRequest), "/coderflow check")
		w.say(maria, forge.PullTopic(bad.PullRequest), "/coderflow cancel")
		w.waitTask(bad.ID, "nothing runs", func() (bool, error) {
			open, err := w.db().OpenExaminations(t.Context())
			return len(open) == 0, err
		})
	})
}

// takesNoVotes proves that nobody can vote before the checks have ended.
func (w *world) takesNoVotes(proposed task.Task) {
	w.t.Helper()
	pr, err := w.pullRequest(w.t.Context(), proposed.PullRequest)
	if _, refused := (azurePeople{w.hub}).vote(w.t.Context(), tom, proposed.PullRequest, 10); err != nil || !pr.Draft || refused == nil {
		w.t.Errorf("draft %v, and it takes votes: %v, %v", pr.Draft, refused, err)
	}
}

func (w *world) examined(id task.ID, name string) []task.Examination {
	w.t.Helper()
	all, err := w.db().Examinations(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	var found []task.Examination
	for _, x := range all {
		if x.Name == name {
			found = append(found, x)
		}
	}
	return found
}

// waitChecks waits until the checks' run on the commit has the conclusion.
func (w *world) waitChecks(commit, conclusion string) {
	w.t.Helper()
	w.wait("checks of "+commit+": "+conclusion, func(context.Context) (bool, error) {
		for _, run := range w.hub.CheckRuns(sampleRepo, commit) {
			if run.Name == forge.ChecksRun && run.Conclusion == conclusion {
				return true, nil
			}
		}
		return false, nil
	})
}

// intoVolume does something to the task's own workspace, as whoever has the engine can.
func (w *world) intoVolume(t task.Task, script string) {
	w.t.Helper()
	out, err := exec.Command("docker", "volume", "ls", "-q", "--filter", "name="+string(t.ID)).Output()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, volume := range strings.Fields(string(out)) {
		if strings.HasSuffix(volume, "coderflow-task-"+string(t.ID)) {
			out, err := exec.Command("docker", "run", "--rm", "--network", "none", "-v", volume+":/workspace", "--entrypoint", "/bin/sh",
				"coderflow/sandbox:dev", "-c", script).CombinedOutput()
			if err != nil {
				w.t.Fatalf("%v: %s", err, out)
			}
			return
		}
	}
	w.t.Fatalf("no volume of task %s among %q", t.ID, out)
}
