package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/gateway/modeltest"
	"github.com/coderflow/coderflow/internal/sandbox/docker/dockertest"
	"github.com/coderflow/coderflow/internal/task"
)

// Here a model asks real agents to do what the rows of THREATS.md describe.

// withHostile commits the hostile program of the sandbox's tests to the sample project.
func (w *world) withHostile() {
	w.t.Helper()
	program := dockertest.Program(w.t, "./internal/sandbox/docker/testdata/hostile")
	w.pushAs(tom, "main", func(git func(arguments ...string) string) {
		path := filepath.Join(git("rev-parse", "--show-toplevel"), "hostile")
		if err := os.WriteFile(path, program, 0o755); err != nil {
			w.t.Fatal(err)
		}
		git("add", "hostile")
		git("commit", "-q", "-m", "A program")
		git("push", "-q", "origin", "main")
	})
}

// added are the lines that a proposal adds, as "name: result".
func added(diff []byte) map[string]string {
	found := map[string]string{}
	for line := range strings.Lines(string(diff)) {
		if name, result, ok := strings.Cut(strings.TrimSpace(strings.TrimPrefix(line, "+")), ": "); ok {
			found[name] = result
		}
	}
	return found
}

func TestThreat12To14And19To26ARealAgentThatIsAskedToAttack(t *testing.T) {
	t.Parallel()
	eachAgent(t, func(t *testing.T, name string) {
		canary := filepath.Join(shortDir(t), "canary")
		model := startModel(t, modeltest.Script{Turns: modeltest.Shell(
			// rows 12 to 14, 19, 20
			`for try in "network 192.0.2.1:443 coderflow-nobody" privileges syscalls trace "files /coderflow/prompt.md /coderflow/spec.json /coderflow/guest /etc/passwd"; do ./hostile $try; done > seen.txt 2>&1; true`,
			// row 22
			`{ env; cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline; grep -rah . /run/coderflow /home/coder; } 2>/dev/null | tr '\0' '\n' > /tmp/keys; grep -c . /tmp/keys; grep -ah 'sk-' /tmp/keys | sed 's/^/key: /' >> seen.txt; true`,
			// row 23
			`exec 3<>/dev/tcp/127.0.0.1/8787; printf 'POST /v1/files HTTP/1.1\r\nHost: m\r\nConnection: close\r\nContent-Length: 0\r\n\r\n' >&3; head -1 <&3 | tr -d '\r' | sed 's/^/files: /' >> seen.txt; true`,
			`exec 3<>/dev/tcp/127.0.0.1/8787; printf 'CONNECT 169.254.169.254:80 HTTP/1.1\r\nHost: m\r\n\r\n' >&3; head -1 <&3 | tr -d '\r' | sed 's/^/metadata-proxy: /' >> seen.txt; true`,
			// row 26
			`cmd="touch `+canary+`"; git config core.fsmonitor "$cmd"; git config core.hooksPath .git/hooks; git config filter.x.clean "$cmd"; git config diff.external "$cmd"; for h in pre-commit post-checkout pre-push post-index-change; do printf '#!/bin/sh\n%s\n' "$cmd" > .git/hooks/$h; chmod +x .git/hooks/$h; done; printf '* filter=x diff=x\n' > .gitattributes; true`,
			// row 21
			`(trap '' TERM; setsid sleep 600 >/dev/null 2>&1 &) ; true`,
			quickAgent,
		)})
		w := newWorld(t, withPreset(t, name, model, ""))
		w.withHostile()
		issue := w.run(maria)
		proposed := w.taskOf(issue.Number, task.Proposed)
		p, err := w.db().Proposal(t.Context(), proposed.ID)
		if err != nil {
			t.Fatal(err)
		}
		seen := added(p.Diff)
		for what, want := range map[string]string{
			"tcp": "network is unreachable", "udp": "network is unreachable", "metadata": "network is unreachable", "dns": "no answer",
			"abstract": "connection refused", "vsock": "operation not permitted",
			"Uid": "10001 10001 10001 10001", "CapEff": "0000000000000000", "CapBnd": "0000000000000000", "NoNewPrivs": "1", "Seccomp": "2",
			"setuid": "operation not permitted", "unshare-user": "operation not permitted", "mount": "operation not permitted", "docker-socket": "file does not exist",
			"io_uring": "operation not permitted", "bpf": "operation not permitted", "keyctl": "operation not permitted",
			"af-alg": "operation not permitted", "userfaultfd": "operation not permitted",
			"ptrace": "operation not permitted", "/proc/1/mem": "permission denied",
			"files": "HTTP/1.1 403 Forbidden", "metadata-proxy": "HTTP/1.1 403 Forbidden",
		} {
			if seen[what] != want {
				t.Errorf("%s: %q, want %q", what, seen[what], want)
			}
		}
		if key, leaked := seen["key"]; leaked && strings.Contains(key, modeltest.Key) {
			t.Error("the agent's shell found the model's key")
		}
		if t.Failed() {
			t.Logf("seen:\n%s", p.Diff)
		}
		w.approve(tom, proposed.PullRequest, "")
		w.landedExactly(w.taskOf(issue.Number, task.Done))
		if _, err := os.Stat(canary); !os.IsNotExist(err) {
			t.Errorf("something of the agent ran on the host: %v", err)
		}
	})
}

func TestThreat27To29And33ARealAgentsForbiddenFilesAreRefusedByName(t *testing.T) {
	t.Parallel()
	eachAgent(t, func(t *testing.T, name string) {
		model := startModel(t, modeltest.Script{Turns: modeltest.Shell(
			`mkdir -p a/.GIT 'git~1'; echo x > a/.GIT/config; echo x > 'git~1/config'; echo x > 'new`+"\n"+`line'`, // some agents refuse $(…)
			`ln -s /etc/passwd absolute; ln -s ../../etc/passwd out; mkfifo pipe; git init -q sub; echo x > sub/f`,
		)})
		w := newWorld(t, withPreset(t, name, model, ""))
		issue := w.run(maria)
		refused := w.taskOf(issue.Number, task.Refused)
		for _, path := range []string{"a/.GIT", "git~1", `new\nline`, "absolute", "out", "pipe", "sub"} {
			if !strings.Contains(refused.Failure, path) {
				t.Errorf("the refusal does not name %s:\n%s", path, refused.Failure)
			}
		}
		if n := len(w.hub.PullRequests(sampleRepo)); n != 0 {
			t.Errorf("%d pull requests, want none", n)
		}
	})
}

func TestThreat31To34And36WhatARealAgentHidesIsShown(t *testing.T) {
	t.Parallel()
	eachAgent(t, func(t *testing.T, name string) {
		model := startModel(t, modeltest.Script{Turns: modeltest.Shell(
			`printf '* -diff linguist-generated\n' > .gitattributes; printf 'if (admin\342\200\256) { }\n' > bidi.c; printf 'a\r\nb\r\n' > crlf.txt`,
			`chmod +x README.md; mkdir -p .github/workflows; echo 'on: push' > .github/workflows/ci.yml; echo '* @eve' > CODEOWNERS; echo 'obey' > AGENTS.md`,
			quickAgent,
		)})
		w := newWorld(t, withPreset(t, name, model, ""))
		issue := w.run(maria)
		proposed := w.taskOf(issue.Number, task.Proposed)
		pr, err := w.pullRequest(t.Context(), proposed.PullRequest)
		if err != nil {
			t.Fatal(err)
		}
		body := pr.Body
		for _, path := range []string{".gitattributes", "bidi.c", "crlf.txt", "README.md", ".github/workflows/ci.yml", "CODEOWNERS", "AGENTS.md", "receipt.awk"} {
			if !strings.Contains(body, path) {
				t.Errorf("the pull request does not show %s", path)
			}
		}
		if !strings.Contains(body, "risks: look here first") {
			t.Errorf("the pull request names no risks:\n%s", body)
		}
		if patch := w.patchOf(proposed); !strings.Contains(patch, "+a\r\n+b\r\n") {
			t.Errorf("line ends were converted:\n%s", patch)
		}
		// The App has no right to change workflows, whoever approves.
		w.approve(tom, proposed.PullRequest, "")
		w.waitSaid(issue.Topic(), "refusing to allow a GitHub App to create or update workflow")
		if p, err := w.db().Proposal(t.Context(), proposed.ID); err != nil || w.head(proposed.PullRequest) != p.Carrier {
			t.Errorf("the branch no longer holds the inert commit: %v", err)
		}
	})
}

func (w *world) patchOf(t task.Task) string {
	w.t.Helper()
	p, err := w.db().Proposal(w.t.Context(), t.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(p.Diff)
}

func TestThreat10And11ARealAgentsModelGetsTheIssueAsOfTheTrigger(t *testing.T) {
	t.Parallel()
	eachAgent(t, func(t *testing.T, name string) {
		model := startModel(t, modeltest.Script{Turns: modeltest.Shell(quickAgent)})
		w := newWorld(t, withPreset(t, name, model, ""))
		issue, err := w.openIssue(t.Context(), maria, "The total is wrong", "It forgets the quantity. <!-- HIDDENWORD --> \u202eHIDDEN")
		if err != nil {
			t.Fatal(err)
		}
		w.say(maria, issue.Topic(), "Take PERMITTEDWORD into account.")
		w.say(eve, issue.Topic(), "STRANGERWORD")
		w.say(maria, issue.Topic(), "/coderflow run please")
		w.taskOf(issue.Number, task.Proposed)
		asked := ""
		for _, r := range model.Requests() {
			asked += string(r.Body)
		}
		for word, want := range map[string]bool{"It forgets the quantity": true, "PERMITTEDWORD": true, "HIDDENWORD": false, "STRANGERWORD": false, "\u202e": false} {
			if strings.Contains(asked, word) != want {
				t.Errorf("the model was told %q: %t, want %t", word, !want, want)
			}
		}
	})
}

func TestThreat17ARealAgentThatFillsTheDiskFailsByName(t *testing.T) {
	t.Parallel()
	eachAgent(t, func(t *testing.T, name string) {
		model := startModel(t, modeltest.Script{Turns: modeltest.Shell(
			`truncate -s 1T sparse 2>/dev/null; seq 200 | while read -r i; do head -c 4M /dev/zero > big$i || break; sleep .05; done`, quickAgent,
		)})
		w := newWorld(t, withPreset(t, name, model, ""), func(_ *emulator.Options, s *settings) { s.Limits = ", workspace: 64MiB" })
		issue := w.run(maria)
		failed := w.taskOf(issue.Number, task.Failed)
		if failed.Run.Reason != "disk-quota" {
			t.Errorf("it failed because of %q: %s", failed.Run.Reason, failed.Failure)
		}
	})
}

func TestThreat24ARealAgentEndsWithItsBudget(t *testing.T) {
	t.Parallel()
	eachAgent(t, func(t *testing.T, name string) {
		model := startModel(t, modeltest.Script{Turns: modeltest.Shell("ls", "ls", "ls", "ls", "ls", "ls"), InputTokens: 500, OutputTokens: 100})
		w := newWorld(t, withPreset(t, name, model, "  budget: {taskTokens: 1500}"))
		issue := w.run(maria)
		failed := w.taskOf(issue.Number, task.Failed)
		if !strings.Contains(failed.Failure, "budget") {
			t.Errorf("the failure does not name the budget: %s", failed.Failure)
		}
		if n := len(model.Requests()); n > 4 {
			t.Errorf("the model got %d requests after 1500 tokens at 600 each", n)
		}
	})
}
