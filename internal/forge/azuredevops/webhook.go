package azuredevops

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
)

// ErrSignature means that a delivery does not prove to come from the forge.
var ErrSignature = errors.New("the delivery's user name and password are missing or wrong")

// Webhook verifies and decodes deliveries of service hooks. The service signs nothing: the
// proof is basic authentication, over TLS.
// https://learn.microsoft.com/azure/devops/service-hooks/services/webhooks
type Webhook struct {
	proofs [][sha256.Size]byte
}

// NewWebhook takes the user name, and the passwords that a delivery may have: one for each
// subscription, and the old and the new one while one is being changed. No password or an
// empty one is refused.
func NewWebhook(username string, passwords ...string) (*Webhook, error) {
	if strings.TrimSpace(username) == "" || strings.ContainsRune(username, ':') {
		return nil, errors.New("azuredevops: the webhook needs a user name without a colon")
	}
	if len(passwords) == 0 {
		return nil, errors.New("azuredevops: no webhook password: deliveries could not be told from forgeries")
	}
	w := &Webhook{}
	for _, password := range passwords {
		if strings.TrimSpace(password) == "" {
			return nil, errors.New("azuredevops: an empty webhook password: deliveries could not be told from forgeries")
		}
		w.proofs = append(w.proofs, sha256.Sum256([]byte(username+":"+password)))
	}
	return w, nil
}

// Verify checks basic authentication, in the same time whichever password is meant. Every
// error is [ErrSignature].
func (w *Webhook) Verify(header http.Header) error {
	values := header.Values("Authorization")
	if len(values) != 1 {
		return fmt.Errorf("%d headers Authorization, want one: %w", len(values), ErrSignature)
	}
	scheme, encoded, found := strings.Cut(values[0], " ")
	claimed, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	if !found || !strings.EqualFold(scheme, "Basic") || err != nil || len(claimed) > 1024 {
		return fmt.Errorf("the header Authorization is not Basic: %w", ErrSignature)
	}
	sum, proven := sha256.Sum256(claimed), 0
	for _, proof := range w.proofs {
		proven |= subtle.ConstantTimeCompare(sum[:], proof[:])
	}
	if proven != 1 {
		return ErrSignature
	}
	return nil
}

// Delivery is what is kept about a delivery beside its body.
type Delivery struct {
	// ID is "azuredevops:" and the event's id, which is the same for a redelivery.
	ID     string
	Event  string // the service's name, "workitem.commented"
	Header map[string]string
}

// idShape and eventShape bound what is stored.
var (
	idShape    = regexp.MustCompile(`^[0-9A-Za-z-]{8,64}$`)
	eventShape = regexp.MustCompile(`^[A-Za-z0-9._-]{1,100}$`)
)

// maxBody bounds a delivery, in bytes.
const maxBody = 8 << 20

// maxHeader bounds one stored header, in bytes.
const maxHeader = 256

// kept are the headers that are stored; never Authorization.
var kept = []string{"Content-Type", "User-Agent", "X-VSS-ActivityId", "X-VSS-SubscriptionId", "Request-Id"}

// DeliveryOf reads what identifies a delivery. Headers that are not on the list are not
// kept: a proxy or a sender may have put credentials there.
func DeliveryOf(header http.Header, body []byte) (Delivery, error) {
	p, err := parsePayload(body)
	if err != nil {
		return Delivery{}, err
	}
	d := Delivery{ID: "azuredevops:" + strings.ToLower(p.ID), Event: p.EventType, Header: map[string]string{}}
	for _, name := range kept {
		if value := clip(header.Get(name)); value != "" {
			d.Header[name] = strings.ToValidUTF8(value[:min(len(value), maxHeader)], "")
		}
	}
	return d, nil
}

// payload is what all events have in common.
// https://learn.microsoft.com/azure/devops/service-hooks/events
type payload struct {
	ID          string          `json:"id"`
	EventType   string          `json:"eventType"`
	Resource    json.RawMessage `json:"resource"`
	CreatedDate string          `json:"createdDate"`
	Containers  struct {
		Project struct {
			ID string `json:"id"`
		} `json:"project"`
	} `json:"resourceContainers"`
}

func parsePayload(body []byte) (payload, error) {
	var p payload
	if len(body) > maxBody {
		return p, fmt.Errorf("a delivery of %d bytes, want at most %d", len(body), maxBody)
	}
	if err := json.Unmarshal([]byte(strings.TrimPrefix(string(body), "\ufeff")), &p); err != nil {
		return p, fmt.Errorf("the delivery is not an event: %w", err)
	}
	if !idShape.MatchString(p.ID) {
		return p, errors.New("the delivery has no id")
	}
	if !eventShape.MatchString(p.EventType) {
		return p, errors.New("the delivery has no event type")
	}
	return p, nil
}
