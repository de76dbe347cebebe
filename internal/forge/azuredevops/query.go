package azuredevops

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/workitemtracking"

	"github.com/coderflow/coderflow/internal/forge"
)

// maxFound bounds what one query finds, and perBatch how many of it one answer tells.
const (
	maxFound = 2000
	perBatch = 200
)

// LabeledIssues implements [forge.Issues].
func (a *Adapter) LabeledIssues(ctx context.Context, ref forge.RepositoryRef, label string) ([]forge.Issue, error) {
	if strings.ContainsFunc(label, func(r rune) bool { return r < ' ' }) {
		return nil, fmt.Errorf("list work items tagged %q: not a tag", label)
	}
	found, err := a.find(ctx, ref, "[System.Tags] CONTAINS "+quoted(label))
	if err != nil {
		return nil, err
	}
	of := a.states()
	var issues []forge.Issue
	for _, w := range found {
		issue, err := a.issueOf(ctx, w, of)
		if err != nil {
			return nil, err
		}
		if issue.Open && slices.ContainsFunc(issue.Labels, func(l string) bool { return strings.EqualFold(l, label) }) {
			issues = append(issues, issue)
		}
	}
	return issues, nil
}

// CommentsSince implements [forge.Issues]: of the work items that are about the repository,
// and of our open pull requests.
func (a *Adapter) CommentsSince(ctx context.Context, ref forge.RepositoryRef, since time.Time) ([]forge.Comment, error) {
	found, err := a.find(ctx, ref, "[System.ChangedDate] >= "+quoted(since.UTC().Format("2006-01-02T15:04:05.000Z")))
	if err != nil {
		return nil, err
	}
	var all []forge.Comment
	for _, w := range found {
		comments, err := a.itemComments(ctx, w, since)
		if err != nil {
			return nil, err
		}
		all = append(all, comments...)
	}
	pulls, err := a.ourPulls(ctx, ref)
	if err != nil {
		return nil, err
	}
	for _, number := range pulls {
		comments, err := a.pullComments(ctx, ref, number)
		if err != nil {
			return nil, err
		}
		all = append(all, slices.DeleteFunc(comments, func(c forge.Comment) bool { return c.UpdatedAt.Before(since) })...)
	}
	slices.SortStableFunc(all, func(a, b forge.Comment) int { return a.CreatedAt.Compare(b.CreatedAt) })
	return all, nil
}

func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// find reads the work items that are about the repository and meet the condition, the
// newest first.
// https://learn.microsoft.com/azure/devops/boards/queries/wiql-syntax
func (a *Adapter) find(ctx context.Context, ref forge.RepositoryRef, condition string) ([]workItem, error) {
	if _, err := repositoryID(ref); err != nil {
		return nil, err
	}
	m := a.mapper()
	var all []workItem
	for _, of := range a.projectsAbout(ref) {
		found, err := a.query(ctx, of, condition)
		if err != nil {
			return nil, err
		}
		for _, w := range found {
			about, err := m.repository(ctx, w.text(fieldProject), w.text(fieldArea))
			if err != nil {
				return nil, err
			}
			if about.ID == ref.ID {
				all = append(all, w)
			}
		}
	}
	return all, nil
}

// projectsAbout are the projects whose work items can be about the repository.
func (a *Adapter) projectsAbout(ref forge.RepositoryRef) []string {
	all := []string{ref.Owner}
	for _, r := range a.rules {
		if of, name := r.place(); strings.EqualFold(of, ref.Owner) && strings.EqualFold(name, ref.Name) &&
			!slices.ContainsFunc(all, func(p string) bool { return strings.EqualFold(p, r.Project) }) {
			all = append(all, r.Project)
		}
	}
	return all
}

func (a *Adapter) query(ctx context.Context, of, condition string) ([]workItem, error) {
	if !segment(of) {
		return nil, fmt.Errorf("query work items of %q: %w", of, forge.ErrNotFound)
	}
	doing := "query the work items of " + of
	text := "SELECT [System.Id] FROM WorkItems WHERE [System.TeamProject] = @project AND " + condition + " ORDER BY [System.ChangedDate] DESC"
	precise, most := true, maxFound
	found, err := a.work.QueryByWiql(ctx, workitemtracking.QueryByWiqlArgs{
		Wiql: &workitemtracking.Wiql{Query: &text}, Project: &of, TimePrecision: &precise, Top: &most,
	})
	if err != nil {
		return nil, translate(doing, err)
	}
	var ids []int
	for _, w := range is(found.WorkItems) {
		ids = append(ids, is(w.Id))
	}
	omit := workitemtracking.WorkItemErrorPolicyValues.Omit // what was deleted since
	var all []workItem
	for batch := range slices.Chunk(ids, perBatch) {
		items, err := a.work.GetWorkItemsBatch(ctx, workitemtracking.GetWorkItemsBatchArgs{
			Project: &of, WorkItemGetRequest: &workitemtracking.WorkItemBatchGetRequest{Ids: &batch, ErrorPolicy: &omit},
		})
		if err != nil {
			return nil, translate(doing, err)
		}
		for _, w := range is(items) {
			if one := (workItem{id: is(w.Id), rev: is(w.Rev), fields: is(w.Fields)}); one.id > 0 && one.fields != nil {
				all = append(all, one)
			}
		}
	}
	return all, nil
}
