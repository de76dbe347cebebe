package queue

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// quietFor is how long the same message of River is not repeated. With the
// database away, River would say so at every poll.
const quietFor = 10 * time.Second

// quiet passes River's warnings and errors on, each text at most once in a
// while. Successes are the engine's to report.
type quiet struct {
	slog.Handler
	seen *seen
}

type seen struct {
	mu   sync.Mutex
	now  func() time.Time
	last map[string]time.Time
}

func newQuiet(h slog.Handler, now func() time.Time) slog.Handler {
	return quiet{Handler: h, seen: &seen{now: now, last: map[string]time.Time{}}}
}

// Enabled implements slog.Handler.
func (q quiet) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && q.Handler.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	if !q.seen.first(r.Message) {
		return nil
	}
	return q.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler {
	return quiet{Handler: q.Handler.WithAttrs(attrs), seen: q.seen}
}

// WithGroup implements slog.Handler.
func (q quiet) WithGroup(name string) slog.Handler {
	return quiet{Handler: q.Handler.WithGroup(name), seen: q.seen}
}

// first reports whether the text was not said lately. River's messages are
// constants, so the map stays small; it is emptied should that ever change.
func (s *seen) first(message string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if last, known := s.last[message]; known && now.Sub(last) < quietFor && !now.Before(last) {
		return false
	}
	if len(s.last) > 1000 {
		clear(s.last)
	}
	s.last[message] = now
	return true
}
