package secret

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"filippo.io/age"
)

// Keyring seals secrets for the database and opens them, with the age identities
// of a file. The first seals; every one opens, so that a key can be changed while
// secrets are still sealed with the former.
//
// The file is in age's own format (age-keygen makes it), so that a sealed secret
// can be opened by hand with the age program and the key. It is read again with every use: a
// key that `coderflow secrets rotate-key` changed is known to a running server.
type Keyring struct {
	path string
	mu   sync.Mutex // of this process's writers to the file
}

// NewKeyring names the file; it need not exist yet.
func NewKeyring(path string) *Keyring { return &Keyring{path: path} }

// Errors of a keyring.
var (
	// ErrNoKey is a key file that does not exist.
	ErrNoKey = errors.New("there is no key")
	// ErrOtherKey is a secret that none of the keys opens.
	ErrOtherKey = errors.New("it was sealed with a key that the key file does not have")
)

// MisplacedError is a sealed secret that was made for another slot: somebody moved
// it in the database.
type MisplacedError struct{ Made, Found Slot }

// Error implements error.
func (e *MisplacedError) Error() string {
	return fmt.Sprintf("the secret stored as %s was sealed as %s: the database was changed by hand", e.Found, e.Made)
}

// envelope is what is sealed. The slot is inside, because age binds nothing else.
type envelope struct {
	Slot
	Content []byte `json:"content"`
}

// Create makes the file with one new key, unless it exists.
func (k *Keyring) Create() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, err := os.Lstat(k.path); err == nil {
		return nil
	}
	fresh, err := age.GenerateX25519Identity()
	if err != nil {
		return fmt.Errorf("make a key for secrets: %w", err)
	}
	return k.write(fresh)
}

// Current is the public half of the key that seals.
func (k *Keyring) Current() (string, error) {
	keys, err := k.read()
	if err != nil {
		return "", err
	}
	return keys[0].Recipient().String(), nil
}

// Seal encrypts content for a slot and names the public half of the key.
func (k *Keyring) Seal(slot Slot, content []byte) (sealed []byte, key string, err error) {
	if err := slot.sealable(); err != nil {
		return nil, "", err
	}
	if _, err := NewValue(slot.Name, content); err != nil {
		return nil, "", err
	}
	keys, err := k.read()
	if err != nil {
		return nil, "", err
	}
	inside, err := json.Marshal(envelope{slot, content})
	if err != nil {
		return nil, "", fmt.Errorf("seal %s: %w", slot, err)
	}
	var out bytes.Buffer
	w, err := age.Encrypt(&out, keys[0].Recipient())
	if err != nil {
		return nil, "", fmt.Errorf("seal %s: %w", slot, err)
	}
	if _, err := w.Write(inside); err != nil {
		return nil, "", fmt.Errorf("seal %s: %w", slot, err)
	}
	if err := w.Close(); err != nil {
		return nil, "", fmt.Errorf("seal %s: %w", slot, err)
	}
	return out.Bytes(), keys[0].Recipient().String(), nil
}

// Open decrypts what was sealed for the slot. It fails with [ErrOtherKey], or
// with a *MisplacedError if it was sealed for another slot.
func (k *Keyring) Open(slot Slot, sealed []byte) (Value, error) {
	keys, err := k.read()
	if err != nil {
		return Value{}, err
	}
	identities := make([]age.Identity, len(keys))
	for i, key := range keys {
		identities[i] = key
	}
	r, err := age.Decrypt(bytes.NewReader(sealed), identities...)
	if none := (*age.NoIdentityMatchError)(nil); errors.As(err, &none) {
		return Value{}, fmt.Errorf("open the secret %s: %w", slot, ErrOtherKey)
	}
	if err != nil {
		return Value{}, fmt.Errorf("open the secret %s: %w", slot, err)
	}
	inside, err := io.ReadAll(io.LimitReader(r, 4*MaxLength))
	if err != nil {
		return Value{}, fmt.Errorf("open the secret %s: %w", slot, err)
	}
	var e envelope
	if err := json.Unmarshal(inside, &e); err != nil {
		return Value{}, fmt.Errorf("open the secret %s: what is sealed is not a secret of CoderFlow", slot)
	}
	if e.Slot != slot {
		return Value{}, &MisplacedError{Made: e.Slot, Found: slot}
	}
	return NewValue(slot.Name, e.Content)
}

// Add makes a new key the one that seals. The former ones stay until [Keyring.DropOld].
func (k *Keyring) Add() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	keys, err := k.read()
	if err != nil {
		return err
	}
	fresh, err := age.GenerateX25519Identity()
	if err != nil {
		return fmt.Errorf("make a key for secrets: %w", err)
	}
	return k.write(append([]*age.X25519Identity{fresh}, keys...)...)
}

// DropOld removes every key but the one that seals. Nothing must be sealed with
// another any more.
func (k *Keyring) DropOld() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	keys, err := k.read()
	if err != nil || len(keys) == 1 {
		return err
	}
	return k.write(keys[0])
}

// Keys is how many keys there are: more than one while a rotation is under way.
func (k *Keyring) Keys() (int, error) {
	keys, err := k.read()
	return len(keys), err
}

func (k *Keyring) read() ([]*age.X25519Identity, error) {
	info, err := os.Stat(k.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the key of secrets: %w: %s does not exist", ErrNoKey, k.path)
	}
	if err != nil {
		return nil, fmt.Errorf("read the key of secrets: %w", err)
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("read the key of secrets: others on this machine can read %s: chmod 600 it", k.path)
	}
	text, err := os.ReadFile(k.path)
	if err != nil {
		return nil, fmt.Errorf("read the key of secrets: %w", err)
	}
	identities, err := age.ParseIdentities(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("read the key of secrets: %s is not a file of age identities", k.path) // the cause could say a part of one
	}
	keys := make([]*age.X25519Identity, len(identities))
	for i, identity := range identities {
		key, is := identity.(*age.X25519Identity)
		if !is {
			return nil, fmt.Errorf("read the key of secrets: %s has an identity that is not X25519", k.path)
		}
		keys[i] = key
	}
	return keys, nil
}

// write replaces the file, whole or not at all.
func (k *Keyring) write(keys ...*age.X25519Identity) error {
	var text strings.Builder
	text.WriteString("# The keys of CoderFlow's secrets. Whoever has this file and the database can read them. The first seals.\n")
	for _, key := range keys {
		fmt.Fprintf(&text, "# public key: %s\n%s\n", key.Recipient(), key)
	}
	dir := filepath.Dir(k.path)
	f, err := os.CreateTemp(dir, ".secrets-key-")
	if err != nil {
		return fmt.Errorf("write the key of secrets: %w", err)
	}
	_, err = f.WriteString(text.String())
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), k.path)
	}
	if err != nil {
		return fmt.Errorf("write the key of secrets: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("write the key of secrets: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}
