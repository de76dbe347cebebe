package web

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/console"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/signin"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/token"
)

func TestAPersonSignsInAndOutInABrowser(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		w := newSignInWorld(t, secure)
		c := w.browser(nil)
		answer, page := w.get(c, w.server.URL+"/")
		if answer.StatusCode != http.StatusOK || !strings.Contains(page, "Sign in with Own &lt;b&gt;") || strings.Contains(page, "Sign out") {
			t.Errorf("before: %d %s", answer.StatusCode, page)
		}
		answer, page = w.get(c, w.login()+"&next=/%3Fhello")
		if answer.StatusCode != http.StatusOK || answer.Request.URL.RequestURI() != "/?hello" ||
			!strings.Contains(page, "oidc:own/alice") || !strings.Contains(page, `href="/tasks/`+string(here)) {
			t.Fatalf("%d %s %s", answer.StatusCode, answer.Request.URL, page)
		}
		if _, access := w.get(c, w.server.URL+"/access"); !strings.Contains(access, "environment/staging") || !strings.Contains(access, "tasks:view") {
			t.Errorf("what alice may is not on\n%s", access)
		}
		if csp := answer.Header.Get("Content-Security-Policy"); csp != pagePolicy || scripted(page) || strings.Contains(page, "style=") {
			t.Errorf("%q", csp)
		}
		style, _ := w.get(c, w.server.URL+console.StaticPath("app.css"))
		if style.StatusCode != http.StatusOK || !strings.HasPrefix(style.Header.Get("Content-Type"), "text/css") {
			t.Errorf("the style: %d", style.StatusCode)
		}
		w.logOut(c)
		if ended := w.tokens()[0]; ended.RevokedAt.IsZero() || w.session(c) != "" {
			t.Errorf("after logging out: %+v", ended)
		}
	}
}

func (w *signInWorld) logOut(c *http.Client) {
	w.t.Helper()
	answer, err := c.Post(w.server.URL+"/auth/logout", "application/x-www-form-urlencoded", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	_ = answer.Body.Close() // nothing is read
	if answer.StatusCode != http.StatusOK {
		w.t.Errorf("log out: %d", answer.StatusCode)
	}
}

func TestCookiesAreForThisHostAndNoScript(t *testing.T) {
	t.Parallel()
	for secure, prefix := range map[bool]string{true: "__Host-", false: ""} {
		w := newSignInWorld(t, secure)
		c := w.browser(atCallback)
		begun, _ := w.get(c, w.login()) // the issuer's redirect back
		first := begun.Request.Response.Cookies()
		ended, _ := w.get(&http.Client{Jar: c.Jar, Transport: c.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, location(t, begun))
		all := append(first, ended.Cookies()...)
		if len(all) != 3 { // for the flow, its end, the session
			t.Fatalf("%v", all)
		}
		for _, cookie := range all {
			if !cookie.HttpOnly || cookie.Secure != secure || cookie.SameSite != http.SameSiteLaxMode || cookie.Path != "/" || cookie.Domain != "" ||
				!strings.HasPrefix(cookie.Name, prefix+"coderflow-") {
				t.Errorf("%s", cookie)
			}
		}
		if all[1].MaxAge >= 0 || all[2].MaxAge <= 0 || all[2].MaxAge > int(signin.BrowserTokenLife.Seconds()) {
			t.Errorf("%v", all)
		}
	}
}

func location(t *testing.T, answer *http.Response) string {
	t.Helper()
	to, err := answer.Location()
	if err != nil {
		t.Fatalf("%s: %d", answer.Request.URL, answer.StatusCode)
	}
	return to.String()
}

// Login CSRF: an attacker's answer does nothing in another's browser, and the
// same answer nothing twice.
func TestAnAnswerWorksOnceAndInItsOwnBrowser(t *testing.T) {
	t.Parallel()
	w := newSignInWorld(t, true)
	attacker, victim := w.browser(atCallback), w.browser(atCallback)
	w.get(victim, w.login()) // a sign-in of the victim's own is under way
	forged, _ := w.get(attacker, w.login())
	if answer, _ := w.get(victim, location(t, forged)); answer.StatusCode != http.StatusForbidden || w.session(victim) != "" {
		t.Errorf("the attacker's answer in the victim's browser: %d, session %t", answer.StatusCode, w.session(victim) != "")
	}
	if answer, _ := w.get(attacker, location(t, forged)); answer.StatusCode != http.StatusGone || w.session(attacker) != "" {
		t.Errorf("the state that was used up: %d", answer.StatusCode)
	}
	mine, _ := w.get(attacker, w.login())
	again := w.browser(nil)
	again.Jar = attacker.Jar
	if answer, _ := w.get(again, location(t, mine)); answer.StatusCode != http.StatusOK || w.session(attacker) == "" {
		t.Errorf("a good one: %d", answer.StatusCode)
	}
	if answer, _ := w.get(again, location(t, mine)); answer.StatusCode != http.StatusGone {
		t.Errorf("the same again: %d", answer.StatusCode)
	}
	if n := len(w.tokens()); n != 1 {
		t.Errorf("%d tokens", n)
	}
}

func TestNextLeadsNowhereElse(t *testing.T) {
	t.Parallel()
	for _, next := range []string{"https://evil.example/", "//evil.example", "/\\evil.example", "/\t/evil.example", "javascript:alert(1)", "/%09/evil.example"} {
		w := newSignInWorld(t, false)
		c := w.browser(nil)
		answer, _ := w.get(c, w.login()+"&next="+url.QueryEscape(next))
		if answer.StatusCode != http.StatusOK || answer.Request.URL.String() != w.server.URL+"/" {
			t.Errorf("%q leads to %s: %d", next, answer.Request.URL, answer.StatusCode)
		}
	}
}

// Session fixation: what a browser had before is replaced.
func TestASessionFromBeforeTheSignInIsReplaced(t *testing.T) {
	t.Parallel()
	w := newSignInWorld(t, false)
	c := w.browser(nil)
	base, err := url.Parse(w.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	planted := token.New().Reveal()
	c.Jar.SetCookies(base, []*http.Cookie{{Name: sessionCookie, Value: planted, Path: "/"}})
	w.get(c, w.login())
	if got := w.session(c); got == planted || got == "" {
		t.Error("the planted session stayed")
	}
}

func TestTheCookieIsForPagesAlone(t *testing.T) {
	t.Parallel()
	w := newSignInWorld(t, false)
	c := w.browser(nil)
	w.get(c, w.login())
	if answer, _ := w.get(c, w.server.URL+"/api/v1/whoami"); answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("the API takes the cookie: %d", answer.StatusCode)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.server.URL+"/api/v1/whoami", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+w.session(c))
	answer, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }() // nothing is read
	if answer.StatusCode != http.StatusOK {
		t.Errorf("in the header: %d", answer.StatusCode)
	}
}

// A token that no sign-in made is no session: somebody may have planted theirs.
func TestAnAPITokenIsNoSession(t *testing.T) {
	t.Parallel()
	w := newSignInWorld(t, false)
	value, now := token.New(), time.Now().UTC().Truncate(time.Microsecond)
	k := token.Token{ID: "aaaaaaaaaaaa", Name: "ci", Owner: forge.Subject{Host: forge.OIDC, ID: "own/alice"}, CreatedAt: now, CreatedBy: "x", ExpiresAt: now.Add(time.Hour)}
	err := w.store.InTx(t.Context(), func(tx *store.Tx) error { return tx.InsertToken(t.Context(), k, value.Hash()) })
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.server.URL+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.AddCookie(&http.Cookie{Name: sessionCookie, Value: value.Reveal()})
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }() // it was read
	if body, _ := io.ReadAll(answer.Body); strings.Contains(string(body), "Sign out") {
		t.Error("it is taken for a session")
	}
}

func TestLoggingOutTakesARequestOfThisSite(t *testing.T) {
	t.Parallel()
	w := newSignInWorld(t, false)
	c := w.browser(nil)
	w.get(c, w.login())
	for name, header := range map[string][2]string{
		"another site": {"Sec-Fetch-Site", "cross-site"}, "a sister": {"Sec-Fetch-Site", "same-site"}, "another origin": {"Origin", "https://evil.example"},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.server.URL+"/auth/logout", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set(header[0], header[1])
		answer, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close() // nothing is read
		if answer.StatusCode != http.StatusForbidden || !w.tokens()[0].RevokedAt.IsZero() {
			t.Errorf("%s: %d", name, answer.StatusCode)
		}
	}
}

// ask sends JSON to the API, through its description.
func (w *signInWorld) ask(path, body string, into any) int {
	w.t.Helper()
	r := httptest.NewRequest(http.MethodPost, apiPrefix+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	answer := httptest.NewRecorder()
	w.server.Config.Handler.ServeHTTP(answer, r)
	describe(w.t, r, answer)
	if into != nil {
		if err := json.Unmarshal(answer.Body.Bytes(), into); err != nil {
			w.t.Error(err)
		}
	}
	return answer.Code
}

func TestADeviceSignsInThroughTheAPI(t *testing.T) {
	t.Parallel()
	w := newSignInWorld(t, false)
	r := httptest.NewRequest(http.MethodGet, apiPrefix+"/auth", nil)
	list := httptest.NewRecorder()
	w.server.Config.Handler.ServeHTTP(list, r)
	describe(t, r, list)
	if list.Code != http.StatusOK || !strings.Contains(list.Body.String(), `"name":"own"`) {
		t.Errorf("%d %s", list.Code, list.Body)
	}
	var start deviceView
	if status := w.ask("/auth/device", `{"provider": "own"}`, &start); status != http.StatusOK || start.Interval != 5 || start.Handle == "" {
		t.Fatalf("%d %+v", status, start)
	}
	var pending pendingView
	if status := w.ask("/auth/device/token", `{"handle": "`+start.Handle+`"}`, &pending); status != http.StatusAccepted || pending.Status != "pending" || pending.Interval != 5 {
		t.Errorf("%d %+v", status, pending)
	}
	for body, want := range map[string]int{
		`{"handle": "x"}`: http.StatusGone, `{"handle": "x", "y": 1}`: http.StatusBadRequest, `[]`: http.StatusBadRequest, `{} {}`: http.StatusBadRequest,
		`{"handle": "` + strings.Repeat("x", 5000) + `"}`: http.StatusRequestEntityTooLarge,
	} {
		if status := w.ask("/auth/device/token", body, nil); status != want {
			t.Errorf("%.40s: %d, want %d", body, status, want)
		}
	}
	if status := w.ask("/auth/device", `{"provider": "nobody"}`, nil); status != http.StatusNotFound {
		t.Errorf("no provider: %d", status)
	}
	w.issuer.Decide(start.UserCode, true)
	// The wait is the database's, which goes by the real time here; make it pass.
	if _, err := w.store.DB().ExecContext(t.Context(), "UPDATE sign_ins SET ask_at = created_at"); err != nil {
		t.Fatal(err)
	}
	var done signedInView
	if status := w.ask("/auth/device/token", `{"handle": "`+start.Handle+`"}`, &done); status != http.StatusOK || done.Subject != "oidc:own/alice" || !strings.HasPrefix(done.Token, token.Prefix) {
		t.Errorf("%d %+v", status, done)
	}
	for _, secret := range append(w.issuer.DeviceCodes(), start.Handle, done.Token, "hush") {
		if strings.Contains(w.log.String(), secret) {
			t.Errorf("logged: %s", secret)
		}
	}
}

func TestSignInsOfOneAddressAreBounded(t *testing.T) {
	t.Parallel()
	w := newSignInWorld(t, false)
	for range signin.MaxOpenOfAddress {
		if status := w.ask("/auth/device", `{"provider": "own"}`, nil); status != http.StatusOK {
			t.Fatalf("%d", status)
		}
	}
	if status := w.ask("/auth/device", `{"provider": "own"}`, nil); status != http.StatusTooManyRequests {
		t.Errorf("one more: %d", status)
	}
}

func TestWhoeverHoldsNoRoleGetsAPageThatNamesTheirID(t *testing.T) {
	t.Parallel()
	w := newSignInWorld(t, false)
	w.issuer.Person = map[string]any{"sub": "mallory"}
	c := w.browser(nil)
	answer, page := w.get(c, w.login())
	if answer.StatusCode != http.StatusForbidden || !strings.Contains(page, "oidc:own/mallory has no role here") || w.session(c) != "" || len(w.tokens()) != 0 {
		t.Errorf("%d %s", answer.StatusCode, page)
	}
}
