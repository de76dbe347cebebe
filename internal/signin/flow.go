// Package signin lets people prove who they are: with GitHub or with any OpenID
// Connect provider, in a browser (authorization code with PKCE) or on a device
// without one (RFC 8628). It ends with an API token of ours; what the provider
// gave is thrown away.
//
// The server talks to the provider in both flows. A browser or a command line
// never sees the provider's codes and tokens, only a random handle of ours.
package signin

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/token"
)

// Kind is the kind of a flow.
type Kind string

// The two kinds.
const (
	Device  Kind = "device"
	Browser Kind = "browser"
)

// Bounds of flows.
const (
	// browserLife is how long a person has at the provider's pages.
	browserLife = 10 * time.Minute
	// maxDeviceLife bounds what a provider says of its device codes.
	maxDeviceLife = 30 * time.Minute
	// Between two questions to the provider: RFC 8628 says 5 s if it says nothing,
	// and to add as much when told to slow down.
	defaultInterval, maxInterval, slowDown = 5 * time.Second, time.Minute, 5 * time.Second
)

// How long the tokens live that a sign-in makes.
const (
	DeviceTokenLife  = 12 * time.Hour
	BrowserTokenLife = 8 * time.Hour
)

// Flow is a sign-in that has begun.
type Flow struct {
	ID       string // hash of the handle or the state; neither is kept
	Kind     Kind
	Provider string
	Address  string // that it was begun from
	// Browser is the hash of the cookie that the browser got with the state.
	Browser string
	Secret  forge.Secret // device code, or PKCE verifier
	Nonce   string       // that the provider's answer must carry; device: none
	Next    string       // local path to go on to
	// Every is the time between two questions about a device code; AskAt is when
	// the next may be asked.
	Every     time.Duration
	AskAt     time.Time
	CreatedAt time.Time
	ExpiresAt time.Time
}

// Store keeps flows. Several servers may share it: whichever is asked goes on.
type Store interface {
	// OpenFlow stores a new flow. It fails with ErrTooMany if the address has as
	// many open ones as it may; of all others the oldest give way.
	OpenFlow(ctx context.Context, f Flow) error
	// AskFlow returns an open device flow and whether its provider may be asked
	// now; if so, nobody else is told that until Every has passed. It fails with
	// ErrGone if there is no such flow, or no longer.
	AskFlow(ctx context.Context, id string, now time.Time) (f Flow, ask bool, err error)
	// SlowFlow makes the times between questions longer.
	SlowFlow(ctx context.Context, f Flow) error
	// TakeFlow ends a flow and returns it, once; then it fails with ErrGone.
	TakeFlow(ctx context.Context, id string, now time.Time) (Flow, error)
	// SignIn stores the token, audited, and ends the flow if it is a device's: of
	// two that finish it at once, one fails with ErrGone.
	SignIn(ctx context.Context, f Flow, k token.Token, hash token.Hash) error
}

// Bounds of open flows. Behind a proxy many people share an address.
const (
	MaxOpenOfAddress = 20
	MaxOpen          = 5000
)

// newSecret returns 256 random bits as text.
func newSecret() string {
	var random [32]byte
	_, _ = rand.Read(random[:]) // it never fails, see crypto/rand
	return base64.RawURLEncoding.EncodeToString(random[:])
}

// hashed is what is stored of a random text. It needs no salt: nobody can try
// 256 random bits.
func hashed(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
