package emulator

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"net/url"
	"time"
)

func (f *Forge) accessToken(form url.Values) (obj, error) {
	err := onlyKnown("/login/oauth/access_token", form, "client_id", "client_secret", "code", "redirect_uri", "code_verifier", "grant_type", "device_code", "refresh_token")
	if err != nil {
		return nil, err
	}
	a := f.appByClientID(form.Get("client_id"))
	if a == nil {
		return nil, failure(http.StatusNotFound, "Not Found")
	}
	secret := form.Get("client_secret")
	if secret != "" && subtle.ConstantTimeCompare([]byte(secret), []byte(a.clientSecret)) != 1 {
		return nil, oauthFailure("incorrect_client_credentials", "The client_id and/or client_secret passed are incorrect.")
	}
	switch form.Get("grant_type") {
	case deviceGrantType:
		return f.tokenOfDevice(a, form.Get("device_code"))
	case "", "authorization_code":
		if secret == "" {
			return nil, oauthFailure("incorrect_client_credentials", "The client_id and/or client_secret passed are incorrect.")
		}
		return f.tokenOfCode(a, form)
	case "refresh_token":
		if secret == "" {
			return nil, oauthFailure("incorrect_client_credentials", "The client_id and/or client_secret passed are incorrect.")
		}
		return f.refreshToken(a, form.Get("refresh_token"))
	}
	return nil, oauthFailure("unsupported_grant_type", "The OAuth 2.0 grant type is not supported.")
}

func (f *Forge) tokenOfDevice(a *app, code string) (obj, error) {
	d, now := f.oauth.devices[code], f.opts.Now()
	if d == nil || d.app != a {
		return nil, oauthFailure("incorrect_device_code", "The device_code provided is not valid.")
	}
	if !now.Before(d.expires) {
		return nil, oauthFailure("expired_token", "This 'device_code' has expired.")
	}
	early := !d.asked.IsZero() && now.Sub(d.asked) < d.interval
	d.asked = now
	switch {
	case early:
		d.interval += 5 * time.Second
		return nil, &oauthError{"slow_down", "Too many requests have been made in the same timeframe.", d.interval}
	case d.denied:
		delete(f.oauth.devices, code)
		return nil, oauthFailure("access_denied", "The authorization request was denied.")
	case d.user == nil:
		return nil, oauthFailure("authorization_pending", "The authorization request is still pending.")
	}
	delete(f.oauth.devices, code)
	return f.newUserToken(a, d.user), nil
}

func (f *Forge) tokenOfCode(a *app, form url.Values) (obj, error) {
	wrong := oauthFailure("bad_verification_code", "The code passed is incorrect or expired.")
	c := f.oauth.codes[form.Get("code")]
	if c == nil || c.app != a {
		return nil, wrong
	}
	delete(f.oauth.codes, form.Get("code"))
	if !f.opts.Now().Before(c.expires) {
		return nil, wrong
	}
	if redirect := form.Get("redirect_uri"); redirect != "" && redirect != c.redirect {
		return nil, oauthFailure("redirect_uri_mismatch", "The redirect_uri MUST match the registered callback URL for this application.")
	}
	sum := sha256.Sum256([]byte(form.Get("code_verifier")))
	if c.challenge != "" && c.challenge != base64.RawURLEncoding.EncodeToString(sum[:]) {
		return nil, wrong
	}
	return f.newUserToken(a, c.user), nil
}

func (f *Forge) newUserToken(a *app, u *user) obj {
	value := "ghu_" + randomHex(18)
	t := &userToken{app: a, user: u, expires: f.opts.Now().Add(userTokenLife), refresh: "ghr_" + randomHex(38), refreshUntil: f.opts.Now().Add(refreshLife)}
	f.oauth.tokens[value] = t
	return obj{"access_token": value, "expires_in": int(userTokenLife.Seconds()), "refresh_token": t.refresh,
		"refresh_token_expires_in": int(refreshLife.Seconds()), "token_type": "bearer", "scope": ""}
}

// authenticateClient is how an App names itself where its tokens for people are concerned: client id and secret.
func (f *Forge) authenticateClient(r *http.Request) (caller, error) {
	id, secret, _ := r.BasicAuth()
	a := f.appByClientID(id)
	if a == nil || subtle.ConstantTimeCompare([]byte(secret), []byte(a.clientSecret)) != 1 {
		return caller{}, badCredentials()
	}
	return caller{app: a}, nil
}

// deleteAppToken ends one token of a person.
func (c *call) deleteAppToken() (response, error) {
	var in struct {
		AccessToken string `json:"access_token"`
	}
	if err := c.decode(&in); err != nil {
		return response{}, err
	}
	t := c.f.oauth.tokens[in.AccessToken]
	if c.vars["client_id"] != c.who.app.clientID || t == nil || t.app != c.who.app {
		return response{}, notFound()
	}
	c.f.endUserToken(in.AccessToken, t)
	return noContent()
}

// endUserToken ends a token and those that were made of it.
func (f *Forge) endUserToken(value string, t *userToken) {
	delete(f.oauth.tokens, value)
	for value, other := range f.oauth.tokens {
		if other.scopedOf == t {
			delete(f.oauth.tokens, value)
		}
	}
}

// RevokeUserTokens ends every token that the person gave Apps, as they can at their
// settings page.
func (f *Forge) RevokeUserTokens(login string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for value, t := range f.oauth.tokens {
		if t.user.login == login {
			delete(f.oauth.tokens, value)
		}
	}
}

// ExpireUserTokens has every access token run out now; refresh tokens stay good.
func (f *Forge) ExpireUserTokens() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, t := range f.oauth.tokens {
		t.expires = f.opts.Now()
	}
}

// UserTokens is how many tokens of people are good at the moment, for tests that nobody keeps any.
func (f *Forge) UserTokens() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, t := range f.oauth.tokens {
		if f.opts.Now().Before(t.expires) {
			n++
		}
	}
	return n
}
