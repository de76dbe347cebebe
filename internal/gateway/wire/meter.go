package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
)

// Usage is what one exchange used.
type Usage struct {
	Requests         int64
	InputTokens      int64 // without those of the cache
	OutputTokens     int64
	CacheReadTokens  int64
	CacheWriteTokens int64
	Cost             int64 // micro-USD
	CostKnown        bool  // false where a model without a price took part
	Estimated        bool  // the provider did not say; from the bytes
}

// Tokens are all tokens, cached ones too.
func (u Usage) Tokens() int64 {
	return u.InputTokens + u.OutputTokens + u.CacheReadTokens + u.CacheWriteTokens
}

// Bounds of what is kept of an answer.
const (
	maxEvent    = 1 << 20  // a longer event is not looked at
	maxDocument = 8 << 20  // a longer document is not looked at
	maxText     = 64 << 10 // of the answer's text, for the transcript
	mostTokens  = 1 << 40  // of one kind in one answer
)

// Meter reads an answer on the side while it goes to the agent unchanged.
type Meter struct {
	stream  bool
	line    []byte // the unfinished line, or the document
	skip    bool   // the rest of a line that is too long
	seen    int64  // bytes of generated text
	input   bool   // the provider said what went in
	output  bool   // and what came out, finally
	usage   Usage
	text    strings.Builder
	cut     bool
	written int64
}

// NewMeter reads server-sent events, or one document.
func NewMeter(stream bool) *Meter { return &Meter{stream: stream} }

// Write takes the next bytes. It never fails.
func (m *Meter) Write(p []byte) (int, error) {
	m.written += int64(len(p))
	if !m.stream {
		if len(m.line)+len(p) <= maxDocument {
			m.line = append(m.line, p...)
		} else {
			m.skip = true
		}
		return len(p), nil
	}
	for rest := p; len(rest) > 0; {
		end := bytes.IndexByte(rest, '\n')
		if end < 0 {
			m.keep(rest)
			break
		}
		m.keep(rest[:end])
		m.event(m.line)
		m.line, m.skip = m.line[:0], false
		rest = rest[end+1:]
	}
	return len(p), nil
}

func (m *Meter) keep(p []byte) {
	if m.skip = m.skip || len(m.line)+len(p) > maxEvent; m.skip {
		m.line = m.line[:0]
		return
	}
	m.line = append(m.line, p...)
}

// event takes one line of a stream.
func (m *Meter) event(line []byte) {
	if payload, ok := bytes.CutPrefix(bytes.TrimRight(line, "\r"), []byte("data:")); ok {
		m.take(bytes.TrimSpace(payload))
	}
}

// Finish ends the reading. sent is the size of the request in bytes, for an
// estimate where the provider said nothing: four bytes a token, both ways.
func (m *Meter) Finish(sent int64) (Usage, string) {
	if !m.stream && !m.skip {
		m.take(m.line)
	} else if m.stream {
		m.event(m.line)
	}
	m.line = nil
	u := m.usage
	if !m.input {
		u.InputTokens, u.Estimated = sent/4+1, true
	}
	if !m.output {
		seen := m.seen
		if m.skip {
			seen = m.written
		}
		u.OutputTokens, u.Estimated = max(u.OutputTokens, seen/4+1), true
	}
	for _, n := range []*int64{&u.InputTokens, &u.OutputTokens, &u.CacheReadTokens, &u.CacheWriteTokens} {
		*n = min(max(*n, 0), mostTokens) // a provider's nonsense must not lower, nor overflow, what was spent
	}
	text := m.text.String()
	if m.cut {
		text += "\n[cut]"
	}
	return u, text
}

// say keeps generated text.
func (m *Meter) say(parts ...string) {
	for _, s := range parts {
		m.seen += int64(len(s))
		if room := maxText - m.text.Len(); len(s) > room {
			s, m.cut = strings.ToValidUTF8(s[:room], ""), true
		}
		m.text.WriteString(s)
	}
}

// tool keeps the beginning of a tool call.
func (m *Meter) tool(name string) {
	if name != "" {
		m.say("\n[tool " + name + "] ")
	}
}

// take reads an event's payload, or the document. The fields of all protocols
// are read at once: they do not contradict each other.
func (m *Meter) take(payload []byte) {
	if len(payload) > 0 && payload[0] == '[' { // Gemini's stream without events
		var all []json.RawMessage
		if json.Unmarshal(payload, &all) == nil {
			for _, one := range all {
				m.take(one)
			}
		}
		return
	}
	if len(payload) == 0 || payload[0] != '{' {
		return
	}
	var e event
	var other *json.UnmarshalTypeError // of a field that an interface uses otherwise; the rest was read
	if err := json.Unmarshal(payload, &e); err != nil && !errors.As(err, &other) {
		return
	}
	m.anthropic(&e)
	m.responses(&e)
	m.chat(&e)
	m.gemini(&e)
}
