package modeltest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// object is a JSON object.
type object = map[string]any

// stream writes an answer: one JSON document, or paced server-sent events.
type stream struct {
	w    http.ResponseWriter
	pace time.Duration
	cut  bool
	sent int
}

// document writes an answer that is not streamed.
func (s *stream) document(value any) {
	s.w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(s.w).Encode(value)
}

// event writes one event and flushes it; name may be empty. After a cut, the
// connection breaks as that of a provider that fails in the middle.
func (s *stream) event(name string, value any) {
	text, err := json.Marshal(value)
	if err != nil {
		text = []byte(`{}`)
	}
	s.raw(name, string(text))
}

func (s *stream) raw(name, text string) {
	if s.sent == 0 {
		s.w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		s.w.Header().Set("Cache-Control", "no-cache")
	} else {
		time.Sleep(max(s.pace, time.Millisecond))
	}
	if s.sent++; s.cut && s.sent > 3 {
		panic(http.ErrAbortHandler)
	}
	if name != "" {
		_, _ = fmt.Fprintf(s.w, "event: %s\n", name)
	}
	_, _ = fmt.Fprintf(s.w, "data: %s\n\n", text)
	if f, ok := s.w.(http.Flusher); ok {
		f.Flush()
	}
}

// pieces cuts a text as a model's tokens would be, at rune borders.
func pieces(text string) []string {
	const size = 24
	var out []string
	start := 0
	for i := range text {
		if i-start >= size {
			out = append(out, text[start:i])
			start = i
		}
	}
	if start < len(text) {
		out = append(out, text[start:])
	}
	return out
}

// compact is the JSON text of a value.
func compact(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return "{}"
	}
	return string(text)
}
