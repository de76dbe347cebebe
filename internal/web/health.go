package web

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
)

// Bounds of /readyz: of all probes of one look together, and of how long what they found is
// good enough, however many ask.
const (
	probeTime = 4 * time.Second
	probeKept = time.Second
)

// Probe is one thing that must work for the server to be ready.
type Probe struct {
	Name string
	// Check returns nil if it works now. It is called with a short deadline.
	Check func(ctx context.Context) error
	// Cause says what a failure means, and Fix what to do about it. Strangers read both.
	Cause, Fix string
	// Needs is the probe without which this one says nothing: where that one fails, this
	// one's failure is left out.
	Needs string
}

// Unready is an error of a check whose words are for strangers, too: they take the place of
// the probe's cause.
type Unready string

// Error implements error.
func (u Unready) Error() string { return string(u) }

// health says that the process serves requests, and nothing else.
func (s *server) health(c echo.Context) error {
	return c.JSON(http.StatusOK, map[string]string{"status": "ok"})
}

// finding is one line of /readyz. The cause is the class of the problem, not its
// details: strangers may read this.
type finding struct {
	Name  string `json:"name"`
	OK    bool   `json:"ok"`
	Cause string `json:"cause,omitempty"`
	Fix   string `json:"fix,omitempty"`
}

// endingFinding is all that there is to say of a server that stops.
var endingFinding = finding{
	Name: "server", Cause: "it was told to stop, and finishes what is under way",
	Fix: "send requests elsewhere, or wait until it is started again",
}

// ready asks everything that the server depends on whether it works now.
func (s *server) ready(c echo.Context) error {
	select {
	case <-stopping(c.Request().Context()):
		return c.JSON(http.StatusServiceUnavailable, map[string]any{"status": "stopping", "parts": []finding{endingFinding}})
	default:
	}
	findings := s.probe(c.Request().Context())
	status, word := http.StatusOK, "ready"
	if slices.ContainsFunc(findings, func(f finding) bool { return !f.OK }) {
		status, word = http.StatusServiceUnavailable, "not ready"
	}
	body := map[string]any{"status": word, "parts": findings}
	// A frozen server serves: whoever thaws it must reach it.
	if text, _ := s.frozen(c.Request().Context()); text != "" {
		body["frozen"] = text
	}
	return c.JSON(status, body)
}

// probed is what the probes found last.
type probed struct {
	mu       sync.Mutex
	at       time.Time
	findings []finding
}

// probe is what every part said a moment ago, or says now. Whoever asks while the parts are
// asked waits for the same answer.
func (s *server) probe(ctx context.Context) []finding {
	s.last.mu.Lock()
	defer s.last.mu.Unlock()
	if s.last.at.IsZero() || time.Since(s.last.at) >= probeKept {
		s.last.findings = s.askParts(context.WithoutCancel(ctx)) // others wait for it, too
		s.last.at = time.Now()
	}
	return s.last.findings
}

// askParts asks every part, side by side.
func (s *server) askParts(ctx context.Context) []finding {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	errs := make([]error, len(s.Probes))
	var all sync.WaitGroup
	for i, p := range s.Probes {
		all.Go(func() { errs[i] = p.Check(ctx) })
	}
	all.Wait()
	failed := map[string]bool{}
	for i, p := range s.Probes {
		failed[p.Name] = errs[i] != nil
	}
	findings := []finding{}
	for i, p := range s.Probes {
		switch err := errs[i]; {
		case err == nil:
			findings = append(findings, finding{Name: p.Name, OK: true})
		case !failed[p.Needs]:
			findings = append(findings, finding{Name: p.Name, Cause: causeOf(p, err), Fix: p.Fix})
			s.Logger.WarnContext(ctx, "not ready", "part", p.Name, "error", err)
		}
	}
	return findings
}

func causeOf(p Probe, err error) string {
	if said := Unready(""); errors.As(err, &said) {
		return string(said)
	}
	return p.Cause
}
