package emulator

import (
	"net/http"
	"slices"
	"strings"
)

// Inputs that a subscription can have here.
var (
	publisherInputs = []string{"projectId", "repository", "branch", "workItemType", "areaPath", "tfsSubscriptionId"}
	consumerInputs  = []string{"url", "basicAuthUsername", "basicAuthPassword", "httpHeaders", "resourceDetailsToSend",
		"messagesToSend", "detailedMessagesToSend", "acceptUntrustedCerts"}
	detailLevels = []string{"", "all", "minimal", "none"}
)

type subscriptionInput struct {
	ID              string            `json:"id"`
	PublisherID     string            `json:"publisherId"`
	EventType       string            `json:"eventType"`
	ResourceVersion string            `json:"resourceVersion"`
	ConsumerID      string            `json:"consumerId"`
	Action          string            `json:"consumerActionId"`
	Status          string            `json:"status"`
	PublisherInputs map[string]string `json:"publisherInputs"`
	ConsumerInputs  map[string]string `json:"consumerInputs"`
}

// subscriptionJSON never shows a password.
func (f *Forge) subscriptionJSON(s *subscription) obj {
	inputs := obj{}
	for name, value := range s.consumerInputs {
		inputs[name] = value
		if name == "basicAuthPassword" {
			inputs[name] = "********"
		}
	}
	return obj{"id": s.id, "url": f.orgURL() + "/_apis/hooks/subscriptions/" + s.id, "status": s.status, "publisherId": "tfs", "eventType": s.event,
		"resourceVersion": s.resourceVersion, "eventDescription": "", "consumerId": "webHooks", "consumerActionId": "httpRequest", "actionDescription": "",
		"createdBy": f.identityRef(s.creator), "createdDate": azureDate(s.created), "modifiedBy": f.identityRef(s.creator), "modifiedDate": azureDate(s.modified),
		"publisherInputs": s.publisherInputs, "consumerInputs": inputs}
}

// readSubscription checks what is asked for; subscribing takes an administrator of the project.
func (c *azureCall) readSubscription() (subscriptionInput, error) {
	var in subscriptionInput
	if err := c.decode(&in); err != nil {
		return in, err
	}
	if in.PublisherID != "tfs" || in.ConsumerID != "webHooks" || in.Action != "httpRequest" || hookEvents[in.EventType] == "" {
		return in, c.unknown("subscription of " + in.PublisherID + " " + in.EventType + " by " + in.ConsumerID + " " + in.Action)
	}
	for name, value := range in.PublisherInputs {
		if value != "" && (!slices.Contains(publisherInputs, name) || name == "areaPath") {
			return in, c.unknown("publisher input " + name)
		}
	}
	for name := range in.ConsumerInputs {
		if !slices.Contains(consumerInputs, name) {
			return in, c.unknown("consumer input " + name)
		}
	}
	if !slices.Contains(detailLevels, strings.ToLower(in.ConsumerInputs["resourceDetailsToSend"])) {
		return in, badArgument("The value of resourceDetailsToSend is not valid.")
	}
	if url := in.ConsumerInputs["url"]; !strings.HasPrefix(url, "http://") && !strings.HasPrefix(url, "https://") {
		return in, badArgument("The consumer input url is not valid.")
	}
	if v := in.ResourceVersion; v != "" && v != hookEvents[in.EventType] {
		return in, c.unknown("resource version " + v)
	}
	p := c.f.projectByName(in.PublisherInputs["projectId"])
	if p == nil {
		return in, badArgument("The publisher input projectId is not valid.")
	}
	if !c.f.memberOf(c.who.user, p, levelAdmin) {
		return in, azureFailure(http.StatusForbidden, "AccessCheckException",
			"Access denied: %s needs the following permissions on the resource /Service Hooks/%s to perform this action: Edit Subscription", c.who.user.displayName(), p.login)
	}
	return in, nil
}

func (c *azureCall) createSubscription() (response, error) {
	in, err := c.readSubscription()
	if err != nil {
		return response{}, err
	}
	s := &subscription{event: in.EventType, resourceVersion: in.ResourceVersion, publisherInputs: in.PublisherInputs, consumerInputs: in.ConsumerInputs, creator: c.who.user}
	c.f.addSubscription(s)
	return ok(c.f.subscriptionJSON(s))
}

// visible says whether the caller may see a subscription: as the members of its project may.
func (c *azureCall) visible(s *subscription) bool {
	return c.f.memberOf(c.who.user, c.f.projectByName(s.publisherInputs["projectId"]), levelRead)
}

func (c *azureCall) wantedSubscription() (*subscription, error) {
	for _, s := range c.f.azure.subscriptions {
		if strings.EqualFold(s.id, c.vars["subscriptionId"]) && c.visible(s) {
			return s, nil
		}
	}
	return nil, azureFailure(http.StatusNotFound, "SubscriptionNotFoundException", "The subscription with id %s could not be found.", c.vars["subscriptionId"])
}

func (c *azureCall) getSubscription() (response, error) {
	s, err := c.wantedSubscription()
	if err != nil {
		return response{}, err
	}
	return ok(c.f.subscriptionJSON(s))
}

// replaceSubscription changes inputs, or enables what was disabled.
func (c *azureCall) replaceSubscription() (response, error) {
	s, err := c.wantedSubscription()
	if err != nil {
		return response{}, err
	}
	in, err := c.readSubscription()
	if err != nil {
		return response{}, err
	}
	if in.ConsumerInputs["basicAuthPassword"] == "********" {
		in.ConsumerInputs["basicAuthPassword"] = s.consumerInputs["basicAuthPassword"]
	}
	s.event, s.publisherInputs, s.consumerInputs, s.modified = in.EventType, in.PublisherInputs, in.ConsumerInputs, c.f.moment()
	if in.Status != "" {
		s.status = in.Status
	}
	return ok(c.f.subscriptionJSON(s))
}

func (c *azureCall) deleteSubscription() (response, error) {
	s, err := c.wantedSubscription()
	if err != nil {
		return response{}, err
	}
	if !c.f.memberOf(c.who.user, c.f.projectByName(s.publisherInputs["projectId"]), levelAdmin) {
		return response{}, azureFailure(http.StatusForbidden, "AccessCheckException", "Access denied: Delete Subscription")
	}
	c.f.azure.subscriptions = slices.DeleteFunc(c.f.azure.subscriptions, func(x *subscription) bool { return x == s })
	return noContent()
}

func (c *azureCall) subscriptions(wanted func(*subscription) bool) []obj {
	out := []obj{}
	for _, s := range c.f.azure.subscriptions {
		if c.visible(s) && wanted(s) {
			out = append(out, c.f.subscriptionJSON(s))
		}
	}
	return out
}

func (c *azureCall) listSubscriptions() (response, error) {
	return listed(c.subscriptions(func(s *subscription) bool {
		return matchesQuery(c.param("eventType"), s.event) && matchesQuery(c.param("publisherId"), "tfs") &&
			matchesQuery(c.param("consumerId"), "webHooks") && matchesQuery(c.param("consumerActionId"), "httpRequest")
	}))
}

type hookCondition struct {
	Conditions []struct {
		Input    string `json:"inputId"`
		Operator string `json:"operator"`
		Value    string `json:"inputValue"`
		Strict   bool   `json:"caseSensitive"`
	} `json:"conditions"`
}

func (c *azureCall) querySubscriptions() (response, error) {
	var in struct {
		PublisherID string          `json:"publisherId"`
		EventType   string          `json:"eventType"`
		ConsumerID  string          `json:"consumerId"`
		Action      string          `json:"consumerActionId"`
		Publisher   []hookCondition `json:"publisherInputFilters"`
		Consumer    []hookCondition `json:"consumerInputFilters"`
	}
	if err := c.decode(&in); err != nil {
		return response{}, err
	}
	found := c.subscriptions(func(s *subscription) bool {
		return matchesQuery(in.EventType, s.event) && matchesQuery(in.PublisherID, "tfs") && matchesQuery(in.ConsumerID, "webHooks") &&
			matchesConditions(in.Publisher, s.publisherInputs) && matchesConditions(in.Consumer, s.consumerInputs)
	})
	return ok(obj{"publisherId": orNull(in.PublisherID), "eventType": orNull(in.EventType), "consumerId": orNull(in.ConsumerID), "results": found})
}

func matchesConditions(filters []hookCondition, inputs map[string]string) bool {
	for _, filter := range filters {
		for _, condition := range filter.Conditions {
			if strings.EqualFold(inputs[condition.Input], condition.Value) == strings.EqualFold(condition.Operator, "notEquals") {
				return false
			}
		}
	}
	return true
}

func (f *Forge) publisherJSON() obj {
	return obj{"id": "tfs", "name": "Azure DevOps Services", "description": "Azure DevOps events", "url": f.orgURL() + "/_apis/hooks/publishers/tfs",
		"supportedEvents": f.eventTypesJSON(), "inputDescriptors": []obj{}}
}

func (f *Forge) eventTypesJSON() []obj {
	out := []obj{}
	for _, id := range sortedKeys(hookEvents) {
		out = append(out, obj{"publisherId": "tfs", "id": id, "name": id, "supportedResourceVersions": []string{hookEvents[id]},
			"url": f.orgURL() + "/_apis/hooks/publishers/tfs/eventTypes/" + id, "inputDescriptors": []obj{}})
	}
	return out
}

func (f *Forge) consumerJSON() obj {
	self := f.orgURL() + "/_apis/hooks/consumers/webHooks"
	return obj{"id": "webHooks", "name": "Web Hooks", "description": "Provides event communication via HTTP", "url": self, "authenticationType": "none", "inputDescriptors": []obj{},
		"actions": []obj{{"consumerId": "webHooks", "id": "httpRequest", "name": "Post via HTTP", "url": self + "/actions/httpRequest",
			"supportedEventTypes": []string{"*"}, "inputDescriptors": []obj{}}}}
}

func (c *azureCall) listPublishers() (response, error) { return listed([]obj{c.f.publisherJSON()}) }
func (c *azureCall) listEventTypes() (response, error) { return listed(c.f.eventTypesJSON()) }
func (c *azureCall) listConsumers() (response, error)  { return listed([]obj{c.f.consumerJSON()}) }

func (c *azureCall) getPublisher() (response, error) {
	if c.vars["publisherId"] != "tfs" {
		return response{}, c.unknown("publisher " + c.vars["publisherId"])
	}
	return ok(c.f.publisherJSON())
}

func (c *azureCall) getConsumer() (response, error) {
	if !strings.EqualFold(c.vars["consumerId"], "webHooks") {
		return response{}, c.unknown("consumer " + c.vars["consumerId"])
	}
	return ok(c.f.consumerJSON())
}
