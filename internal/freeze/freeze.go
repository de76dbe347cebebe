// Package freeze is the emergency stop as a fact: who stopped what, since when and
// why. While a freeze is in force nothing new begins in its scope, nothing is pushed
// and nothing is deployed there; whoever is about to do such a thing asks
// [Set.Refuse] of what the database says at that moment.
package freeze

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Server is the resource of a freeze that covers every environment.
const Server = "server"

const environmentPrefix = "environment/"

// Environment is the resource of a freeze that covers one environment.
func Environment(name string) string { return environmentPrefix + name }

// Freeze is one emergency stop. There is at most one in force on a resource.
type Freeze struct {
	ID       string
	Resource string // Server, or Environment(name)
	Reason   string // one line; see CheckReason
	By       string // subject in text form, or whoever was at the server's machine
	Login    string // of By; display text
	At       time.Time
	ThawedAt time.Time // zero while it is in force
}

// Name is the environment that is frozen; empty for the whole server.
func (f Freeze) Name() string {
	name, _ := strings.CutPrefix(f.Resource, environmentPrefix)
	if name == f.Resource {
		return ""
	}
	return name
}

// Covers reports whether one of the environments is in the freeze's scope. The whole
// server covers every one, also those that no name was given of.
func (f Freeze) Covers(environments ...string) bool {
	return f.Resource == Server || slices.Contains(environments, f.Name())
}

// What names the scope for people.
func (f Freeze) What() string {
	if name := f.Name(); name != "" {
		return "environment " + name
	}
	return "the whole server"
}

// Who names for people who froze it.
func (f Freeze) Who() string {
	if f.Login == "" {
		return f.By
	}
	return f.Login + " (" + f.By + ")"
}

// String is the freeze in one line.
func (f Freeze) String() string {
	return fmt.Sprintf("%s has been frozen by %s since %s: %s", f.What(), f.Who(), f.At.UTC().Format("2006-01-02 15:04:05 MST"), f.Reason)
}

// Set is every freeze that is in force.
type Set []Freeze

// Over returns a freeze that covers one of the environments; that of the whole
// server first, because lifting another does not help then.
func (s Set) Over(environments ...string) (Freeze, bool) {
	var found Freeze
	for _, f := range s {
		if f.Resource == Server {
			return f, true
		}
		if found.ID == "" && f.Covers(environments...) {
			found = f
		}
	}
	return found, found.ID != ""
}

// Refuse fails with an *Error if one of the environments is frozen.
func (s Set) Refuse(environments ...string) error {
	if f, frozen := s.Over(environments...); frozen {
		return &Error{Freeze: f}
	}
	return nil
}

// Same reports whether two sets are the same freezes, in whatever order.
func (s Set) Same(other Set) bool {
	return len(s) == len(other) && !slices.ContainsFunc(s, func(f Freeze) bool {
		return !slices.ContainsFunc(other, func(o Freeze) bool { return o.ID == f.ID })
	})
}

// Error is something that was not done because of a freeze, or because it cannot be
// told whether there is one. Nothing falls by it: it is done after the thaw.
type Error struct {
	Freeze Freeze
	// Cause is why the freezes could not be read; then Freeze is zero.
	Cause error
}

// Error implements error.
func (e *Error) Error() string {
	if e.Cause != nil {
		return "it cannot be read whether this is frozen: " + e.Cause.Error()
	}
	return e.Freeze.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Stood is for how long, from a moment to another, one of the freezes was in force:
// clocks of what is paused stand still for so long. The freezes may overlap.
func Stood(list []Freeze, from, to time.Time) time.Duration {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b Freeze) int { return a.At.Compare(b.At) })
	var sum time.Duration
	for _, f := range list {
		end := f.ThawedAt
		if end.IsZero() || end.After(to) {
			end = to
		}
		if f.At.After(from) {
			from = f.At
		}
		if end.After(from) {
			sum += end.Sub(from)
			from = end
		}
	}
	return sum
}

// Resumed are the freezes as something that they stopped knew them, which was let go on
// at those moments, in order: the last one lasted until then, where its thaw was not
// followed at once.
func Resumed(list []Freeze, moments []time.Time) []Freeze {
	longer := slices.Clone(list)
	var former time.Time
	for _, moment := range moments {
		last := -1
		for i, f := range list {
			if thawed := !f.ThawedAt.IsZero() && !f.ThawedAt.After(moment); thawed && (last < 0 || f.ThawedAt.After(list[last].ThawedAt)) {
				last = i
			}
		}
		if last >= 0 && list[last].ThawedAt.After(former) { // it did not go on in between
			longer[last].ThawedAt = moment
		}
		former = moment
	}
	return longer
}

// MaxReason bounds a reason, in bytes.
const MaxReason = 500

// CheckReason says what is wrong with a reason, or "".
func CheckReason(reason string) string {
	invisible := func(r rune) bool {
		return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r)
	}
	switch {
	case strings.TrimSpace(reason) == "":
		return "a freeze needs a reason: everybody who is held up reads it"
	case len(reason) > MaxReason || !utf8.ValidString(reason) || strings.ContainsFunc(reason, invisible):
		return fmt.Sprintf("the reason has to be one line of at most %d bytes without control characters", MaxReason)
	}
	return ""
}
