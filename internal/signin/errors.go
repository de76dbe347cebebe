package signin

import (
	"errors"
	"fmt"

	"github.com/coderflow/coderflow/internal/forge"
)

// Errors that callers branch on. Each text is for the person who signs in.
var (
	// ErrPending: the person has not decided yet.
	ErrPending = errors.New("not decided yet")
	// ErrSlowDown: the provider wants to be asked less often.
	ErrSlowDown = errors.New("asked too often")
	// ErrDenied: the person, or the provider, said no.
	ErrDenied = errors.New("the sign-in was refused at the provider")
	// ErrGone: no such sign-in, used already, or too old.
	ErrGone = errors.New("this sign-in is unknown, used or expired; start again")
	// ErrTooMany: the address has too many open sign-ins.
	ErrTooMany = errors.New("too many sign-ins from this address have begun and not ended")
	// ErrUnknownProvider: there is no provider of that name.
	ErrUnknownProvider = errors.New("there is no such provider")
	// ErrNoDeviceFlow: the provider has none, or it is switched off.
	ErrNoDeviceFlow = errors.New("the provider has no device flow, or it is switched off there")
)

// NoRoleError is a person who is who they say and holds nothing here.
type NoRoleError struct{ Subject forge.Subject }

// Error implements error.
func (e *NoRoleError) Error() string {
	return fmt.Sprintf("%s has no role here; give this id to an admin", e.Subject)
}

// RefusedError is an answer of a provider, or of somebody in its name, that
// proves nothing.
type RefusedError struct {
	// Text is for the person.
	Text string
	// Cause is for the log; it may be nil.
	Cause error
}

// Error implements error.
func (e *RefusedError) Error() string {
	if e.Cause == nil {
		return e.Text
	}
	return e.Text + ": " + e.Cause.Error()
}

// Unwrap returns the cause.
func (e *RefusedError) Unwrap() error { return e.Cause }

func refused(text string, cause error) error { return &RefusedError{text, cause} }

// UnreachableError is a provider that could not be asked, or whose answer says
// nothing about the person.
type UnreachableError struct {
	Provider string
	cause    error
}

// Error implements error.
func (e *UnreachableError) Error() string {
	return fmt.Sprintf("the provider %s could not be asked: %v", e.Provider, e.cause)
}

// Unwrap returns the cause.
func (e *UnreachableError) Unwrap() error { return e.cause }

// asked tells a provider's refusal from not reaching it.
func asked(p Provider, err error) error {
	if err == nil || errors.As(err, new(*RefusedError)) {
		return err
	}
	for _, known := range []error{ErrPending, ErrSlowDown, ErrDenied, ErrGone, ErrNoDeviceFlow} {
		if errors.Is(err, known) {
			return err
		}
	}
	return &UnreachableError{p.Name(), err}
}
