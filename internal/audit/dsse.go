package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// Envelope is a signed document, https://github.com/secure-systems-lab/dsse.
// It is signed with the log's own Ed25519 key over the document as [pae] frames it,
// which is never the text of a checkpoint: that begins with the log's name, in which
// there is no blank.
type Envelope struct {
	PayloadType string      `json:"payloadType"`
	Payload     []byte      `json:"payload"`
	Signatures  []Signature `json:"signatures"`
}

// Signature is one signature of an envelope. KeyID is a hint, not a claim.
type Signature struct {
	KeyID string `json:"keyid"`
	Sig   []byte `json:"sig"`
}

// ErrEnvelope is an envelope that cannot be read, or that the key did not sign.
var ErrEnvelope = errors.New("not a document that this key signed")

// MaxEnvelope bounds an envelope, in bytes.
const MaxEnvelope = 16 << 20

// pae is DSSE's "pre-authentication encoding".
func pae(payloadType string, payload []byte) []byte {
	return append(fmt.Appendf(nil, "DSSEv1 %d %s %d ", len(payloadType), payloadType, len(payload)), payload...)
}

// ID names the key, as a signature's hint.
func (k Key) ID() string { return keyID(k.signer) }

func keyID(k interface {
	Name() string
	KeyHash() uint32
}) string {
	return fmt.Sprintf("%s+%08x", k.Name(), k.KeyHash())
}

// Seal signs a document and returns the encoded envelope.
func (k Key) Seal(payloadType string, payload []byte) ([]byte, error) {
	sig, err := k.signer.Sign(pae(payloadType, payload))
	if err != nil {
		return nil, fmt.Errorf("sign a document of %d bytes: %w", len(payload), err)
	}
	sealed, err := json.Marshal(Envelope{PayloadType: payloadType, Payload: payload, Signatures: []Signature{{KeyID: k.ID(), Sig: sig}}})
	if err != nil {
		return nil, fmt.Errorf("encode an envelope: %w", err)
	}
	if len(sealed) > MaxEnvelope {
		return nil, fmt.Errorf("a signed document of %d bytes is longer than %d", len(sealed), MaxEnvelope)
	}
	return sealed, nil
}

// OpenEnvelope returns the document of an envelope with exactly one signature, which
// is the key's. An envelope that another reader could read in another way, with a key
// twice, unknown or in other letters, is refused. It fails with an error that wraps
// ErrEnvelope.
func OpenEnvelope(sealed []byte, payloadType, public string) ([]byte, error) {
	verifier, err := note.NewVerifier(strings.TrimSpace(public))
	if err != nil {
		return nil, fmt.Errorf("the public key %.200q cannot be read: %w", public, err)
	}
	if len(sealed) > MaxEnvelope {
		return nil, fmt.Errorf("%w: it is longer than %d bytes", ErrEnvelope, MaxEnvelope)
	}
	var e Envelope
	if err := json.Unmarshal(sealed, &e); err != nil {
		return nil, fmt.Errorf("%w: it is no JSON of the kind: %w", ErrEnvelope, err)
	}
	if err := exactly(sealed, e); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEnvelope, err)
	}
	switch {
	case e.PayloadType != payloadType:
		return nil, fmt.Errorf("%w: it holds %.200q and not %q", ErrEnvelope, e.PayloadType, payloadType)
	case len(e.Signatures) != 1:
		return nil, fmt.Errorf("%w: it has %d signatures; want one", ErrEnvelope, len(e.Signatures))
	case e.Signatures[0].KeyID != keyID(verifier):
		return nil, fmt.Errorf("%w: it says that it is signed by %.200q, and the key is %s", ErrEnvelope, e.Signatures[0].KeyID, keyID(verifier))
	case !verifier.Verify(pae(e.PayloadType, e.Payload), e.Signatures[0].Sig):
		return nil, fmt.Errorf("%w: its signature is not of %s", ErrEnvelope, keyID(verifier))
	}
	return e.Payload, nil
}

// exactly fails unless the text is, but for blanks between its parts, what our own
// encoder makes of what was read from it. So it has no key twice, none that is
// unknown, none in other letters and nothing after its end.
func exactly(text []byte, read any) error {
	again, err := json.Marshal(read)
	if err != nil {
		return fmt.Errorf("encode it again: %w", err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, text); err != nil {
		return fmt.Errorf("it is no JSON: %w", err)
	}
	if !bytes.Equal(compact.Bytes(), again) {
		return errors.New("it is not written as CoderFlow writes it: a key is there twice, unknown or out of its place")
	}
	return nil
}

// Decode reads a document that our own encoder wrote, and refuses any other, as
// [OpenEnvelope] does.
func Decode(document []byte, into any) error {
	if err := json.Unmarshal(document, into); err != nil {
		return fmt.Errorf("it is no JSON of the kind: %w", err)
	}
	return exactly(document, into)
}
