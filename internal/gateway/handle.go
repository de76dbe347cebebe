package gateway

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coderflow/coderflow/internal/gateway/wire"
)

// exchange is one request under way.
type exchange struct {
	Exchange
	began    time.Time
	terms    *terms
	route    wire.Route
	asked    string // the body as it came, until it was inspected
	body     []byte // inspected and redacted
	answer   string // the text of the answer
	reserved *reservation
	placed   bool // holds one of the session's places
}

// ServeHTTP judges a request and passes it on.
func (s *session) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.enter() {
		panic(http.ErrAbortHandler)
	}
	defer s.active.Done()
	t := s.terms.Load()
	if r.Method == http.MethodConnect {
		s.connect(w, r, t)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), exchangeTime)
	defer cancel()
	x := s.newExchange(t, r.Method, r.URL.Path)
	refusal := s.exchange(ctx, w, r.WithContext(ctx), x)
	if refusal != nil && !s.shut.Load() {
		if canary := t.inRest(r); canary != "" {
			refusal = s.trip(ctx, canary, "the body of the request")
		}
	}
	if refusal != nil {
		s.refuse(w, x, refusal)
	}
	x.Took = time.Since(x.began)
	x.price()
	if x.reserved != nil {
		x.reserved.learn(amount{x.Usage.Tokens(), x.Usage.Cost})
	}
	s.later(ctx, x)
	if x.Refused == CutOff {
		panic(http.ErrAbortHandler) // the agent must not take a broken answer for a whole one
	}
}

func (s *session) newExchange(t *terms, method, path string) *exchange {
	return &exchange{began: time.Now(), terms: t, Exchange: Exchange{
		ID: rand.Text(), Task: t.Task, Environment: t.Environment, At: s.gateway.o.Now(), Protocol: t.Provider.Protocol,
		Provider: t.Provider.Name, Method: t.redacted(method), Path: t.redacted(path),
	}}
}

// CutOff stands for the reason of a refusal where an answer ended in the middle:
// nobody refused anything, and what was used is estimated.
const CutOff = "cut_off"

// later records an exchange while the agent goes on. Its place among the requests
// and its reservation are held until then: no more is under way than allowed, and
// the budget reckons with it all the time.
func (s *session) later(ctx context.Context, x *exchange) {
	ctx = context.WithoutCancel(ctx)
	s.active.Go(func() {
		s.record(ctx, x)
		if x.placed {
			<-s.requests
		}
	})
}

// exchange goes through the steps of a request; a refusal was not answered yet.
func (s *session) exchange(ctx context.Context, w http.ResponseWriter, r *http.Request, x *exchange) *wire.Refusal {
	if canary, where := x.terms.spotted(r); canary != "" {
		return s.trip(ctx, canary, where)
	}
	if r.Header.Get("Upgrade") != "" {
		return &wire.Refusal{Status: http.StatusUpgradeRequired, Reason: "upgrade", Message: "only plain HTTP is spoken here, no WebSocket"}
	}
	if len(x.terms.Models) == 0 {
		return wire.Forbidden("model", "no model may be used here")
	}
	if !strings.HasPrefix(r.RequestURI, "/") {
		return wire.Forbidden("target", "the target must be a path: requests for other hosts do not pass")
	}
	route, refusal := x.terms.Provider.Protocol.Match(r.Method, r.RequestURI)
	if refusal != nil {
		return refusal
	}
	x.route = route
	if !take(s.requests) {
		return &wire.Refusal{Status: http.StatusServiceUnavailable, Reason: "busy", Message: "too many requests at the same time"}
	}
	x.placed = true
	if route.Call == wire.ListModels {
		x.Status = http.StatusOK
		listModels(w, x.terms.Models)
		return nil
	}
	release, refusal := s.read(w, r, x)
	if refusal != nil {
		return refusal
	}
	defer release()
	most, refusal := s.inspect(ctx, x)
	if refusal != nil {
		return refusal
	}
	if refusal := s.reserve(ctx, x, most); refusal != nil {
		return refusal
	}
	if s.shut.Load() { // by another request, meanwhile
		return wire.Forbidden("canary", "this task is being stopped")
	}
	return s.forward(ctx, w, r, x)
}

// read takes the body, within the bounds of a request and of the session.
func (s *session) read(w http.ResponseWriter, r *http.Request, x *exchange) (release func(), refusal *wire.Refusal) {
	if e := r.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return nil, &wire.Refusal{Status: http.StatusUnsupportedMediaType, Reason: "encoding", Message: "the body must not be compressed"}
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, &wire.Refusal{Status: http.StatusUnsupportedMediaType, Reason: "type", Message: "the body must be application/json"}
	}
	large := &wire.Refusal{Status: http.StatusRequestEntityTooLarge, Reason: "size", Message: "the body is too large"}
	if r.ContentLength > maxBody {
		return nil, large
	}
	room := r.ContentLength
	if room < 0 {
		room = maxBody
	}
	if s.bodies.Add(room) > maxBodies {
		s.bodies.Add(-room)
		return nil, &wire.Refusal{Status: http.StatusServiceUnavailable, Reason: "busy", Message: "too many large requests at the same time"}
	}
	release = func() { s.bodies.Add(-room) }
	asked, err := readAll(http.MaxBytesReader(w, r.Body, maxBody), r.ContentLength)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		release()
		return nil, large
	case err != nil:
		release()
		return nil, wire.Malformed("body", "the body ended early")
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // it would end a long answer
	x.asked, x.RequestBytes = asked, int64(len(asked))
	return release, nil
}

// readAll reads a body of a known length into one piece.
func readAll(r io.Reader, length int64) (string, error) {
	var text strings.Builder
	if length > 0 {
		text.Grow(int(length))
	}
	piece := bodyPieces.Get().(*[64 << 10]byte)
	defer bodyPieces.Put(piece)
	for {
		n, err := r.Read(piece[:])
		text.Write(piece[:n])
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return text.String(), nil
		}
		if err != nil {
			return "", err
		}
	}
}

// bodyPieces are for reading bodies.
var bodyPieces = sync.Pool{New: func() any { return new([64 << 10]byte) }}

// inspect judges the body, replaces it by what may go on, and reckons what the
// request may use.
func (s *session) inspect(ctx context.Context, x *exchange) (amount, *wire.Refusal) {
	select {
	case s.gateway.inspecting <- struct{}{}:
	case <-ctx.Done():
		return amount{}, &wire.Refusal{Status: http.StatusServiceUnavailable, Reason: "busy", Message: "the request ended before it was inspected"}
	}
	defer func() { <-s.gateway.inspecting }()
	if canary := x.terms.inBody(x.asked); canary != "" {
		return amount{}, s.trip(ctx, canary, "the body of the request")
	}
	result, refusal := x.terms.policy.Body(x.route, x.asked)
	x.Model = result.Model
	if refusal != nil {
		return amount{}, refusal
	}
	x.asked, x.body, x.Redactions = "", result.Body, result.Redactions
	for _, what := range result.Removed {
		s.journal.note(AuditToolRemoved, what, map[string]any{"what": what}, nil)
	}
	if x.Redactions > 0 {
		s.journal.note(AuditRedacted, "", map[string]any{}, map[string]int64{"secrets": int64(x.Redactions)})
	}
	if !x.route.Spends() {
		return amount{}, nil
	}
	return x.terms.most(result.Model, len(result.Body), result.MaxOutput)
}

// reserve finds the request a place in the budget.
func (s *session) reserve(ctx context.Context, x *exchange, most amount) *wire.Refusal {
	if !x.route.Spends() {
		return nil
	}
	reserved, spent, err := s.gateway.budgets.reserve(ctx, x.terms, most, x.At.UTC())
	switch {
	case err != nil:
		s.log().ErrorContext(ctx, "a budget could not be read", "error", err)
		return &wire.Refusal{Status: http.StatusServiceUnavailable, Reason: "ledger", Message: "what was spent cannot be read now"}
	case spent != nil:
		s.journal.once(AuditBudget, spent.name, map[string]any{"bound": spent.name, "limit": spent.limit, "spent": spent.spent})
		return spent.refusal()
	}
	x.reserved = reserved
	return nil
}

// refuse answers in the protocol's own shape.
func (s *session) refuse(w http.ResponseWriter, x *exchange, refusal *wire.Refusal) {
	x.Status, x.Refused = refusal.Status, refusal.Reason
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Should-Retry", "false") // the SDKs of Anthropic and OpenAI heed it
	if refusal.Status == http.StatusServiceUnavailable {
		h.Set("X-Should-Retry", "true")
	}
	w.WriteHeader(refusal.Status)
	n, _ := w.Write(refusal.Body(x.Protocol))
	x.ResponseBytes = int64(n)
	if refusal.Reason != "budget" {
		message, _ := x.terms.policy.Redactor.Redact(refusal.Message)
		s.journal.note(AuditRefused, refusal.Reason+"\x00"+message,
			map[string]any{"reason": refusal.Reason, "message": message, "status": refusal.Status}, nil)
	}
}

// listModels answers with what the session allows; the provider is not asked.
func listModels(w http.ResponseWriter, models []string) {
	type model struct {
		ID     string `json:"id"`
		Object string `json:"object"`
		Owner  string `json:"owned_by"`
	}
	list := []model{}
	for _, m := range models {
		if !strings.HasSuffix(m, "*") {
			list = append(list, model{m, "model", "coderflow"})
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"object": "list", "data": list})
}
