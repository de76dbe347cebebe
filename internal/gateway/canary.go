package gateway

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"

	"github.com/coderflow/coderflow/internal/gateway/strictjson"
	"github.com/coderflow/coderflow/internal/gateway/wire"
)

// A canary is a secret that nobody has a reason to send. A request that has one
// goes nowhere, and the session serves nothing any more.

// TrippedError says that a session was ended by a canary.
type TrippedError struct{ Task, Canary, Where string }

// Error implements error.
func (e *TrippedError) Error() string {
	return fmt.Sprintf("the gateway of %s was shut: canary %s appeared in %s", e.Task, e.Canary, e.Where)
}

// maxLook is how much is read of a body that is refused anyhow, in bytes.
const maxLook = 1 << 20

// spotted looks for canaries in a request's head, whatever becomes of it.
func (t *terms) spotted(r *http.Request) (canary, where string) {
	if t.tripwire == nil {
		return "", ""
	}
	targets := []string{r.Method, r.RequestURI, r.Host}
	if plain, err := url.PathUnescape(r.RequestURI); err == nil {
		targets = append(targets, plain)
	}
	if plain, err := url.QueryUnescape(r.RequestURI); err == nil {
		targets = append(targets, plain)
	}
	for _, text := range targets {
		if name, _, found := t.tripwire.Find(text); found {
			return name, "the address of the request"
		}
	}
	for header, values := range r.Header {
		for _, text := range slices.Insert(slices.Clone(values), 0, header) {
			if name, _, found := t.tripwire.Find(text); found {
				return name, "a header of the request"
			}
		}
	}
	return "", ""
}

// inBody looks for canaries in a body as it came and as it is understood.
func (t *terms) inBody(body string) (canary string) {
	if t.tripwire == nil {
		return ""
	}
	if name, _, found := t.tripwire.Find(body); found {
		return name
	}
	document, err := strictjson.Parse(body)
	if err != nil {
		return "" // it does not go on
	}
	document.Strings(func(text string) string {
		if name, _, found := t.tripwire.Find(text); found && canary == "" {
			canary = name
		}
		return text
	})
	return canary
}

// inRest looks for canaries in a body that nobody read, because the request was
// refused before.
func (t *terms) inRest(r *http.Request) (canary string) {
	if t.tripwire == nil || r.Body == nil {
		return ""
	}
	watcher := t.tripwire.Watch()
	_, _ = io.Copy(watcher, io.LimitReader(r.Body, maxLook)) // what does not come was not sent
	canary, _, _ = watcher.Found()
	return canary
}

// tripped is what a session knows of the canary that ended it.
type tripped struct {
	canary, where string

	mu   sync.Mutex
	told bool // the journal has it
}

// trip ends the session: nothing goes on from here on, tunnels are cut.
func (s *session) trip(ctx context.Context, canary, where string) *wire.Refusal {
	s.mu.Lock()
	if s.tripped == nil {
		s.tripped = &tripped{canary: canary, where: where}
	}
	s.mu.Unlock()
	s.shut.Store(true)
	s.gateway.keepShut(s)
	s.cutTunnels()
	s.tripped.tell(ctx, s)
	return wire.Forbidden("canary", "this task is being stopped")
}

// tell writes the canary into the journal, unless it is there.
func (t *tripped) tell(ctx context.Context, s *session) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTime)
	defer cancel()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.told {
		return
	}
	if err := s.gateway.o.Journal.Trip(ctx, s.task, t.canary, t.where); err != nil {
		s.log().ErrorContext(ctx, "a canary was not recorded; the session stays shut", "canary", t.canary, "error", err)
		return
	}
	t.told = true
}

// keepShut has the session's task find it at every opening.
func (g *Gateway) keepShut(s *session) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut[s.task] = s
}

// whyShut says which canary ended the session, and has it recorded if it is not.
func (s *session) whyShut(ctx context.Context) error {
	s.tripped.tell(ctx, s)
	return &TrippedError{Task: s.task, Canary: s.tripped.canary, Where: s.tripped.where}
}

// redacted is a stranger's text without the session's secrets, as it may be kept.
func (t *terms) redacted(text string) string {
	clean, _ := t.policy.Redactor.Redact(text)
	return wire.Shown(clean)
}
