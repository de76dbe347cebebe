// Package otlp sends spans to a collector, by OTLP over HTTP with protobuf bodies
// (https://opentelemetry.io/docs/specs/otlp/#otlphttp).
//
// It is a queue of a fixed size and one sender: whoever ends a span never waits, and a
// collector that hangs costs spans, which are counted, and nothing else. OpenTelemetry's own
// SDK is not used: it chooses the ids of traces by itself, does not count what it drops, and
// its exporter brings gRPC into the server.
package otlp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/coderflow/coderflow/internal/telemetry"
)

// Bounds of what waits, and of one request.
const (
	maxWaiting  = 2048
	maxBatch    = 512
	sendEvery   = 2 * time.Second
	sendTimeout = 10 * time.Second
	attempts    = 3
	lastSend    = time.Second // for what waits when the server stops, which has little time
)

// Outcome is what became of spans.
type Outcome string

// The outcomes.
const (
	Sent    Outcome = "sent"
	Dropped Outcome = "dropped" // too many waited
	Lost    Outcome = "lost"    // the collector did not take them
)

// Outcomes are all of them.
func Outcomes() []Outcome { return []Outcome{Sent, Dropped, Lost} }

// Options say where spans go.
type Options struct {
	// Endpoint is the base address of the collector; /v1/traces is added unless it ends so.
	Endpoint string
	// Header goes with each request; it may hold a credential.
	Header http.Header
	// Resource tells which process the spans are of: service.name and the like.
	Resource []telemetry.Attribute
	// Count is told what became of spans.
	Count  func(o Outcome, n int)
	Logger *slog.Logger
}

// Exporter implements [telemetry.Exporter].
type Exporter struct {
	o       Options
	address string
	client  *http.Client
	waiting chan telemetry.Span
	stop    context.CancelFunc
	sending sync.WaitGroup
}

// New prepares to send; nothing is sent before [Exporter.Start].
func New(o Options) *Exporter {
	address := strings.TrimSuffix(o.Endpoint, "/")
	if !strings.HasSuffix(address, "/v1/traces") {
		address += "/v1/traces"
	}
	return &Exporter{
		o: o, address: address, waiting: make(chan telemetry.Span, maxWaiting), stop: func() {},
		client: &http.Client{Timeout: sendTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
}

// Export keeps a span until it is sent, if there is room.
func (e *Exporter) Export(s telemetry.Span) {
	select {
	case e.waiting <- s:
	default:
		e.o.Count(Dropped, 1)
	}
}

// Start begins to send.
func (e *Exporter) Start(ctx context.Context) {
	ctx, e.stop = context.WithCancel(context.WithoutCancel(ctx))
	e.sending.Go(func() { e.run(ctx) })
}

// Stop sends what waits, for a second at most, and ends.
func (e *Exporter) Stop() {
	e.stop()
	e.sending.Wait()
}

func (e *Exporter) run(ctx context.Context) {
	// What is being sent when the server stops has the same second as what waits.
	sends, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(lastSend, end) })()
	tick := time.NewTicker(sendEvery)
	defer tick.Stop()
	var batch []telemetry.Span
	for {
		select {
		case s := <-e.waiting:
			if batch = append(batch, s); len(batch) < maxBatch {
				continue
			}
		case <-tick.C:
		case <-ctx.Done():
			e.last(sends, batch)
			return
		}
		e.send(sends, batch)
		batch = nil
	}
}

// last sends what waits at the end.
func (e *Exporter) last(ctx context.Context, batch []telemetry.Span) {
	for {
		select {
		case s := <-e.waiting:
			if batch = append(batch, s); len(batch) == maxBatch {
				e.send(ctx, batch)
				batch = nil
			}
			continue
		default:
		}
		e.send(ctx, batch)
		return
	}
}

// send sends a batch, more than once where that may help.
func (e *Exporter) send(ctx context.Context, batch []telemetry.Span) {
	if len(batch) == 0 {
		return
	}
	body, err := proto.Marshal(request(e.o.Resource, batch)) // of the same form as an ExportTraceServiceRequest
	for attempt := 1; err == nil; attempt++ {
		wait, failed := e.post(ctx, body)
		if failed == nil {
			e.o.Count(Sent, len(batch))
			return
		}
		if err = failed; wait == 0 || attempt == attempts {
			break
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait << (attempt - 1)):
			err = nil
		}
	}
	e.o.Count(Lost, len(batch))
	e.o.Logger.WarnContext(ctx, "spans are lost: the trace collector did not take them", "spans", len(batch), "error", err)
}

// post sends once. With an error, wait tells after what time another try may help; 0: none.
func (e *Exporter) post(ctx context.Context, body []byte) (wait time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.address, bytes.NewReader(body))
	if err != nil {
		return 0, errors.New("the address of the trace collector is none") // it may hold a credential
	}
	for name, values := range e.o.Header {
		req.Header[name] = values
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	res, err := e.client.Do(req)
	if err != nil {
		return time.Second, fmt.Errorf("reach the trace collector: %w", errors.Unwrap(err)) // without the address
	}
	defer func() { _ = res.Body.Close() }() // its answer says nothing that helps
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10))
	switch res.StatusCode {
	case http.StatusOK, http.StatusAccepted, http.StatusNoContent:
		return 0, nil
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		wait = time.Second
	}
	return wait, fmt.Errorf("the trace collector answered %d", res.StatusCode)
}

func request(resource []telemetry.Attribute, spans []telemetry.Span) *tracepb.TracesData {
	scope := &tracepb.ScopeSpans{}
	for _, s := range spans {
		scope.Spans = append(scope.Spans, encode(s))
	}
	return &tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{{Resource: resourceOf(resource), ScopeSpans: []*tracepb.ScopeSpans{scope}}}}
}
