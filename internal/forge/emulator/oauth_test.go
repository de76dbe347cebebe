package emulator_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/forge/emulator"
)

const callback = "http://127.0.0.1:9/auth/github/callback"

func newOAuthWorld(t *testing.T) *world {
	return newWorld(t, func(o *emulator.Options) {
		app := emulator.DefaultApp()
		app.CallbackURLs = []string{"http://127.0.0.1/auth/github/callback", "https://flow.example.com/back"}
		o.App = &app
	})
}

func (w *world) send(path string, form url.Values, accept string) (int, string, http.Header) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.forge.Info().BaseURL+path, strings.NewReader(form.Encode()))
	must(w.t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	must(w.t, err)
	defer func() { _ = answer.Body.Close() }() // it was read
	body, err := io.ReadAll(answer.Body)
	must(w.t, err)
	return answer.StatusCode, string(body), answer.Header
}

// oauth asks for JSON.
func (w *world) oauth(path string, form url.Values) map[string]any {
	w.t.Helper()
	status, body, _ := w.send(path, form, "application/json")
	var answer map[string]any
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusOK {
		w.t.Fatalf("%s: %d %s", path, status, body)
	}
	return answer
}

func (w *world) clientSecret() string {
	w.t.Helper()
	text, err := os.ReadFile(w.forge.Info().ClientSecretFile)
	must(w.t, err)
	return strings.TrimSpace(string(text))
}

func (w *world) startDevice() (code, userCode string) {
	w.t.Helper()
	d := w.oauth("/login/device/code", url.Values{"client_id": {w.forge.Info().ClientID}})
	return d["device_code"].(string), d["user_code"].(string)
}

func (w *world) poll(code string) map[string]any {
	w.t.Helper()
	return w.oauth("/login/oauth/access_token", url.Values{
		"client_id": {w.forge.Info().ClientID}, "device_code": {code}, "grant_type": {"urn:ietf:params:oauth:grant-type:device_code"},
	})
}

func (w *world) typeCode(userCode, login, decision string) string {
	w.t.Helper()
	_, body, _ := w.send("/login/device", url.Values{"user_code": {userCode}, "as": {login}, "decision": {decision}}, "")
	return body
}

func TestTheDeviceFlowGoesAsGitHubs(t *testing.T) {
	t.Parallel()
	w := newOAuthWorld(t)
	code, userCode := w.startDevice()
	want := func(wanted string) {
		t.Helper()
		if got := w.poll(code)["error"]; got != wanted {
			t.Errorf("%v, want %s", got, wanted)
		}
	}
	want("authorization_pending")
	if answer := w.poll(code); answer["error"] != "slow_down" || answer["interval"] != 10.0 {
		t.Errorf("%v", answer)
	}
	w.clock.Advance(10 * time.Second)
	want("authorization_pending")
	if page := w.typeCode(userCode, "", ""); !strings.Contains(page, "wants to know who you are") {
		t.Errorf("the page: %s", page)
	}
	if page := w.typeCode("XXXX-XXXX", "alice", "authorize"); !strings.Contains(page, "There is no such code") {
		t.Errorf("a code that nobody has: %s", page)
	}
	w.typeCode(strings.ToLower(userCode), "alice", "authorize")
	w.clock.Advance(10 * time.Second)
	answer := w.poll(code)
	token, _ := answer["access_token"].(string)
	if !strings.HasPrefix(token, "ghu_") || answer["token_type"] != "bearer" || answer["expires_in"] != 28800.0 {
		t.Errorf("%v", answer)
	}
	me, _, err := w.client(nil).WithAuthToken(token).Users.Get(t.Context(), "")
	if err != nil || me.GetLogin() != "alice" || me.GetType() != "User" {
		t.Errorf("%v %v", me, err)
	}
	want("incorrect_device_code")
	w.clock.Advance(8 * time.Hour)
	if _, _, err := w.client(nil).WithAuthToken(token).Users.Get(t.Context(), ""); err == nil {
		t.Error("the token does not expire")
	}
}

func TestADeviceFlowEndsByARefusalOrByTime(t *testing.T) {
	t.Parallel()
	w := newOAuthWorld(t)
	code, userCode := w.startDevice()
	w.typeCode(userCode, "alice", "cancel")
	if got := w.poll(code)["error"]; got != "access_denied" {
		t.Errorf("%v", got)
	}
	code, userCode = w.startDevice()
	w.clock.Advance(15 * time.Minute)
	if got := w.poll(code)["error"]; got != "expired_token" {
		t.Errorf("%v", got)
	}
	if page := w.typeCode(userCode, "alice", "authorize"); !strings.Contains(page, "There is no such code") {
		t.Errorf("%s", page)
	}
}

// authorize presses the button and returns the query that the browser brings back.
func (w *world) authorize(decision string, more url.Values) url.Values {
	w.t.Helper()
	q := url.Values{"client_id": {w.forge.Info().ClientID}, "redirect_uri": {callback}, "state": {"s"}, "response_type": {"code"}}
	for name, values := range more {
		q[name] = values
	}
	status, body, header := w.send("/login/oauth/authorize?"+q.Encode(), url.Values{"as": {"alice"}, "decision": {decision}}, "")
	to, err := url.Parse(header.Get("Location"))
	if err != nil || status != http.StatusFound || !strings.HasPrefix(to.String(), callback) {
		w.t.Fatalf("%d %s %s", status, to, body)
	}
	return to.Query()
}

func (w *world) exchange(code, verifier string, change ...string) any {
	w.t.Helper()
	form := url.Values{"client_id": {w.forge.Info().ClientID}, "client_secret": {w.clientSecret()}, "code": {code}, "redirect_uri": {callback}}
	if verifier != "" {
		form.Set("code_verifier", verifier)
	}
	for i := 0; i+1 < len(change); i += 2 {
		form.Set(change[i], change[i+1])
	}
	answer := w.oauth("/login/oauth/access_token", form)
	if answer["access_token"] != nil {
		return nil
	}
	return answer["error"]
}

func TestACodeIsForOneUseAndOneVerifier(t *testing.T) {
	t.Parallel()
	w := newOAuthWorld(t)
	sum := sha256.Sum256([]byte("verifier"))
	pkce := url.Values{"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"}}
	code := w.authorize("authorize", pkce).Get("code")
	if got := w.exchange(code, "verifier"); got != nil {
		t.Errorf("%v", got)
	}
	for name, got := range map[string]any{
		"again":           w.exchange(code, "verifier"),
		"no verifier":     w.exchange(w.authorize("authorize", pkce).Get("code"), ""),
		"another":         w.exchange(w.authorize("authorize", pkce).Get("code"), "x"),
		"an unknown code": w.exchange("x", ""),
	} {
		if got != "bad_verification_code" {
			t.Errorf("%s: %v", name, got)
		}
	}
	if got := w.exchange(w.authorize("authorize", nil).Get("code"), "", "client_secret", "x"); got != "incorrect_client_credentials" {
		t.Errorf("%v", got)
	}
	if got := w.exchange(w.authorize("authorize", nil).Get("code"), "", "redirect_uri", "http://127.0.0.1:8/auth/github/callback"); got != "redirect_uri_mismatch" {
		t.Errorf("%v", got)
	}
	old := w.authorize("authorize", nil).Get("code")
	w.clock.Advance(10 * time.Minute)
	if got := w.exchange(old, ""); got != "bad_verification_code" {
		t.Errorf("too old: %v", got)
	}
	if q := w.authorize("cancel", nil); q.Get("error") != "access_denied" || q.Get("state") != "s" || q.Has("code") {
		t.Errorf("%v", q)
	}
}

func TestOnlyRegisteredCallbacksAreGoneBackTo(t *testing.T) {
	t.Parallel()
	w := newOAuthWorld(t)
	for address, want := range map[string]int{
		"http://127.0.0.1:7/auth/github/callback": 200, "http://127.0.0.1/auth/github/callback": 200, "https://flow.example.com/back": 200,
		"https://flow.example.com:8443/back": 400, "https://flow.example.com/back/x": 400, "http://127.0.0.1:7/other": 400,
		"http://127.0.0.1.evil.example/auth/github/callback": 400, "https://evil.example/": 400,
	} {
		q := url.Values{"client_id": {w.forge.Info().ClientID}, "redirect_uri": {address}}
		answer, err := http.Get(w.forge.Info().BaseURL + "/login/oauth/authorize?" + q.Encode())
		must(t, err)
		must(t, answer.Body.Close())
		if answer.StatusCode != want {
			t.Errorf("%s: %d, want %d", address, answer.StatusCode, want)
		}
	}
}

func TestOAuthAnswersAsItIsAskedAndNamesWhatIsUnknown(t *testing.T) {
	t.Parallel()
	w := newOAuthWorld(t)
	id := url.Values{"client_id": {w.forge.Info().ClientID}}
	_, body, header := w.send("/login/device/code", id, "")
	if q, err := url.ParseQuery(body); err != nil || q.Get("user_code") == "" || !strings.HasPrefix(header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		t.Errorf("a form: %s", body)
	}
	if status, _, _ := w.send("/login/device/code", url.Values{"client_id": {"x"}}, "application/json"); status != http.StatusNotFound {
		t.Errorf("an unknown client: %d", status)
	}
	if len(w.forge.Unknown()) != 0 {
		t.Errorf("%v", w.forge.Unknown())
	}
	id.Set("colour", "blue")
	if status, _, _ := w.send("/login/device/code", id, "application/json"); status != http.StatusNotImplemented || len(w.forge.Unknown()) != 1 {
		t.Errorf("an unknown parameter: %d", status)
	}
	id.Del("colour")
	if status, _, _ := w.send("/login/device/code", id, "application/xml"); status != http.StatusNotImplemented {
		t.Errorf("XML: %d", status)
	}
}

// Of what an App may with a person's token, only asking who they are is emulated.
func TestAPersonsTokenForAnAppTellsWhoTheyAreTheRestIsUnknown(t *testing.T) {
	t.Parallel()
	w := newOAuthWorld(t)
	code, userCode := w.startDevice()
	w.typeCode(userCode, "alice", "authorize")
	token := w.poll(code)["access_token"].(string)
	if _, _, err := w.client(nil).WithAuthToken(token).Users.Get(t.Context(), "bob"); err == nil {
		t.Error("it reads others")
	}
	if w.forge.UserTokens() != 1 || len(w.forge.Unknown()) == 0 {
		t.Error("it was not said")
	}
}

// A refresh token is good once, and ends the tokens that it replaces.
func TestUserTokensAreRefreshedOnce(t *testing.T) {
	t.Parallel()
	w := newOAuthWorld(t)
	device := w.oauth("/login/device/code", url.Values{"client_id": {w.forge.Info().ClientID}})
	code, _ := device["user_code"].(string)
	answer, err := http.PostForm(w.forge.Info().BaseURL+"/login/device", url.Values{"user_code": {code}, "as": {"alice"}, "decision": {"authorize"}})
	must(t, err)
	must(t, answer.Body.Close())
	deviceCode, _ := device["device_code"].(string)
	first := w.oauth("/login/oauth/access_token", url.Values{
		"client_id": {w.forge.Info().ClientID}, "device_code": {deviceCode}, "grant_type": {"urn:ietf:params:oauth:grant-type:device_code"},
	})
	old, _ := first["refresh_token"].(string)
	refresh := url.Values{"client_id": {w.forge.Info().ClientID}, "client_secret": {w.clientSecret()}, "grant_type": {"refresh_token"}, "refresh_token": {old}}
	w.forge.ExpireUserTokens()
	second := w.oauth("/login/oauth/access_token", refresh)
	if second["access_token"] == nil || second["access_token"] == first["access_token"] || second["refresh_token"] == old || w.forge.UserTokens() != 1 {
		t.Errorf("%v, %d tokens", second["error"], w.forge.UserTokens())
	}
	if again := w.oauth("/login/oauth/access_token", refresh); again["error"] != "bad_refresh_token" {
		t.Errorf("a refresh token was good twice: %v", again["error"])
	}
}
