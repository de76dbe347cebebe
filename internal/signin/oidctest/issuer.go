// Package oidctest is a small OpenID Connect provider for tests: discovery, keys,
// authorization code with PKCE (S256 only), device codes, RS256 ID tokens. What
// it does not know fails the test.
package oidctest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Client is the one client that an issuer knows. Without a secret it is public.
type Client struct{ ID, Secret string }

// Issuer is a provider. Change its fields before or between requests, under Lock.
type Issuer struct {
	sync.Mutex
	URL    string
	Client Client
	// Person is who signs in: the claims of their ID token.
	Person map[string]any
	// Spoil changes the claims before they are signed; Sign signs them another way.
	Spoil func(jwt.MapClaims)
	Sign  func(jwt.MapClaims) string
	// Broken, unless empty, is answered with status 400 by the token endpoint; NoKeys
	// hides the keys.
	Broken string
	NoKeys bool
	// NoDevice leaves the device flow out of the description.
	NoDevice bool
	// SaysIssuer makes it name itself in its answers, RFC 9207.
	SaysIssuer bool
	// Interval is what it asks of those who poll, and enforces.
	Interval time.Duration
	Now      func() time.Time
	// Asked counts the questions about device codes, Exchanged those about codes.
	Asked, Exchanged int

	t       testing.TB
	key     *rsa.PrivateKey
	codes   map[string]url.Values // of authorization requests, by code
	devices map[string]*device
}

type device struct {
	userCode string
	decided  string // "", "allowed", "denied"
	asked    time.Time
	expires  time.Time
}

// New starts an issuer, which ends with the test.
func New(t testing.TB, client Client) *Issuer {
	t.Helper()
	i := &Issuer{
		Client: client, Person: map[string]any{"sub": "alice", "preferred_username": "alice@example.com"}, Interval: 5 * time.Second,
		Now: time.Now, t: t, key: nextKey(t), codes: map[string]url.Values{}, devices: map[string]*device{},
	}
	server := httptest.NewServer(i)
	t.Cleanup(server.Close)
	i.URL = server.URL
	return i
}

// Key is the issuer's signing key.
func (i *Issuer) Key() *rsa.PrivateKey { return i.key }

// KeyID names the key.
const KeyID = "key-1"

// ServeHTTP implements http.Handler.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.Lock()
	defer i.Unlock()
	switch r.Method + " " + r.URL.Path {
	case "GET /.well-known/openid-configuration":
		i.describe(w)
	case "GET /keys":
		if i.NoKeys {
			http.Error(w, "away", http.StatusServiceUnavailable)
			return
		}
		public := i.key.PublicKey
		answer(w, http.StatusOK, map[string]any{"keys": []any{map[string]any{
			"kty": "RSA", "use": "sig", "alg": "RS256", "kid": KeyID,
			"n": base64.RawURLEncoding.EncodeToString(public.N.Bytes()),
			"e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(public.E)).Bytes()),
		}}})
	case "GET /authorize":
		i.authorize(w, r)
	case "POST /token":
		i.token(w, r)
	case "POST /device":
		i.startDevice(w, r)
	default:
		i.unknown(w, r.Method+" "+r.URL.Path)
	}
}

func (i *Issuer) unknown(w http.ResponseWriter, what string) {
	i.t.Errorf("the test's issuer does not know: %s", what)
	http.Error(w, "not known", http.StatusNotImplemented)
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client hung up
}

func fail(w http.ResponseWriter, code string) {
	answer(w, http.StatusBadRequest, map[string]string{"error": code})
}

func (i *Issuer) describe(w http.ResponseWriter) {
	about := map[string]any{
		"issuer": i.URL, "authorization_endpoint": i.URL + "/authorize", "token_endpoint": i.URL + "/token", "jwks_uri": i.URL + "/keys",
		"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
		"id_token_signing_alg_values_supported":          []string{"RS256", "HS256", "none"},
		"authorization_response_iss_parameter_supported": i.SaysIssuer,
	}
	if !i.NoDevice {
		about["device_authorization_endpoint"] = i.URL + "/device"
	}
	answer(w, http.StatusOK, about)
}

// known fails the test on parameters that are not among the names.
func (i *Issuer) known(w http.ResponseWriter, where string, q url.Values, names ...string) bool {
	for name, values := range q {
		if !slices.Contains(names, name) || len(values) != 1 {
			i.unknown(w, where+" with "+name)
			return false
		}
	}
	return true
}

// authorize signs the person in at once and goes back.
func (i *Issuer) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if !i.known(w, "authorize", q, "client_id", "redirect_uri", "response_type", "scope", "state", "nonce", "code_challenge", "code_challenge_method") {
		return
	}
	to, err := url.Parse(q.Get("redirect_uri"))
	if err != nil || q.Get("client_id") != i.Client.ID || q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" ||
		!slices.Contains(splitScope(q.Get("scope")), "openid") || q.Get("nonce") == "" || q.Get("state") == "" {
		i.unknown(w, "authorize?"+r.URL.RawQuery)
		return
	}
	code := rand.Text()
	i.codes[code] = q
	back := url.Values{"code": {code}, "state": {q.Get("state")}}
	if i.SaysIssuer {
		back.Set("iss", i.URL)
	}
	to.RawQuery = back.Encode()
	http.Redirect(w, r, to.String(), http.StatusFound)
}

func splitScope(text string) []string {
	var list []string
	for start := 0; start <= len(text); {
		end := start
		for end < len(text) && text[end] != ' ' {
			end++
		}
		list = append(list, text[start:end])
		start = end + 1
	}
	return list
}

// client checks who asks: basic authentication for a client with a secret, as the
// description says nothing else, and client_id for a public one.
func (i *Issuer) client(r *http.Request, form url.Values) bool {
	id, secret, basic := r.BasicAuth()
	if i.Client.Secret != "" {
		return basic && id == i.Client.ID && secret == i.Client.Secret
	}
	return !basic && form.Get("client_id") == i.Client.ID
}

func (i *Issuer) token(w http.ResponseWriter, r *http.Request) {
	if i.Broken != "" {
		w.Header().Set("Content-Type", "application/json")
		http.Error(w, i.Broken, http.StatusBadRequest)
		return
	}
	if err := r.ParseForm(); err != nil || len(r.URL.RawQuery) > 0 {
		i.unknown(w, "token with a query")
		return
	}
	form := r.PostForm
	if !i.known(w, "token", form, "grant_type", "code", "redirect_uri", "code_verifier", "client_id", "device_code") {
		return
	}
	if !i.client(r, form) {
		answer(w, http.StatusUnauthorized, map[string]string{"error": "invalid_client"})
		return
	}
	switch form.Get("grant_type") {
	case "authorization_code":
		i.tokenOfCode(w, form)
	case "urn:ietf:params:oauth:grant-type:device_code":
		i.tokenOfDevice(w, form)
	default:
		i.unknown(w, "grant_type "+form.Get("grant_type"))
	}
}

func (i *Issuer) tokenOfCode(w http.ResponseWriter, form url.Values) {
	i.Exchanged++
	q, found := i.codes[form.Get("code")]
	delete(i.codes, form.Get("code"))
	sum := sha256.Sum256([]byte(form.Get("code_verifier")))
	if !found || form.Get("redirect_uri") != q.Get("redirect_uri") || base64.RawURLEncoding.EncodeToString(sum[:]) != q.Get("code_challenge") {
		fail(w, "invalid_grant")
		return
	}
	i.give(w, q.Get("nonce"))
}

func (i *Issuer) give(w http.ResponseWriter, nonce string) {
	answer(w, http.StatusOK, map[string]any{
		"access_token": "access-" + rand.Text(), "token_type": "Bearer", "expires_in": 300, "id_token": i.IDToken(nonce),
	})
}

// IDToken makes an ID token for the person.
func (i *Issuer) IDToken(nonce string) string {
	claims := jwt.MapClaims{"iss": i.URL, "aud": i.Client.ID, "iat": i.Now().Unix(), "exp": i.Now().Add(5 * time.Minute).Unix()}
	for name, value := range i.Person {
		claims[name] = value
	}
	if nonce != "" {
		claims["nonce"] = nonce
	}
	if i.Spoil != nil {
		i.Spoil(claims)
	}
	if i.Sign != nil {
		return i.Sign(claims)
	}
	return i.Signed(jwt.SigningMethodRS256, claims, i.key)
}

// Signed signs claims with any method and key.
func (i *Issuer) Signed(method jwt.SigningMethod, claims jwt.MapClaims, key crypto.PrivateKey) string {
	unsigned := jwt.NewWithClaims(method, claims)
	unsigned.Header["kid"] = KeyID
	text, err := unsigned.SignedString(key)
	if err != nil {
		i.t.Errorf("sign an ID token: %v", err)
	}
	return text
}

func (i *Issuer) startDevice(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil || !i.known(w, "device", r.PostForm, "client_id", "scope", "client_secret") {
		return
	}
	if r.PostForm.Get("client_id") != i.Client.ID || r.PostForm.Get("client_secret") != i.Client.Secret {
		answer(w, http.StatusUnauthorized, map[string]string{"error": "invalid_client"})
		return
	}
	code, userCode := rand.Text(), rand.Text()[:8]
	i.devices[code] = &device{userCode: userCode, expires: i.Now().Add(10 * time.Minute)}
	answer(w, http.StatusOK, map[string]any{
		"device_code": code, "user_code": userCode, "verification_uri": i.URL + "/activate",
		"verification_uri_complete": i.URL + "/activate?user_code=" + userCode, "expires_in": 600, "interval": int(i.Interval.Seconds()),
	})
}

func (i *Issuer) tokenOfDevice(w http.ResponseWriter, form url.Values) {
	i.Asked++
	d := i.devices[form.Get("device_code")]
	if d == nil {
		fail(w, "invalid_grant")
		return
	}
	early := !d.asked.IsZero() && i.Now().Sub(d.asked) < i.Interval
	d.asked = i.Now()
	switch {
	case !i.Now().Before(d.expires):
		fail(w, "expired_token")
	case early:
		fail(w, "slow_down")
	case d.decided == "":
		fail(w, "authorization_pending")
	case d.decided == "denied":
		fail(w, "access_denied")
	default:
		delete(i.devices, form.Get("device_code"))
		i.give(w, "")
	}
}

// Decide answers a device flow as the person does who typed the code.
func (i *Issuer) Decide(userCode string, allow bool) {
	i.Lock()
	defer i.Unlock()
	for _, d := range i.devices {
		if d.userCode == userCode {
			d.decided = map[bool]string{true: "allowed", false: "denied"}[allow]
			return
		}
	}
	i.t.Errorf("the test's issuer gave no code %q", userCode)
}

// DeviceCodes lists the open device codes, which nobody but the server may see.
func (i *Issuer) DeviceCodes() []string {
	i.Lock()
	defer i.Unlock()
	var list []string
	for code := range i.devices {
		list = append(list, code)
	}
	return list
}
