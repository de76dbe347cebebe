package signin_test

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/signin"
	"github.com/coderflow/coderflow/internal/signin/oidctest"
)

func (w *world) clientSecret() forge.Secret {
	text, err := os.ReadFile(w.hub.Info().ClientSecretFile)
	if err != nil {
		w.t.Fatal(err)
	}
	return forge.Secret(strings.TrimSpace(string(text)))
}

func TestABrowserSignsIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for provider, want := range map[string]string{"github": "github:" + w.id("alice"), "own": "oidc:own/alice", "other": "oidc:other/alice"} {
		result, err := w.service.FinishBrowser(t.Context(), w.browse(provider))
		if err != nil {
			t.Errorf("%s: %v", provider, err)
			continue
		}
		k := result.Token
		if k.Owner.String() != want || !k.SignIn || !k.ExpiresAt.Equal(k.CreatedAt.Add(8*time.Hour)) || result.Next != "/next" {
			t.Errorf("%s: %+v", provider, result)
		}
	}
	if w.hub.UserTokens() != 0 {
		t.Error("GitHub's token is still good, and nobody needs it")
	}
}

// What comes back must be the answer to what this browser asked.
func TestAnAnswerThatNobodyAskedForIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := func() signin.Return { return w.browse("own") }
	for name, forged := range map[string]func() signin.Return{
		"no state":                     func() signin.Return { r := good(); r.State = ""; return r },
		"another state":                func() signin.Return { r := good(); r.State = strings.Repeat("A", 43); return r },
		"of another browser":           func() signin.Return { r, victim := good(), good(); r.Cookie = victim.Cookie; return r },
		"a browser without its cookie": func() signin.Return { r := good(); r.Cookie = ""; return r },
		"the state of another sign-in": func() signin.Return { r, mine := good(), good(); r.State, r.Cookie = mine.State, mine.Cookie; return r },
		"of another provider":          func() signin.Return { r := good(); r.Provider = "other"; return r },
		"GitHub's":                     func() signin.Return { r := good(); r.Provider = "github"; return r },
		"of no provider":               func() signin.Return { r := good(); r.Provider = "nobody"; return r },
		"no code":                      func() signin.Return { r := good(); r.Code = ""; return r },
		"another code":                 func() signin.Return { r := good(); r.Code = "x"; return r },
		"another issuer's name":        func() signin.Return { r := good(); r.Issuer = w.other.URL; return r },
		"an error":                     func() signin.Return { r := good(); r.Error = "access_denied"; return r },
		"too late":                     func() signin.Return { r := good(); w.pass(11 * time.Minute); return r },
		"the handle of a device as state": func() signin.Return {
			r := good()
			r.State = w.startDevice("own").Handle
			return r
		},
	} {
		r := forged()
		if _, err := w.service.FinishBrowser(t.Context(), r); err == nil {
			t.Errorf("%s: signed in", name)
		}
		// A state that was used with anything wrong is used up.
		if _, err := w.service.FinishBrowser(t.Context(), r); err == nil {
			t.Errorf("%s, again: signed in", name)
		}
	}
	if len(w.tokens()) != 0 {
		t.Error("there is a token")
	}
}

func TestAnAnswerIsGoodOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, provider := range []string{"github", "own"} {
		r := w.browse(provider)
		if _, err := w.service.FinishBrowser(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if _, err := w.service.FinishBrowser(t.Context(), r); !errors.Is(err, signin.ErrGone) {
			t.Errorf("%s, the same again: %v", provider, err)
		}
		again := w.browse(provider) // a code that was used, with a state that was not
		again.Code = r.Code
		if _, err := w.service.FinishBrowser(t.Context(), again); err == nil {
			t.Errorf("%s: a code was used twice", provider)
		}
	}
}

// Mix-up: the code of one provider is never sent to another, whatever address the
// browser is led to.
func TestTheCodeOfOneProviderIsNotSentToAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.browse("own")
	r.Provider = "other"
	if _, err := w.service.FinishBrowser(t.Context(), r); err == nil || w.other.Exchanged != 0 {
		t.Errorf("%v; the other was asked %d times", err, w.other.Exchanged)
	}
}

// A provider that names itself in its answers is held to it (RFC 9207).
func TestAProviderThatNamesItselfIsHeldToIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.own.SaysIssuer = true
	if _, err := w.service.FinishBrowser(t.Context(), w.browse("own")); err != nil {
		t.Fatal(err)
	}
	r := w.browse("own")
	r.Issuer = ""
	if _, err := w.service.FinishBrowser(t.Context(), r); err == nil {
		t.Error("an answer without the issuer was taken")
	}
}

func TestAnIDTokenThatProvesNothingIsRefused(t *testing.T) {
	t.Parallel()
	claim := func(name string, value any) func(*world) {
		return func(w *world) { w.own.Spoil = func(c jwt.MapClaims) { c[name] = value } }
	}
	sign := func(f func(*world, jwt.MapClaims) string) func(*world) {
		return func(w *world) { w.own.Sign = func(c jwt.MapClaims) string { return f(w, c) } }
	}
	for name, spoil := range map[string]func(*world){
		"another audience": claim("aud", "somebody-else"),
		"several, for another client": func(w *world) {
			w.own.Spoil = func(c jwt.MapClaims) { c["aud"], c["azp"] = []string{"flow", "x"}, "x" }
		},
		"several, for nobody":        claim("aud", []string{"flow", "x"}),
		"another issuer":             func(w *world) { claim("iss", w.other.URL)(w) },
		"another nonce":              claim("nonce", "x"),
		"no nonce":                   func(w *world) { w.own.Spoil = func(c jwt.MapClaims) { delete(c, "nonce") } },
		"expired":                    func(w *world) { claim("exp", w.now().Add(-time.Second).Unix())(w) },
		"no expiry":                  func(w *world) { w.own.Spoil = func(c jwt.MapClaims) { delete(c, "exp") } },
		"no subject":                 claim("sub", ""),
		"a subject with a slash":     claim("sub", "a/b"),
		"a subject that is a number": claim("sub", 7),
		"a subject with a line end":  claim("sub", "alice\n"),
		"alg none": sign(func(w *world, c jwt.MapClaims) string {
			return w.own.Signed(jwt.SigningMethodNone, c, jwt.UnsafeAllowNoneSignatureType)
		}),
		"HS256 with the public key": sign(func(w *world, c jwt.MapClaims) string {
			der, err := x509.MarshalPKIXPublicKey(&w.own.Key().PublicKey)
			if err != nil {
				t.Error(err)
			}
			return w.own.Signed(jwt.SigningMethodHS256, c, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
		}),
		"HS256 with the client secret": sign(func(w *world, c jwt.MapClaims) string {
			return w.own.Signed(jwt.SigningMethodHS256, c, []byte(w.own.Client.Secret))
		}),
		"another's key": sign(func(w *world, c jwt.MapClaims) string {
			return w.own.Signed(jwt.SigningMethodRS256, c, w.other.Key())
		}),
		"none": sign(func(*world, jwt.MapClaims) string { return "" }),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.bind("oidc:own/alice", "oidc:own/7", "oidc:own/a")
			spoil(w)
			r := w.browse("own")
			_, err := w.service.FinishBrowser(t.Context(), r)
			if no := (*signin.RefusedError)(nil); !errors.As(err, &no) {
				t.Errorf("%v", err)
			}
			if len(w.tokens()) != 0 {
				t.Error("there is a token")
			}
		})
	}
}

// An organization or a bot that has a token is no person.
func TestOnlyPeopleSignInWithGitHub(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"Organization", "Bot", "", "user"} {
		w := newWorld(t)
		api := http.NewServeMux()
		api.HandleFunc("GET /user", func(rw http.ResponseWriter, _ *http.Request) {
			_, _ = rw.Write([]byte(`{"id": ` + w.id("alice") + `, "login": "alice", "type": "` + kind + `"}`))
		})
		info := w.hub.Info()
		client := &http.Client{Transport: routed{api, signin.NewHTTPClient().Transport}}
		w.service = w.newService(signin.NewGitHub(signin.GitHubConfig{
			APIURL: info.APIURL, WebURL: info.GitURL, ClientID: info.ClientID, ClientSecret: w.clientSecret(), HTTP: client, Logger: quiet(),
		}))
		if _, err := w.service.FinishBrowser(t.Context(), w.browse("github")); err == nil || !strings.Contains(err.Error(), "only people sign in") {
			t.Errorf("%q: %v", kind, err)
		}
		if len(w.tokens()) != 0 || w.hub.UserTokens() != 0 {
			t.Error("there is a token")
		}
	}
}

// A login is display text: whoever takes a name over does not take its roles.
func TestThreat47SignInGoesByTheNumberNotTheLogin(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice := w.id("alice")
	if err := w.hub.RenameUser("alice", "alice-old"); err != nil {
		t.Fatal(err)
	}
	if err := w.hub.RenameUser("eve", "alice"); err != nil {
		t.Fatal(err)
	}
	var no *signin.NoRoleError
	if _, err := w.service.FinishBrowser(t.Context(), w.browse("github")); !errors.As(err, &no) {
		t.Errorf("eve under alice's name: %v", err)
	}
	start, err := w.service.StartBrowser(t.Context(), "github", "/", "a")
	if err != nil {
		t.Fatal(err)
	}
	result, err := w.service.FinishBrowser(t.Context(), w.back("github", w.authorize(start.Address, "alice-old", "authorize"), start.Cookie))
	if err != nil || result.Token.Owner.String() != "github:"+alice {
		t.Errorf("alice under her new name: %+v %v", result.Token, err)
	}
}

func TestAProviderThatIsDownIsSaidToBe(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	gone := oidctest.New(t, oidctest.Client{ID: "flow"})
	w.service = w.newService(signin.NewOIDC(signin.OIDCConfig{
		Name: "gone", Issuer: gone.URL + "/nowhere", ClientID: "flow", SubjectClaim: "sub", HTTP: &http.Client{Transport: broken{}}, Now: w.now,
	}))
	var away *signin.UnreachableError
	if _, err := w.service.StartDevice(t.Context(), "gone", "a"); !errors.As(err, &away) {
		t.Errorf("%v", err)
	}
	if _, err := w.service.StartBrowser(t.Context(), "gone", "/", "a"); !errors.As(err, &away) {
		t.Errorf("%v", err)
	}
}

// What a provider answers with an error may hold a token all the same.
func TestAProvidersErrorIsNotQuoted(t *testing.T) {
	t.Parallel()
	for _, broken := range []string{`{"error": "server_error", "access_token": "tell-tale"}`, `{"access_token": "tell-tale", "id_token": 7`, "tell-tale"} {
		w := newWorld(t)
		w.own.Broken = broken
		_, err := w.service.FinishBrowser(t.Context(), w.browse("own"))
		start := w.startDevice("own")
		w.pass(5 * time.Second)
		_, _, err2 := w.service.AskDevice(t.Context(), start.Handle)
		if err == nil || err2 == nil || strings.Contains(err.Error()+err2.Error()+w.log.String(), "tell-tale") {
			t.Errorf("%v\n%v\n%s", err, err2, w.log.String())
		}
	}
}

func TestAProviderWhoseKeysAreAwayIsSaidToBe(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.own.NoKeys = true
	var away *signin.UnreachableError
	if _, err := w.service.FinishBrowser(t.Context(), w.browse("own")); !errors.As(err, &away) {
		t.Errorf("%v", err)
	}
}

func TestAProviderWithoutADeviceFlowIsSaidToHaveNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.own.NoDevice = true
	if _, err := w.service.StartDevice(t.Context(), "own", "a"); !errors.Is(err, signin.ErrNoDeviceFlow) {
		t.Errorf("%v", err)
	}
}
