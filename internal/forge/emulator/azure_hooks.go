package emulator

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// hookEvents are the events that can be subscribed to, with the version of their resource.
var hookEvents = map[string]string{
	"workitem.created": "1.0", "workitem.updated": "1.0", "workitem.commented": "1.0",
	"git.push": "1.0", "git.pullrequest.created": "1.0", "git.pullrequest.updated": "1.0", "git.pullrequest.merged": "1.0",
	"ms.vss-code.git-pullrequest-comment-event": "2.0",
}

// wantedEvents are those that SetWebhookURL subscribes to.
var wantedEvents = []string{"workitem.commented", "workitem.updated", "git.pullrequest.created", "git.pullrequest.updated",
	"git.pullrequest.merged", "ms.vss-code.git-pullrequest-comment-event", "git.push"}

// subscription sends one kind of event of one project to one address.
type subscription struct {
	id              string
	event           string
	resourceVersion string
	publisherInputs map[string]string
	consumerInputs  map[string]string
	status          string // enabled, disabledByUser or disabledBySystem
	creator         *user
	created         time.Time
	modified        time.Time
	sent            []*delivery
	byURL           bool // made by SetWebhookURL
}

// setHookURL makes the subscriptions anew. It needs the lock.
func (f *Forge) setHookURL(url string) {
	f.azure.hookURL = url
	f.azure.subscriptions = slices.DeleteFunc(f.azure.subscriptions, func(s *subscription) bool { return s.byURL })
	f.subscribe()
}

// subscribe makes the subscriptions that SetWebhookURL asked for and that are missing.
func (f *Forge) subscribe() {
	o := f.opts.Azure
	if f.azure.hookURL == "" || o.NoSubscriptions {
		return
	}
	for _, p := range f.projects() {
		for _, event := range wantedEvents {
			if slices.ContainsFunc(f.azure.subscriptions, func(s *subscription) bool {
				return s.byURL && s.event == event && s.publisherInputs["projectId"] == f.projectGUID(p)
			}) {
				continue
			}
			inputs := map[string]string{"url": f.azure.hookURL, "basicAuthUsername": f.azure.hookUser, "basicAuthPassword": f.azure.hookPassword}
			if o.ResourceDetails != "" {
				inputs["resourceDetailsToSend"] = o.ResourceDetails
			}
			f.addSubscription(&subscription{event: event, creator: p, publisherInputs: map[string]string{"projectId": f.projectGUID(p)}, consumerInputs: inputs, byURL: true})
		}
	}
}

func (f *Forge) addSubscription(s *subscription) {
	s.id, s.status, s.created, s.modified = f.guid("subscription", f.newID()), "enabled", f.moment(), f.azure.moment
	s.resourceVersion = firstOf(s.resourceVersion, hookEvents[s.event])
	f.azure.subscriptions = append(f.azure.subscriptions, s)
}

// hookEvent is one thing that happened, before it is put into the form of a subscription.
type hookEvent struct {
	event    string
	project  *user
	repo     *repository
	branch   string
	kind     string // of the work item
	text     string
	detail   string
	resource obj
	minimal  obj
}

// publish sends an event to every subscription that wants it. It needs the lock.
func (f *Forge) publish(e hookEvent) {
	id := newGUID()
	for _, s := range f.azure.subscriptions {
		if s.status == "enabled" && s.event == e.event && s.wants(f, e) {
			f.sendTo(s, e, id)
		}
	}
}

func (s *subscription) wants(f *Forge, e hookEvent) bool {
	in := s.publisherInputs
	repo := ""
	if e.repo != nil {
		repo = f.repoGUID(e.repo)
	}
	return matchesQuery(in["projectId"], f.projectGUID(e.project)) && matchesQuery(in["repository"], repo) &&
		matchesQuery(strings.TrimPrefix(in["branch"], "refs/heads/"), e.branch) && matchesQuery(in["workItemType"], e.kind)
}

// sendTo puts the event into the form that the subscription asks for, and queues it.
func (f *Forge) sendTo(s *subscription, e hookEvent, id string) {
	messages := func(which, text string) any {
		if s.consumerInputs[which] == "none" {
			return nil
		}
		return obj{"text": text, "html": text, "markdown": text}
	}
	base := f.orgURL() + "/"
	notification := len(s.sent) + 1
	payload := obj{"subscriptionId": s.id, "notificationId": notification, "id": id, "eventType": e.event, "publisherId": "tfs",
		"message": messages("messagesToSend", e.text), "detailedMessage": messages("detailedMessagesToSend", firstOf(e.detail, e.text)),
		"resource": e.resource, "resourceVersion": s.resourceVersion, "createdDate": azureDate(f.azure.moment),
		"resourceContainers": obj{"collection": obj{"id": f.organizationGUID(), "baseUrl": base}, "account": obj{"id": f.guid("account", 0), "baseUrl": base},
			"project": obj{"id": f.projectGUID(e.project), "baseUrl": base}}}
	switch strings.ToLower(s.consumerInputs["resourceDetailsToSend"]) {
	case "minimal":
		payload["resource"] = e.minimal
	case "none":
		delete(payload, "resource")
	}
	body, err := json.Marshal(payload)
	if err != nil {
		panic(fmt.Sprintf("emulator: payload of %s: %v", e.event, err)) // only values that JSON knows are put in
	}
	d := &delivery{app: f.apps[0], url: s.consumerInputs["url"], subscription: s, notification: notification,
		Delivery: Delivery{ID: f.newID(), GUID: id, Event: e.event, At: f.now(), Payload: body}}
	d.header = s.header()
	s.sent = append(s.sent, d)
	f.apps[0].deliveries = append(f.apps[0].deliveries, d)
	f.hub.push(d)
}

func (s *subscription) header() http.Header {
	h := http.Header{}
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("User-Agent", "VSServices/19.0.0.0 (w3wp.exe; emulator)")
	h.Set("X-VSS-SubscriptionId", s.id)
	h.Set("X-VSS-ActivityId", newGUID())
	if user := s.consumerInputs["basicAuthUsername"]; user != "" || s.consumerInputs["basicAuthPassword"] != "" {
		h.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(user+":"+s.consumerInputs["basicAuthPassword"])))
	}
	for line := range strings.Lines(s.consumerInputs["httpHeaders"]) {
		if name, value, found := strings.Cut(line, ":"); found {
			h.Set(strings.TrimSpace(name), strings.TrimSpace(value))
		}
	}
	return h
}

// pastDelivery says whether the subscription has been disabled since the delivery was queued: it is not made then.
func (f *Forge) pastDelivery(d *delivery) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if d.subscription == nil || d.subscription.status == "enabled" {
		return false
	}
	d.done, d.Dropped = true, true
	return true
}

// maxRetries is how often the service repeats what failed for a moment.
const maxRetries = 8

// judgeDelivery does as the service does with an answer: 410 disables the subscription; 408, 502, 503 and 504 are
// tried again; anything else is not.
// https://learn.microsoft.com/en-us/azure/devops/service-hooks/troubleshoot
func (f *Forge) judgeDelivery(d *delivery) {
	switch d.Status {
	case http.StatusGone:
		d.subscription.status = "disabledBySystem"
	case http.StatusRequestTimeout, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		if d.retries >= maxRetries || d.subscription.status != "enabled" {
			return
		}
		again := &delivery{Delivery: Delivery{ID: f.newID(), GUID: d.GUID, Event: d.Event, Redelivery: true, At: f.now(), Payload: d.Payload},
			app: d.app, url: d.url, header: d.header, subscription: d.subscription, notification: d.notification, retries: d.retries + 1}
		d.app.deliveries = append(d.app.deliveries, again)
		f.hub.pushLater(again, f.retryAfter(again.retries))
	}
}

func (f *Forge) retryAfter(retry int) time.Duration {
	if wait := f.opts.Azure.RetryAfter; wait != nil {
		return wait(retry)
	}
	return min(time.Second<<(retry-1), time.Minute)
}

// admitAccount gives CoderFlow's account the right to contribute, and no other.
func (f *Forge) admitAccount(repos []string) error {
	for _, name := range repos {
		r := f.repoByName(name)
		if r == nil {
			return fmt.Errorf("emulator: no repository %q", name)
		}
		r.collaborators[f.azure.account.id] = levelNames[levelWrite]
	}
	return nil
}
