package telemetry

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
)

// Names of the attributes that log lines get.
const (
	taskAttr       = "task"
	deliveryAttr   = "delivery"
	deploymentAttr = "deployment"
	traceAttr      = "trace_id"
)

// Handler adds to every line what its context is about, and the trace of its task. An
// attribute that a line has already is left as it is.
type Handler struct {
	next slog.Handler
	// has are the names that attributes of the logger have already.
	has map[string]string
	// grouped: what is added now would stand in a group, where nobody looks for it.
	grouped bool
}

// NewHandler adds to the lines of next.
func NewHandler(next slog.Handler) *Handler {
	return &Handler{next: next, has: map[string]string{}}
}

// Enabled implements slog.Handler.
func (h *Handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	if h.grouped {
		return h.next.Handle(ctx, r)
	}
	said := maps.Clone(h.has)
	r.Attrs(func(a slog.Attr) bool {
		if slices.Contains(ours, a.Key) {
			said[a.Key] = a.Value.String()
		}
		return true
	})
	about := Of(ctx)
	known := map[string]string{taskAttr: about.Task, deliveryAttr: about.Delivery, deploymentAttr: about.Deployment}
	if task := cmp.Or(said[taskAttr], about.Task); task != "" {
		known[traceAttr] = TraceOf(task).String()
	}
	r = r.Clone()
	for _, name := range ours {
		if _, twice := said[name]; !twice && known[name] != "" {
			r.AddAttrs(slog.String(name, known[name]))
		}
	}
	return h.next.Handle(ctx, r)
}

// ours are the attributes that are added, in their order.
var ours = []string{taskAttr, deliveryAttr, deploymentAttr, traceAttr}

// WithAttrs implements slog.Handler.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := &Handler{next: h.next.WithAttrs(attrs), has: maps.Clone(h.has), grouped: h.grouped}
	for _, a := range attrs {
		if !h.grouped && slices.Contains(ours, a.Key) {
			next.has[a.Key] = a.Value.String()
		}
	}
	return next
}

// WithGroup implements slog.Handler.
func (h *Handler) WithGroup(name string) slog.Handler {
	return &Handler{next: h.next.WithGroup(name), has: h.has, grouped: h.grouped || name != ""}
}
