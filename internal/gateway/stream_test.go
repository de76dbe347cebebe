package gateway

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/gateway/modeltest"
)

// events is a provider that sends n events when told, each with the time in it.
func events(t testing.TB, n int, pace time.Duration) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range n {
			_, _ = fmt.Fprintf(w, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"text\":\"%d %d\"}}\n\n", i, time.Now().UnixNano())
			_ = http.NewResponseController(w).Flush()
			time.Sleep(pace)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// TestEventsPassOneByOne measures, event by event, the time from the provider's
// write to the agent's read. The median is what the gateway adds; a busy machine
// shows in the rest.
func TestEventsPassOneByOne(t *testing.T) {
	t.Parallel()
	const n = 50
	server := events(t, n, 3*time.Millisecond)
	w := newWorld(t, Anthropic, server.URL, nil)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://gateway/v1/messages", strings.NewReader(calls["anthropic"].body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	response, err := client(w.dir).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var delays []time.Duration
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		if _, after, ok := strings.Cut(lines.Text(), `"text":"`); ok {
			var i, at int64
			if _, err := fmt.Sscanf(after, "%d %d", &i, &at); err != nil {
				t.Fatal(err)
			}
			delays = append(delays, time.Duration(time.Now().UnixNano()-at))
		}
	}
	slices.Sort(delays)
	if len(delays) != n {
		t.Fatalf("%d events arrived", len(delays))
	}
	t.Logf("median %v, worst %v", delays[n/2], delays[n-1])
	if delays[n/2] > 3*time.Millisecond { // the pace: slower would be one event behind
		t.Errorf("the median event took %v", delays[n/2])
	}
}

// TestAnswersPassUnchanged, whatever the interface.
func TestAnswersPassUnchanged(t *testing.T) {
	t.Parallel()
	for name, c := range calls {
		if strings.Contains(c.path, "key=") {
			continue
		}
		m := model(t, modeltest.Script{Final: strings.Repeat("Zeile für Zeile. ", 50)})
		w := newWorld(t, c.protocol, m.URL(), nil)
		through := w.do(http.MethodPost, c.path, c.body, nil)
		sent := m.Requests()[0]
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, m.URL()+sent.Path, strings.NewReader(string(sent.Body)))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = sent.Header
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		direct, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || through.body != string(direct) || through.header.Get("Content-Type") != response.Header.Get("Content-Type") {
			t.Errorf("%s: %v\n%s\nbecame\n%s", name, err, direct, through.body)
		}
	}
}

// TestABrokenAnswerIsBrokenForTheAgentToo, and is reckoned with by estimate.
func TestABrokenAnswerIsBrokenForTheAgentToo(t *testing.T) {
	t.Parallel()
	for name, c := range calls {
		if strings.Contains(name, "document") || c.protocol == Gemini {
			continue // no stream, or one of a single event
		}
		m := model(t, modeltest.Script{CutStreams: true, Final: strings.Repeat("long ", 100)})
		w := newWorld(t, c.protocol, m.URL(), nil)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://gateway"+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Anthropic-Version", "2023-06-01")
		response, err := client(w.dir).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.ReadAll(response.Body)
		_ = response.Body.Close()
		e := w.ledger.all(t, 1)[0]
		if err == nil || e.Refused != CutOff || !e.Usage.Estimated || e.Usage.InputTokens == 0 || e.Usage.OutputTokens == 0 {
			t.Errorf("%s: %v, recorded %+v", name, err, e)
		}
	}
}

func TestAnAgentThatLeavesEndsTheProvidersWork(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "data: {}\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		close(ended)
	}))
	t.Cleanup(server.Close)
	w := newWorld(t, Anthropic, server.URL, nil)
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://gateway/v1/messages", strings.NewReader(calls["anthropic"].body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	response, err := client(w.dir).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	_ = response.Body.Close()
	select {
	case <-ended:
	case <-time.After(2 * time.Minute):
		t.Fatal("the provider goes on working")
	}
	if e := w.ledger.all(t, 1)[0]; !e.Usage.Estimated || e.Refused != CutOff {
		t.Errorf("recorded %+v", e)
	}
}

// TestOneTaskCannotTakeAllPlaces of another, and has a bound of its own.
func TestRequestsAtTheSameTimeAreBounded(t *testing.T) {
	t.Parallel()
	free := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-free
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(free) })
	w := newWorld(t, Anthropic, server.URL, nil)
	other := w.session
	other.Task = "task-2"
	dir, err := w.gateway.Open(t.Context(), other)
	if err != nil {
		t.Fatal(err)
	}
	statuses := make(chan int, maxRequests+1)
	for range maxRequests + 1 {
		go func() { statuses <- quietly(w.dir, calls["anthropic"].body) }()
	}
	if got := <-statuses; got != http.StatusServiceUnavailable {
		t.Errorf("the one too many got %d", got)
	}
	go func() { statuses <- quietly(dir, calls["anthropic"].body) }()
	select {
	case got := <-statuses:
		t.Errorf("another task's request got %d", got)
	case <-time.After(100 * time.Millisecond): // it is with the provider
	}
}

func quietly(dir, body string) int {
	response, err := client(dir).Post("http://gateway/v1/messages", "application/json", strings.NewReader(body)) //nolint:noctx // ends with the test's server
	if err != nil {
		return 0
	}
	defer func() { _ = response.Body.Close() }()
	return response.StatusCode
}

// TestThreat24HangingUpIsNotFree: the provider has the request, whether or not the
// agent waits for the answer.
func TestThreat24HangingUpIsNotFree(t *testing.T) {
	t.Parallel()
	got := make(chan struct{}, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		got <- struct{}{}
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	w := newWorld(t, Anthropic, server.URL, nil)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-got; cancel() }()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://gateway/v1/messages", strings.NewReader(calls["anthropic"].body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if response, err := client(w.dir).Do(r); err == nil {
		_ = response.Body.Close()
		t.Fatal("an answer came")
	}
	if e := w.ledger.all(t, 1)[0]; e.Usage.InputTokens < 10 || !e.Usage.Estimated {
		t.Errorf("recorded %+v", e)
	}
}

// TestAProviderThatIsDownCostsNothing.
func TestAProviderThatIsDownCostsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Anthropic, "http://127.0.0.1:1", nil)
	got := w.do(http.MethodPost, "/v1/messages", calls["anthropic"].body, nil)
	if e := w.ledger.all(t, 1)[0]; got.status != http.StatusBadGateway || e.Usage.Tokens() != 0 || strings.Contains(got.body, "127.0.0.1") {
		t.Errorf("%d %s, recorded %+v", got.status, got.body, e)
	}
}
