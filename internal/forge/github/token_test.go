package github_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
)

const mintRoute = "POST /app/installations/9/access_tokens"

func TestTokenIsNarrowedToTheRepositoryAndTheCall(t *testing.T) {
	t.Parallel()
	s := newStub(t, nil)
	a := s.adapter(t)
	if _, err := a.ReadToken(t.Context(), stubRepo); err != nil {
		t.Fatal(err)
	}
	token, err := a.PushToken(t.Context(), stubRepo)
	if err != nil {
		t.Fatal(err)
	}
	if token.Value.Reveal() != "ghs_topsecret2" || token.Source != "github app installation 9" || fmt.Sprintf("%v %+v %#v", token, token, token.Value) == "" {
		t.Errorf("token %v", token)
	}
	mints := s.to(mintRoute)
	want := []string{
		`{"repository_ids":[42],"permissions":{"contents":"read","metadata":"read"}}`,
		`{"repository_ids":[42],"permissions":{"contents":"write","metadata":"read"}}`,
	}
	for i, mint := range mints {
		if strings.TrimSpace(mint.body) != want[i] || !strings.HasPrefix(mint.auth, "Bearer eyJ") {
			t.Errorf("mint %d asked for %s, want %s", i, mint.body, want[i])
		}
	}
	if len(mints) != 2 {
		t.Errorf("%d tokens minted, want 2", len(mints))
	}
}

func TestTokenIsKeptUntilShortlyBeforeItsEnd(t *testing.T) {
	t.Parallel()
	s := newStub(t, nil)
	a := s.adapter(t)
	for _, step := range []struct {
		wait time.Duration
		want string
	}{{0, "ghs_topsecret1"}, {54 * time.Minute, "ghs_topsecret1"}, {2 * time.Minute, "ghs_topsecret2"}, {0, "ghs_topsecret2"}} {
		s.advance(step.wait)
		token, err := a.ReadToken(t.Context(), stubRepo)
		if err != nil || token.Value.Reveal() != step.want {
			t.Fatalf("after %s: got %q, %v, want %s", step.wait, token.Value.Reveal(), err, step.want)
		}
		if left := token.Expires.Sub(s.clock()); left < 5*time.Minute {
			t.Errorf("handed out a token with %s left", left)
		}
	}
}

func TestBurstOfCallsMintsOnce(t *testing.T) {
	t.Parallel()
	s := newStub(t, nil)
	a := s.adapter(t)
	var calls sync.WaitGroup
	for range 20 {
		calls.Go(func() {
			if _, err := a.Repository(t.Context(), stubRepo); err != nil {
				t.Error(err)
			}
		})
	}
	calls.Wait()
	if n := len(s.to(mintRoute)); n != 1 {
		t.Errorf("%d tokens minted, want 1", n)
	}
}

// Fault 25: a token that ends in the middle is replaced once, and the request repeated whole.
func TestFault25ExpiredTokenIsRefreshedOnce(t *testing.T) {
	t.Parallel()
	s := newStub(t, nil)
	s.set("POST /repos/acme/shop/pulls", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer ghs_topsecret1" {
			reply(401, `{"message":"Bad credentials"}`)(w, r)
			return
		}
		reply(201, `{"number":5,"state":"open","base":{"ref":"main","repo":{"id":42}}}`)(w, r)
	})
	a := s.adapter(t)
	pr, err := a.OpenPullRequest(t.Context(), stubRepo, forge.NewPullRequest{Title: "T", Head: "h", Base: "main"})
	if err != nil || pr.Number != 5 {
		t.Fatalf("got %+v, %v", pr, err)
	}
	posts := s.to("POST /repos/acme/shop/pulls")
	if len(posts) != 2 || posts[0].body != posts[1].body || posts[1].body == "" {
		t.Errorf("posted %+v", posts)
	}
}

func TestFault25TokenThatIsNeverAcceptedIsAnError(t *testing.T) {
	t.Parallel()
	s := newStub(t, map[string]http.HandlerFunc{"GET /repos/acme/shop": reply(401, `{"message":"Bad credentials"}`)})
	_, err := s.adapter(t).Repository(t.Context(), stubRepo)
	if !errors.Is(err, forge.ErrForbidden) || !strings.Contains(err.Error(), "Bad credentials") {
		t.Errorf("got %v", err)
	}
	if n := len(s.to("GET /repos/acme/shop")); n != 2 {
		t.Errorf("asked %d times, want 2", n)
	}
}

func TestFault25NoErrorHoldsACredential(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"refused": reply(403, `{"message":"no"}`), "broken": reply(200, `{`), "gone": reply(500, `oops`),
		"cut": func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) },
	} {
		s := newStub(t, map[string]http.HandlerFunc{"GET /repos/acme/shop": answer})
		_, err := s.adapter(t).Repository(t.Context(), stubRepo)
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		for e := err; e != nil; e = errors.Unwrap(e) {
			text, _ := json.Marshal(e)
			if all := fmt.Sprintf("%v %+v %#v %s", e, e, e, text); strings.Contains(all, "ghs_") || strings.Contains(all, "eyJ") {
				t.Errorf("%s: %s", name, all)
			}
		}
	}
}

// Threat 9: a name that now belongs to another repository reads as not there, also where the forge would show it.
func TestThreat09NameOfAnotherRepositoryIsNotFound(t *testing.T) {
	t.Parallel()
	s := newStub(t, map[string]http.HandlerFunc{
		"GET /repos/acme/shop":         reply(200, `{"id":43,"name":"shop","owner":{"login":"acme"}}`),
		"GET /repos/acme/shop/pulls/1": reply(200, `{"number":1,"base":{"repo":{"id":43}},"head":{"repo":{"id":43}}}`),
		"GET /repos/acme/shop/pulls":   reply(200, `[{"number":1,"base":{"repo":{"id":43}},"head":{"ref":"b","repo":{"id":43}}}]`),
	})
	a := s.adapter(t)
	for name, call := range readsOf(t, a) {
		if err := call(); !errors.Is(err, forge.ErrNotFound) {
			t.Errorf("%s: %v, want ErrNotFound", name, err)
		}
	}
}

func TestThreat09TokenForMoreThanTheRepositoryIsRefused(t *testing.T) {
	t.Parallel()
	for name, repositories := range map[string]string{"none named": `[]`, "another": `[{"id":43}]`, "more": `[{"id":42},{"id":43}]`} {
		s := newStub(t, map[string]http.HandlerFunc{
			mintRoute: reply(201, `{"token":"ghs_wide","expires_at":"2099-01-01T00:00:00Z","repositories":`+repositories+`}`)})
		if _, err := s.adapter(t).ReadToken(t.Context(), stubRepo); !errors.Is(err, forge.ErrForbidden) {
			t.Errorf("%s: %v, want ErrForbidden", name, err)
		}
	}
}

func TestRefusedTokenSaysWhy(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status int
		words  string
		want   error
	}{
		{422, "There is at least one repository that does not exist or is not accessible to the parent installation.", forge.ErrNotFound},
		{422, "The permissions requested are not granted to this installation.", forge.ErrForbidden},
		{403, "This installation has been suspended", forge.ErrForbidden},
		{401, "A JSON web token could not be decoded", forge.ErrForbidden},
	} {
		s := newStub(t, map[string]http.HandlerFunc{mintRoute: reply(c.status, `{"message":"`+c.words+`"}`)})
		_, err := s.adapter(t).Repository(t.Context(), stubRepo)
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%d %s: got %v, want %v", c.status, c.words, err, c.want)
		}
	}
}

func TestReinstalledAppIsFoundAgain(t *testing.T) {
	t.Parallel()
	s := newStub(t, nil)
	a := s.adapter(t)
	if _, err := a.ReadToken(t.Context(), stubRepo); err != nil {
		t.Fatal(err)
	}
	s.set(mintRoute, reply(404, `{"message":"Not Found"}`))
	s.set("GET /repos/acme/shop/installation", reply(200, `{"id":10}`))
	s.set("POST /app/installations/10/access_tokens", s.mint)
	token, err := a.PushToken(t.Context(), stubRepo)
	if err != nil || token.Source != "github app installation 10" {
		t.Errorf("got %v, %v", token, err)
	}
}

func TestRepositoryWithoutTheAppIsNotFound(t *testing.T) {
	t.Parallel()
	s := newStub(t, map[string]http.HandlerFunc{"GET /repos/acme/shop/installation": reply(404, `{"message":"Not Found"}`)})
	_, err := s.adapter(t).Repository(t.Context(), stubRepo)
	if !errors.Is(err, forge.ErrNotFound) || !strings.Contains(err.Error(), "installation on acme/shop") {
		t.Errorf("got %v", err)
	}
}
