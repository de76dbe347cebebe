package azuredevops

import (
	"context"
	"fmt"
	"strings"

	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/core"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/servicehooks"

	"github.com/coderflow/coderflow/internal/forge"
)

// Service hooks: one subscription for each project and event type, each with a password of
// its own if one likes. Making one takes the right to edit subscriptions, which project
// administrators have; setting up can be done with another credential than running.
// https://learn.microsoft.com/azure/devops/service-hooks/create-subscription

const (
	hookPublisher = "tfs"
	hookConsumer  = "webHooks"
	hookAction    = "httpRequest"
	hookPath      = "/webhooks/azuredevops"
)

// resourceVersion is what the payloads of an event type are read in.
func resourceVersion(event string) string {
	if event == "ms.vss-code.git-pullrequest-comment-event" {
		return "2.0"
	}
	return "1.0"
}

// HookState is whether deliveries of one kind come.
type HookState string

// States of a subscription.
const (
	HookWorks     HookState = "works"
	HookMissing   HookState = "missing"
	HookDisabled  HookState = "disabled"  // by the service after failures, or by a person
	HookElsewhere HookState = "elsewhere" // there is none to the address, but one to that of another CoderFlow
)

// Hook is the subscription to one event type of one project.
type Hook struct {
	Project   string // name
	EventType string
	State     HookState
	ID        string // of the subscription, if there is one
	URL       string // where it delivers to
	Detail    string // the service's word for its state
	Changed   bool   // it was made or enabled just now

	projectID string
	found     *servicehooks.Subscription
}

// Wrong is what is wrong with it, to stand behind its name; empty if nothing is.
func (h Hook) Wrong() string {
	switch h.State {
	case HookMissing:
		return "is missing"
	case HookDisabled:
		return "is " + h.Detail
	case HookElsewhere:
		return "delivers to " + clip(h.URL) + " alone"
	}
	return ""
}

// Says is a sentence about the subscription, for people.
func (h Hook) Says() string {
	what := fmt.Sprintf("%s in project %s", h.EventType, h.Project)
	switch h.State {
	case HookMissing:
		return "there is no service hook for " + what + "; run coderflow init azure-devops"
	case HookDisabled:
		return fmt.Sprintf("the service hook for %s is %s; see why in the project's settings under Service hooks, then run coderflow init azure-devops", what, h.Detail)
	case HookElsewhere:
		return fmt.Sprintf("the service hook for %s delivers to %s and none to this server; run coderflow init azure-devops", what, clip(h.URL))
	}
	return "deliveries of " + what + " come"
}

// Hooks looks for the subscriptions of the projects, by name, to the address.
func (a *Adapter) Hooks(ctx context.Context, projects []string, url string) ([]Hook, error) {
	doing := "list the service hooks"
	publisher, consumer := hookPublisher, hookConsumer
	found, err := a.hooks.ListSubscriptions(ctx, servicehooks.ListSubscriptionsArgs{PublisherId: &publisher, ConsumerId: &consumer})
	if err != nil {
		return nil, translate(doing, err)
	}
	var hooks []Hook
	for _, name := range projects {
		if !segment(name) {
			return nil, fmt.Errorf("%s of %q: not the name of a project: %w", doing, name, forge.ErrNotFound)
		}
		project, err := a.core.GetProject(ctx, core.GetProjectArgs{ProjectId: &name})
		if err != nil {
			return nil, translate("read project "+name, err)
		}
		if project.Id == nil {
			return nil, fmt.Errorf("read project %s: Azure DevOps does not tell its id", name)
		}
		for _, event := range EventTypes() {
			hooks = append(hooks, hookOf(is(found), name, project.Id.String(), event, url))
		}
	}
	return hooks, nil
}

func hookOf(all []servicehooks.Subscription, project, id, event, url string) Hook {
	h := Hook{Project: project, EventType: event, State: HookMissing, projectID: id}
	for _, s := range all {
		if is(s.EventType) != event || !strings.EqualFold(is(s.PublisherInputs)["projectId"], id) || s.Id == nil {
			continue
		}
		to := is(s.ConsumerInputs)["url"]
		ours := strings.EqualFold(strings.TrimSuffix(to, "/"), strings.TrimSuffix(url, "/"))
		state := HookElsewhere
		switch status := is(s.Status); {
		case !ours && !strings.HasSuffix(strings.TrimSuffix(to, "/"), hookPath):
			continue // somebody else's
		case ours && (status == servicehooks.SubscriptionStatusValues.Enabled || status == servicehooks.SubscriptionStatusValues.OnProbation):
			state = HookWorks
		case ours:
			state = HookDisabled
		}
		if h.State == HookMissing || h.State == HookElsewhere && ours || state == HookWorks {
			h.State, h.ID, h.URL, h.Detail, h.found = state, s.Id.String(), to, string(is(s.Status)), &s
		}
	}
	return h
}

// EnsureSubscriptions makes the subscriptions of the projects that are missing, and enables
// those that are not. A subscription is found again by address, event type and project, so
// repeating it changes nothing. password is asked for each that is made or enabled.
func (a *Adapter) EnsureSubscriptions(ctx context.Context, projects []string, url, username string, password func(project, event string) (forge.Secret, error)) ([]Hook, error) {
	if !strings.HasPrefix(url, "https://") && !strings.HasPrefix(a.organization, "http://") {
		return nil, fmt.Errorf("make service hooks: %s is not https: the password would travel in the clear", url)
	}
	hooks, err := a.Hooks(ctx, projects, url)
	if err != nil {
		return nil, err
	}
	for i := range hooks {
		if hooks[i].State == HookWorks {
			continue
		}
		if err := a.makeHook(ctx, &hooks[i], url, username, password); err != nil {
			return hooks, err
		}
	}
	return hooks, nil
}

func (a *Adapter) makeHook(ctx context.Context, h *Hook, url, username string, password func(project, event string) (forge.Secret, error)) error {
	doing := fmt.Sprintf("make a service hook for %s in %s", h.EventType, h.Project)
	secret, err := password(h.Project, h.EventType)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	if strings.TrimSpace(secret.Reveal()) == "" {
		return fmt.Errorf("%s: an empty password", doing)
	}
	publisher, consumer, action, version, status := hookPublisher, hookConsumer, hookAction, resourceVersion(h.EventType), servicehooks.SubscriptionStatusValues.Enabled
	want := servicehooks.Subscription{
		PublisherId: &publisher, EventType: &h.EventType, ResourceVersion: &version, ConsumerId: &consumer, ConsumerActionId: &action, Status: &status,
		PublisherInputs: &map[string]string{"projectId": h.projectID},
		ConsumerInputs: &map[string]string{
			"url": url, "basicAuthUsername": username, "basicAuthPassword": secret.Reveal(),
			// All of the resource is the form that is documented; only its ids are kept.
			"resourceDetailsToSend": "all", "messagesToSend": "none", "detailedMessagesToSend": "none",
		},
	}
	var made *servicehooks.Subscription
	if h.State == HookDisabled {
		want.Id = h.found.Id
		made, err = a.hooks.ReplaceSubscription(ctx, servicehooks.ReplaceSubscriptionArgs{Subscription: &want, SubscriptionId: want.Id})
	} else {
		made, err = a.hooks.CreateSubscription(ctx, servicehooks.CreateSubscriptionArgs{Subscription: &want})
	}
	if err != nil {
		return translate(doing, err)
	}
	if made.Id == nil {
		return fmt.Errorf("%s: Azure DevOps did not confirm it", doing)
	}
	h.State, h.ID, h.URL, h.Detail, h.Changed = HookWorks, made.Id.String(), url, string(is(made.Status)), true
	return nil
}
