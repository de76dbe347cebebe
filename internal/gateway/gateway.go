package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/coderflow/coderflow/internal/gateway/egress"
)

// Options of a gateway. Dir, Ledger and Journal are required.
type Options struct {
	Dir     string // of the sockets; short, for a socket's path has at most 107 bytes
	Ledger  Ledger
	Journal Journal
	Logger  *slog.Logger
	Now     func() time.Time
	Metrics Metrics
	// Transport reaches the providers; the default verifies TLS and uses no proxy.
	Transport http.RoundTripper
	// Resolver looks up the hosts of CONNECT, Dial connects to a checked address.
	Resolver egress.Resolver
	Dial     egress.Dialer
}

// SocketName is the name of the socket in a session's directory.
const SocketName = "gateway.sock"

// maxSocketPath is sizeof(sockaddr_un.sun_path) - 1 of Linux.
const maxSocketPath = 107

// ErrClosed says that the gateway was shut down.
var ErrClosed = errors.New("the gateway is shut down")

// Gateway serves the sessions of all tasks of this process.
type Gateway struct {
	o       Options
	budgets *budgets
	// inspecting bounds how many bodies are taken apart at the same time, of all
	// tasks: a hostile one takes many times its size in memory for that moment.
	inspecting chan struct{}

	mu       sync.Mutex
	sessions map[string]*session
	// shut are those that a canary ended, by their task, until they are closed: also
	// suspended ones, whose canary may not be recorded yet.
	shut   map[string]*session
	closed bool
	// suspended are sessions that were cut and still record what they did.
	suspended sync.WaitGroup
}

// New makes a gateway; sessions are opened one by one.
func New(o Options) *Gateway {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Metrics == nil {
		o.Metrics = noMetrics{}
	}
	if o.Transport == nil {
		o.Transport = NewTransport()
	}
	if o.Resolver == nil {
		o.Resolver = &net.Resolver{}
	}
	if o.Dial == nil {
		o.Dial = egress.System
	}
	return &Gateway{o: o, budgets: newBudgets(o.Ledger), inspecting: make(chan struct{}, max(2, runtime.GOMAXPROCS(0))), sessions: map[string]*session{}, shut: map[string]*session{}}
}

// NewTransport is the way to providers: TLS verified, no proxy from the
// environment, no decompression (nothing compressed is asked for), headers bounded.
func NewTransport() *http.Transport {
	return &http.Transport{
		Proxy:                  nil,
		DialContext:            (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:    10 * time.Second,
		ResponseHeaderTimeout:  15 * time.Minute, // an answer that is not streamed comes when it is complete
		IdleConnTimeout:        90 * time.Second,
		MaxIdleConnsPerHost:    16,
		MaxResponseHeaderBytes: 64 << 10,
		WriteBufferSize:        64 << 10, // a prompt in a few writes
		DisableCompression:     true,
		ForceAttemptHTTP2:      true,
	}
}

// Dir is where the session of a task has its socket. It depends on nothing but
// the options and the task, so that a restarted gateway finds it again.
func (g *Gateway) Dir(task string) string {
	sum := sha256.Sum256([]byte(task))
	return filepath.Join(g.o.Dir, hex.EncodeToString(sum[:8]))
}

// Open starts the session of a task, or changes the running one, and returns the
// directory to mount into the container: read-only, and the directory rather than
// the socket, so that the container sees the socket of a restarted gateway.
//
// It fails with *TrippedError if a canary ended the session.
func (g *Gateway) Open(ctx context.Context, s Session) (string, error) {
	terms, err := newTerms(s)
	if err != nil {
		return "", fmt.Errorf("open the gateway of task %s: %w", s.Task, err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return "", ErrClosed
	}
	if shut, ok := g.shut[s.Task]; ok {
		return "", shut.whyShut(ctx)
	}
	dir := g.Dir(s.Task)
	if running, ok := g.sessions[s.Task]; ok {
		running.change(terms)
		return dir, nil
	}
	listener, err := g.listen(dir)
	if err != nil {
		return "", fmt.Errorf("open the gateway of task %s: %w", s.Task, err)
	}
	opened := newSession(g, terms)
	g.sessions[s.Task] = opened
	opened.serve(listener)
	return dir, nil
}

// listen makes the socket of a session, in place of one that a killed gateway
// left. Only its directory, mounted into the one container, leads to it: the
// directory above is closed to everybody else, hence the open mode.
func (g *Gateway) listen(dir string) (net.Listener, error) {
	path := filepath.Join(dir, SocketName)
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("the path of the socket has %d bytes and may have %d: choose a shorter directory than %s", len(path), maxSocketPath, g.o.Dir)
	}
	if err := os.MkdirAll(g.o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the gateway's directory: %w", err)
	}
	if err := os.Chmod(g.o.Dir, 0o700); err != nil { //nolint:gosec // a directory
		return nil, fmt.Errorf("close the gateway's directory: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the socket's directory: %w", err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // the container's user must get in
		return nil, fmt.Errorf("open the socket's directory: %w", err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("remove the old socket: %w", err)
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listen at the socket: %w", err)
	}
	if err := os.Chmod(path, 0o666); err != nil { //nolint:gosec // see above
		_ = listener.Close()
		return nil, fmt.Errorf("open the socket: %w", err)
	}
	return listener, nil
}

// Close ends the session of a task and removes its directory. What is under way
// is cut. Closing one that is not open only removes what a killed gateway left.
func (g *Gateway) Close(task string) error {
	g.mu.Lock()
	s := g.sessions[task]
	delete(g.sessions, task)
	g.mu.Unlock()
	if s != nil {
		s.close()
	}
	g.mu.Lock()
	delete(g.shut, task)
	g.mu.Unlock()
	if err := os.RemoveAll(g.Dir(task)); err != nil {
		return fmt.Errorf("remove the gateway of task %s: %w", task, err)
	}
	return nil
}

// Shutdown ends all sessions once their requests are done, at the latest when ctx
// is. The directories stay: containers have them mounted, and the next gateway
// opens its sockets there.
func (g *Gateway) Shutdown(ctx context.Context) error {
	g.mu.Lock()
	g.closed = true
	sessions := g.sessions
	g.sessions = map[string]*session{}
	g.mu.Unlock()
	var wait sync.WaitGroup
	for _, s := range sessions {
		wait.Go(func() { s.shutdown(ctx) })
	}
	wait.Go(g.suspended.Wait)
	wait.Wait()
	if t, ok := g.o.Transport.(*http.Transport); ok {
		t.CloseIdleConnections()
	}
	return ctx.Err()
}
