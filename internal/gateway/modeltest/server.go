package modeltest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Key is the API key that the model expects. Anything else gets 401.
const Key = "sk-modeltest-2f9c1e7a-not-a-real-key"

// maxBody bounds a request.
const maxBody = 64 << 20

// Request is one that was received.
type Request struct {
	At     time.Time
	Method string
	Path   string // with the query
	Header http.Header
	Body   []byte
	Status int // answered
}

// Server is a model at work.
type Server struct {
	listener net.Listener
	server   *http.Server

	mu       sync.Mutex
	script   Script
	requests []Request
	problems []string
}

// New starts a model at a free port of 127.0.0.1 that follows the script.
func New(script Script) (*Server, error) { return Listen("tcp", "127.0.0.1:0", script) }

// Listen starts a model at an address, TCP or Unix.
func Listen(network, address string, script Script) (*Server, error) {
	listener, err := net.Listen(network, address)
	if err != nil {
		return nil, fmt.Errorf("listen for the scripted model: %w", err)
	}
	s := &Server{listener: listener, script: script}
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		if err := s.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.problem("serve: " + err.Error())
		}
	}()
	return s, nil
}

// URL is the base of all four interfaces, without a path.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() }

// Close ends the model and its connections.
func (s *Server) Close() { _ = s.server.Close() }

// Follow sets another script.
func (s *Server) Follow(script Script) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = script
}

// Requests are those received so far, in order.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Problems are the requests that it did not understand.
func (s *Server) Problems() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.problems)
}

func (s *Server) problem(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.problems = append(s.problems, text)
}

// ServeHTTP answers one request and keeps it.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err == nil && len(body) > maxBody {
		err = errors.New("body too large")
	}
	s.mu.Lock()
	at := len(s.requests)
	s.requests = append(s.requests, Request{At: time.Now(), Method: r.Method, Path: r.URL.RequestURI(), Header: r.Header.Clone(), Body: body})
	script := s.script
	s.mu.Unlock()

	status := http.StatusBadRequest
	if err == nil {
		status = s.serve(w, r, body, script)
	} else {
		s.problem(err.Error())
		http.Error(w, err.Error(), status)
	}
	s.mu.Lock()
	s.requests[at].Status = status
	s.mu.Unlock()
}

// dialect is one interface: it reads questions and writes answers and errors.
type dialect interface {
	key(r *http.Request) string
	read(r *http.Request, body map[string]any) (question, error)
	write(w *stream, q question, a answer)
	fail(status int, message string) any
}

// dialectOf finds the interface by its path.
func dialectOf(r *http.Request) (dialect, bool) {
	switch path := r.URL.Path; {
	case path == "/v1/messages" || path == "/v1/messages/count_tokens":
		return anthropic{count: strings.HasSuffix(path, "count_tokens")}, true
	case path == "/v1/responses":
		return responses{}, true
	case path == "/v1/chat/completions":
		return chat{}, true
	case strings.HasPrefix(path, "/v1beta/models/"):
		return gemini{}, true
	}
	return nil, false
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request, body []byte, script Script) int {
	d, known := dialectOf(r)
	if !known || r.Method != http.MethodPost {
		s.problem(fmt.Sprintf("%s %s: the scripted model has no such path", r.Method, r.URL.RequestURI()))
		http.Error(w, `{"error":{"message":"the scripted model has no such path"}}`, http.StatusNotFound)
		return http.StatusNotFound
	}
	if d.key(r) != Key {
		return refuse(w, d, http.StatusUnauthorized, nil, "invalid api key")
	}
	fields := map[string]any{}
	decoder := json.NewDecoder(bytes.NewReader(body))
	err := decoder.Decode(&fields)
	var q question
	if err == nil {
		q, err = d.read(r, fields)
	}
	if err != nil {
		s.problem(fmt.Sprintf("%s %s: %v", r.Method, r.URL.RequestURI(), err))
		return refuse(w, d, http.StatusBadRequest, nil, err.Error())
	}
	digest := sha256.Sum256(body)
	q.size, q.mark = len(body), hex.EncodeToString(digest[:6])
	a, failure := script.next(q)
	if failure != nil {
		return refuse(w, d, failure.Status, failure.Header, failure.Error)
	}
	d.write(&stream{w: w, pace: script.Pace, cut: script.CutStreams}, q, a)
	return http.StatusOK
}

// refuse answers an error in the interface's own shape.
func refuse(w http.ResponseWriter, d dialect, status int, header http.Header, message string) int {
	for name, values := range header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(d.fail(status, message))
	return status
}
