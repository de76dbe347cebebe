package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/present"
)

// triggerEnvironment tells whether a label starts a task in this repository, and
// in which environment; empty means the only one that lists it.
func triggerEnvironment(set *manifest.Set, ref forge.RepositoryRef, label string) (environment string, triggers bool) {
	for _, name := range slices.Sorted(maps.Keys(set.Environments)) {
		env := set.Environments[name]
		if !slices.ContainsFunc(env.Repositories, func(r manifest.Repository) bool { return r.Ref().Key() == ref.Key() }) {
			continue
		}
		if label == manifest.EnvironmentLabel(name) {
			return name, true
		}
		triggers = triggers || label == env.Label
	}
	return "", triggers
}

// triggerLabels are all labels that start a task in the repository.
func triggerLabels(set *manifest.Set, ref forge.RepositoryRef) []string {
	var labels []string
	for _, name := range slices.Sorted(maps.Keys(set.Environments)) {
		for _, label := range []string{set.Environments[name].Label, manifest.EnvironmentLabel(name)} {
			if _, triggers := triggerEnvironment(set, ref, label); triggers && !slices.Contains(labels, label) {
				labels = append(labels, label)
			}
		}
	}
	return labels
}

// handleLabel starts a task for an issue that was labelled. Who did it, and
// which act of labelling it was, is read from the forge: the delivery does not
// identify the act, and the reconciler has no delivery at all.
func (e *Engine) handleLabel(ctx context.Context, event forge.Event) error {
	if event.Issue == nil || event.Issue.IsPullRequest {
		return nil
	}
	set, err := e.Manifests.Manifests(ctx)
	if err != nil {
		return fmt.Errorf("read the manifests: %w", err)
	}
	environment, triggers := triggerEnvironment(set, event.Repository, event.Label)
	if !triggers {
		return nil
	}
	rules := set.Policy(e.Admins...)
	act, found, err := e.lastLabelling(ctx, event)
	if err != nil || !found {
		return err
	}
	event.Actor = act.Actor
	meaning := event.Repository.Key() + "/label:" + act.ID
	return e.once(ctx, meaning, func() (func(Tx) error, error) {
		repository, err := e.Forge.Repository(ctx, event.Repository)
		if err != nil {
			return nil, fmt.Errorf("read the repository: %w", err)
		}
		environment, decision := rules.DecideRun(policy.RunRequest{
			Requester: act.Actor, Repository: repository, Environment: environment,
		})
		if !decision.Allowed {
			return e.refuseLabel(ctx, event, act, decision)
		}
		if err := e.Freezes.Unfrozen(ctx, environment); err != nil {
			return e.frozenLabel(ctx, event, act, err)
		}
		n := newTask{
			trigger: "label:" + act.ID, triggerURL: event.Issue.URL, event: event, at: act.CreatedAt,
			environment: environment, policy: decision.PolicyVersion,
		}
		write, no, err := e.accept(ctx, set.Environments[environment], request{newTask: n, decision: decision}, rules)
		if err != nil {
			return nil, err
		}
		if no != nil {
			return nil, e.answerLabel(ctx, event, act, no.words)
		}
		if err := e.Forge.ReactToIssue(ctx, event.Repository, event.Issue.Number, forge.ReactionEyes); err != nil {
			e.Logger.WarnContext(ctx, "reaction not set", "issue", event.Issue.URL, "error", err)
		}
		return write, nil
	})
}

// lastLabelling is the newest act of setting this label. Acts from before
// CoderFlow first saw the repository are history.
func (e *Engine) lastLabelling(ctx context.Context, event forge.Event) (act forge.LabelEvent, found bool, err error) {
	first, err := e.Store.Cursor(ctx, firstSeenCursor(event.Repository))
	if err != nil {
		return act, false, fmt.Errorf("read when the repository was first seen: %w", err)
	}
	acts, err := e.Forge.LabelEvents(ctx, event.Repository, event.Issue.Number)
	if err != nil {
		return act, false, fmt.Errorf("read who set the label: %w", err)
	}
	for _, a := range acts {
		if a.Label == event.Label && !a.CreatedAt.Before(first) {
			act, found = a, true
		}
	}
	return act, found && !e.beforeRestore(ctx, act.CreatedAt, event.Issue.URL), nil
}

func (e *Engine) refuseLabel(ctx context.Context, event forge.Event, act forge.LabelEvent, d policy.Decision) (func(Tx) error, error) {
	if act.Actor.Kind == forge.Person {
		if err := e.answerLabel(ctx, event, act, present.Refusal(d)); err != nil {
			return nil, err
		}
	}
	return e.refusedRequest(ctx, event, d), nil
}

func (e *Engine) answerLabel(ctx context.Context, event forge.Event, act forge.LabelEvent, words string) error {
	marker := "<!-- coderflow:reply=label-" + act.ID + " -->"
	if _, err := e.Forge.UpsertComment(ctx, event.Repository, event.Issue.Topic(), marker, marker+"\n"+words); err != nil {
		return fmt.Errorf("answer the label: %w", err)
	}
	return nil
}
