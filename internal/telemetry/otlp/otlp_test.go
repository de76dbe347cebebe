package otlp_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/coderflow/coderflow/internal/telemetry"
	"github.com/coderflow/coderflow/internal/telemetry/otlp"
)

// counts are what became of spans.
type counts struct{ sent, dropped, lost atomic.Int64 }

func (c *counts) add(o otlp.Outcome, n int) {
	map[otlp.Outcome]*atomic.Int64{otlp.Sent: &c.sent, otlp.Dropped: &c.dropped, otlp.Lost: &c.lost}[o].Add(int64(n))
}

func exporter(t *testing.T, endpoint string, log io.Writer) (*otlp.Exporter, *counts) {
	t.Helper()
	c := &counts{}
	return otlp.New(otlp.Options{
		Endpoint: endpoint, Header: http.Header{"X-Key": {"k3y"}}, Count: c.add, Logger: slog.New(slog.NewTextHandler(log, nil)),
		Resource: []telemetry.Attribute{telemetry.String("service.name", "coderflow")},
	}), c
}

func TestASpanArrivesAsItIs(t *testing.T) {
	t.Parallel()
	var got tracepb.TracesData
	var mu sync.Mutex
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		if err := proto.Unmarshal(body, &got); err != nil || r.URL.Path != "/base/v1/traces" || r.Header.Get("X-Key") != "k3y" {
			t.Errorf("%s: %v", r.URL, err)
		}
	}))
	t.Cleanup(server.Close)
	e, c := exporter(t, server.URL+"/base/", io.Discard)
	e.Start(t.Context())
	began := time.Unix(1_700_000_000, 5)
	e.Export(telemetry.Span{
		Trace: telemetry.TraceOf("aaa"), ID: telemetry.SpanOf("x"), Parent: telemetry.RootOf("aaa"), Name: "git push", Kind: telemetry.Client,
		Start: began, End: began.Add(time.Second), Failed: true, Link: &telemetry.Link{Trace: telemetry.TraceOfDelivery("d")},
		Attributes: []telemetry.Attribute{telemetry.String("a", "b"), telemetry.String("unknown", ""), telemetry.Int("n", 7), telemetry.Bool("yes", true)},
	})
	e.Stop() // sends what waits
	mu.Lock()
	defer mu.Unlock()
	span := got.GetResourceSpans()[0].GetScopeSpans()[0].GetSpans()[0]
	trace, id, parent := telemetry.TraceOf("aaa"), telemetry.SpanOf("x"), telemetry.RootOf("aaa")
	if !bytes.Equal(span.GetTraceId(), trace[:]) || !bytes.Equal(span.GetSpanId(), id[:]) || !bytes.Equal(span.GetParentSpanId(), parent[:]) ||
		span.GetName() != "git push" || span.GetKind() != tracepb.Span_SPAN_KIND_CLIENT || span.GetStatus().GetCode() != tracepb.Status_STATUS_CODE_ERROR ||
		span.GetEndTimeUnixNano()-span.GetStartTimeUnixNano() != 1e9 || span.GetStartTimeUnixNano() != 1_700_000_000_000_000_005 || len(span.GetLinks()) != 1 {
		t.Errorf("arrived: %v", span)
	}
	var said []string
	for _, a := range span.GetAttributes() {
		said = append(said, fmt.Sprint(a.GetKey(), "=", a.GetValue().GetStringValue(), a.GetValue().GetIntValue(), a.GetValue().GetBoolValue()))
	}
	if got := strings.Join(said, " "); got != "a=b0 false n=7 false yes=0 true" {
		t.Errorf("attributes: %s", got)
	}
	if c.sent.Load() != 1 || c.dropped.Load() != 0 || c.lost.Load() != 0 {
		t.Errorf("counted %d sent, %d dropped, %d lost", c.sent.Load(), c.dropped.Load(), c.lost.Load())
	}
}

func TestACollectorThatStumblesIsTriedAgainAndOneThatRefusesIsNot(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answers []int
		sent    bool
		asked   int32
	}{
		"stumbles":   {[]int{503, 200}, true, 2},
		"is limited": {[]int{429, 502, 202}, true, 3},
		"refuses":    {[]int{400, 200}, false, 1},
		"redirects":  {[]int{307, 200}, false, 1},
		"fails":      {[]int{503, 503, 503, 200}, false, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(c.answers[asked.Add(1)-1])
			}))
			t.Cleanup(server.Close)
			e, counted := exporter(t, server.URL, io.Discard)
			e.Export(telemetry.Span{})
			e.Start(t.Context())
			for deadline := time.Now().Add(time.Minute); counted.sent.Load()+counted.lost.Load() == 0 && time.Now().Before(deadline); {
				time.Sleep(20 * time.Millisecond)
			}
			e.Stop()
			if (counted.sent.Load() == 1) != c.sent || (counted.lost.Load() == 1) == c.sent || asked.Load() != c.asked {
				t.Errorf("asked %d times, want %d; %d sent, %d lost", asked.Load(), c.asked, counted.sent.Load(), counted.lost.Load())
			}
		})
	}
}

// A batch that is on its way when the server stops arrives.
func TestWhatIsBeingSentAtTheEndArrives(t *testing.T) {
	t.Parallel()
	asked, answer := make(chan struct{}, 1), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked <- struct{}{}
		<-answer
	}))
	t.Cleanup(server.Close)
	e, c := exporter(t, server.URL, io.Discard)
	e.Export(telemetry.Span{})
	e.Start(t.Context())
	<-asked
	go close(answer)
	e.Stop()
	if c.sent.Load() != 1 || c.lost.Load() != 0 {
		t.Errorf("%d sent, %d lost", c.sent.Load(), c.lost.Load())
	}
}

// What does not fit is dropped and counted, whoever ends a span never waits, and what is
// logged has neither key nor address in it.
func TestAFullQueueDropsAndNobodyWaits(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	e, c := exporter(t, "http://user:s3cret@127.0.0.1:1/private", &log)
	const n = 5000
	for range n {
		e.Export(telemetry.Span{})
	}
	if c.dropped.Load() == 0 || c.dropped.Load() == n {
		t.Errorf("%d of %d were dropped", c.dropped.Load(), n)
	}
	e.Start(t.Context())
	e.Stop()
	if got := c.dropped.Load() + c.lost.Load(); got != n {
		t.Errorf("%d of %d are accounted for", got, n)
	}
	if said := log.String(); !strings.Contains(said, "spans are lost") || strings.Contains(said, "s3cret") || strings.Contains(said, "private") || strings.Contains(said, "k3y") {
		t.Errorf("logged: %s", said)
	}
}
