package oidctest

import (
	"crypto/rand"
	"crypto/rsa"
	"sync"
	"testing"
)

// keys are those of the test binary's issuers. The issuers of one test have different ones, as
// different providers do; those of different tests share them, as looking for a key takes long.
var keys = struct {
	sync.Mutex
	found []*rsa.PrivateKey
	taken map[testing.TB]int
}{taken: map[testing.TB]int{}}

// nextKey is one that no other issuer of the test has.
func nextKey(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	keys.Lock()
	defer keys.Unlock()
	n := keys.taken[t]
	if n == 0 {
		t.Cleanup(func() {
			keys.Lock()
			defer keys.Unlock()
			delete(keys.taken, t)
		})
	}
	keys.taken[t]++
	if n == len(keys.found) {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		keys.found = append(keys.found, key)
	}
	return keys.found[n]
}
