// Package wire is what the gateway knows of the model interfaces: which calls
// there are, how their errors look, where their credentials go, and how much of
// the model an answer says it used.
package wire

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// Protocol is the interface of a provider.
type Protocol string

// The interfaces. OpenAI stands for Responses and Chat Completions alike.
const (
	Anthropic Protocol = "anthropic" // https://docs.anthropic.com/en/api/messages
	OpenAI    Protocol = "openai"    // https://platform.openai.com/docs/api-reference
	Gemini    Protocol = "gemini"    // https://ai.google.dev/api/generate-content
)

// Valid says that the protocol is known.
func (p Protocol) Valid() bool { return p == Anthropic || p == OpenAI || p == Gemini }

// Refusal is why a request does not go on. Its message is for the agent and names
// what would be allowed; Reason is a short fixed word for logs and counters.
type Refusal struct {
	Status  int
	Reason  string
	Message string
}

func (r *Refusal) Error() string { return r.Message }

// Forbidden is a refusal by policy.
func Forbidden(reason, format string, values ...any) *Refusal {
	return &Refusal{Status: http.StatusForbidden, Reason: reason, Message: fmt.Sprintf(format, values...)}
}

// Malformed is a refusal of what cannot be understood for certain.
func Malformed(reason, format string, values ...any) *Refusal {
	return &Refusal{Status: http.StatusBadRequest, Reason: reason, Message: fmt.Sprintf(format, values...)}
}

// anthropicKinds and geminiKinds name a status as the providers do.
var (
	anthropicKinds = map[int]string{400: "invalid_request_error", 403: "permission_error", 404: "not_found_error", 413: "request_too_large",
		502: "api_error", 503: "overloaded_error"}
	geminiKinds = map[int]string{400: "INVALID_ARGUMENT", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 413: "INVALID_ARGUMENT", 503: "UNAVAILABLE"}
)

// Body is the refusal as the protocol's own error, so that agents show its message.
func (r *Refusal) Body(p Protocol) []byte {
	message := "CoderFlow's gateway: " + r.Message
	var value any
	switch p {
	case Anthropic:
		value = map[string]any{"type": "error", "error": map[string]any{"type": or(anthropicKinds[r.Status], "invalid_request_error"), "message": message}}
	case Gemini:
		value = map[string]any{"error": map[string]any{"code": r.Status, "message": message, "status": or(geminiKinds[r.Status], "INTERNAL")}}
	default:
		value = map[string]any{"error": map[string]any{"message": message, "type": "invalid_request_error", "param": nil, "code": "coderflow_" + r.Reason}}
	}
	text, err := json.Marshal(value)
	if err != nil { // cannot be: strings and numbers only
		return []byte(`{"error":{"message":"refused"}}`)
	}
	return text
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// Authorize puts the provider's key where the protocol wants it.
func (p Protocol) Authorize(h http.Header, key string) {
	switch p {
	case Anthropic:
		h.Set("X-Api-Key", key)
	case Gemini:
		h.Set("X-Goog-Api-Key", key)
	default:
		h.Set("Authorization", "Bearer "+key)
	}
}
