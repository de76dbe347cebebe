package signin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/coderflow/coderflow/internal/forge"
)

// maxAnswer bounds what a provider may send.
const maxAnswer = 1 << 20

// NewHTTPClient makes a client for providers: it follows no redirect, since
// secrets travel in its requests, and bounds answers in time and size.
func NewHTTPClient() *http.Client {
	return &http.Client{
		Timeout:       15 * time.Second,
		Transport:     bounded{http.DefaultTransport},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

type bounded struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := b.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	answer.Body = limited{io.LimitReader(answer.Body, maxAnswer), answer.Body}
	return answer, nil
}

type limited struct {
	io.Reader
	io.Closer
}

// endpoint is a client at a provider's OAuth endpoints.
type endpoint struct {
	http   *http.Client
	config oauth2.Config
}

func (e endpoint) context(ctx context.Context) context.Context {
	return context.WithValue(ctx, oauth2.HTTPClient, e.http)
}

func (e endpoint) authURL(redirect string, s Secrets, more ...oauth2.AuthCodeOption) string {
	c := e.config
	c.RedirectURL = redirect
	return c.AuthCodeURL(s.State, append(more, oauth2.S256ChallengeOption(s.Verifier.Reveal()))...)
}

func (e endpoint) exchange(ctx context.Context, redirect string, code, verifier forge.Secret) (*oauth2.Token, error) {
	c := e.config
	c.RedirectURL = redirect
	answer, err := c.Exchange(e.context(ctx), code.Reveal(), oauth2.VerifierOption(verifier.Reveal()))
	return answer, cleaned(err, "exchange the code")
}

func (e endpoint) startDevice(ctx context.Context, more ...oauth2.AuthCodeOption) (DeviceCode, error) {
	if e.config.Endpoint.DeviceAuthURL == "" {
		return DeviceCode{}, ErrNoDeviceFlow
	}
	began := time.Now()
	answer, err := e.config.DeviceAuth(e.context(ctx), more...)
	if err := cleaned(err, "ask for a device code"); err != nil {
		return DeviceCode{}, err
	}
	d := DeviceCode{
		Code: forge.Secret(answer.DeviceCode), UserCode: answer.UserCode, Address: answer.VerificationURI,
		Complete: answer.VerificationURIComplete, Interval: time.Duration(answer.Interval) * time.Second, ExpiresIn: maxDeviceLife,
	}
	if !answer.Expiry.IsZero() {
		d.ExpiresIn = answer.Expiry.Sub(began)
	}
	return d, d.check()
}

// check refuses an answer that nobody could go on with, and addresses that a
// terminal or a browser should not be given.
func (d *DeviceCode) check() error {
	if d.Code == "" || len(d.Code) > 8<<10 || !printable(d.UserCode, 64) || !webAddress(d.Address) {
		return refused("the provider's answer to the device flow cannot be used", nil)
	}
	if !webAddress(d.Complete) {
		d.Complete = ""
	}
	return nil
}

func printable(text string, most int) bool {
	return text != "" && len(text) <= most && !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' })
}

func webAddress(text string) bool {
	u, err := url.Parse(text)
	return err == nil && printable(text, 2048) && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http")
}

// grantOfDevice is RFC 8628 section 3.4.
const grantOfDevice = "urn:ietf:params:oauth:grant-type:device_code"

// askDevice asks once. oauth2's own function asks until the end, which is not
// for a server that answers requests.
func (e endpoint) askDevice(ctx context.Context, code forge.Secret) (deviceAnswer, error) {
	form := url.Values{"grant_type": {grantOfDevice}, "device_code": {code.Reveal()}, "client_id": {e.config.ClientID}}
	if e.config.ClientSecret != "" && e.config.Endpoint.AuthStyle != oauth2.AuthStyleInHeader {
		form.Set("client_secret", e.config.ClientSecret)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, e.config.Endpoint.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return deviceAnswer{}, fmt.Errorf("ask about a device code: %w", err)
	}
	if e.config.ClientSecret != "" && e.config.Endpoint.AuthStyle == oauth2.AuthStyleInHeader {
		r.SetBasicAuth(url.QueryEscape(e.config.ClientID), url.QueryEscape(e.config.ClientSecret))
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	response, err := e.http.Do(r)
	if err != nil {
		return deviceAnswer{}, fmt.Errorf("ask about a device code: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // it was read
	return readDevice(response)
}

// deviceAnswer is a token endpoint's answer. It is never logged.
type deviceAnswer struct {
	AccessToken forge.Secret `json:"access_token"`
	IDToken     forge.Secret `json:"id_token"`
	Refresh     forge.Secret `json:"refresh_token"`
	ExpiresIn   int64        `json:"expires_in"`               // seconds
	RefreshIn   int64        `json:"refresh_token_expires_in"` // seconds; GitHub's own
	Error       string       `json:"error"`
}

func readDevice(response *http.Response) (deviceAnswer, error) {
	if media, _, err := mime.ParseMediaType(response.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return deviceAnswer{}, fmt.Errorf("ask about a device code: the provider answers %d, not JSON", response.StatusCode)
	}
	var a deviceAnswer
	if err := json.NewDecoder(response.Body).Decode(&a); err != nil {
		return deviceAnswer{}, fmt.Errorf("ask about a device code: the answer %d cannot be read", response.StatusCode)
	}
	switch {
	case a.Error != "":
		return deviceAnswer{}, deviceError(a.Error)
	case response.StatusCode != http.StatusOK || a.AccessToken == "":
		return deviceAnswer{}, fmt.Errorf("ask about a device code: the answer %d holds no token", response.StatusCode)
	}
	return a, nil
}

// deviceError reads an error code of RFC 8628 section 3.5 or of GitHub.
func deviceError(code string) error {
	switch code {
	case "authorization_pending":
		return ErrPending
	case "slow_down":
		return ErrSlowDown
	case "access_denied", "authorization_declined": // the latter is Entra's
		return ErrDenied
	case "expired_token", "incorrect_device_code", "bad_verification_code", "invalid_grant":
		return ErrGone
	case "device_flow_disabled":
		return ErrNoDeviceFlow
	}
	return refused("the provider refuses the device flow", fmt.Errorf("error code %.40q", code))
}

// cleaned makes an error of oauth2 fit for logs: it may hold the whole answer,
// and with it a token.
func cleaned(err error, doing string) error {
	if err == nil {
		return nil
	}
	var answered *oauth2.RetrieveError
	if !errors.As(err, &answered) {
		if address := (*url.Error)(nil); errors.As(err, &address) {
			return fmt.Errorf("%s: %w", doing, address)
		}
		return fmt.Errorf("%s: the provider's answer cannot be used", doing)
	}
	switch answered.ErrorCode {
	case "device_flow_disabled", "unauthorized_client":
		return fmt.Errorf("%w (%s)", ErrNoDeviceFlow, answered.ErrorCode)
	case "bad_verification_code", "invalid_grant":
		return refused("the provider does not know the code, or it was used", nil)
	}
	status := 0
	if answered.Response != nil {
		status = answered.Response.StatusCode
	}
	return refused("the provider refuses", fmt.Errorf("%s: status %d, error code %.40q", doing, status, answered.ErrorCode))
}
