package signin_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/signin"
)

func forgeID(id int64) string { return strconv.FormatInt(id, 10) }

func TestADeviceSignsInWithGitHub(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	start := w.startDevice("github")
	w.pass(5 * time.Second)
	if _, _, err := w.service.AskDevice(t.Context(), start.Handle); !errors.Is(err, signin.ErrPending) {
		t.Fatalf("before the decision: %v", err)
	}
	w.decide(start.Code, "alice", "authorize")
	w.pass(5 * time.Second)
	result, _, err := w.service.AskDevice(t.Context(), start.Handle)
	if err != nil {
		t.Fatal(err)
	}
	k := result.Token
	if k.Owner.String() != "github:"+w.id("alice") || !k.SignIn || k.Name != "signed in with github" || !k.ExpiresAt.Equal(k.CreatedAt.Add(12*time.Hour)) || result.Login != "alice" {
		t.Errorf("%+v", result)
	}
	stored, err := w.store.TokenByHash(t.Context(), result.Value.Hash())
	if err != nil || stored.ID != k.ID || !stored.SignIn {
		t.Errorf("%+v %v", stored, err)
	}
	if w.hub.UserTokens() != 0 {
		t.Error("GitHub's token is still good, and nobody needs it")
	}
	if _, _, err := w.service.AskDevice(t.Context(), start.Handle); !errors.Is(err, signin.ErrGone) {
		t.Errorf("the handle a second time: %v", err)
	}
}

func TestADeviceSignsInWithOpenIDConnect(t *testing.T) {
	t.Parallel()
	for _, provider := range []string{"own", "other"} {
		w := newWorld(t)
		start := w.startDevice(provider)
		map[string]func(string, bool){"own": w.own.Decide, "other": w.other.Decide}[provider](start.Code.UserCode, true)
		w.pass(5 * time.Second)
		result, _, err := w.service.AskDevice(t.Context(), start.Handle)
		if err != nil || result.Token.Owner.String() != "oidc:"+provider+"/alice" || result.Login != "alice@example.com" {
			t.Errorf("%s: %+v %v", provider, result, err)
		}
	}
}

// However often a handle is asked about, the provider is asked at its interval.
func TestTheProviderIsAskedAtItsInterval(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	start := w.startDevice("own")
	for range 30 { // 15 s
		if _, wait, err := w.service.AskDevice(t.Context(), start.Handle); !errors.Is(err, signin.ErrPending) || wait != 5*time.Second {
			t.Fatalf("%s %v", wait, err)
		}
		w.pass(500 * time.Millisecond)
	}
	if w.own.Asked != 2 {
		t.Errorf("asked %d times within 15 s", w.own.Asked)
	}
	w.own.Lock()
	w.own.Interval = 8 * time.Second // it wants to be asked less
	w.own.Unlock()
	w.pass(time.Second)
	if _, wait, err := w.service.AskDevice(t.Context(), start.Handle); !errors.Is(err, signin.ErrPending) || wait != 10*time.Second {
		t.Fatalf("told to slow down: %s %v", wait, err)
	}
	before := w.own.Asked
	w.pass(9 * time.Second)
	if _, _, err := w.service.AskDevice(t.Context(), start.Handle); !errors.Is(err, signin.ErrPending) || w.own.Asked != before {
		t.Errorf("asked again too early, %v", err)
	}
}

func TestADeviceFlowThatEndsBadly(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		play func(w *world, start signin.DeviceStart)
		want error
	}{
		"denied": {func(w *world, start signin.DeviceStart) {
			w.decide(start.Code, "alice", "cancel")
			w.pass(5 * time.Second)
		}, signin.ErrDenied},
		"expired": {func(w *world, start signin.DeviceStart) {
			w.decide(start.Code, "alice", "authorize")
			w.pass(time.Hour)
		}, signin.ErrGone},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			start := w.startDevice("github")
			c.play(w, start)
			for _, want := range []error{c.want, signin.ErrGone} {
				if _, _, err := w.service.AskDevice(t.Context(), start.Handle); !errors.Is(err, want) {
					t.Errorf("%v, want %v", err, want)
				}
			}
			if len(w.tokens()) != 0 {
				t.Error("there is a token")
			}
		})
	}
}

func TestAHandleIsNotToBeGuessed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	start := w.startDevice("github")
	var stored string
	if err := w.store.DB().QueryRowContext(t.Context(), "SELECT id FROM sign_ins").Scan(&stored); err != nil {
		t.Fatal(err)
	}
	if len(start.Handle) < 43 || stored == start.Handle {
		t.Errorf("handle %q, stored is %q", start.Handle, stored)
	}
	for _, guess := range []string{"", stored, start.Code.UserCode, start.Code.Code.Reveal(), start.Handle + "x"} {
		if _, _, err := w.service.AskDevice(t.Context(), guess); !errors.Is(err, signin.ErrGone) {
			t.Errorf("%q: %v", guess, err)
		}
	}
}

// Two who ask with one handle at once get one token between them.
func TestADeviceFlowEndsOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	start := w.startDevice("own")
	w.own.Decide(start.Code.UserCode, true)
	w.pass(5 * time.Second)
	var all sync.WaitGroup
	results := make(chan error, 8)
	for range cap(results) {
		all.Go(func() { _, _, err := w.service.AskDevice(t.Context(), start.Handle); results <- err })
	}
	all.Wait()
	close(results)
	good := 0
	for err := range results {
		if err == nil {
			good++
		} else if !errors.Is(err, signin.ErrPending) && !errors.Is(err, signin.ErrGone) {
			t.Error(err)
		}
	}
	if good != 1 || len(w.tokens()) != 1 {
		t.Errorf("%d signed in, %d tokens", good, len(w.tokens()))
	}
}

func TestOnlySoManySignInsOfOneAddressAreOpen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range signin.MaxOpenOfAddress {
		if i%2 == 0 {
			w.startDevice("own")
		} else if _, err := w.service.StartBrowser(t.Context(), "own", "/", "a"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.service.StartDevice(t.Context(), "own", "a"); !errors.Is(err, signin.ErrTooMany) {
		t.Errorf("one more: %v", err)
	}
	if _, err := w.service.StartDevice(t.Context(), "own", "b"); err != nil {
		t.Errorf("from another address: %v", err)
	}
	w.pass(time.Hour)
	if _, err := w.service.StartDevice(t.Context(), "own", "a"); err != nil {
		t.Errorf("once they have expired: %v", err)
	}
}

// Whoever holds no role is told their id, and nothing is made.
func TestWhoeverHoldsNoRoleIsNotSignedIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	start := w.startDevice("github")
	w.decide(start.Code, "eve", "authorize")
	w.pass(5 * time.Second)
	_, _, err := w.service.AskDevice(t.Context(), start.Handle)
	if no := (*signin.NoRoleError)(nil); !errors.As(err, &no) || err.Error() != "github:"+w.id("eve")+" has no role here; give this id to an admin" {
		t.Errorf("%v", err)
	}
	if _, _, err := w.service.AskDevice(t.Context(), start.Handle); !errors.Is(err, signin.ErrGone) {
		t.Errorf("again: %v", err)
	}
	if len(w.tokens()) != 0 || w.hub.UserTokens() != 0 {
		t.Error("there is a token")
	}
}

// Secrets are in no log, however things end.
func TestNoSecretOfASignInIsLogged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	secrets := []string{w.clientSecret().Reveal(), "s3cret-of-own", "ghu_", "ghr_", "access-", "cfp_", "eyJ"}
	for _, login := range []string{"alice", "eve"} {
		start := w.startDevice("github")
		w.decide(start.Code, login, "authorize")
		w.pass(5 * time.Second)
		result, _, err := w.service.AskDevice(t.Context(), start.Handle)
		secrets = append(secrets, start.Handle, start.Code.Code.Reveal())
		if err == nil {
			secrets = append(secrets, result.Value.Reveal())
		}
		w.log.Write([]byte(fmt.Sprintf("%v %+v %v\n", start.Code.Code, start.Code, err)))
	}
	own := w.startDevice("own")
	secrets = append(append(secrets, own.Handle), w.own.DeviceCodes()...)
	w.own.Decide(own.Code.UserCode, false)
	w.pass(5 * time.Second)
	_, _, err := w.service.AskDevice(t.Context(), own.Handle)
	w.log.Write([]byte(fmt.Sprintf("%v\n", err)))
	for _, r := range []signin.Return{w.browse("github"), w.browse("own")} {
		for range 2 { // the second is refused
			result, err := w.service.FinishBrowser(t.Context(), r)
			w.log.Write([]byte(fmt.Sprintf("%+v %v\n", r.Callback, err)))
			secrets = append(secrets, r.State, r.Cookie, r.Code.Reveal())
			if err == nil {
				secrets = append(secrets, result.Value.Reveal())
			}
		}
	}
	log := w.log.String()
	if !strings.Contains(log, "signed in") {
		t.Error("a sign-in is not logged")
	}
	for _, secret := range secrets {
		if secret == "" || strings.Contains(log, secret) {
			t.Errorf("logged (or empty): %q\n%s", secret, log)
		}
	}
}
