package activity

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxLine bounds a line in memory, in bytes: a longer one is kept as text, cut. Agents put what a tool answered, and
// sometimes a picture, into one line.
const maxLine = 4 << 20

// Parser reads an agent's output as it comes. It is not safe for concurrent use.
type Parser struct {
	decode  func(line []byte) ([]Event, error) // nil: no structure
	line    []byte                             // not ended yet
	skipped int                                // bytes of it that were not kept
	message *Event                             // whose pieces are still coming
}

// NewParser makes a parser; an unknown format is read as text.
func NewParser(format Format) *Parser {
	return &Parser{decode: map[Format]func([]byte) ([]Event, error){
		Claude: decodeClaude, Qwen: decodeClaude, Codex: decodeCodex, Gemini: decodeGemini, OpenCode: decodeOpenCode,
	}[format]}
}

// Feed takes the next portion of the output, which may end anywhere, and returns the events that are complete.
func (p *Parser) Feed(chunk []byte) []Event {
	var out batch
	for len(chunk) > 0 {
		end := bytes.IndexByte(chunk, '\n')
		if end < 0 {
			p.keep(chunk)
			break
		}
		p.keep(chunk[:end])
		p.endLine(&out)
		chunk = chunk[end+1:]
	}
	return out.events
}

// Close returns what the end of the output completes.
func (p *Parser) Close() []Event {
	var out batch
	if len(p.line) > 0 || p.skipped > 0 {
		p.endLine(&out)
	}
	p.endMessage(&out)
	return out.events
}

func (p *Parser) keep(part []byte) {
	room := maxLine - len(p.line)
	if len(part) > room {
		p.skipped += len(part) - room
		part = part[:room]
	}
	p.line = append(p.line, part...)
}

func (p *Parser) endLine(out *batch) {
	line, skipped := p.line, p.skipped
	p.line, p.skipped = p.line[:0], 0
	if cap(p.line) > 1<<16 {
		p.line = nil
	}
	if skipped > 0 || p.decode == nil {
		p.endMessage(out)
		out.output(string(line), skipped)
		return
	}
	events, before := p.events(line)
	if before != "" {
		out.output(before, 0)
	}
	for _, event := range events {
		p.add(out, event)
	}
}

// attempts bounds how often JSON is looked for in one line.
const attempts = 4

// events decodes a line, and returns the text before the JSON where another program printed into the same line, or
// all of it where there is no event in it.
func (p *Parser) events(line []byte) (events []Event, before string) {
	at := 0
	for range attempts {
		next := bytes.IndexByte(line[at:], '{')
		if next < 0 {
			break
		}
		at += next
		if found, err := p.decode(line[at:]); err == nil {
			return found, string(line[:at])
		}
		at++
	}
	return nil, string(line)
}

// errUnknown is what a decoder returns for an event that it does not know.
var errUnknown = errors.New("unknown event")

// add joins the pieces of a message and passes everything else on.
func (p *Parser) add(out *batch, event Event) {
	if event.Kind == piece {
		if p.message == nil {
			event.Kind = Message
			p.message = &event
		} else if len(p.message.Text) < 2*MaxText {
			p.message.Text += event.Text
		}
		return
	}
	p.endMessage(out)
	out.add(event)
}

func (p *Parser) endMessage(out *batch) {
	if p.message != nil {
		out.add(*p.message)
		p.message = nil
	}
}

// piece is a part of a message. It does not leave the parser.
const piece Kind = "piece"

// batch collects the events of one portion.
type batch struct{ events []Event }

// add cleans an event and keeps it, unless it says nothing.
func (b *batch) add(event Event) {
	event.Text, event.Tool = clean(event.Text, MaxText), oneLine(event.Tool)
	if strings.TrimSpace(event.Text) == "" && (event.Kind == Message || event.Kind == Reasoning) {
		return
	}
	b.events = append(b.events, event)
}

// output keeps a line that is no event. Lines that follow each other become one event: otherwise short lines would
// cost many times their size.
func (b *batch) output(line string, skipped int) {
	text := clean(line, MaxText)
	if skipped > 0 {
		text += fmt.Sprintf("… (%d more bytes)", skipped)
	}
	if strings.TrimSpace(text) == "" {
		return
	}
	if last := len(b.events) - 1; last >= 0 && b.events[last].Kind == Output && len(b.events[last].Text)+len(text) < MaxText {
		b.events[last].Text += "\n" + text
		return
	}
	b.events = append(b.events, Event{Kind: Output, Text: text})
}

// MaxEvents bounds what Parse returns.
const MaxEvents = 10_000

// Parse reads a whole output. Of more than MaxEvents the first and the last are kept, with a line that says how many
// are missing.
func Parse(format Format, output io.Reader) ([]Event, error) {
	parser, kept := NewParser(format), ends{}
	chunk := make([]byte, 64<<10)
	for {
		n, err := output.Read(chunk)
		kept.add(parser.Feed(chunk[:n]))
		if errors.Is(err, io.EOF) {
			kept.add(parser.Close())
			return kept.all(), nil
		}
		if err != nil {
			return kept.all(), fmt.Errorf("read the agent's output: %w", err)
		}
	}
}

// ends keeps the first and the last of many events.
type ends struct {
	first, last []Event
	missing     int
}

func (e *ends) add(events []Event) {
	const half = MaxEvents / 2
	room := min(half-len(e.first), len(events))
	e.first = append(e.first, events[:room]...)
	e.last = append(e.last, events[room:]...)
	if len(e.last) > 2*half {
		drop := len(e.last) - half
		e.missing += drop
		e.last = append([]Event(nil), e.last[drop:]...)
	}
}

func (e *ends) all() []Event {
	const half = MaxEvents / 2
	if drop := len(e.last) - half; drop > 0 {
		e.missing += drop
		e.last = e.last[drop:]
	}
	if e.missing > 0 {
		e.first = append(e.first, Event{Kind: Output, Text: fmt.Sprintf("… (%d events left out)", e.missing)})
	}
	return append(e.first, e.last...)
}
