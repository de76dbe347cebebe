package signin

import (
	"context"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
)

// Identity is who somebody proved to be. Only the subject counts; the login is
// display text, which can be renamed and be somebody else's tomorrow.
type Identity struct {
	Subject forge.Subject
	Login   string
	// Token is what the provider gave and what is good still: only where it is to be kept.
	Token *UserToken
}

// Provider proves who people are.
type Provider interface {
	// Name is its name in addresses and in coderflow.yaml, Title what people read.
	Name() string
	Title() string
	// AuthURL is where the browser is sent, which comes back to redirect.
	AuthURL(ctx context.Context, redirect string, f Secrets) (string, error)
	// Exchange turns what came back into an identity.
	Exchange(ctx context.Context, redirect string, back Callback, f Secrets) (Identity, error)
	// StartDevice asks for a device code; ErrNoDeviceFlow if there is no such flow.
	StartDevice(ctx context.Context) (DeviceCode, error)
	// AskDevice asks once what became of a device code: an identity, ErrPending,
	// ErrSlowDown, ErrDenied, ErrGone, or another error.
	AskDevice(ctx context.Context, code forge.Secret) (Identity, error)
}

// Secrets are what ties the two halves of a browser's sign-in together.
type Secrets struct {
	State, Nonce string
	Verifier     forge.Secret // PKCE, RFC 7636
}

// Callback is what the provider gives the browser to bring.
type Callback struct {
	Code   forge.Secret
	Issuer string // RFC 9207; empty: not said
}

// DeviceCode is the provider's answer that starts a device flow, RFC 8628 section 3.2.
type DeviceCode struct {
	Code      forge.Secret
	UserCode  string
	Address   string
	Complete  string // Address with the user code in it; empty: none
	ExpiresIn time.Duration
	Interval  time.Duration
}
