package telemetry

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Kind says on which side of a call a span is.
type Kind int

// Kinds of spans.
const (
	Internal Kind = iota
	Server        // a request that was answered
	Client        // a request that was made
)

// Attribute is an id, a number or a name that an administrator chose.
type Attribute struct {
	Key   string
	Value any // string, int64 or bool
}

// String, Int and Bool make attributes.
func String(key, value string) Attribute             { return Attribute{key, value} }
func Int[N ~int | ~int64](key string, n N) Attribute { return Attribute{key, int64(n)} }
func Bool(key string, value bool) Attribute          { return Attribute{key, value} }

// Link points to a span of another trace.
type Link struct {
	Trace TraceID
	Span  SpanID
}

// Span is something that was done, from its start to its end.
type Span struct {
	Trace      TraceID
	ID         SpanID // zero: one is made
	Parent     SpanID
	Name       string
	Kind       Kind
	Start, End time.Time
	// Failed marks a span; why is in the log, which may say more.
	Failed     bool
	Attributes []Attribute
	Link       *Link
}

// Exporter takes spans that ended. It must not block.
type Exporter interface{ Export(s Span) }

// Tracer makes spans. The nil Tracer makes none.
type Tracer struct {
	to    Exporter
	ratio float64
}

// NewTracer sends that share of all traces, from 0 to 1.
func NewTracer(to Exporter, ratio float64) *Tracer { return &Tracer{to: to, ratio: ratio} }

// Emit sends a span that is complete.
func (t *Tracer) Emit(s Span) {
	if t == nil || !s.Trace.sampled(t.ratio) {
		return
	}
	if s.ID == (SpanID{}) {
		s.ID = newSpanID()
	}
	t.to.Export(s)
}

// EmitFor sends a span of a task's trace, below the whole task.
func (t *Tracer) EmitFor(task string, s Span) {
	s.Trace, s.Parent = TraceOf(task), RootOf(task)
	t.Emit(s)
}

// maxSpans bounds what is kept of one scope until it ends.
const maxSpans = 256

// Scope is a piece of work of which one knows at its end only whether it is worth telling,
// and about which tasks it was. What is done within it is kept until then.
type Scope struct {
	tracer *Tracer
	span   Span

	mu    sync.Mutex
	spans []Span // within it
	tasks []string
	kept  bool
	done  bool
}

type scopeKey struct{}

// inside is the scope, and the span, that a context is of.
type inside struct {
	scope  *Scope
	parent SpanID
}

// Begin begins a scope. Where the context is about a task, the scope is.
func (t *Tracer) Begin(ctx context.Context, name string, attributes ...Attribute) (context.Context, *Scope) {
	if t == nil {
		return ctx, nil
	}
	s := &Scope{tracer: t, span: Span{ID: newSpanID(), Name: name, Start: time.Now(), Attributes: attributes}}
	if task := Of(ctx).Task; task != "" {
		s.tasks = []string{task}
	}
	return context.WithValue(ctx, scopeKey{}, inside{s, s.span.ID}), s
}

// ScopeOf is the scope of a context; nil if it has none.
func ScopeOf(ctx context.Context) *Scope {
	in, _ := ctx.Value(scopeKey{}).(inside)
	return in.scope
}

// Concerns makes the scope one of that task's trace, too.
func (s *Scope) Concerns(task string) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.tasks, task) {
		s.tasks = append(s.tasks, task)
	}
}

// Add keeps a span that ended within the scope, below the scope's own.
func (s *Scope) Add(span Span) {
	if s == nil {
		return
	}
	s.add(span, s.span.ID)
}

func (s *Scope) add(span Span, parent SpanID) {
	span.Parent = parent
	if span.ID == (SpanID{}) {
		span.ID = newSpanID()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.done && len(s.spans) < maxSpans {
		s.spans = append(s.spans, span)
	}
}

// Keep makes the scope worth telling, whatever else comes of it.
func (s *Scope) Keep() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept = true
}

// Kept reports whether it is.
func (s *Scope) Kept() bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kept
}

// End ends the scope and tells of it, in the trace of each task that it concerned.
func (s *Scope) End(failed bool, attributes ...Attribute) {
	if s == nil {
		return
	}
	s.mu.Lock()
	s.done = true
	s.span.End, s.span.Failed = time.Now(), failed
	s.span.Attributes = append(s.span.Attributes, attributes...)
	spans, tasks := s.spans, s.tasks
	s.mu.Unlock()
	for _, task := range tasks {
		s.tracer.EmitFor(task, s.span)
		for _, span := range spans {
			span.Trace = TraceOf(task)
			s.tracer.Emit(span)
		}
	}
}

// Start begins a span within the scope of ctx; see [Tracer.Done]. The function ends it.
func (t *Tracer) Start(ctx context.Context, name string, kind Kind, attributes ...Attribute) (context.Context, func(failed bool)) {
	if t == nil {
		return ctx, func(bool) {}
	}
	span := Span{ID: newSpanID(), Name: name, Kind: kind, Start: time.Now(), Attributes: attributes}
	in, _ := ctx.Value(scopeKey{}).(inside)
	return context.WithValue(ctx, scopeKey{}, inside{in.scope, span.ID}), func(failed bool) {
		span.End, span.Failed = time.Now(), failed
		t.Done(ctx, span)
	}
}

// Done tells of a span that ended: within the scope of ctx, or, where there is none, in the
// trace of the task that ctx is about. Where there is neither, nobody is told.
func (t *Tracer) Done(ctx context.Context, span Span) {
	if t == nil {
		return
	}
	in, _ := ctx.Value(scopeKey{}).(inside)
	switch task := Of(ctx).Task; {
	case in.scope != nil:
		in.scope.add(span, in.parent)
	case task != "":
		t.EmitFor(task, span)
	}
}
