package azuredevops

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/workitemtracking"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/wire"
)

// Fields of work items.
// https://learn.microsoft.com/azure/devops/boards/work-items/guidance/work-item-field
const (
	fieldProject     = "System.TeamProject"
	fieldArea        = "System.AreaPath"
	fieldType        = "System.WorkItemType"
	fieldState       = "System.State"
	fieldTags        = "System.Tags"
	fieldTitle       = "System.Title"
	fieldDescription = "System.Description"
	fieldRepro       = "Microsoft.VSTS.TCM.ReproSteps"
	fieldAcceptance  = "Microsoft.VSTS.Common.AcceptanceCriteria"
	fieldCreated     = "System.CreatedDate"
	fieldCreatedBy   = "System.CreatedBy"
	fieldChanged     = "System.ChangedDate"
	fieldChangedBy   = "System.ChangedBy"
	fieldAuthorized  = "System.AuthorizedAs"
)

// workItem is one with its fields.
type workItem struct {
	id, rev int
	fields  map[string]any
}

func (w workItem) text(field string) string {
	text, _ := w.fields[field].(string)
	return text
}

func (w workItem) time(field string) time.Time { return timeOf(w.fields[field]) }

// timeOf reads a time of a field. The service writes the year 9999 for "not yet".
func timeOf(value any) time.Time {
	text, _ := value.(string)
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || t.Year() >= 9999 || t.Year() <= 1 {
		return time.Time{}
	}
	return t.UTC()
}

// personOfField reads an identity of a field: an object, or "Name <mail>" of old ones,
// which names nobody.
func personOfField(value any) person {
	all, _ := value.(map[string]any)
	text := func(name string) string {
		s, _ := all[name].(string)
		return s
	}
	group, _ := all["isContainer"].(bool)
	return person{
		id: strings.ToLower(text("id")), descriptor: text("descriptor"), unique: text("uniqueName"), display: text("displayName"), group: group,
	}
}

// tags are the labels of a work item. Those of ours are lower case, however somebody wrote
// them first: the service holds tags equal that differ in case.
func tags(value any) []string {
	text, _ := value.(string)
	var all []string
	for tag := range strings.SplitSeq(text, ";") {
		tag = strings.TrimSpace(tag)
		if tag == "" {
			continue
		}
		if lower := strings.ToLower(tag); strings.HasPrefix(lower, "coderflow") {
			tag = lower
		}
		all = append(all, tag)
	}
	return all
}

// item reads a work item, whatever project it is of.
func (a *Adapter) item(ctx context.Context, number int) (workItem, error) {
	doing := fmt.Sprintf("read work item %d", number)
	found, err := a.work.GetWorkItem(ctx, workitemtracking.GetWorkItemArgs{Id: &number})
	if err != nil {
		return workItem{}, translate(doing, err)
	}
	w := workItem{id: is(found.Id), rev: is(found.Rev), fields: is(found.Fields)}
	if w.id != number || w.text(fieldProject) == "" {
		return workItem{}, fmt.Errorf("%s: Azure DevOps answered about %d: %w", doing, w.id, forge.ErrNotFound)
	}
	return w, nil
}

// itemIn reads a work item of the repository's project.
func (a *Adapter) itemIn(ctx context.Context, ref forge.RepositoryRef, number int) (workItem, error) {
	of, err := project(ref)
	if err != nil {
		return workItem{}, err
	}
	w, err := a.item(ctx, number)
	if err != nil {
		return workItem{}, err
	}
	if strings.EqualFold(w.text(fieldProject), of) {
		return w, nil
	}
	// The rules can put a work item into a repository of another project.
	about, err := a.mapper().repository(ctx, w.text(fieldProject), w.text(fieldArea))
	if err == nil && (about.ID == "" || about.ID != ref.ID) {
		err = fmt.Errorf("work item %d is of project %s, not of %s: %w", number, w.text(fieldProject), of, forge.ErrNotFound)
	}
	return w, err
}

// states reads the states of a type of work items; closed tells which of them end one.
type states struct {
	a     *Adapter
	known map[[2]string]map[string]bool
}

func (a *Adapter) states() *states { return &states{a: a, known: map[[2]string]map[string]bool{}} }

// closed reports whether a state is of the category Completed or Removed; Resolved is not:
// somebody still has to look at it.
// https://learn.microsoft.com/azure/devops/boards/work-items/workflow-and-state-categories
func (s *states) closed(ctx context.Context, project, kind, state string) (bool, error) {
	key := [2]string{project, kind}
	if s.known[key] == nil {
		found, err := s.a.work.GetWorkItemTypeStates(ctx, workitemtracking.GetWorkItemTypeStatesArgs{Project: &project, Type: &kind})
		if err != nil {
			return false, translate("read the states of "+kind+" in "+project, err)
		}
		closed := map[string]bool{}
		for _, one := range is(found) {
			category := is(one.Category)
			closed[strings.ToLower(is(one.Name))] = category == "Completed" || category == "Removed"
		}
		s.known[key] = closed
	}
	return s.known[key][strings.ToLower(state)], nil
}

// issueOf makes an issue of a work item.
func (a *Adapter) issueOf(ctx context.Context, w workItem, of *states) (forge.Issue, error) {
	author, err := a.user(ctx, personOfField(w.fields[fieldCreatedBy]))
	if err != nil {
		return forge.Issue{}, err
	}
	closed, err := of.closed(ctx, w.text(fieldProject), w.text(fieldType), w.text(fieldState))
	if err != nil {
		return forge.Issue{}, err
	}
	return forge.Issue{
		Number: w.id, Title: wire.Clip(w.text(fieldTitle), 1000), Body: bodyOf(w), Author: author, Labels: tags(w.fields[fieldTags]), Open: !closed,
		URL: a.page(w.text(fieldProject), "_workitems", "edit", strconv.Itoa(w.id)), CreatedAt: w.time(fieldCreated), UpdatedAt: w.time(fieldChanged),
	}, nil
}

// bodyOf is the description; types of work items have other texts beside it or instead.
func bodyOf(w workItem) string {
	body := textOf(w.text(fieldDescription))
	for _, more := range []struct{ field, title string }{{fieldRepro, "Steps to reproduce"}, {fieldAcceptance, "Acceptance criteria"}} {
		text := textOf(w.text(more.field))
		switch {
		case text == "":
		case body == "":
			body = text
		default:
			body += "\n\n## " + more.title + "\n\n" + text
		}
	}
	return body
}

// Issue implements [forge.Issues].
func (a *Adapter) Issue(ctx context.Context, ref forge.RepositoryRef, topic forge.Topic) (forge.Issue, error) {
	if topic.PullRequest {
		return a.pullIssue(ctx, ref, topic.Number)
	}
	w, err := a.itemIn(ctx, ref, topic.Number)
	if err != nil {
		return forge.Issue{}, err
	}
	return a.issueOf(ctx, w, a.states())
}
