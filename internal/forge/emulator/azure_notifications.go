package emulator

import (
	"net/http"
	"slices"
	"time"
)

// notificationJSON is one delivery in the history of a subscription; its attempts are one entry.
func (f *Forge) notificationJSON(d *delivery) obj {
	status, result := "queued", "pending"
	if d.done {
		status, result = "completed", "failed"
		if d.Status >= 200 && d.Status < 300 {
			result = "succeeded"
		}
	}
	return obj{"id": d.notification, "subscriptionId": d.subscription.id, "eventId": d.GUID, "status": status, "result": result,
		"createdDate": azureDate(d.At), "modifiedDate": azureDate(d.At.Add(d.Duration.Truncate(time.Millisecond))),
		"details": obj{"eventType": d.Event, "publisherId": "tfs", "consumerId": "webHooks", "consumerActionId": "httpRequest", "errorMessage": orNull(d.Error),
			"response": http.StatusText(d.Status), "requestAttempts": d.retries + 1}}
}

func (c *azureCall) listNotifications() (response, error) {
	s, err := c.wantedSubscription()
	if err != nil {
		return response{}, err
	}
	out := []obj{}
	for _, d := range slices.Backward(s.sent) {
		out = append(out, c.f.notificationJSON(d))
	}
	return listed(out[:min(len(out), positive(c.param("maxResults"), 100))])
}

func (c *azureCall) getNotification() (response, error) {
	s, err := c.wantedSubscription()
	if err != nil {
		return response{}, err
	}
	if n := c.num("notificationId"); n > 0 && n <= len(s.sent) {
		return ok(c.f.notificationJSON(s.sent[n-1]))
	}
	return response{}, azureFailure(http.StatusNotFound, "NotificationNotFoundException", "The notification %s could not be found.", c.vars["notificationId"])
}

// testNotification sends a made-up event with the inputs given, which need not be a subscription's.
func (c *azureCall) testNotification() (response, error) {
	var in struct {
		Subscription string            `json:"subscriptionId"`
		Details      subscriptionInput `json:"details"`
	}
	if err := c.decode(&in); err != nil {
		return response{}, err
	}
	if c.param("useRealData") == "true" {
		return response{}, c.unknown("query useRealData")
	}
	d := in.Details
	p := c.f.projectByName(d.PublisherInputs["projectId"])
	if hookEvents[d.EventType] == "" || p == nil || !c.f.memberOf(c.who.user, p, levelAdmin) {
		return response{}, badArgument("The test notification is not valid.")
	}
	s := &subscription{id: "00000000-0000-0000-0000-000000000000", event: d.EventType, resourceVersion: hookEvents[d.EventType], publisherInputs: d.PublisherInputs,
		consumerInputs: d.ConsumerInputs, status: "enabled", creator: c.who.user}
	c.f.sendTo(s, hookEvent{event: d.EventType, project: p, text: "This is a test.", resource: obj{"id": 1, "url": c.f.orgURL()}, minimal: obj{"id": 1}}, newGUID())
	return ok(c.f.notificationJSON(s.sent[0]))
}
