package github

import (
	"context"
	"errors"
	"fmt"
	"slices"

	gh "github.com/google/go-github/v62/github"

	"github.com/coderflow/coderflow/internal/forge"
)

// SetStateLabel implements [forge.Labels]. GitHub gives a label that is missing a
// colour of its own when it is set, so it is made first.
func (a *Adapter) SetStateLabel(ctx context.Context, ref forge.RepositoryRef, number int, want forge.Label, ours []string) error {
	client, err := a.reader(ctx, ref, opSetLabel)
	if err != nil {
		return err
	}
	doing := fmt.Sprintf("label %s#%d", ref.FullName(), number)
	issue, _, err := client.Issues.Get(ctx, ref.Owner, ref.Name, number)
	if err != nil {
		return translate(doing, err)
	}
	if issue.GetNumber() != number { // transferred
		return fmt.Errorf("%s: it moved to %s: %w", doing, issue.GetHTMLURL(), forge.ErrNotFound)
	}
	has := issueOf(issue).Labels
	if want.Name != "" && !slices.Contains(has, want.Name) {
		if err := addLabel(ctx, client, ref, doing, number, want); err != nil {
			return err
		}
	}
	for _, name := range has {
		if name == want.Name || !slices.Contains(ours, name) {
			continue
		}
		_, err := client.Issues.RemoveLabelForIssue(ctx, ref.Owner, ref.Name, number, name)
		if err := translate(doing, err); err != nil && !errors.Is(err, forge.ErrNotFound) { // somebody was faster
			return err
		}
	}
	return nil
}

func addLabel(ctx context.Context, client *gh.Client, ref forge.RepositoryRef, doing string, number int, want forge.Label) error {
	_, _, err := client.Issues.GetLabel(ctx, ref.Owner, ref.Name, want.Name)
	if err := translate(doing, err); errors.Is(err, forge.ErrNotFound) {
		made := &gh.Label{Name: &want.Name, Color: &want.Color, Description: &want.Description}
		_, _, err := client.Issues.CreateLabel(ctx, ref.Owner, ref.Name, made)
		refused := (*forge.RefusedError)(nil) // somebody made it meanwhile
		if err := translate(doing, err); err != nil && !errors.As(err, &refused) {
			return err
		}
	} else if err != nil {
		return err
	}
	_, _, err = client.Issues.AddLabelsToIssue(ctx, ref.Owner, ref.Name, number, []string{want.Name})
	return translate(doing, err)
}
