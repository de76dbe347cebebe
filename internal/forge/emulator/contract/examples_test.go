package contract

import (
	"slices"
	"testing"
)

func TestPublishedExamplesFitPublishedWebhookSchemas(t *testing.T) {
	t.Parallel()
	v := newValidator(t)
	counted := map[string]int{}
	for event, body := range Examples() {
		v.checkDelivery(event, body, Example)
		counted[event]++
	}
	for _, f := range v.Findings() {
		t.Error(f)
	}
	for _, e := range v.allowed.unused(Example) {
		t.Errorf("an exception is not needed: %+v", e)
	}
	events, err := Events()
	if err != nil {
		t.Fatal(err)
	}
	for _, event := range events {
		if counted[event] == 0 && !slices.Contains([]string{"installation_target"}, event) {
			t.Errorf("no example of the event %s", event)
		}
	}
}

func TestExceptionsForExamplesDoNotHelpALiveDelivery(t *testing.T) {
	t.Parallel()
	v := newValidator(t)
	for event, body := range Examples() {
		if event == "push" {
			v.Delivery(event, body)
		}
	}
	if !found(v, Delivery, "/repository/has_discussions", "missing") {
		t.Errorf("a live push without has_discussions passed: %v", v.Findings())
	}
}
