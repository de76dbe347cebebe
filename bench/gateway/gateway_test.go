// Package gateway measures what the gateway adds to a request, and what a session
// costs. Run it with
//
//	go test -run xxx -bench . ./bench/gateway
package gateway

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/bench/bound"
	"github.com/coderflow/coderflow/internal/gateway"
	"github.com/coderflow/coderflow/internal/secret"
)

// What the issue promises.
const (
	mostAdded  = time.Millisecond // to the median request
	mostMemory = 5 << 20          // bytes of a session
)

// nowhere keeps nothing: the database's time is the database's benchmark.
type nowhere struct{}

func (nowhere) Spent(context.Context, string, string, time.Time) (gateway.Usage, gateway.Usage, error) {
	return gateway.Usage{}, gateway.Usage{}, nil
}
func (nowhere) Record(context.Context, gateway.Exchange) error              { return nil }
func (nowhere) Audit(context.Context, string, string, map[string]any) error { return nil }
func (nowhere) Trip(context.Context, string, string, string) error          { return nil }
func (nowhere) Transcript(context.Context, string, []byte) error            { return nil }

// provider answers at once with a short stream.
func provider(b testing.TB) *httptest.Server {
	b.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		for range 10 {
			_, _ = io.WriteString(w, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"some words of it \"}}\n\n")
			_ = http.NewResponseController(w).Flush()
		}
	}))
	b.Cleanup(s.Close)
	return s
}

// body is a first request of the size that agents send: about 80 kB of
// instructions, tools and code, with its line breaks and quotes.
func body(size int) string {
	line := `func main() {\n\tfmt.Println(\"a line of some program\") // and a comment on it\n}\n`
	tool := `{"name":"Tool%d","description":"%s","input_schema":{"type":"object","properties":{"command":{"type":"string","description":"what to run"}},"required":["command"]}}`
	var tools, messages []string
	for i := range 12 {
		tools = append(tools, fmt.Sprintf(tool, i, strings.Repeat("What this tool is for, in many words. ", 40)))
	}
	rest := size - len(strings.Join(tools, ","))
	for range 10 {
		messages = append(messages, `{"role":"user","content":[{"type":"text","text":"`+strings.Repeat(line, rest/10/len(line))+`"}]}`)
	}
	return `{"model":"m","max_tokens":1000,"stream":true,"tools":[` + strings.Join(tools, ",") + `],"messages":[` + strings.Join(messages, ",") + `]}`
}

func session(b testing.TB, task, address string) gateway.Session {
	b.Helper()
	base, err := url.Parse(address)
	if err != nil {
		b.Fatal(err)
	}
	s := gateway.Session{Task: task, Environment: "bench", Models: []string{"m"}, Hosts: []string{"registry.example.com"},
		Budget:   gateway.Budget{TaskTokens: 1 << 40},
		Provider: gateway.Provider{Name: "bench", Protocol: gateway.Anthropic, URL: base, Key: value(b, "key", "sk-ant-api03-0123456789abcdefghijklmnopqrstuvwxyz")}}
	for i := range 10 {
		s.Secrets = append(s.Secrets, value(b, fmt.Sprint("s", i), fmt.Sprintf("%d-ghp_0123456789abcdefghijklmnopqrstuvwxyz-%d", i, i*i)))
	}
	return s
}

func value(b testing.TB, name, content string) secret.Value {
	b.Helper()
	v, err := secret.NewValue(name, []byte(content))
	if err != nil {
		b.Fatal(err)
	}
	return v
}

func open(b testing.TB) *gateway.Gateway {
	b.Helper()
	dir, err := os.MkdirTemp("/tmp", "gwb")
	if err != nil {
		b.Fatal(err)
	}
	g := gateway.New(gateway.Options{Dir: dir, Ledger: nowhere{}, Journal: nowhere{}})
	b.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = g.Shutdown(ctx)
		_ = os.RemoveAll(dir)
	})
	return g
}

// post sends one request and reads the whole answer.
func post(b testing.TB, client *http.Client, address, text string) (first, whole time.Duration) {
	b.Helper()
	began := time.Now()
	response, err := client.Post(address+"/v1/messages", "application/json", strings.NewReader(text)) //nolint:noctx // a benchmark ends by itself
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if _, err := response.Body.Read(make([]byte, 1)); err != nil || response.StatusCode != http.StatusOK {
		b.Fatal(response.StatusCode, err)
	}
	first = time.Since(began)
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		b.Fatal(err)
	}
	return first, time.Since(began)
}

// BenchmarkAdded sends the same request directly and through the gateway, in
// turn, and compares the medians.
func BenchmarkAdded(b *testing.B) {
	for _, size := range []int{25_000, 80_000, 500_000} {
		b.Run(fmt.Sprintf("%dkB", size/1000), func(b *testing.B) {
			server, text := provider(b), body(size)
			dir, err := open(b).Open(b.Context(), session(b, "task", server.URL))
			if err != nil {
				b.Fatal(err)
			}
			through := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(dir, gateway.SocketName))
			}}}
			directly := &http.Client{Transport: &http.Transport{}}
			var direct, passed, directFirst, passedFirst []time.Duration
			for b.Loop() {
				first, whole := post(b, directly, server.URL, text)
				direct, directFirst = append(direct, whole), append(directFirst, first)
				first, whole = post(b, through, "http://gateway", text)
				passed, passedFirst = append(passed, whole), append(passedFirst, first)
			}
			added := median(passed) - median(direct)
			b.ReportMetric(float64(median(direct).Microseconds()), "direct-µs")
			b.ReportMetric(float64(added.Microseconds()), "added-µs")
			b.ReportMetric(float64((median(passedFirst) - median(directFirst)).Microseconds()), "added-to-first-byte-µs")
			if size == 80_000 && b.N > 50 {
				bound.Below(b, "gateway: adds to a request of 80 kB", "ms", float64(added.Microseconds())/1000, float64(mostAdded.Microseconds())/1000)
			}
		})
	}
}

func median(list []time.Duration) time.Duration {
	slices.Sort(list)
	return list[len(list)/2]
}

// BenchmarkEvent is the time from the provider's write of one event of a stream to
// the reader's having it, directly and through the gateway.
func BenchmarkEvent(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		for range 100 {
			time.Sleep(2 * time.Millisecond)
			_, _ = fmt.Fprintf(w, "data: {\"type\":\"content_block_delta\",\"delta\":{\"text\":\"%d\"}}\n\n", time.Now().UnixNano())
			_ = http.NewResponseController(w).Flush()
		}
	}))
	b.Cleanup(server.Close)
	dir, err := open(b).Open(b.Context(), session(b, "task", server.URL))
	if err != nil {
		b.Fatal(err)
	}
	through := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(dir, gateway.SocketName))
	}}}
	text := body(25_000)
	var direct, passed []time.Duration
	for b.Loop() {
		direct = append(direct, delays(b, http.DefaultClient, server.URL, text)...)
		passed = append(passed, delays(b, through, "http://gateway", text)...)
	}
	added := median(passed) - median(direct)
	b.ReportMetric(float64(median(direct).Microseconds()), "direct-µs")
	b.ReportMetric(float64(added.Microseconds()), "added-µs")
	if added > mostAdded {
		b.Errorf("an event takes %v longer through the gateway; at most %v is promised", added, mostAdded)
	}
}

// delays are how old each event is when it is read.
func delays(b testing.TB, client *http.Client, address, text string) (list []time.Duration) {
	b.Helper()
	response, err := client.Post(address+"/v1/messages", "application/json", strings.NewReader(text)) //nolint:noctx // a benchmark ends by itself
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		if _, after, ok := strings.Cut(lines.Text(), `"text":"`); ok {
			var at int64
			if _, err := fmt.Sscanf(after, "%d", &at); err != nil {
				b.Fatal(err)
			}
			list = append(list, time.Duration(time.Now().UnixNano()-at))
		}
	}
	return list
}

// TestMemoryOfASession opens many sessions with ten secrets each, uses each once,
// and looks at what the process holds then.
func TestMemoryOfASession(t *testing.T) {
	const sessions = 50
	server, text := provider(t), body(80_000)
	g := open(t)
	before := held()
	var clients []*http.Client
	for i := range sessions {
		dir, err := g.Open(t.Context(), session(t, fmt.Sprint("task-", i), server.URL))
		if err != nil {
			t.Fatal(err)
		}
		c := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(dir, gateway.SocketName))
		}}}
		post(t, c, "http://gateway", text)
		clients = append(clients, c) // its idle connection stays open
	}
	each := (held() - before) / sessions
	t.Logf("%d bytes a session, connection and client included", each)
	if each > mostMemory {
		t.Errorf("a session holds %d bytes; at most %d are promised", each, mostMemory)
	}
	runtime.KeepAlive(clients)
}

// held is memory in use, of heap and stacks.
func held() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc + m.StackInuse) //nolint:gosec // fits
}
