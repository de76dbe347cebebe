package secret

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"pgregory.net/rapid"
)

func newKeyring(t *testing.T) *Keyring {
	t.Helper()
	k := NewKeyring(filepath.Join(t.TempDir(), "secrets.key"))
	if err := k.Create(); err != nil {
		t.Fatal(err)
	}
	return k
}

var slot = Slot{"staging", ForDeploy, "DB_PASSWORD"}

func TestWhatIsSealedIsOpenedAndNothingOfItShows(t *testing.T) {
	t.Parallel()
	k := newKeyring(t)
	rapid.Check(t, func(r *rapid.T) {
		content := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(r, "content")
		sealed, _, err := k.Seal(slot, content)
		if _, bad := NewValue("x", content); bad != nil {
			if err == nil {
				r.Fatalf("%q was sealed though it cannot be redacted: %v", content, bad)
			}
			return
		}
		if err != nil || strings.Contains(string(sealed), string(content)) || strings.Contains(string(sealed), slot.Name) {
			r.Fatalf("%v", err)
		}
		opened, err := k.Open(slot, sealed)
		if err != nil || string(opened.Reveal()) != string(content) || opened.Name() != slot.Name {
			r.Fatalf("%v", err)
		}
	})
}

// Whoever can write the database cannot have staging's container be given
// production's secret, nor a task a deployment's (threats 25 and 53).
func TestThreat25And53AMovedSecretIsNotOpened(t *testing.T) {
	t.Parallel()
	k := newKeyring(t)
	sealed, _, err := k.Seal(slot, []byte("correct horse"))
	if err != nil {
		t.Fatal(err)
	}
	for _, other := range []Slot{{"production", ForDeploy, slot.Name}, {slot.Environment, ForTask, slot.Name}, {slot.Environment, ForDeploy, "OTHER"}} {
		var moved *MisplacedError
		if v, err := k.Open(other, sealed); !errors.As(err, &moved) || moved.Made != slot || !v.IsZero() {
			t.Errorf("%s: %v", other, err)
		}
	}
	for i := range sealed {
		changed := append([]byte{}, sealed...)
		changed[i] ^= 1
		if v, err := k.Open(slot, changed); err == nil && string(v.Reveal()) != "correct horse" {
			t.Fatalf("byte %d changed: opened as something else", i)
		}
	}
}

func TestAKeyIsChangedWithoutLosingASecret(t *testing.T) {
	t.Parallel()
	k := newKeyring(t)
	old, oldKey, err := k.Seal(slot, []byte("correct horse"))
	if err != nil {
		t.Fatal(err)
	}
	other := NewKeyring(k.path) // a running server
	if err := k.Add(); err != nil {
		t.Fatal(err)
	}
	fresh, freshKey, err := other.Seal(slot, []byte("battery staple"))
	if err != nil || freshKey == oldKey {
		t.Fatalf("the new key does not seal: %v", err)
	}
	for _, sealed := range [][]byte{old, fresh} {
		if _, err := other.Open(slot, sealed); err != nil {
			t.Errorf("while both keys are there: %v", err)
		}
	}
	if err := k.DropOld(); err != nil {
		t.Fatal(err)
	}
	if n, err := k.Keys(); n != 1 || err != nil {
		t.Errorf("%d keys, %v", n, err)
	}
	if _, err := other.Open(slot, old); !errors.Is(err, ErrOtherKey) {
		t.Errorf("sealed with a key that is gone: %v", err)
	}
	if v, err := other.Open(slot, fresh); err != nil || string(v.Reveal()) != "battery staple" {
		t.Errorf("%v", err)
	}
}

func TestAKeyFileThatOthersReadIsRefused(t *testing.T) {
	t.Parallel()
	k := newKeyring(t)
	before, err := os.ReadFile(k.path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(k.path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := k.Create(); err != nil {
		t.Fatal(err)
	}
	if after, err := os.ReadFile(k.path); err != nil || string(after) != string(before) {
		t.Error("an existing key was replaced")
	}
	if err := os.Chmod(k.path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Current(); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("%v", err)
	}
	if _, err := NewKeyring(k.path + "x").Current(); !errors.Is(err, ErrNoKey) {
		t.Errorf("%v", err)
	}
	if err := errors.Join(os.Chmod(k.path, 0o600), os.WriteFile(k.path, []byte("AGE-SECRET-KEY-1NOTONE\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Current(); err == nil || strings.Contains(err.Error(), "NOTONE") {
		t.Errorf("a file that is no key: %v", err)
	}
}

// What is stored is age's own format, so that nobody needs CoderFlow to get a
// secret back.
func TestTheAgeProgramCouldOpenIt(t *testing.T) {
	t.Parallel()
	k := newKeyring(t)
	sealed, key, err := k.Seal(slot, []byte("correct horse"))
	if err != nil || !strings.HasPrefix(string(sealed), "age-encryption.org/v1\n-> X25519 ") {
		t.Errorf("%.40q, %v", sealed, err)
	}
	text, err := os.ReadFile(k.path)
	if err != nil {
		t.Fatal(err)
	}
	identities, err := age.ParseIdentities(strings.NewReader(string(text)))
	if err != nil || len(identities) != 1 || identities[0].(*age.X25519Identity).Recipient().String() != key {
		t.Errorf("%v", err)
	}
}

func TestSlotsAreChecked(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]Slot{
		"path": {"staging", ForTask, "../x"}, "empty": {"staging", ForTask, ""}, "hidden": {"staging", ForTask, ".x"}, "context": {"staging", "all", "X"},
		"no environment": {"", ForTask, "X"}, "slash": {"a/b", ForTask, "X"}, "line": {"staging", ForTask, "X\nY"}, "long": {"staging", ForTask, strings.Repeat("x", 65)},
	} {
		if s.Check() == nil {
			t.Errorf("%s: %s is a slot", name, s)
		}
	}
	if err := slot.Check(); err != nil {
		t.Error(err)
	}
}
