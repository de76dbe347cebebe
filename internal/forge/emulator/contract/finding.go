package contract

import "fmt"

// Side is who did not keep to the contract.
type Side string

// The sides that a finding can be about.
const (
	Request  Side = "request"  // CoderFlow's adapter, or whoever else called
	Response Side = "response" // the local GitHub's answer
	Delivery Side = "delivery" // the local GitHub's webhook
	Example  Side = "example"  // a published example, which only this package's own test checks
)

// Finding is one departure from what GitHub publishes.
type Finding struct {
	Method    string // "DELIVERY" and "GRAPHQL" for those
	Path      string // as requested; the event of a delivery
	Operation string // GitHub's id of it, such as "pulls/create"; empty if there is none
	Side      Side
	Status    int    // of the answer; 0 for a request or a delivery
	Pointer   string // JSON pointer into the body, empty when the finding is not about a part of it
	Message   string
}

func (f Finding) String() string {
	text := fmt.Sprintf("%s %s (%s) %s", f.Method, f.Path, f.Operation, f.Side)
	if f.Status != 0 {
		text += fmt.Sprintf(" %d", f.Status)
	}
	if f.Pointer != "" {
		text += " at " + f.Pointer
	}
	return text + ": " + f.Message
}
