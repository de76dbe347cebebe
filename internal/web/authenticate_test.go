package web

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/token"
)

func TestATokenIsGoodUntilItsEnd(t *testing.T) {
	t.Parallel()
	w := newAPIWorld(t, Limits{}, (&apiWorld{}).bound("viewer", "environment/staging"))
	secret := w.token("k", owner, token.Scope{})
	if answer := w.ask(http.MethodGet, "/tasks", secret); answer.Code != http.StatusOK {
		t.Fatalf("%d %s", answer.Code, answer.Body)
	}
	w.now = w.now.Add(time.Hour - 1)
	if answer := w.ask(http.MethodGet, "/tasks", secret); answer.Code != http.StatusOK {
		t.Errorf("just before the end: %d", answer.Code)
	}
	w.now = w.now.Add(1)
	expired := w.ask(http.MethodGet, "/tasks", secret)
	w.change("k", func(k *token.Token) { k.ExpiresAt, k.RevokedAt = w.now.Add(time.Hour), w.now })
	revoked := w.ask(http.MethodGet, "/tasks", secret)
	unknown := w.ask(http.MethodGet, "/tasks", token.New().Reveal())
	words := func(r interface{ Header() http.Header }, body string) string {
		return strings.ReplaceAll(body, r.Header().Get("X-Request-Id"), "ID") + r.Header().Get("WWW-Authenticate")
	}
	if expired.Code != 401 || words(expired, expired.Body.String()) != words(unknown, unknown.Body.String()) ||
		words(revoked, revoked.Body.String()) != words(unknown, unknown.Body.String()) {
		t.Errorf("expired %s, revoked %s, unknown %s", expired.Body, revoked.Body, unknown.Body)
	}
	if len(w.refused) != 1 {
		t.Errorf("%d refused uses noted, want the first", len(w.refused))
	}
}

// The owner's rights are read in every request: the token is nothing more.
func TestThreat48ATokenLosesWhatItsOwnerLoses(t *testing.T) {
	t.Parallel()
	w := newAPIWorld(t, Limits{}, (&apiWorld{}).bound("environment-admin", "environment/staging"))
	secret := w.token("k", owner, token.Scope{})
	if answer := w.ask(http.MethodGet, "/tasks/"+string(here), secret); answer.Code != http.StatusOK {
		t.Fatal(answer.Code)
	}
	w.policy = (&policy.Policy{Version: "v2", Environments: w.policy.Environments}).Compile()
	if answer := w.ask(http.MethodGet, "/tasks/"+string(here), secret); answer.Code != http.StatusNotFound {
		t.Errorf("after the role was taken: %d", answer.Code)
	}
	w.fails = errors.New("the database is down, password hunter2")
	answer := w.ask(http.MethodGet, "/tasks/"+string(here), secret)
	if answer.Code != http.StatusInternalServerError || strings.Contains(answer.Body.String(), "hunter2") {
		t.Errorf("while the rules cannot be read: %d %s", answer.Code, answer.Body)
	}
}

func TestATokenReachesWhatItIsNarrowedTo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		scope        token.Scope
		method, path string
		want         int
	}{
		"its permission":                     {token.Scope{Permissions: []policy.Permission{policy.TasksView}}, "GET", "/tasks/" + string(here), 200},
		"another permission":                 {token.Scope{Permissions: []policy.Permission{policy.TasksView}}, "POST", "/tasks/" + string(here) + "/cancel", 403},
		"another permission, server":         {token.Scope{Permissions: []policy.Permission{policy.TasksView}}, "GET", "/audit", 403},
		"its environment":                    {token.Scope{Environments: []string{"staging"}}, "GET", "/tasks/" + string(here), 200},
		"another environment":                {token.Scope{Environments: []string{"staging"}}, "GET", "/tasks/" + string(there), 404},
		"environments: not the server's log": {token.Scope{Environments: []string{"staging"}}, "GET", "/audit/3", 404},
		"environments: another one's log":    {token.Scope{Environments: []string{"staging"}}, "GET", "/audit?environment=production", 404},
	} {
		w := newAPIWorld(t, Limits{}, (&apiWorld{}).bound("server-admin", "*"))
		if got := w.ask(c.method, c.path, w.token("k", owner, c.scope)); got.Code != c.want {
			t.Errorf("%s: %d %s", name, got.Code, got.Body)
		}
	}
}

// Whoever requested a task may cancel it, with a token that reaches that.
func TestTheRequesterCancels(t *testing.T) {
	t.Parallel()
	binding := policy.Binding{Name: "b", Subject: requester, Role: "developer", Resource: "environment/staging"}
	w := newAPIWorld(t, Limits{}, binding)
	narrow := w.token("narrow", requester, token.Scope{Permissions: []policy.Permission{policy.TasksView}})
	path := "/tasks/" + string(here) + "/cancel"
	answer := w.ask(http.MethodPost, path, narrow)
	if answer.Code != http.StatusForbidden || !strings.Contains(answer.Body.String(), "narrowed to the permissions tasks:view") {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
	wide := w.token("wide", requester, token.Scope{})
	for range 2 {
		if answer = w.ask(http.MethodPost, path, wide); answer.Code != http.StatusAccepted {
			t.Errorf("%d %s", answer.Code, answer.Body)
		}
	}
	if len(w.cancels) != 1 || w.cancels[0].By != requester || w.cancels[0].Token != "wide" || w.cancels[0].Request == "" {
		t.Errorf("%+v", w.cancels)
	}
}

func TestTheLastUseIsNotWrittenWithEveryRequest(t *testing.T) {
	t.Parallel()
	w := newAPIWorld(t, Limits{})
	secret := w.token("k", owner, token.Scope{})
	for range 3 {
		w.ask(http.MethodGet, "/whoami", secret)
	}
	w.now = w.now.Add(time.Minute)
	w.ask(http.MethodGet, "/whoami", secret)
	if w.touched != 2 {
		t.Errorf("written %d times, want 2", w.touched)
	}
}

func TestOnlyOneBearerHeaderIsTaken(t *testing.T) {
	t.Parallel()
	w := newAPIWorld(t, Limits{Failures: Rate{Burst: 100, Every: time.Second}})
	secret := w.token("k", owner, token.Scope{})
	for name, c := range map[string]struct {
		path string
		set  func(http.Header)
	}{
		"none":       {"/whoami", func(http.Header) {}},
		"in the URL": {"/whoami?access_token=" + secret, func(http.Header) {}},
		"cookie":     {"/whoami", func(h http.Header) { h.Set("Cookie", "token="+secret) }},
		"basic":      {"/whoami", func(h http.Header) { h.Set("Authorization", "Basic "+secret) }},
		"twice":      {"/whoami", func(h http.Header) { h["Authorization"] = []string{"Bearer " + secret, "Bearer " + secret} }},
		"list":       {"/whoami", func(h http.Header) { h.Set("Authorization", "Bearer "+secret+", Bearer "+secret) }},
		"cut":        {"/whoami", func(h http.Header) { h.Set("Authorization", "Bearer "+secret[:60]) }},
		"two spaces": {"/whoami", func(h http.Header) { h.Set("Authorization", "Bearer  "+secret) }},
		"huge":       {"/whoami", func(h http.Header) { h.Set("Authorization", "Bearer "+strings.Repeat("a", 1<<20)) }},
		"forged id":  {"/whoami", func(h http.Header) { h.Set("X-Request-Id", "a\r\nSet-Cookie: b=c") }},
	} {
		answer := w.ask(http.MethodGet, c.path, "", func(r *http.Request) { c.set(r.Header) })
		if answer.Code != http.StatusUnauthorized || answer.Header().Get("Set-Cookie") != "" {
			t.Errorf("%s: %d %s", name, answer.Code, answer.Body)
		}
	}
	if answer := w.ask(http.MethodGet, "/whoami", "", func(r *http.Request) { r.Header.Set("Authorization", "bearer "+secret) }); answer.Code != 200 {
		t.Errorf("the scheme in lower case: %d", answer.Code)
	}
	w.ask(http.MethodGet, "/"+secret, secret)
	w.ask(http.MethodGet, "/tasks/"+secret, secret)
	w.ask(http.MethodGet, "/whoami?"+secret, secret)
	w.ask("X"+strings.ToUpper(secret), "/whoami", secret)
	if text := strings.ToLower(w.output.String()); !strings.Contains(text, "api request") || strings.Contains(text, secret[4:30]) {
		t.Error("the log has the token, or nothing at all")
	}
}

func TestASubjectHasABudgetOfRequests(t *testing.T) {
	t.Parallel()
	w := newAPIWorld(t, Limits{Calls: Rate{Burst: 3, Every: 2 * time.Second}})
	one, two, other := w.token("1", owner, token.Scope{}), w.token("2", owner, token.Scope{}), w.token("3", requester, token.Scope{})
	for i, secret := range []string{one, two, one} {
		if answer := w.ask(http.MethodGet, "/whoami", secret); answer.Code != http.StatusOK {
			t.Errorf("request %d: %d", i, answer.Code)
		}
	}
	answer := w.ask(http.MethodGet, "/whoami", two)
	if wait, _ := strconv.Atoi(answer.Header().Get("Retry-After")); answer.Code != http.StatusTooManyRequests || wait < 1 || wait > 2 {
		t.Errorf("over the budget with another token: %d, wait %d", answer.Code, wait)
	}
	if answer := w.ask(http.MethodGet, "/whoami", other); answer.Code != http.StatusOK {
		t.Errorf("somebody else: %d", answer.Code)
	}
	w.now = w.now.Add(2 * time.Second)
	if answer := w.ask(http.MethodGet, "/whoami", one); answer.Code != http.StatusOK {
		t.Errorf("after waiting: %d", answer.Code)
	}
	if answer := w.ask(http.MethodGet, "/whoami", one); answer.Code != http.StatusTooManyRequests {
		t.Errorf("after waiting for one: %d", answer.Code)
	}
}

func TestAnAddressHasABudgetOfFailures(t *testing.T) {
	t.Parallel()
	w := newAPIWorld(t, Limits{Failures: Rate{Burst: 2, Every: time.Minute}})
	good := w.token("k", owner, token.Scope{})
	from := func(address string) func(*http.Request) {
		return func(r *http.Request) {
			r.RemoteAddr = address
			r.Header.Set("X-Forwarded-For", fmt.Sprint(time.Now().UnixNano())) // believed, it would be another address each time
		}
	}
	for i, want := range []int{401, 401, 429, 429} {
		if answer := w.ask(http.MethodGet, "/whoami", token.New().Reveal(), from("192.0.2.1:5")); answer.Code != want {
			t.Errorf("failure %d: %d, want %d", i, answer.Code, want)
		}
	}
	for address, want := range map[string]int{"192.0.2.2:5": 401, "[::ffff:192.0.2.1]:9": 429} {
		if answer := w.ask(http.MethodGet, "/whoami", "", from(address)); answer.Code != want {
			t.Errorf("from %s: %d, want %d", address, answer.Code, want)
		}
	}
	if answer := w.ask(http.MethodGet, "/whoami", good, from("192.0.2.1:6")); answer.Code != http.StatusOK {
		t.Errorf("a good token from the same address: %d", answer.Code)
	}
	for i, want := range []int{401, 401, 429} {
		if answer := w.ask(http.MethodGet, "/whoami", "", from(fmt.Sprintf("[2001:db8::%d]:5", i+1))); answer.Code != want {
			t.Errorf("from one subscriber's addresses, %d: %d, want %d", i, answer.Code, want)
		}
	}
}

func TestALimiterForgetsAndStaysSmall(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	l := newLimiter(Rate{Burst: 1, Every: time.Second}, func() time.Time { return now })
	for i := range 3 * maxBuckets {
		l.take(strconv.Itoa(i))
	}
	if len(l.full) > maxBuckets {
		t.Errorf("%d buckets", len(l.full))
	}
}
