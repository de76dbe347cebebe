package gateway

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coderflow/coderflow/internal/gateway/egress"
	"github.com/coderflow/coderflow/internal/gateway/inspect"
	"github.com/coderflow/coderflow/internal/secret"
)

// Bounds of one session.
const (
	maxConnections = 64
	maxRequests    = 16       // at the same time
	maxTunnels     = 32       // at the same time
	maxHeader      = 32 << 10 // bytes
	maxBody        = 32 << 20 // bytes of one request
	maxBodies      = 64 << 20 // bytes of all requests at the same time
	headTime       = 10 * time.Second
	bodyTime       = 2 * time.Minute
	idleTime       = 2 * time.Minute
	writeTime      = 2 * time.Minute // for the agent to take a piece of an answer
	exchangeTime   = time.Hour
)

// terms are a session's rules, prepared. They are replaced as a whole.
type terms struct {
	Session
	hosts    egress.Hosts
	policy   inspect.Policy
	key      *secret.Redactor // finds the provider's key in answers
	tripwire *secret.Tripwire
}

func newTerms(s Session) (*terms, error) {
	if s.Task == "" {
		return nil, errors.New("a session needs a task")
	}
	if len(s.Models) == 0 && s.Provider.Key.IsZero() {
		return newHostTerms(s)
	}
	switch p := s.Provider; {
	case !p.Protocol.Valid():
		return nil, fmt.Errorf("the protocol %q is unknown", p.Protocol)
	case p.URL == nil || p.URL.Scheme != "https" && p.URL.Scheme != "http" || p.URL.Host == "" || p.URL.User != nil:
		return nil, errors.New("the provider's URL must have the scheme http or https, a host and no user")
	case p.Key.IsZero():
		return nil, errors.New("the provider has no key")
	case len(s.Models) == 0:
		return nil, errors.New("no model is allowed")
	}
	for _, m := range s.Models {
		if name := strings.TrimSuffix(m, "*"); name == "" || strings.Contains(name, "*") {
			return nil, fmt.Errorf("the model %q is not a name, nor a beginning with one trailing *", m)
		}
	}
	hosts, err := egress.ParseHosts(s.Hosts)
	if err != nil {
		return nil, err
	}
	all := append(slices.Clone(s.Secrets), s.Provider.Key)
	return &terms{
		Session: s, hosts: hosts,
		policy:   inspect.Policy{Models: s.Models, Redactor: secret.NewRedactor(all...)},
		key:      secret.NewRedactor(s.Provider.Key),
		tripwire: secret.NewTripwire(s.Secrets...),
	}, nil
}

// newHostTerms are the rules of a session that has hosts and no model.
func newHostTerms(s Session) (*terms, error) {
	if len(s.Hosts) == 0 {
		return nil, errors.New("neither a model nor a host is allowed")
	}
	hosts, err := egress.ParseHosts(s.Hosts)
	if err != nil {
		return nil, err
	}
	return &terms{
		Session: s, hosts: hosts, policy: inspect.Policy{Redactor: secret.NewRedactor(s.Secrets...)}, key: secret.NewRedactor(),
		tripwire: secret.NewTripwire(s.Secrets...),
	}, nil
}

// session serves one task.
type session struct {
	gateway *Gateway
	task    string
	terms   atomic.Pointer[terms]
	server  *http.Server
	done    chan struct{} // closed when the server has ended
	journal *journal

	requests, tunnels chan struct{} // one entry for each under way
	bodies            atomic.Int64  // bytes under way
	kept              kept
	shut              atomic.Bool // by a canary, for good

	mu      sync.Mutex
	ending  bool
	tripped *tripped
	active  sync.WaitGroup      // handlers and what they leave to be recorded
	open    map[net.Conn]string // tunnels, which the server no longer knows, and where they lead
}

func newSession(g *Gateway, t *terms) *session {
	s := &session{
		gateway: g, task: t.Task, done: make(chan struct{}),
		journal:  newJournal(g.o.Journal, g.o.Logger, t.Task),
		requests: make(chan struct{}, maxRequests), tunnels: make(chan struct{}, maxTunnels),
		open: map[net.Conn]string{},
	}
	s.terms.Store(t)
	s.server = &http.Server{
		Handler:           s,
		ReadHeaderTimeout: headTime,
		ReadTimeout:       bodyTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          log.New(quiet{}, "", 0),
		// CONNECT, upgrades and OPTIONS * are this package's to judge.
		DisableGeneralOptionsHandler: true,
	}
	return s
}

// quiet swallows what net/http says of a hostile client's connections.
type quiet struct{}

func (quiet) Write(p []byte) (int, error) { return len(p), nil }

// log names whose session it is: a task's has the task's id, and any other a word, a slash
// and an id.
func (s *session) log() *slog.Logger {
	if strings.Contains(s.task, "/") {
		return s.gateway.o.Logger.With("session", s.task)
	}
	return s.gateway.o.Logger.With("task", s.task)
}

func (s *session) serve(l net.Listener) {
	go func() {
		defer close(s.done)
		if err := s.server.Serve(newLimited(l, maxConnections)); !errors.Is(err, http.ErrServerClosed) {
			s.log().Error("the gateway of a task ended", "error", err)
		}
	}()
}

// close cuts everything.
func (s *session) close() {
	_ = s.server.Close()
	s.end()
}

// shutdown lets requests end until ctx does.
func (s *session) shutdown(ctx context.Context) {
	if s.server.Shutdown(ctx) != nil {
		_ = s.server.Close()
	}
	s.end()
}

// end waits for what the server's end leaves behind. The server closes the
// connections of handlers, which ends them, but does not wait for them.
func (s *session) end() {
	s.cutTunnels()
	<-s.done
	s.active.Wait()
	s.journal.close()
}

// enter counts a handler, or says that the session ends.
func (s *session) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ending {
		s.active.Add(1)
	}
	return !s.ending
}

// cutTunnels ends all tunnels, and lets nothing begin any more.
func (s *session) cutTunnels() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ending = true
	for conn := range s.open {
		_ = conn.Close()
	}
}

// change replaces the rules, and cuts the tunnels to hosts that are listed no more.
func (s *session) change(t *terms) {
	s.terms.Store(t)
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn, target := range s.open {
		if !s.lists(target) {
			_ = conn.Close()
		}
	}
}

func (s *session) lists(target string) bool {
	_, err := s.terms.Load().hosts.Allow(target)
	return err == nil
}

// keep and forget hold a tunnel's connections, so that they can be cut. The rules
// may have changed since the tunnel was permitted.
func (s *session) keep(c net.Conn, target string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[c] = target
	if s.ending || !s.lists(target) {
		_ = c.Close()
	}
}

func (s *session) forget(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
}

// take enters a bounded room, or says that it is full.
func take(room chan struct{}) bool {
	select {
	case room <- struct{}{}:
		return true
	default:
		return false
	}
}

// limited refuses connections beyond a number: a waiting one would cost as much.
type limited struct {
	net.Listener
	room chan struct{}
}

func newLimited(l net.Listener, n int) *limited {
	return &limited{Listener: l, room: make(chan struct{}, n)}
}

// Accept waits for a connection that has a place.
func (l *limited) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if take(l.room) {
			return &placed{Conn: conn, leave: sync.OnceFunc(func() { <-l.room })}, nil
		}
		_ = conn.Close()
	}
}

// placed gives its place back when it is closed.
type placed struct {
	net.Conn
	leave func()
}

// Close closes the connection.
func (p *placed) Close() error {
	p.leave()
	return p.Conn.Close()
}
