package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/coderflow/coderflow/internal/config"
	"github.com/coderflow/coderflow/internal/gateway"
	"github.com/coderflow/coderflow/internal/secret"
	"github.com/coderflow/coderflow/internal/store"
)

// vault opens the stored secrets for the engine.
type vault struct {
	db     *store.Store
	keys   *secret.Keyring
	server []secret.Value // the server's own, which no container may say either

	mu    sync.Mutex
	held  map[string]secret.Value // people's tokens that this process has seen, by whose and which
	holds int                     // changes of held
	known map[string]knownSecrets // by environment
}

// knownSecrets are opened secrets and what they were opened from.
type knownSecrets struct {
	state    string
	values   map[secret.Context][]secret.Value
	redactor *secret.Redactor
	tripwire *secret.Tripwire
}

func newVault(cfg config.Config, db *store.Store, providers map[string]gateway.Provider) *vault {
	v := &vault{db: db, keys: keyring(cfg), held: map[string]secret.Value{}, known: map[string]knownSecrets{}}
	for _, p := range providers {
		v.server = append(v.server, p.Key)
	}
	return v
}

// Open implements engine.Secrets.
func (v *vault) Open(ctx context.Context, environment string, c secret.Context) ([]secret.Value, error) {
	known, err := v.read(ctx, environment)
	return slices.Clone(known.values[c]), err
}

// Redactor implements engine.Secrets.
func (v *vault) Redactor(ctx context.Context, environment string) (*secret.Redactor, error) {
	known, err := v.read(ctx, environment)
	return known.redactor, err
}

// hold has a value taken out of everything from now on, in the place of what was held
// under the name.
func (v *vault) hold(name string, value secret.Value) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if old, known := v.held[name]; known && string(old.Reveal()) == string(value.Reveal()) {
		return
	}
	v.held[name] = value
	v.holds++
}

// Tripwire implements engine.Secrets.
func (v *vault) Tripwire(ctx context.Context, environment string) (*secret.Tripwire, error) {
	known, err := v.read(ctx, environment)
	return known.tripwire, err
}

// all are the secrets of an environment, of every context.
func (v *vault) all(ctx context.Context, environment string) ([]secret.Value, error) {
	known, err := v.read(ctx, environment)
	var all []secret.Value
	for _, c := range secret.Contexts() {
		all = append(all, known.values[c]...)
	}
	return all, err
}

// read opens the secrets of an environment again when one of them was set or
// removed. A secret that cannot be opened is an error: what is not known cannot
// be taken out of anything.
func (v *vault) read(ctx context.Context, environment string) (knownSecrets, error) {
	if environment == "" {
		return knownSecrets{}, fmt.Errorf("read secrets: no environment")
	}
	stored, err := v.db.Secrets(ctx, environment)
	if err != nil {
		return knownSecrets{}, err
	}
	var state strings.Builder
	for _, one := range stored {
		fmt.Fprintf(&state, "%s %d %s\n", one.Slot, one.Version, one.SetAt)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	fmt.Fprintf(&state, "held %d\n", v.holds)
	if known, ok := v.known[environment]; ok && known.state == state.String() {
		return known, nil
	}
	known := knownSecrets{state: state.String(), values: map[secret.Context][]secret.Value{}}
	all := slices.AppendSeq(slices.Clone(v.server), maps.Values(v.held))
	for _, one := range stored { // in the order of their slots, and so of their names
		value, err := v.keys.Open(one.Slot, one.Sealed)
		if err != nil {
			return knownSecrets{}, err
		}
		if one.Canary {
			value = value.AsCanary()
		}
		known.values[one.Context] = append(known.values[one.Context], value)
		all = append(all, value)
	}
	known.redactor, known.tripwire = secret.NewRedactor(all...), secret.NewTripwire(all...)
	v.known[environment] = known
	return known, nil
}
