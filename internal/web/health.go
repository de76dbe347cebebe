package web

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
)

// probeTime bounds all probes of one /readyz together.
const probeTime = 4 * time.Second

// health says that the process serves requests.
func (s *server) health(c echo.Context) error {
	return c.JSON(http.StatusOK, map[string]string{"status": "ok"})
}

// finding is one line of /readyz. Why is the class of the problem, not its
// details: strangers may read this.
type finding struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	Fix  string `json:"fix,omitempty"`
}

// ready asks everything that the server depends on whether it works now.
func (s *server) ready(c echo.Context) error {
	findings := s.probe(c.Request().Context())
	status, word := http.StatusOK, "ready"
	for _, f := range findings {
		if !f.OK {
			status, word = http.StatusServiceUnavailable, "not ready"
		}
	}
	body := map[string]any{"status": word, "parts": findings}
	// A frozen server serves: whoever thaws it must reach it.
	if text, _ := s.frozen(c.Request().Context()); text != "" {
		body["frozen"] = text
	}
	return c.JSON(status, body)
}

// probe asks every part, side by side.
func (s *server) probe(ctx context.Context) []finding {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	findings := make([]finding, len(s.Probes))
	var all sync.WaitGroup
	for i, p := range s.Probes {
		all.Go(func() {
			findings[i] = finding{Name: p.Name, OK: true}
			if err := p.Check(ctx); err != nil {
				findings[i] = finding{Name: p.Name, Fix: p.Fix}
				s.Logger.WarnContext(ctx, "not ready", "part", p.Name, "error", err)
			}
		})
	}
	all.Wait()
	return findings
}
