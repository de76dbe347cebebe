package signin

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/coderflow/coderflow/internal/forge"
)

// OIDCConfig is a client at an OpenID Connect provider.
type OIDCConfig struct {
	Name         string
	Title        string
	Issuer       string // exactly as the provider says it
	ClientID     string
	ClientSecret forge.Secret // empty: a public client
	// SubjectClaim identifies a person for ever: "sub", or "oid" at Entra.
	SubjectClaim string
	Scopes       []string // beside openid
	HTTP         *http.Client
	Now          func() time.Time
}

// OIDC lets people sign in with any OpenID Connect provider.
type OIDC struct {
	c OIDCConfig

	mu    sync.Mutex
	found *discovered
	asked time.Time // when discovery last failed
	fault error
}

// discovered is what the provider says of itself.
type discovered struct {
	endpoint
	verifier   *oidc.IDTokenVerifier
	saysIssuer bool // authorization_response_iss_parameter_supported, RFC 9207
}

// NewOIDC makes the provider. It asks nothing until somebody signs in, so that a
// server starts while the provider is down.
func NewOIDC(c OIDCConfig) *OIDC { return &OIDC{c: c} }

// Name implements Provider.
func (o *OIDC) Name() string { return o.c.Name }

// Title implements Provider.
func (o *OIDC) Title() string { return o.c.Title }

// discoveryPause is how long a provider that did not answer is left alone:
// anybody can make the server ask it.
const discoveryPause = 10 * time.Second

// discover reads the provider's description, once.
func (o *OIDC) discover(ctx context.Context) (*discovered, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.found != nil {
		return o.found, nil
	}
	if o.fault != nil && o.c.Now().Sub(o.asked) < discoveryPause {
		return nil, o.fault
	}
	// Not ended by whoever happened to ask first and hung up: the client has a deadline.
	d, err := o.ask(context.WithoutCancel(ctx))
	if err != nil {
		text := err.Error() // it may be the whole of somebody's web page
		o.fault, o.asked = fmt.Errorf("read the description of %s: %q", o.c.Issuer, text[:min(len(text), 300)]), o.c.Now()
		return nil, o.fault
	}
	o.found = d
	return d, nil
}

func (o *OIDC) ask(ctx context.Context) (*discovered, error) {
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, o.c.HTTP), o.c.Issuer)
	if err != nil {
		return nil, err
	}
	var more struct {
		Methods    []string `json:"token_endpoint_auth_methods_supported"`
		SaysIssuer bool     `json:"authorization_response_iss_parameter_supported"`
	}
	if err := provider.Claims(&more); err != nil {
		return nil, err
	}
	at := provider.Endpoint()
	for _, address := range []string{at.AuthURL, at.TokenURL, at.DeviceAuthURL} {
		// Codes and secrets go there: as safely as to the issuer.
		if address != "" && strings.HasPrefix(o.c.Issuer, "https:") && !strings.HasPrefix(address, "https://") {
			return nil, fmt.Errorf("its address %q is not https", address)
		}
	}
	at.AuthStyle = oauth2.AuthStyleInParams
	if o.c.ClientSecret != "" && (more.Methods == nil || slices.Contains(more.Methods, "client_secret_basic")) {
		at.AuthStyle = oauth2.AuthStyleInHeader
	}
	scopes := append([]string{oidc.ScopeOpenID}, slices.DeleteFunc(slices.Clone(o.c.Scopes), func(s string) bool { return s == oidc.ScopeOpenID })...)
	return &discovered{
		saysIssuer: more.SaysIssuer,
		verifier:   provider.Verifier(&oidc.Config{ClientID: o.c.ClientID, Now: o.c.Now}),
		endpoint: endpoint{http: o.c.HTTP, config: oauth2.Config{
			ClientID: o.c.ClientID, ClientSecret: o.c.ClientSecret.Reveal(), Endpoint: at, Scopes: scopes,
		}},
	}, nil
}

// AuthURL implements Provider.
func (o *OIDC) AuthURL(ctx context.Context, redirect string, s Secrets) (string, error) {
	d, err := o.discover(ctx)
	if err != nil {
		return "", err
	}
	return d.authURL(redirect, s, oidc.Nonce(s.Nonce)), nil
}

// Exchange implements Provider.
func (o *OIDC) Exchange(ctx context.Context, redirect string, back Callback, s Secrets) (Identity, error) {
	d, err := o.discover(ctx)
	if err != nil {
		return Identity{}, err
	}
	// Another provider's answer, brought here to have its code sent on (RFC 9207).
	if (back.Issuer != "" || d.saysIssuer) && back.Issuer != o.c.Issuer {
		return Identity{}, refused("the answer is from another provider than the one that was asked", nil)
	}
	answer, err := d.exchange(ctx, redirect, back.Code, s.Verifier)
	if err != nil {
		return Identity{}, err
	}
	raw, _ := answer.Extra("id_token").(string)
	if s.Nonce == "" {
		return Identity{}, errors.New("a browser's sign-in without a nonce")
	}
	return o.identity(ctx, d, forge.Secret(raw), s.Nonce)
}

// StartDevice implements Provider.
func (o *OIDC) StartDevice(ctx context.Context) (DeviceCode, error) {
	d, err := o.discover(ctx)
	if err != nil {
		return DeviceCode{}, err
	}
	if o.c.ClientSecret == "" {
		return d.startDevice(ctx)
	}
	return d.startDevice(ctx, oauth2.SetAuthURLParam("client_secret", o.c.ClientSecret.Reveal()))
}

// AskDevice implements Provider.
func (o *OIDC) AskDevice(ctx context.Context, code forge.Secret) (Identity, error) {
	d, err := o.discover(ctx)
	if err != nil {
		return Identity{}, err
	}
	answer, err := d.askDevice(ctx, code)
	if err != nil {
		return Identity{}, err
	}
	return o.identity(ctx, d, answer.IDToken, "")
}

// identity believes an ID token only: it is signed for us. What the userinfo
// endpoint says could be said of a token that was given to somebody else.
func (o *OIDC) identity(ctx context.Context, d *discovered, raw forge.Secret, nonce string) (Identity, error) {
	if raw == "" {
		return Identity{}, refused("the provider sent no ID token", nil)
	}
	// Signature (asymmetric algorithms only), issuer, audience and expiry.
	proof, err := d.verifier.Verify(oidc.ClientContext(ctx, o.c.HTTP), raw.Reveal())
	switch {
	case err != nil && strings.Contains(err.Error(), "fetching keys"): // go-oidc has no type for it
		return Identity{}, fmt.Errorf("the keys of %s could not be read", o.c.Issuer)
	case err != nil:
		return Identity{}, refused("the provider's ID token is not good", errorKind(err))
	}
	if nonce != "" && subtle.ConstantTimeCompare([]byte(proof.Nonce), []byte(nonce)) != 1 {
		return Identity{}, refused("the provider's ID token is not for this sign-in", nil)
	}
	claims := map[string]any{}
	if err := proof.Claims(&claims); err != nil {
		return Identity{}, refused("the provider's ID token is not good", nil)
	}
	if by, _ := claims["azp"].(string); by != o.c.ClientID && (by != "" || len(proof.Audience) > 1) {
		return Identity{}, refused("the provider's ID token was made for another client", nil)
	}
	id, _ := claims[o.c.SubjectClaim].(string)
	subject, err := forge.ParseSubject(forge.OIDC + ":" + o.c.Name + "/" + id)
	if err != nil {
		return Identity{}, refused(fmt.Sprintf(
			"the claim %q of the ID token cannot be an id here: want up to 255 letters, digits and any of . _ ~ : @ | + = -; oidc.%s.subjectClaim says which claim is used",
			o.c.SubjectClaim, o.c.Name), nil)
	}
	return Identity{Subject: subject, Login: display(claims)}, nil
}

// errorKind says what is wrong with a token without quoting it.
func errorKind(err error) error {
	text := err.Error()
	for _, part := range []string{"expired", "audience", "issued by a different provider", "signature", "malformed", "not signed", "nbf", "unsupported"} {
		if strings.Contains(text, part) {
			return errors.New(part)
		}
	}
	return errors.New("it cannot be verified")
}

// display is what a person is shown of themselves.
func display(claims map[string]any) string {
	for _, name := range []string{"preferred_username", "email", "name"} {
		if text, _ := claims[name].(string); text != "" && len(text) <= 100 {
			return text
		}
	}
	return ""
}
