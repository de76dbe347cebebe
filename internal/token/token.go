package token

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
)

// What happens to tokens, for the audit log.
const (
	Created    audit.Action = "token.created"
	Revoked    audit.Action = "token.revoked"
	RefusedUse audit.Action = "token.refused" // the first use after its end
)

// Bounds of a token's life.
const (
	DefaultLifetime = 30 * 24 * time.Hour
	MaxLifetime     = 365 * 24 * time.Hour
	minLifetime     = time.Minute
)

// TouchInterval is how exact the time of the last use is: writing it with every
// request would make every reading a write.
const TouchInterval = time.Minute

// Token is what is known of a token besides its text.
type Token struct {
	ID   string // public; names it in lists, logs and the audit log
	Name string // that its owner knows it by
	// Owner acts wherever the token is used. The token is never more than its
	// owner is at that moment.
	Owner      forge.Subject
	Scope      Scope
	SignIn     bool // a sign-in made it, for the person who signed in
	CreatedAt  time.Time
	CreatedBy  string
	ExpiresAt  time.Time
	LastUsedAt time.Time // at most TouchInterval old; zero: never
	RevokedAt  time.Time // zero: it is not
	RevokedBy  string
	// RefusedAt is the first use after the end; zero: none.
	RefusedAt time.Time
}

// Ended says why the token is worth nothing at the time; empty if it is good. A
// token without an expiry is not good.
func (t Token) Ended(now time.Time) string {
	switch {
	case !t.RevokedAt.IsZero():
		return "revoked"
	case !now.Before(t.ExpiresAt):
		return "expired"
	}
	return ""
}

var name = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$`)

// Check says what is wrong with a new token.
func (t Token) Check() error {
	var errs []error
	if t.ID == "" || t.CreatedBy == "" || t.CreatedAt.IsZero() {
		errs = append(errs, errors.New("id, author and time are needed"))
	}
	if !name.MatchString(t.Name) {
		errs = append(errs, fmt.Errorf("name %q: want up to 64 letters, digits, spaces, dots, dashes", t.Name))
	}
	if t.Owner.IsZero() {
		errs = append(errs, errors.New("whose it is must be said: HOST:ID"))
	}
	if life := t.ExpiresAt.Sub(t.CreatedAt); life < minLifetime || life > MaxLifetime {
		errs = append(errs, fmt.Errorf("it would live %s; want between a minute and %d days", life, MaxLifetime/(24*time.Hour)))
	}
	errs = append(errs, t.Scope.check())
	return errors.Join(errs...)
}

// ParseLifetime reads "30d", "12h" or what time.ParseDuration reads.
func ParseLifetime(text string) (time.Duration, error) {
	life, err := time.ParseDuration(text)
	if days, found := strings.CutSuffix(text, "d"); found {
		var n int
		n, err = strconv.Atoi(days)
		if n < 0 || n > 10_000 { // far over the bound, and far from an overflow
			err = strconv.ErrRange
		}
		life = time.Duration(n) * 24 * time.Hour
	}
	if err != nil {
		return 0, fmt.Errorf("lifetime %q: want for example 30d or 12h", text)
	}
	if life < minLifetime || life > MaxLifetime {
		return 0, fmt.Errorf("lifetime %q: want between a minute and %d days", text, MaxLifetime/(24*time.Hour))
	}
	return life, nil
}
