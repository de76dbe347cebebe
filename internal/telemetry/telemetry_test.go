package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/coderflow/coderflow/internal/telemetry"
)

// kept are the spans that were sent.
type kept []telemetry.Span

// Export implements telemetry.Exporter.
func (k *kept) Export(s telemetry.Span) { *k = append(*k, s) }

func (k *kept) names() (names []string) {
	for _, s := range *k {
		names = append(names, s.Name)
	}
	slices.Sort(names)
	return names
}

func TestATraceIsKnownFromTheTaskAlone(t *testing.T) {
	t.Parallel()
	// printf coderflow/task/5xk3v2qjpl7a | sha256sum | cut -c1-32, as docs/tracing.md says.
	if got := telemetry.TraceOf("5xk3v2qjpl7a").String(); got != wantTrace {
		t.Errorf("trace %s, want %s", got, wantTrace)
	}
	if telemetry.TraceOf("a") == telemetry.TraceOfDelivery("a") || telemetry.RootOf("a") == telemetry.SpanOf("a") {
		t.Error("a task and a delivery share a trace")
	}
}

func TestLinesSayWhatTheyAreAboutOnce(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := slog.New(telemetry.NewHandler(slog.NewJSONHandler(&out, nil)))
	ctx := telemetry.With(t.Context(), telemetry.About{Task: "aaa", Delivery: "d1"})
	deeper := telemetry.With(ctx, telemetry.About{Deployment: "run"})
	trace := func(id string) string { return telemetry.TraceOf(id).String() }
	for name, c := range map[string]struct {
		say  func()
		want map[string]any
	}{
		"from the context":     {func() { log.InfoContext(ctx, "x") }, map[string]any{"task": "aaa", "delivery": "d1", "trace_id": trace("aaa")}},
		"of a context in it":   {func() { log.InfoContext(deeper, "x") }, map[string]any{"task": "aaa", "delivery": "d1", "deployment": "run", "trace_id": trace("aaa")}},
		"said in the line":     {func() { log.InfoContext(ctx, "x", "task", "bbb") }, map[string]any{"task": "bbb", "delivery": "d1", "trace_id": trace("bbb")}},
		"said by the logger":   {func() { log.With("task", "bbb").InfoContext(ctx, "x") }, map[string]any{"task": "bbb", "delivery": "d1", "trace_id": trace("bbb")}},
		"said without context": {func() { log.Info("x", "task", "bbb") }, map[string]any{"task": "bbb", "trace_id": trace("bbb")}},
		"about nothing":        {func() { log.Info("x") }, map[string]any{}},
		"in a group":           {func() { log.WithGroup("g").InfoContext(ctx, "x", "a", 1) }, map[string]any{"g": map[string]any{"a": 1.0}}},
	} {
		out.Reset()
		c.say()
		var said map[string]any
		if err := json.Unmarshal(out.Bytes(), &said); err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"time", "level", "msg"} {
			delete(said, key)
		}
		got, _ := json.Marshal(said)
		want, _ := json.Marshal(c.want)
		if !bytes.Equal(got, want) || strings.Count(out.String(), `"task"`) > 1 {
			t.Errorf("%s: %s, want %s", name, out.String(), want)
		}
	}
}

func TestWhatCameToNothingIsNotTold(t *testing.T) {
	t.Parallel()
	var sent kept
	tracer := telemetry.NewTracer(&sent, 1)
	ctx := telemetry.With(t.Context(), telemetry.About{Task: "aaa"})

	dropped, _ := tracer.Begin(ctx, "step waits")
	_, end := tracer.Start(dropped, "git fetch", telemetry.Internal)
	end(false)
	if len(sent) > 0 {
		t.Errorf("sent %q of a step that is not over", sent.names())
	}

	told, scope := tracer.Begin(ctx, "step works")
	inner, end := tracer.Start(told, "git push", telemetry.Internal)
	tracer.Done(inner, telemetry.Span{Name: "forge refs", Start: time.Now(), End: time.Now()})
	end(true)
	scope.End(false)
	if got := sent.names(); !slices.Equal(got, []string{"forge refs", "git push", "step works"}) {
		t.Fatalf("sent %q", got)
	}
	above := map[string]telemetry.SpanID{}
	for _, s := range sent {
		above[s.Name] = s.ID
		if s.Trace != telemetry.TraceOf("aaa") || s.Failed != (s.Name == "git push") {
			t.Errorf("%+v", s)
		}
	}
	for _, s := range sent {
		want := map[string]telemetry.SpanID{"step works": telemetry.RootOf("aaa"), "git push": above["step works"], "forge refs": above["git push"]}[s.Name]
		if s.Parent != want {
			t.Errorf("%s is below %s, want %s", s.Name, s.Parent, want)
		}
	}
	tracer.Done(inner, telemetry.Span{Name: "too late"})
	if len(sent) != 3 {
		t.Error("a span was sent after its scope had ended")
	}
}

func TestADeliveryIsToldInEachTaskThatItMade(t *testing.T) {
	t.Parallel()
	var sent kept
	tracer := telemetry.NewTracer(&sent, 1)
	_, of := tracer.Begin(telemetry.With(t.Context(), telemetry.About{Delivery: "d"}), "intake")
	of.End(false) // it concerned no task
	ctx, of := tracer.Begin(t.Context(), "intake")
	tracer.Done(ctx, telemetry.Span{Name: "forge issues"})
	for _, id := range []string{"aaa", "bbb"} {
		telemetry.ScopeOf(ctx).Concerns(id)
	}
	of.End(false)
	if got := sent.names(); !slices.Equal(got, []string{"forge issues", "forge issues", "intake", "intake"}) {
		t.Errorf("sent %q", got)
	}
}

func TestNothingIsTracedWithoutATracer(t *testing.T) {
	t.Parallel()
	var none *telemetry.Tracer
	ctx, scope := none.Begin(context.Background(), "x")
	ctx, end := none.Start(ctx, "y", telemetry.Client)
	none.Done(ctx, telemetry.Span{})
	none.EmitFor("aaa", telemetry.Span{})
	scope.Add(telemetry.Span{})
	scope.Concerns("aaa")
	scope.Keep()
	if end(true); scope.Kept() || telemetry.ScopeOf(ctx) != nil {
		t.Error("there is a scope")
	}
	scope.End(true)
}

// Every process takes the same traces, and about as many as it should.
func TestSamplingIsByTheTrace(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.StringMatching(`[a-z2-7]{12}`).Draw(t, "id")
		less, more := rapid.Float64Range(0.01, 1).Draw(t, "a"), rapid.Float64Range(0.01, 1).Draw(t, "b")
		less, more = min(less, more), max(less, more)
		count := func(ratio float64) int {
			var sent kept
			telemetry.NewTracer(&sent, ratio).EmitFor(id, telemetry.Span{})
			return len(sent)
		}
		here, there := count(less), count(less) // two processes
		if here > count(more) || count(1) != 1 || here != there {
			t.Errorf("%s: %d and %d of %g, %d of %g", id, here, there, less, count(more), more)
		}
	})
	var sent kept
	tenth := telemetry.NewTracer(&sent, 0.1)
	for i := range 10_000 {
		tenth.EmitFor(string(rune('a'+i%26))+time.Duration(i).String(), telemetry.Span{})
	}
	if n := len(sent); n < 800 || n > 1200 {
		t.Errorf("%d of 10000 are a tenth", n)
	}
}

const wantTrace = "11fa39c11d43009c9f31f60e29dbd6ff"
