package secret

import (
	"bytes"
	"io"
	"math/bits"
	"strings"
	"sync"
)

// Redactor replaces the values it was made with by "[redacted:NAME]", and API
// tokens of CoderFlow, which are known by their form, by "[redacted:api-token]".
// It is safe for concurrent use; a nil Redactor changes nothing.
type Redactor struct {
	names   []string
	matcher *matcher
}

// NewRedactor prepares the matching of all values in all encodings.
func NewRedactor(values ...Value) *Redactor {
	r := &Redactor{}
	var all [][]string
	for _, v := range values {
		if !v.IsZero() {
			r.names = append(r.names, v.name)
			all = append(all, patterns(v.Reveal()))
		}
	}
	r.matcher = newMatcher(all)
	return r
}

// Redact returns the text without the values, and how many times one was replaced.
func (r *Redactor) Redact(text string) (string, int) {
	if r == nil || !r.found(text) {
		return text, 0
	}
	s := newStream(r)
	out := s.feed([]byte(text), make([]byte, 0, len(text)))
	return string(s.end(out)), s.replaced
}

// found looks without keeping anything: nearly every text is clean. Line breaks
// are left out first. Every pattern has at least MinLength bytes, so that of every
// stride-th group of three bytes one lies within its first MinLength: only where
// such a group is one of a pattern's is the pattern looked for.
func (r *Redactor) found(text string) bool {
	if strings.IndexByte(text, '\n') < 0 && strings.IndexByte(text, '\r') < 0 {
		return strings.Contains(text, ownPrefix) || search(r.matcher, text)
	}
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	*buffer = appendJoined((*buffer)[:0], text)
	return bytes.Contains(*buffer, []byte(ownPrefix)) || search(r.matcher, *buffer)
}

// buffers are for texts without their line breaks.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

func search[T string | []byte](m *matcher, text T) bool {
	for i := group - 1; i < len(text); i += stride {
		if m.near(uint32(lower[text[i-2]])<<16 | uint32(lower[text[i-1]])<<8 | uint32(lower[text[i]])) {
			for from := max(0, i-group-stride+2); from <= i-group+1; from++ {
				if walk(m, text[from:]) {
					return true
				}
			}
		}
	}
	return false
}

// appendJoined appends a text without its line breaks.
func appendJoined(out []byte, text string) []byte {
	for len(text) > 0 {
		line, rest, _ := strings.Cut(text, "\n")
		for strings.IndexByte(line, '\r') >= 0 {
			var part string
			part, line, _ = strings.Cut(line, "\r")
			out = append(out, part...)
		}
		out = append(out, line...)
		text = rest
	}
	return out
}

// Writer redacts what is written through it into w, whatever the borders of the
// writes: it holds back exactly those last bytes that could be the beginning of
// a value. Close writes them; it does not close w.
func (r *Redactor) Writer(w io.Writer) *Writer {
	out := &Writer{w: w}
	if r != nil {
		out.s = newStream(r)
	}
	return out
}

// Writer is a stream being redacted. It is not safe for concurrent use.
type Writer struct {
	w   io.Writer
	s   *stream
	buf []byte
}

// Write redacts and passes on. It reports all of p as written unless w fails.
func (w *Writer) Write(p []byte) (int, error) {
	if w.s == nil {
		return w.w.Write(p)
	}
	w.buf = w.s.feed(p, w.buf[:0])
	if len(w.buf) == 0 {
		return len(p), nil
	}
	if _, err := w.w.Write(w.buf); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Replaced is how many values were replaced so far.
func (w *Writer) Replaced() int {
	if w.s == nil {
		return 0
	}
	return w.s.replaced
}

// Close writes what was held back.
func (w *Writer) Close() error {
	if w.s == nil {
		return nil
	}
	w.buf = w.s.end(w.buf[:0])
	if len(w.buf) == 0 {
		return nil
	}
	_, err := w.w.Write(w.buf)
	return err
}

// maxBreaks is how many line breaks in a row may stand within a value: one, as
// CR and LF. More are never an encoder's wrapping, and the limit bounds what is
// held back.
const maxBreaks = 2

// span is a stretch of the stream that is replaced, by offsets in it.
type span struct {
	from, to int64
	owner    int32
	marked   bool // its mark was written
}

// stream is the state of one text.
type stream struct {
	r        *Redactor
	at       int32
	own      ownToken
	breaks   int
	base     int64  // offset of held[0]
	held     []byte // read, not yet released
	starts   []int64
	count    int    // significant bytes since the start
	spans    []span // in order, apart from each other
	first    *span  // the first value that was found, own tokens aside
	replaced int
	inPlace  bool // what is replaced keeps its length
}

func newStream(r *Redactor) *stream {
	return &stream{r: r, starts: make([]int64, 1<<bits.Len(uint(r.matcher.deep)))} //nolint:gosec // a length
}

// feed takes more of the text and appends what is certain to out.
func (s *stream) feed(p, out []byte) []byte {
	m, mask := s.r.matcher, len(s.starts)-1
	offset := s.base + int64(len(s.held))
	s.held = append(s.held, p...)
	for i, b := range p {
		if b == '\n' || b == '\r' {
			if s.breaks++; s.breaks > maxBreaks {
				s.at = 0
				s.own.reset()
			}
			continue
		}
		s.breaks = 0
		if s.own.take(b, offset+int64(i)) {
			s.add(span{from: s.own.from, to: offset + int64(i) + 1, owner: ownOwner})
		}
		if s.at = m.step(s.at, lower[b]); s.at == 0 {
			continue
		}
		s.starts[s.count&mask] = offset + int64(i)
		s.count++
		if length := int(m.nodes[s.at].match); length > 0 {
			n := span{from: s.starts[(s.count-length)&mask], to: offset + int64(i) + 1, owner: m.nodes[s.at].owner}
			if s.first == nil {
				s.first = &span{to: n.to, owner: n.owner}
			}
			s.add(n)
		}
	}
	return s.release(out, s.certain())
}

// certain is the offset before which no value can begin any more.
func (s *stream) certain() int64 {
	until := s.base + int64(len(s.held))
	if depth := int(s.r.matcher.nodes[s.at].depth); depth > 0 {
		until = s.starts[(s.count-depth)&(len(s.starts)-1)]
	}
	if s.own.n > 0 {
		until = min(until, s.own.from)
	}
	return until
}

// add keeps a span, joined with those that it overlaps.
func (s *stream) add(n span) {
	for len(s.spans) > 0 {
		last := s.spans[len(s.spans)-1]
		if last.to <= n.from {
			break
		}
		n.from, n.owner, n.marked = min(n.from, last.from), last.owner, n.marked || last.marked
		s.spans = s.spans[:len(s.spans)-1]
	}
	s.spans = append(s.spans, n)
}

// release appends everything before the offset, redacted, and forgets it.
func (s *stream) release(out []byte, until int64) []byte {
	for len(s.spans) > 0 && s.spans[0].from < until {
		first := &s.spans[0]
		out = s.take(out, first.from, true)
		if s.inPlace && first.to > until {
			return out // whoever begins again within it would not know it
		}
		if !first.marked {
			first.marked = true
			s.replaced++
			if !s.inPlace {
				out = append(out, s.r.mark(first.owner)...)
			}
		}
		if s.inPlace {
			out = s.overwrite(out, first, min(first.to, until))
		}
		out = s.take(out, min(first.to, until), false)
		if first.to > until {
			return out
		}
		s.spans = s.spans[1:]
	}
	return s.take(out, until, true)
}

// take moves the held bytes before the offset away, to out if they are shown.
func (s *stream) take(out []byte, until int64, show bool) []byte {
	n := int(until - s.base)
	if n <= 0 {
		return out
	}
	if show {
		out = append(out, s.held[:n]...)
	}
	s.held = append(s.held[:0], s.held[n:]...)
	s.base = until
	return out
}

// end appends the rest: nothing more will come.
func (s *stream) end(out []byte) []byte {
	s.at = 0
	s.own.reset()
	return s.release(out, s.base+int64(len(s.held)))
}
