package secret

import (
	"fmt"
	"strings"
	"time"
)

// AsCanary is the value as a decoy: it lies where a secret would, and nobody has a
// reason to use it. Where it appears, somebody took it.
func (v Value) AsCanary() Value {
	v.canary = true
	return v
}

// IsCanary reports whether the value is a decoy.
func (v Value) IsCanary() bool { return v.canary }

// Tripwire finds canaries, in every spelling that a [Redactor] knows. A nil
// Tripwire finds nothing. It is safe for concurrent use.
type Tripwire struct{ r *Redactor }

// NewTripwire watches for those of the values that are canaries; it is nil if
// none is.
func NewTripwire(values ...Value) *Tripwire {
	var canaries []Value
	for _, v := range values {
		if v.canary && !v.IsZero() {
			canaries = append(canaries, v)
		}
	}
	if len(canaries) == 0 {
		return nil
	}
	return &Tripwire{NewRedactor(canaries...)}
}

// Find names the first canary in a text, and says where it ends, in bytes.
func (t *Tripwire) Find(text string) (name string, end int64, found bool) {
	if t == nil || !t.r.found(text) {
		return "", 0, false
	}
	w := t.Watch()
	_, _ = w.Write([]byte(text))
	return w.Found()
}

// Watch looks at a text that comes in pieces.
func (t *Tripwire) Watch() *Watcher {
	if t == nil {
		return nil
	}
	return &Watcher{s: newStream(t.r)}
}

// Watcher is a text being looked at. A nil Watcher finds nothing. It is not safe
// for concurrent use.
type Watcher struct {
	s    *stream
	past []byte
}

// Write takes the next piece; it never fails.
func (w *Watcher) Write(p []byte) (int, error) {
	if w != nil {
		w.past = w.s.feed(p, w.past[:0])
	}
	return len(p), nil
}

// Found names the first canary so far, and says where it ends.
func (w *Watcher) Found() (name string, end int64, found bool) {
	if w == nil || w.s.first == nil {
		return "", 0, false
	}
	return w.s.r.names[w.s.first.owner], w.s.first.to, true
}

// Place is where a canary can appear.
type Place string

// The places.
const (
	InOutput  Place = "output"  // what a container prints
	InRequest Place = "request" // what it sends through the gateway
	InChange  Place = "change"  // what it leaves behind to be proposed
)

// Trip is a canary that appeared. Nothing of it says the value.
type Trip struct {
	Task       string
	Deployment string // empty: the task's own container
	// Environment is whose canary it is.
	Environment string
	Canary      string
	Place       Place
	Where       string // within the place, for people
	At          time.Time
}

// String says what happened, for people.
func (t Trip) String() string {
	return fmt.Sprintf("canary %s appeared in %s at %s", t.Canary, strings.ToUpper(string(t.Place)), t.Where)
}
