package github

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
)

// ErrSignature means that a delivery does not prove to come from the forge.
var ErrSignature = errors.New("the delivery's signature is missing or wrong")

// signatureHeader is the only proof that counts; X-Hub-Signature (SHA-1) does not.
// https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries
const signatureHeader = "X-Hub-Signature-256"

// Webhook verifies and decodes deliveries.
type Webhook struct {
	secrets [][]byte
}

// NewWebhook takes the secrets that a delivery may be signed with: one, or the old
// and the new one while it is being changed. No secret or an empty one is refused.
func NewWebhook(secrets ...[]byte) (*Webhook, error) {
	if len(secrets) == 0 {
		return nil, errors.New("github: no webhook secret: deliveries could not be told from forgeries")
	}
	for _, secret := range secrets {
		if len(strings.TrimSpace(string(secret))) == 0 {
			return nil, errors.New("github: an empty webhook secret: deliveries could not be told from forgeries")
		}
	}
	return &Webhook{secrets: secrets}, nil
}

// Verify checks the body's HMAC-SHA256 in constant time. Every error is [ErrSignature].
func (w *Webhook) Verify(header http.Header, body []byte) error {
	values := header.Values(signatureHeader)
	if len(values) != 1 {
		return fmt.Errorf("%d headers %s, want one: %w", len(values), signatureHeader, ErrSignature)
	}
	text, found := strings.CutPrefix(values[0], "sha256=")
	claimed, err := hex.DecodeString(text)
	if !found || err != nil || len(claimed) != sha256.Size {
		return fmt.Errorf("%s is not sha256= and 64 hexadecimal digits: %w", signatureHeader, ErrSignature)
	}
	proven := false
	for _, secret := range w.secrets {
		mac := hmac.New(sha256.New, secret)
		_, _ = mac.Write(body) // a hash does not fail
		if hmac.Equal(claimed, mac.Sum(nil)) {
			proven = true
		}
	}
	if !proven {
		return ErrSignature
	}
	return nil
}

// Delivery is what is kept about a delivery beside its body.
type Delivery struct {
	GUID   string            `json:"guid"`  // the same for a redelivery
	Event  string            `json:"event"` // GitHub's name, "issue_comment"
	Header map[string]string `json:"header"`
}

// guidShape and eventShape bound what is stored of a header.
var (
	guidShape  = regexp.MustCompile(`^[0-9A-Za-z-]{8,64}$`)
	eventShape = regexp.MustCompile(`^[a-z_]{1,64}$`)
)

// maxHeader bounds one stored header, in bytes.
const maxHeader = 256

// DeliveryOf reads the headers of a request. What is not on the list is not kept:
// a proxy or a sender may have put credentials there.
func DeliveryOf(header http.Header) (Delivery, error) {
	d := Delivery{GUID: header.Get("X-GitHub-Delivery"), Event: header.Get("X-GitHub-Event"), Header: map[string]string{}}
	if !guidShape.MatchString(d.GUID) {
		return Delivery{}, errors.New("X-GitHub-Delivery is missing or not an id")
	}
	if !eventShape.MatchString(d.Event) {
		return Delivery{}, errors.New("X-GitHub-Event is missing or not an event's name")
	}
	for _, name := range []string{
		"X-GitHub-Delivery", "X-GitHub-Event", "X-GitHub-Hook-ID", "X-GitHub-Hook-Installation-Target-ID",
		"X-GitHub-Hook-Installation-Target-Type", "X-GitHub-Enterprise-Host", "X-GitHub-Enterprise-Version",
		"Content-Type", "User-Agent",
	} {
		if value := clip(header.Get(name)); value != "" {
			d.Header[name] = strings.ToValidUTF8(value[:min(len(value), maxHeader)], "")
		}
	}
	return d, nil
}
