package emulator

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// How long GitHub's codes and tokens last.
// https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-user-access-token-for-a-github-app
const (
	codeLife        = 10 * time.Minute
	deviceLife      = 15 * time.Minute
	deviceInterval  = 5 * time.Second
	userTokenLife   = 8 * time.Hour
	refreshLife     = 15897600 * time.Second
	deviceGrantType = "urn:ietf:params:oauth:grant-type:device_code"
)

// oauthState is what people's sign-ins at Apps leave. It is guarded by Forge.mu.
type oauthState struct {
	codes   map[string]*oauthCode
	devices map[string]*deviceGrant
	tokens  map[string]*userToken
}

func newOAuthState() oauthState {
	return oauthState{map[string]*oauthCode{}, map[string]*deviceGrant{}, map[string]*userToken{}}
}

// oauthCode is a code of the web flow, for one use.
type oauthCode struct {
	app       *app
	user      *user
	redirect  string
	challenge string // PKCE S256; empty: none
	expires   time.Time
}

// deviceGrant is a device flow between its start and its end.
type deviceGrant struct {
	code, userCode string
	app            *app
	expires        time.Time
	interval       time.Duration
	asked          time.Time // last
	user           *user     // who allowed it
	denied         bool
}

// userToken acts as a person for an App. Of what it may, only GET /user is emulated.
type userToken struct {
	app     *app
	user    *user
	expires time.Time
}

// oauthError is an error code of the OAuth endpoints, which GitHub answers with status 200.
type oauthError struct {
	code, text string
	interval   time.Duration
}

func (e *oauthError) Error() string { return e.code }

func oauthFailure(code, text string) error { return &oauthError{code: code, text: text} }

func (f *Forge) appByClientID(id string) *app {
	for _, a := range f.apps {
		if a.clientID == id && id != "" {
			return a
		}
	}
	return nil
}

// serveOAuth answers POST /login/device/code and POST /login/oauth/access_token, which servers and command lines ask.
func (f *Forge) serveOAuth(answer func(*Forge, url.Values) (obj, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		form, err := oauthForm(w, r)
		f.mu.Lock()
		defer f.mu.Unlock()
		var body obj
		if err == nil {
			body, err = answer(f, form)
		}
		f.writeOAuth(w, r, body, err)
	})
}

// oauthForm reads the parameters of query and body, form or JSON.
func oauthForm(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
	if err != nil {
		return nil, failure(http.StatusRequestEntityTooLarge, "too large")
	}
	form := r.URL.Query()
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch media {
	case "application/json":
		var object map[string]string
		if err := json.Unmarshal(body, &object); err != nil {
			return nil, failure(http.StatusBadRequest, "Problems parsing JSON")
		}
		for name, value := range object {
			form.Set(name, value)
		}
	case "application/x-www-form-urlencoded":
		sent, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, failure(http.StatusBadRequest, "Problems parsing the form")
		}
		maps.Copy(form, sent)
	default:
		if len(body) > 0 {
			return nil, unsupported("%s %s: a body of type %q", r.Method, r.URL.Path, media)
		}
	}
	return form, nil
}

// writeOAuth answers as JSON if it is asked for, else as a form.
func (f *Forge) writeOAuth(w http.ResponseWriter, r *http.Request, body obj, err error) {
	status := http.StatusOK
	switch e := err.(type) {
	case nil:
	case *oauthError:
		body = obj{"error": e.code, "error_description": e.text, "error_uri": "https://docs.github.com"}
		if e.interval > 0 {
			body["interval"] = int(e.interval.Seconds())
		}
	case *apiError:
		status, body = e.status, obj{"error": e.message}
		if e.unknown {
			f.recordUnknown(e.message)
		}
	default:
		status, body = http.StatusInternalServerError, obj{"error": err.Error()}
	}
	w.Header().Set("Cache-Control", "no-store")
	accept := r.Header.Get("Accept")
	if strings.Contains(accept, "application/xml") {
		what := fmt.Sprintf("%s %s: an answer in XML", r.Method, r.URL.Path)
		f.recordUnknown(what)
		http.Error(w, what, http.StatusNotImplemented)
		return
	}
	if strings.Contains(accept, "application/json") {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body) // the client hung up
		return
	}
	form := url.Values{}
	for name, value := range body {
		form.Set(name, fmt.Sprint(value))
	}
	w.Header().Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, form.Encode())
}

// onlyKnown refuses parameters that are not emulated.
func onlyKnown(path string, form url.Values, known ...string) error {
	for _, name := range slices.Sorted(maps.Keys(form)) {
		if !slices.Contains(known, name) {
			return unsupported("POST %s: parameter %s", path, name)
		}
		if len(form[name]) != 1 {
			return failure(http.StatusBadRequest, "%s is there twice", name)
		}
	}
	return nil
}

// userCodeLetters are those that nobody takes for others.
const userCodeLetters = "BCDFGHJKLMNPQRSTVWXZ"

func newUserCode() string {
	var out strings.Builder
	for i, b := range []byte(randomHex(4)) { // 8 bytes of text; 16 of the letters are used
		if i == 4 {
			out.WriteByte('-')
		}
		at := strings.IndexByte("0123456789abcdef", b)
		out.WriteByte(userCodeLetters[at])
	}
	return out.String()
}

func (f *Forge) startDevice(form url.Values) (obj, error) {
	if err := onlyKnown("/login/device/code", form, "client_id", "scope"); err != nil {
		return nil, err
	}
	a := f.appByClientID(form.Get("client_id"))
	if a == nil {
		return nil, failure(http.StatusNotFound, "Not Found")
	}
	d := &deviceGrant{code: randomHex(20), userCode: newUserCode(), app: a, expires: f.opts.Now().Add(deviceLife), interval: deviceInterval}
	f.oauth.devices[d.code] = d
	return obj{"device_code": d.code, "user_code": d.userCode, "verification_uri": f.base + "/login/device",
		"expires_in": int(deviceLife.Seconds()), "interval": int(d.interval.Seconds())}, nil
}

func (f *Forge) accessToken(form url.Values) (obj, error) {
	err := onlyKnown("/login/oauth/access_token", form, "client_id", "client_secret", "code", "redirect_uri", "code_verifier", "grant_type", "device_code")
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
		return nil, unsupported("POST /login/oauth/access_token: grant_type refresh_token")
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
	f.oauth.tokens[value] = &userToken{app: a, user: u, expires: f.opts.Now().Add(userTokenLife)}
	return obj{"access_token": value, "expires_in": int(userTokenLife.Seconds()), "refresh_token": "ghr_" + randomHex(38),
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
	delete(c.f.oauth.tokens, in.AccessToken)
	return noContent()
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
