package signin

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/oauth2"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/task"
	"github.com/coderflow/coderflow/internal/token"
)

// Policies gives the rules in force.
type Policies interface {
	Policy(ctx context.Context) (*policy.Policy, error)
}

// Options are the parts of a Service.
type Options struct {
	Providers []Provider // in the order in which they are shown
	Store     Store
	Policies  Policies
	// Keeper keeps what a provider gave; nil: it is thrown away.
	Keeper    Keeper
	PublicURL string // of this server, without a slash at the end
	Logger    *slog.Logger
	Now       func() time.Time
}

// Service runs the flows.
type Service struct{ o Options }

// New makes a service.
func New(o Options) *Service { return &Service{o} }

// Providers lists the providers.
func (s *Service) Providers() []Provider { return s.o.Providers }

func (s *Service) provider(name string) (Provider, error) {
	for _, p := range s.o.Providers {
		if p.Name() == name {
			return p, nil
		}
	}
	return nil, ErrUnknownProvider
}

// redirect is where a provider sends the browser back to: one address each, so
// that the answer of one cannot be brought as the answer of another.
func (s *Service) redirect(p Provider) string {
	return s.o.PublicURL + "/auth/" + p.Name() + "/callback"
}

// Result is a finished sign-in. Value is shown once, to whoever signed in.
type Result struct {
	Token token.Token
	Value token.Value
	Login string // display text
	Next  string // local path; only of a browser
}

// DeviceStart is what a person on a device needs.
type DeviceStart struct {
	Handle    string // of ours; nobody else gets it
	Code      DeviceCode
	ExpiresAt time.Time
}

// StartDevice begins a sign-in without a browser on the device.
func (s *Service) StartDevice(ctx context.Context, provider, address string) (DeviceStart, error) {
	p, err := s.provider(provider)
	if err != nil {
		return DeviceStart{}, err
	}
	code, err := p.StartDevice(ctx)
	if err != nil {
		return DeviceStart{}, asked(p, err)
	}
	now := s.now()
	code.Interval = min(max(code.Interval, defaultInterval), maxInterval)
	code.ExpiresIn = min(code.ExpiresIn, maxDeviceLife)
	start := DeviceStart{Handle: newSecret(), Code: code, ExpiresAt: now.Add(code.ExpiresIn)}
	err = s.o.Store.OpenFlow(ctx, Flow{
		ID: hashed(start.Handle), Kind: Device, Provider: provider, Address: address, Secret: code.Code,
		Every: code.Interval, AskAt: now.Add(code.Interval), CreatedAt: now, ExpiresAt: start.ExpiresAt,
	})
	return start, err
}

// AskDevice tells what became of a device's sign-in: a result, once, or
// ErrPending with the time until it is worth asking again, or the reason why
// nothing will come of it. However often it is called, the provider is asked at
// its interval.
func (s *Service) AskDevice(ctx context.Context, handle string) (Result, time.Duration, error) {
	f, ask, err := s.o.Store.AskFlow(ctx, hashed(handle), s.now())
	if err != nil {
		return Result{}, 0, err
	}
	p, err := s.provider(f.Provider)
	if err != nil { // it was taken out of the configuration
		return Result{}, 0, ErrGone
	}
	if !ask {
		return Result{}, f.Every, ErrPending
	}
	who, err := p.AskDevice(ctx, f.Secret)
	switch {
	case err == nil:
		result, err := s.finish(ctx, p, f, who, DeviceTokenLife)
		return result, 0, err
	case errors.Is(err, ErrPending):
		return Result{}, f.Every, ErrPending
	case errors.Is(err, ErrSlowDown):
		f.Every = min(f.Every+slowDown, maxInterval)
		f.AskAt = s.now().Add(f.Every)
		if err := s.o.Store.SlowFlow(ctx, f); err != nil {
			return Result{}, 0, err
		}
		return Result{}, f.Every, ErrPending
	}
	return Result{}, f.Every, s.failed(ctx, f, err)
}

// failed ends a device's flow if the provider's word was its last, and keeps it
// if the provider could not be asked.
func (s *Service) failed(ctx context.Context, f Flow, err error) error {
	final := errors.Is(err, ErrDenied) || errors.Is(err, ErrGone) || errors.Is(err, ErrNoDeviceFlow) || errors.As(err, new(*RefusedError)) || errors.As(err, new(*NoRoleError))
	if !final {
		s.o.Logger.WarnContext(ctx, "a provider could not be asked about a device code; it is asked again", "provider", f.Provider, "error", err)
		return ErrPending
	}
	s.o.Logger.InfoContext(ctx, "sign-in failed", "provider", f.Provider, "flow", Device, "error", err)
	if _, dropped := s.o.Store.TakeFlow(ctx, f.ID, s.now()); dropped != nil && !errors.Is(dropped, ErrGone) {
		return errors.Join(err, dropped)
	}
	return err
}

// BrowserStart sends a browser to its provider.
type BrowserStart struct {
	Address string
	// Cookie is for this browser alone and shows that it is the same one that
	// comes back.
	Cookie    string
	ExpiresAt time.Time
}

// StartBrowser begins a sign-in in a browser, which goes on to next at its end.
func (s *Service) StartBrowser(ctx context.Context, provider, next, address string) (BrowserStart, error) {
	p, err := s.provider(provider)
	if err != nil {
		return BrowserStart{}, err
	}
	now := s.now()
	secrets := Secrets{State: newSecret(), Nonce: newSecret(), Verifier: forge.Secret(oauth2.GenerateVerifier())}
	start := BrowserStart{Cookie: newSecret(), ExpiresAt: now.Add(browserLife)}
	if start.Address, err = p.AuthURL(ctx, s.redirect(p), secrets); err != nil {
		return BrowserStart{}, asked(p, err)
	}
	err = s.o.Store.OpenFlow(ctx, Flow{
		ID: hashed(secrets.State), Kind: Browser, Provider: provider, Address: address, Browser: hashed(start.Cookie),
		Secret: secrets.Verifier, Nonce: secrets.Nonce, Next: LocalPath(next), CreatedAt: now, ExpiresAt: start.ExpiresAt,
	})
	return start, err
}

// Return is what a browser brings back.
type Return struct {
	Provider string // that the address names
	State    string
	Cookie   string
	Error    string // the provider's error code; empty: none
	Callback
}

// FinishBrowser ends a sign-in in a browser. Whatever comes of it, its state is
// used up.
func (s *Service) FinishBrowser(ctx context.Context, r Return) (Result, error) {
	p, err := s.provider(r.Provider)
	if err != nil {
		return Result{}, err
	}
	f, err := s.o.Store.TakeFlow(ctx, hashed(r.State), s.now())
	if err != nil {
		return Result{}, err
	}
	sameBrowser := subtle.ConstantTimeCompare([]byte(f.Browser), []byte(hashed(r.Cookie))) == 1
	switch {
	case f.Kind != Browser || f.Browser == "":
		return Result{}, ErrGone
	case !sameBrowser:
		return Result{}, refused("this sign-in was begun in another browser, or this one takes no cookies; start again", nil)
	case f.Provider != p.Name():
		return Result{}, refused("the answer is from another provider than the one that was asked", nil)
	case r.Error != "":
		return Result{}, ErrDenied
	case r.Code == "":
		return Result{}, refused("the provider sent no code", nil)
	}
	who, err := p.Exchange(ctx, s.redirect(p), r.Callback, Secrets{State: r.State, Nonce: f.Nonce, Verifier: f.Secret})
	if err != nil {
		s.o.Logger.InfoContext(ctx, "sign-in failed", "provider", f.Provider, "flow", Browser, "error", err)
		return Result{}, asked(p, err)
	}
	return s.finish(ctx, p, f, who, BrowserTokenLife)
}

// finish makes the token, for whoever holds anything here, and has what the provider
// gave kept, or ended.
func (s *Service) finish(ctx context.Context, p Provider, f Flow, who Identity, life time.Duration) (Result, error) {
	result, err := s.admit(ctx, p, f, who, life)
	if who.Token == nil {
		return result, err
	}
	if err == nil && s.o.Keeper != nil {
		kept := s.o.Keeper.Keep(ctx, who)
		if kept == nil {
			return result, nil
		}
		s.o.Logger.WarnContext(ctx, "what a provider gave was not kept; they are signed in all the same", "subject", who.Subject.String(), "error", kept)
	}
	if ends, can := p.(interface {
		Revoke(ctx context.Context, access forge.Secret)
	}); can {
		ends.Revoke(ctx, who.Token.Access)
	}
	return result, err
}

func (s *Service) admit(ctx context.Context, p Provider, f Flow, who Identity, life time.Duration) (Result, error) {
	rules, err := s.o.Policies.Policy(ctx)
	if err != nil {
		return Result{}, fmt.Errorf("read the rules in force: %w", err)
	}
	if !rules.HoldsAnything(who.Subject) {
		return Result{}, s.failed(ctx, f, &NoRoleError{who.Subject})
	}
	now := s.now()
	k := token.Token{
		ID: string(task.NewID()), Name: "signed in with " + p.Name(), Owner: who.Subject, SignIn: true,
		CreatedAt: now, CreatedBy: who.Subject.String(), ExpiresAt: now.Add(life),
	}
	value := token.New()
	if err := s.o.Store.SignIn(ctx, f, k, value.Hash()); err != nil {
		return Result{}, err
	}
	s.o.Logger.InfoContext(ctx, "signed in", "subject", who.Subject.String(), "provider", f.Provider, "flow", f.Kind, "token", k.ID)
	return Result{Token: k, Value: value, Login: who.Login, Next: f.Next}, nil
}

// now is in the precision that the store keeps.
func (s *Service) now() time.Time { return s.o.Now().UTC().Truncate(time.Microsecond) }
