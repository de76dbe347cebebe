package main

import (
	"context"
	"log/slog"

	"github.com/coderflow/coderflow/internal/config"
	"github.com/coderflow/coderflow/internal/telemetry"
	"github.com/coderflow/coderflow/internal/telemetry/otlp"
)

// traced prepares to send traces; nil where nothing is configured.
func (h *house) traced(c *config.Tracing, node string, f *workFigures, log *slog.Logger) *telemetry.Tracer {
	if c == nil {
		return nil
	}
	h.spans = otlp.New(otlp.Options{
		Endpoint: c.Endpoint, Header: c.Headers, Logger: log,
		Resource: []telemetry.Attribute{
			telemetry.String("service.name", "coderflow"), telemetry.String("service.version", version), telemetry.String("service.instance.id", node),
		},
		Count: func(o otlp.Outcome, n int) { f.spans.WithLabelValues(string(o)).Add(float64(n)) },
	})
	return telemetry.NewTracer(h.spans, c.SampleRatio)
}

// export begins to send traces, until what it returns is called: for as long as steps go on.
func (h *house) export(ctx context.Context) (end func()) {
	if h.spans == nil {
		return func() {}
	}
	h.spans.Start(ctx)
	return h.spans.Stop
}
