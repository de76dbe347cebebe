package audit_test

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"github.com/coderflow/coderflow/internal/audit"
)

const someType = "application/vnd.in-toto+json"

func newKey(t testing.TB, name string) audit.Key {
	t.Helper()
	private, err := audit.NewKey(name)
	if err != nil {
		t.Fatal(err)
	}
	key, err := audit.ParseKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// plain is what the public key holds, read without our code: after the name and the
// hash of a note's key, one byte for Ed25519 and the key itself.
type plain struct {
	id  string
	key ed25519.PublicKey
}

func newPlain(t testing.TB, public string) plain {
	t.Helper()
	parts := strings.SplitN(public, "+", 3)
	raw, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(raw) != 1+ed25519.PublicKeySize || raw[0] != 1 {
		t.Fatalf("the key %q: %v", public, err)
	}
	return plain{parts[0] + "+" + parts[1], raw[1:]}
}

func (p plain) KeyID() (string, error)   { return p.id, nil }
func (p plain) Public() crypto.PublicKey { return p.key }
func (p plain) Verify(_ context.Context, data, sig []byte) error {
	if !ed25519.Verify(p.key, data, sig) {
		return errors.New("not signed")
	}
	return nil
}

func TestOthersVerifyAnEnvelope(t *testing.T) {
	t.Parallel()
	key := newKey(t, "coderflow.example.com/audit")
	sealed, err := key.Seal(someType, []byte(`{"a":"<b>"}`))
	if err != nil {
		t.Fatal(err)
	}
	var envelope dsse.Envelope
	if err := json.Unmarshal(sealed, &envelope); err != nil {
		t.Fatal(err)
	}
	for public, want := range map[string]bool{key.Public(): true, newKey(t, "coderflow.example.com/audit").Public(): false} {
		verifier, err := dsse.NewEnvelopeVerifier(newPlain(t, public))
		if err != nil {
			t.Fatal(err)
		}
		accepted, err := verifier.Verify(t.Context(), &envelope)
		if (err == nil) != want || want && (len(accepted) != 1 || accepted[0].KeyID != key.ID()) {
			t.Errorf("%v: %v", accepted, err)
		}
	}
	payload, err := envelope.DecodeB64Payload()
	if ours, bad := audit.OpenEnvelope(sealed, someType, key.Public()); err != nil || bad != nil || string(ours) != string(payload) {
		t.Errorf("%s, %s: %v, %v", ours, payload, err, bad)
	}
}

func TestThreat54EnvelopesThatAreNotTheirsAreRefused(t *testing.T) {
	t.Parallel()
	key, other := newKey(t, "log"), newKey(t, "log")
	sealed, err := key.Seal(someType, []byte(`{"a":1}`))
	if err != nil {
		t.Fatal(err)
	}
	forged, err := other.Seal(someType, []byte(`{"a":1}`))
	if err != nil {
		t.Fatal(err)
	}
	note, err := key.Sign(3, [32]byte{})
	if err != nil {
		t.Fatal(err)
	}
	_, stolen, _ := strings.Cut(string(note), "— log ")
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(stolen))
	if err != nil {
		t.Fatal(err)
	}
	change := func(from, to string) string {
		changed := strings.Replace(string(sealed), from, to, 1)
		if changed == string(sealed) {
			t.Fatalf("there is no %s in %s", from, sealed)
		}
		return changed
	}
	with := func(e audit.Envelope) string {
		text, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	var e audit.Envelope
	if err := json.Unmarshal(sealed, &e); err != nil {
		t.Fatal(err)
	}
	body := base64.StdEncoding.EncodeToString([]byte(`{"a":2}`))
	for name, text := range map[string]string{
		"empty": "", "no JSON": "{", "a list": "[]", "no signature": with(audit.Envelope{PayloadType: someType, Payload: e.Payload}),
		"two signatures":         with(audit.Envelope{PayloadType: someType, Payload: e.Payload, Signatures: append(e.Signatures, e.Signatures...)}),
		"another payload":        change(base64.StdEncoding.EncodeToString(e.Payload), body),
		"another type":           change("in-toto", "other"),
		"a swapped key":          string(forged),
		"a swapped key's id":     strings.Replace(string(forged), other.ID(), key.ID(), 1),
		"a payload twice":        change(`"payload":`, `"payload":"`+body+`","payload":`),
		"other letters":          change(`"payload":`, `"Payload":"`+body+`","payload":`),
		"an unknown key":         change(`{"payloadType"`, `{"x":1,"payloadType"`),
		"something after it":     string(sealed) + "{}",
		"escaped letters":        change(`"payload":`, `"p\u0061yload":`),
		"a signature cut short":  with(audit.Envelope{PayloadType: someType, Payload: e.Payload, Signatures: []audit.Signature{{KeyID: key.ID(), Sig: e.Signatures[0].Sig[:32]}}}),
		"a checkpoint's instead": with(audit.Envelope{PayloadType: someType, Payload: e.Payload, Signatures: []audit.Signature{{KeyID: key.ID(), Sig: raw[4:]}}}),
		"endless":                strings.Repeat(" ", audit.MaxEnvelope) + string(sealed),
	} {
		if got, err := audit.OpenEnvelope([]byte(text), someType, key.Public()); !errors.Is(err, audit.ErrEnvelope) {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
	elsewise, err := key.Seal("application/vnd.other+json", []byte(`{"a":1}`)) // signed by the key, as something else
	if err != nil {
		t.Fatal(err)
	}
	if got, err := audit.OpenEnvelope(elsewise, someType, key.Public()); !errors.Is(err, audit.ErrEnvelope) {
		t.Errorf("a document of another type: %s, %v", got, err)
	}
	pretty := strings.ReplaceAll(string(sealed), ",", ",\n  ") + "\n"
	if _, err := audit.OpenEnvelope([]byte(pretty), someType, key.Public()); err != nil {
		t.Errorf("with blanks between: %v", err)
	}
	if _, err := audit.OpenEnvelope(sealed, someType, "nonsense"); err == nil {
		t.Error("a public key that is none was taken")
	}
	if _, err := key.Seal(someType, make([]byte, audit.MaxEnvelope)); err == nil {
		t.Error("what nobody reads was signed")
	}
}
