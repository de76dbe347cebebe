package engine

import (
	"context"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/coderflow/coderflow/internal/gitops"
	"github.com/coderflow/coderflow/internal/secret"
)

// leaks looks for secrets in what a container leaves behind: names, contents,
// targets of links. What has one is never stored.
type leaks struct {
	redactor *secret.Redactor
	wire     *secret.Tripwire
	found    []string // redacted names of files
	more     int
	canary   *CanaryError // the first
	current  *leakReader
}

// LeakError is a change that has secrets in it. No approval can lift that.
type LeakError struct {
	Paths []string // redacted
	More  int      // beyond those listed
}

// Error implements error.
func (e *LeakError) Error() string {
	text := "the change has secrets of this environment in " + strings.Join(e.Paths, ", ")
	if e.More > 0 {
		text += fmt.Sprintf(" and %d more files", e.More)
	}
	return text + "; nothing of it was stored"
}

const maxLeaks = 10

// leakReader is a content that is looked at while it is read.
type leakReader struct {
	io.Reader
	path    string
	through *secret.Writer
	watcher *secret.Watcher
}

// leaksOf looks for what must not be in a change of the environment.
func (e *Engine) leaksOf(ctx context.Context, environment string) (*leaks, error) {
	redactor, err := e.Secrets.Redactor(ctx, environment)
	if err != nil {
		return nil, fmt.Errorf("read what must not be proposed: %w", err)
	}
	wire, err := e.Secrets.Tripwire(ctx, environment)
	if err != nil {
		return nil, fmt.Errorf("read the canaries of environment %s: %w", environment, err)
	}
	return &leaks{redactor: redactor, wire: wire}, nil
}

// over passes changes on and looks at each. It ends with an error if there was a secret
// in one.
func (l *leaks) over(changes iter.Seq2[gitops.Change, error]) iter.Seq2[gitops.Change, error] {
	return func(yield func(gitops.Change, error) bool) {
		for change, err := range changes {
			if err == nil {
				change.Content = l.watch(change.Path, change.Content)
			}
			if !yield(change, err) || err != nil {
				return
			}
		}
		if err := l.err(); err != nil {
			yield(gitops.Change{}, err)
		}
	}
}

// watch returns the content of a file to be read instead.
func (l *leaks) watch(path string, content io.Reader) io.Reader {
	l.finish()
	clean, n := l.redactor.Redact(path)
	if n > 0 {
		l.note(clean)
	}
	if name, _, found := l.wire.Find(path); found {
		l.trip(name, clean)
	}
	if content == nil {
		return nil
	}
	through := l.redactor.Writer(io.Discard)
	watcher := l.wire.Watch()
	l.current = &leakReader{
		Reader: io.TeeReader(content, io.MultiWriter(through, watcher)), path: clean, through: through, watcher: watcher,
	}
	return l.current
}

// finish looks at what the last content had. What was not read was not stored.
func (l *leaks) finish() {
	if l.current == nil {
		return
	}
	_ = l.current.through.Close() // to nowhere
	if l.current.through.Replaced() > 0 {
		l.note(l.current.path)
	}
	if name, _, found := l.current.watcher.Found(); found {
		l.trip(name, l.current.path)
	}
	l.current = nil
}

func (l *leaks) trip(name, path string) {
	if l.canary == nil {
		l.canary = &CanaryError{secret.Trip{Canary: name, Place: secret.InChange, Where: fmt.Sprintf("%.200q", path)}}
	}
}

func (l *leaks) note(path string) {
	quoted := fmt.Sprintf("%.200q", path)
	switch {
	case len(l.found) > 0 && l.found[len(l.found)-1] == quoted:
	case len(l.found) < maxLeaks:
		l.found = append(l.found, quoted)
	default:
		l.more++
	}
}

// err is nil if nothing was found.
func (l *leaks) err() error {
	l.finish()
	if l.canary != nil {
		return l.canary
	}
	if len(l.found) == 0 {
		return nil
	}
	return &LeakError{Paths: l.found, More: l.more}
}
