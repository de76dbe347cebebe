package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/gateway/modeltest"
	"github.com/coderflow/coderflow/internal/secret"
)

// world is a gateway with a session, and a provider behind it.
type world struct {
	t       *testing.T
	gateway *Gateway
	session Session
	dir     string
	ledger  *ledger
	journal *book
	log     *bytes.Buffer
}

func value(t testing.TB, name, content string) secret.Value {
	t.Helper()
	v, err := secret.NewValue(name, []byte(content))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// model starts a scripted provider.
func model(t testing.TB, script modeltest.Script) *modeltest.Server {
	t.Helper()
	m, err := modeltest.New(script)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

// newWorld opens a session at a provider; change may alter it and the options.
func newWorld(t *testing.T, protocol Protocol, provider string, change func(*Session, *Options)) *world {
	t.Helper()
	base, err := url.Parse(provider)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, ledger: newLedger(), journal: &book{}, log: &bytes.Buffer{}}
	w.session = Session{Task: "task-1", Environment: "dev", Models: []string{"m", "n-*"},
		Provider: Provider{Name: "scripted", Protocol: protocol, URL: base, Key: value(t, "model-key", modeltest.Key)}}
	o := Options{Dir: shortDir(t), Ledger: w.ledger, Journal: w.journal, Logger: slog.New(slog.NewTextHandler(w.log, nil))}
	if change != nil {
		change(&w.session, &o)
	}
	w.gateway = New(o)
	if w.dir, err = w.gateway.Open(t.Context(), w.session); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_ = w.gateway.Shutdown(ctx)
	})
	return w
}

// shortDir is a directory whose name leaves room for a socket's path.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "gw")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// client speaks to the socket in a directory, as the forwarder in a container.
func client(dir string) *http.Client {
	return &http.Client{Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(dir, SocketName))
	}}}
}

// reply is an answer as the agent sees it.
type reply struct {
	status int
	header http.Header
	body   string
}

// do sends a request as an agent would.
func (w *world) do(method, path, body string, header map[string]string) reply {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, "http://gateway"+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Anthropic-Version", "2023-06-01")
	for name, v := range header {
		r.Header.Set(name, v)
	}
	response, err := client(w.dir).Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return reply{response.StatusCode, response.Header, string(text)}
}

// raw sends bytes and returns what comes until the connection is silent or closed.
func (w *world) raw(text string) string {
	w.t.Helper()
	conn, err := (&net.Dialer{}).DialContext(w.t.Context(), "unix", filepath.Join(w.dir, SocketName))
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(500 * time.Millisecond))
	_, _ = io.WriteString(conn, text)
	out, _ := io.ReadAll(conn)
	return string(out)
}

// close ends the session, so that the journal is complete.
func (w *world) close() {
	w.t.Helper()
	if err := w.gateway.Close(w.session.Task); err != nil {
		w.t.Fatal(err)
	}
}

// ledger keeps exchanges in memory.
type ledger struct {
	mu        sync.Mutex
	exchanges []Exchange
	broken    error // of Spent
	lost      error // of Record
}

func newLedger() *ledger { return &ledger{} }

func (l *ledger) Spent(_ context.Context, task, environment string, day time.Time) (Usage, Usage, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var byTask, byEnvironment Usage
	for _, e := range l.exchanges {
		if e.Task == task {
			byTask = sum(byTask, e.Usage)
		}
		if e.Environment == environment && e.At.UTC().Format(time.DateOnly) == day.UTC().Format(time.DateOnly) {
			byEnvironment = sum(byEnvironment, e.Usage)
		}
	}
	return byTask, byEnvironment, l.broken
}

func sum(a, b Usage) Usage {
	return Usage{Requests: a.Requests + b.Requests, InputTokens: a.InputTokens + b.InputTokens, OutputTokens: a.OutputTokens + b.OutputTokens,
		CacheReadTokens: a.CacheReadTokens + b.CacheReadTokens, CacheWriteTokens: a.CacheWriteTokens + b.CacheWriteTokens, Cost: a.Cost + b.Cost}
}

func (l *ledger) Record(_ context.Context, e Exchange) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost != nil {
		return l.lost
	}
	l.exchanges = append(l.exchanges, e)
	return nil
}

// all are the exchanges once there are n: they are recorded after the answer.
func (l *ledger) all(t *testing.T, n int) []Exchange {
	t.Helper()
	for range 12_000 {
		l.mu.Lock()
		list := append([]Exchange(nil), l.exchanges...)
		l.mu.Unlock()
		if len(list) >= n {
			return list
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("fewer than %d exchanges were recorded", n)
	return nil
}

// book is a journal in memory.
type book struct {
	mu     sync.Mutex
	audit  []audited
	script []string
	trips  []string
	broken error // of Trip
}

type audited struct {
	task, kind string
	data       map[string]any
}

func (b *book) Audit(_ context.Context, task, kind string, data map[string]any) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.audit = append(b.audit, audited{task, kind, data})
	return nil
}

func (b *book) Trip(_ context.Context, task, canary, where string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.broken == nil {
		b.trips = append(b.trips, task+": "+canary+" in "+where)
	}
	return b.broken
}

func (b *book) Transcript(_ context.Context, _ string, line []byte) error {
	if !json.Valid(line) || bytes.ContainsAny(line, "\n\r") {
		return errors.New("not one line of JSON")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.script = append(b.script, string(line))
	return nil
}

// of are the entries of a kind.
func (b *book) of(kind string) []audited {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []audited
	for _, a := range b.audit {
		if a.kind == kind {
			list = append(list, a)
		}
	}
	return list
}

// lines is the whole transcript.
func (b *book) lines() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Join(b.script, "\n")
}

// addresses is a resolver with fixed answers.
type addresses map[string][]string

func (a addresses) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	var list []netip.Addr
	for _, text := range a[strings.TrimSuffix(host, ".")] {
		list = append(list, netip.MustParseAddr(text))
	}
	return list, nil
}
