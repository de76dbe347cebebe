package contract

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Delivery holds the body of a webhook against the schema of its event and action.
func (v *Validator) Delivery(event string, body []byte) {
	v.checkDelivery(event, body, Delivery)
}

func (v *Validator) checkDelivery(event string, body []byte, side Side) {
	about := Finding{Method: "DELIVERY", Path: event, Side: side}
	name, err := v.published.webhookName(event, body)
	if err != nil {
		v.report(about, fault{message: err.Error()})
		return
	}
	about.Operation = name
	schema, err := v.published.webhooks.at("webhooks", name, "post", "requestBody", "content", "application/json", "schema")
	if err != nil {
		v.report(about, fault{message: err.Error()})
		return
	}
	v.report(about, check(schema, body)...)
}

// webhookName is the description's name of a delivery: the event, and the action if the event has actions.
func (p *published) webhookName(event string, body []byte) (string, error) {
	var payload struct{ Action string }
	if err := json.Unmarshal(body, &payload); err != nil {
		return "", fmt.Errorf("the body is no JSON object: %w", err)
	}
	dashed := strings.ReplaceAll(event, "_", "-")
	for _, name := range []string{dashed + "-" + strings.ReplaceAll(payload.Action, "_", "-"), dashed} {
		if object(p.webhooks.doc, "webhooks", name) != nil {
			return name, nil
		}
	}
	return "", fmt.Errorf("unknown event %q with action %q: not among the events in events.txt", event, payload.Action)
}

// Events are the events whose deliveries can be checked.
func Events() ([]string, error) {
	events, err := rows("events.txt")
	if err != nil {
		return nil, err
	}
	slices.Sort(events)
	return events, nil
}
