package azuredevops

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/webapi"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/workitemtracking"

	"github.com/coderflow/coderflow/internal/forge"
)

// Tags are the labels of work items. They are one text, so a change replaces all of them,
// and is tied to the revision that was read.

// tagAttempts is how often a change is tried while others change the work item.
const tagAttempts = 5

// SetStateLabel implements [forge.Labels].
func (a *Adapter) SetStateLabel(ctx context.Context, ref forge.RepositoryRef, number int, want forge.Label, ours []string) error {
	doing := fmt.Sprintf("tag work item %d", number)
	for attempt := 1; ; attempt++ {
		w, err := a.itemIn(ctx, ref, number)
		if err != nil {
			return err
		}
		operations := tagChange(w, want.Name, ours)
		if operations == nil {
			return nil
		}
		_, err = a.work.UpdateWorkItem(ctx, workitemtracking.UpdateWorkItemArgs{Id: &number, Document: &operations})
		if err == nil {
			return nil
		}
		if s := status(err); attempt == tagAttempts || s != http.StatusConflict && s != http.StatusPreconditionFailed {
			return translate(doing, err)
		}
	}
}

// tagChange is nil where nothing has to change.
func tagChange(w workItem, want string, ours []string) []webapi.JsonPatchOperation {
	has := tags(w.fields[fieldTags])
	keep := slices.DeleteFunc(slices.Clone(has), func(tag string) bool {
		return !strings.EqualFold(tag, want) && slices.ContainsFunc(ours, func(o string) bool { return strings.EqualFold(o, tag) })
	})
	if want != "" && !slices.ContainsFunc(keep, func(tag string) bool { return strings.EqualFold(tag, want) }) {
		keep = append(keep, want)
	}
	if slices.Equal(has, keep) {
		return nil
	}
	// "add" puts tags to those that are there, "replace" puts them in their place.
	test, change := webapi.OperationValues.Test, webapi.OperationValues.Replace
	if len(has) == 0 {
		change = webapi.OperationValues.Add
	}
	rev, path := "/rev", "/fields/"+fieldTags
	return []webapi.JsonPatchOperation{{Op: &test, Path: &rev, Value: w.rev}, {Op: &change, Path: &path, Value: strings.Join(keep, "; ")}}
}

// change is one revision of a work item.
type change struct {
	id     int
	by     person
	honest bool // who changed it is who is named
	at     time.Time
	fields map[string]workitemtracking.WorkItemFieldUpdate
}

// changes reads what happened to a work item, oldest first.
func (a *Adapter) changes(ctx context.Context, w workItem) ([]change, error) {
	of := w.text(fieldProject)
	updates, err := pages(fmt.Sprintf("read the history of work item %d", w.id), func(top, skip int) ([]workitemtracking.WorkItemUpdate, error) {
		found, err := a.work.GetUpdates(ctx, workitemtracking.GetUpdatesArgs{Id: &w.id, Project: &of, Top: &top, Skip: &skip})
		return is(found), err
	})
	if err != nil {
		return nil, err
	}
	return changesOf(updates), nil
}

func changesOf(updates []workitemtracking.WorkItemUpdate) []change {
	all := make([]change, 0, len(updates))
	var last time.Time
	authorized := ""
	for _, u := range updates {
		c := change{id: is(u.Id), by: personOfReference(u.RevisedBy), fields: is(u.Fields)}
		// Whoever may bypass rules can change a work item in another's name. Whom the
		// service knew to do it is told when it is somebody else than before.
		if who := personOfField(c.fields[fieldAuthorized].NewValue).id; who != "" {
			authorized = who
		}
		c.honest = authorized == "" || authorized == c.by.id
		if who := personOfField(c.fields[fieldChangedBy].NewValue).id; who != "" && who != c.by.id {
			c.honest = false
		}
		// revisedDate is when the next revision came, and 9999 in the newest.
		if c.at = timeOf(c.fields[fieldChanged].NewValue); c.at.IsZero() {
			c.at = at(u.RevisedDate)
		}
		if c.at.IsZero() {
			c.at = last
		}
		last = c.at
		all = append(all, c)
	}
	return all
}

func personOfReference(i *workitemtracking.IdentityReference) person {
	if i == nil {
		return person{}
	}
	p := person{descriptor: is(i.Descriptor), unique: is(i.UniqueName), display: is(i.DisplayName), group: is(i.IsContainer)}
	if i.Id != nil {
		p.id = strings.ToLower(i.Id.String())
	}
	return p
}

// author is who made a change; Other if the service let somebody use another's name.
func (a *Adapter) author(ctx context.Context, c change) (forge.User, error) {
	u, err := a.user(ctx, c.by)
	if !c.honest {
		u.Kind = forge.Other
	}
	return u, err
}

// LabelEvents implements [forge.Issues].
func (a *Adapter) LabelEvents(ctx context.Context, ref forge.RepositoryRef, number int) ([]forge.LabelEvent, error) {
	w, err := a.itemIn(ctx, ref, number)
	if err != nil {
		return nil, err
	}
	history, err := a.changes(ctx, w)
	if err != nil {
		return nil, err
	}
	return a.labelEvents(ctx, w, history)
}

func (a *Adapter) labelEvents(ctx context.Context, w workItem, history []change) ([]forge.LabelEvent, error) {
	var events []forge.LabelEvent
	for _, c := range history {
		set, changed := c.fields[fieldTags]
		if !changed {
			continue
		}
		had := tags(set.OldValue)
		var actor forge.User
		for n, tag := range tags(set.NewValue) {
			if slices.ContainsFunc(had, func(t string) bool { return strings.EqualFold(t, tag) }) {
				continue
			}
			if actor.Subject.IsZero() {
				var err error
				if actor, err = a.author(ctx, c); err != nil {
					return nil, err
				}
			}
			events = append(events, forge.LabelEvent{
				ID: fmt.Sprintf("w%d.%d.%d", w.id, c.id, n), IssueNumber: w.id, Label: tag, Actor: actor, CreatedAt: c.at,
			})
		}
	}
	return events, nil
}
