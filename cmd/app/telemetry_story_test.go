package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/gateway/modeltest"
	"github.com/coderflow/coderflow/internal/task"
	"github.com/coderflow/coderflow/internal/telemetry"
)

// collector takes traces as a real one does.
type collector struct {
	*httptest.Server
	mu      sync.Mutex
	raw     bytes.Buffer
	spans   []*tracepb.Span
	process []string // attributes of the resources
	keys    []string // that came in the header
}

func startCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var sent tracepb.TracesData
		if err == nil {
			err = proto.Unmarshal(body, &sent)
		}
		if err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" {
			t.Errorf("the collector was sent %s %s: %v", r.Method, r.URL, err)
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		c.keep(body, &sent, r.Header.Get("X-Collector-Key"))
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *collector) keep(body []byte, sent *tracepb.TracesData, key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raw.Write(body)
	c.keys = append(c.keys, key)
	for _, resource := range sent.GetResourceSpans() {
		for _, a := range resource.GetResource().GetAttributes() {
			c.process = append(c.process, a.GetKey()+"="+a.GetValue().GetStringValue())
		}
		for _, scope := range resource.GetScopeSpans() {
			c.spans = append(c.spans, scope.GetSpans()...)
		}
	}
}

// trace are the spans of a task by name.
func (c *collector) trace(id task.ID) map[string][]*tracepb.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	spans, trace := map[string][]*tracepb.Span{}, telemetry.TraceOf(string(id))
	for _, s := range c.spans {
		if bytes.Equal(s.GetTraceId(), trace[:]) {
			spans[s.GetName()] = append(spans[s.GetName()], s)
		}
	}
	return spans
}

// traced sends traces to the address, with a key, and writes the log as JSON.
func traced(t *testing.T, address string) worldOption {
	t.Helper()
	header := filepath.Join(shortDir(t), "headers")
	if err := os.WriteFile(header, []byte("X-Collector-Key: c0llect0r-key\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return func(_ *emulator.Options, s *settings) {
		s.Extra += fmt.Sprintf("\nlog: {level: debug, format: json}\ntracing: {endpoint: %q, headersFile: %s}\n", address, header)
	}
}

// One trace, found by the id of the task alone, has the whole way from the webhook to the
// deployment, over a restart too; the log names the task; the figures count each part. In
// none of them is a secret or anything that somebody wrote.
func TestTraceLogAndFiguresTellTheWholeWayOfATask(t *testing.T) {
	t.Parallel()
	c, model := startCollector(t), startModel(t, modeltest.Script{})
	w := newWorld(t, withModel(t, model, ""), traced(t, c.URL), bashAgent(`
		post /v1/messages "$hello"
		sed -i "s/total += \$3/total += \$2 * \$3/" receipt.awk
		echo said-by-the-agent
	`))
	issue := w.run(maria)
	proposed := w.taskOf(issue.Number, task.Proposed)
	w.signal() // another process goes on with the task, and its trace
	if code := w.exit(longEnough); code != 0 {
		t.Fatalf("exit status %d", code)
	}
	w.start()
	w.approve(tom, proposed.PullRequest, "Count every item\n\n/coderflow deploy publish channel=stable")
	done := w.taskOf(issue.Number, task.Done)

	want := []string{
		"webhook", "intake", "step queued", "step preparing", "git fetch", "workspace", "container start", "model request", "container run",
		"step running", "step collecting", "git build-tree", "git push-proposal", "forge pulls", "step proposed", "approval", "step approved",
		"step landing", "git push", "step landed", "step deploying", "deployment", "task",
	}
	var missing []string
	err := until(t.Context(), longEnough, "the spans", func(context.Context) (bool, error) {
		spans := c.trace(done.ID)
		missing = slices.DeleteFunc(slices.Clone(want), func(name string) bool { return len(spans[name]) > 0 })
		return len(missing) == 0 && len(spans["webhook"]) >= 2, nil // the comment's and the review's
	})
	if err != nil {
		t.Fatalf("%v: %q are missing of %q", err, missing, slices.Sorted(maps.Keys(c.trace(done.ID))))
	}
	hangsTogether(t, done.ID, c.trace(done.ID))
	for _, name := range []string{"approval", "git push", "deployment", "task"} {
		if n := len(c.trace(done.ID)[name]); n != 1 {
			t.Errorf("%d spans %s, want one", n, name)
		}
	}
	secrets := w.untold(model)
	w.logNames(done.ID, secrets...)
	w.wait("the job that deployed is counted", func(context.Context) (bool, error) {
		return strings.Contains(w.metrics(), `coderflow_job_seconds_count{kind="advance",outcome="done"}`), nil
	})
	w.counts(w.metrics(), secrets...)
	c.mu.Lock()
	defer c.mu.Unlock()
	without(t, "the trace", c.raw.Bytes(), secrets...)
	if !slices.Contains(c.process, "service.name=coderflow") || slices.ContainsFunc(c.keys, func(k string) bool { return k != "c0llect0r-key" }) {
		t.Errorf("the collector saw processes %q with keys %q", slices.Compact(c.process), slices.Compact(c.keys))
	}
}

// hangsTogether: each span is below another one of the trace, and all below the task's own.
func hangsTogether(t *testing.T, id task.ID, trace map[string][]*tracepb.Span) {
	t.Helper()
	root := telemetry.RootOf(string(id))
	known := map[string]bool{string(root[:]): true}
	for _, spans := range trace {
		for _, s := range spans {
			known[string(s.GetSpanId())] = true
		}
	}
	for name, spans := range trace {
		for _, s := range spans {
			if name != "task" && !known[string(s.GetParentSpanId())] {
				t.Errorf("the span %s hangs in the air", name)
			}
			if s.GetEndTimeUnixNano() < s.GetStartTimeUnixNano() || s.GetStartTimeUnixNano() == 0 {
				t.Errorf("the span %s is from %d to %d", name, s.GetStartTimeUnixNano(), s.GetEndTimeUnixNano())
			}
		}
	}
}

// untold are secrets, and words that people and agents wrote.
func (w *world) untold(model *modeltest.Server) []string {
	w.t.Helper()
	words := []string{
		"The total is wrong", "It forgets the quantity", "Count every item", "said-by-the-agent", "receipt.awk", "channel", modeltest.Key,
		"hello from", "c0llect0r-key", maria, tom,
	}
	for _, name := range []string{"webhook-secret", "github.pem", "key.pem"} {
		if content, err := os.ReadFile(filepath.Join(w.dir, name)); err == nil {
			words = append(words, strings.TrimSpace(string(content)))
		}
	}
	return words
}

// logNames: every line of the server is one JSON object in which no key is twice, and what
// is about the task says so.
func (w *world) logNames(id task.ID, secrets ...string) {
	w.t.Helper()
	about, moved := 0, 0
	for line := range strings.Lines(w.log.all()) {
		if strings.HasPrefix(line, "time=") { // of the local forge
			continue
		}
		var said map[string]any
		if err := json.Unmarshal([]byte(line), &said); err != nil {
			w.t.Errorf("this line of the log is no JSON: %v\n%s", err, line)
			continue
		}
		for _, key := range []string{`"task":`, `"trace_id":`, `"delivery":`, `"node":`, `"time":`, `"msg":`} {
			if strings.Count(line, key) > 1 {
				w.t.Errorf("%s is there twice:\n%s", key, line)
			}
		}
		if said["task"] == string(id) {
			about++
			if said["trace_id"] != telemetry.TraceOf(string(id)).String() {
				w.t.Errorf("this line lacks the trace:\n%s", line)
			}
		}
		if said["node"] == nil {
			w.t.Errorf("this line lacks the node:\n%s", line)
		}
		if said["msg"] == "task moved" {
			moved++
		}
		without(w.t, "the log", []byte(line), modeltest.Key, "said-by-the-agent", "It forgets the quantity")
	}
	if about < 20 || moved < 9 {
		w.t.Errorf("%d lines are about the task, %d of them tell of a change of state", about, moved)
	}
}

// counts: the figures of the second process, which landed and deployed.
func (w *world) counts(shown string, secrets ...string) {
	w.t.Helper()
	families := figuresAreWell(w.t, shown)
	for _, c := range []struct {
		name   string
		labels []string
	}{
		{"coderflow_step_seconds", []string{"state=landing", "outcome=moved"}},
		{"coderflow_task_transitions_total", []string{"from=landing", "to=landed", "environment=staging"}},
		{"coderflow_task_seconds", []string{"state=done", "environment=staging"}},
		{"coderflow_job_seconds", []string{"kind=advance", "outcome=done"}},
		{"coderflow_webhook_seconds", []string{"forge=github", "outcome=accepted"}},
		{"coderflow_deliveries_total", []string{"forge=github", "outcome=stored"}},
		{"coderflow_git_seconds", []string{"operation=push", "outcome=done"}},
		{"coderflow_container_start_seconds", []string{"purpose=deploy", "outcome=done"}},
		{"coderflow_deployment_seconds", []string{"profile=publish", "outcome=succeeded"}},
		{"coderflow_forge_requests_total", []string{"forge=github", "operation=pulls", "outcome=answered"}},
		{"coderflow_forge_request_seconds", []string{"forge=github", "operation=pulls/reviews"}},
		{"coderflow_audit_entries", nil},
		{"coderflow_database_bytes", nil},
		{"coderflow_spans_total", []string{"outcome=sent"}},
		{"go_sql_open_connections", []string{"db_name=write"}},
	} {
		if total(families, c.name, c.labels...) <= 0 {
			w.t.Errorf("%s %q counts nothing", c.name, c.labels)
		}
	}
	for _, p := range []string{"queue", "proposals", "audit", "database", "containers"} {
		if total(families, "coderflow_figures_readable", "part="+p) != 1 {
			w.t.Errorf("the part %s of the figures cannot be read", p)
		}
	}
	without(w.t, "a label", []byte(strings.Join(labelValues(families), "\n")), secrets...)
}

// A collector that takes the connection and never answers costs spans and no time: the
// story ends, at the other forge too, and what could not be sent is counted.
func TestAHangingTraceCollectorHoldsNothingUp(t *testing.T) {
	t.Parallel()
	hang, reached := make(chan struct{}), make(chan struct{}, 100)
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		reached <- struct{}{}
		<-hang
	}))
	t.Cleanup(silent.Close)
	t.Cleanup(func() { close(hang) })
	w := newWorld(t, onAzure, traced(t, silent.URL))
	issue := w.run(maria)
	proposed := w.taskOf(issue.Number, task.Proposed)
	w.approve(tom, proposed.PullRequest, "")
	w.taskOf(issue.Number, task.Done)
	<-reached
	w.wait("lost spans", func(context.Context) (bool, error) {
		return total(figuresAreWell(t, w.metrics()), "coderflow_spans_total", "outcome=lost") > 0, nil
	})
	figures := figuresAreWell(t, w.metrics())
	for _, operation := range []string{"git/repositories/pullrequests", "wit/workitems"} {
		if total(figures, "coderflow_forge_requests_total", "forge=azuredevops", "operation="+operation, "outcome=answered") == 0 {
			t.Errorf("no requests %s are counted", operation)
		}
	}
}
