// Package contracttest makes any test that uses the local GitHub fail on a departure from GitHub's published contract.
package contracttest

import (
	"crypto/rand"
	"crypto/rsa"
	"net/http"
	"sync"
	"testing"

	"github.com/coderflow/coderflow/internal/forge/emulator/contract"
)

// Watch returns a validator whose findings fail the test when it ends. Its two ends fit emulator.Options:
//
//	watch := contracttest.Watch(t)
//	emulator.New(emulator.Options{Middleware: watch.Middleware, OnDelivery: watch.OnDelivery, …})
//
// Call it before anything whose clean-up still talks to the local GitHub is set up.
func Watch(t testing.TB) Watcher {
	t.Helper()
	v, err := contract.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, finding := range v.Findings() {
			t.Errorf("not as GitHub publishes it: %v", finding)
		}
	})
	return Watcher{Validator: v}
}

// Key is an App's, the same for all forges of the test binary: looking for one is most of what making a forge costs.
func Key(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	key, err := appKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

var appKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// Watcher is a validator in the form that the local GitHub takes.
type Watcher struct{ Validator *contract.Validator }

// Middleware checks REST below /api/v3, and GraphQL.
func (w Watcher) Middleware(next http.Handler) http.Handler {
	return w.Validator.Middleware(next, "/api/v3")
}

// OnDelivery checks a webhook.
func (w Watcher) OnDelivery(event string, _ http.Header, body []byte) {
	w.Validator.Delivery(event, body)
}
