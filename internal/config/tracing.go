package config

import (
	"net/http"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// tracing reads where traces are sent; nil: nowhere.
func (l *loader) tracing(raw tracingFile) *Tracing {
	if raw.Endpoint == "" {
		if raw.HeadersFile != "" {
			l.wrong("tracing.endpoint", "is required with headersFile: the base address of the collector")
		}
		return nil
	}
	t := &Tracing{Endpoint: strings.TrimSuffix(l.url("tracing.endpoint", raw.Endpoint, raw.AllowHTTP), "/"), SampleRatio: raw.SampleRatio}
	if t.SampleRatio <= 0 || t.SampleRatio > 1 {
		l.wrong("tracing.sampleRatio", "want a share of all tasks above 0 and up to 1; without an endpoint nothing is traced")
	}
	if raw.HeadersFile != "" {
		t.Headers = l.headers(l.secret("tracing.headersFile", raw.HeadersFile, "headers for the collector, a line each: Name: value"))
	}
	return t
}

// headers reads lines of the form "Name: value". No value is in a message.
func (l *loader) headers(text string) http.Header {
	headers := http.Header{}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !ok || !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
			l.wrong("tracing.headersFile", "want a header in each line: Name: value")
			return nil
		}
		headers.Add(name, value)
	}
	return headers
}
