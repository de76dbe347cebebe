package github

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
)

// markReady exists in GraphQL only.
// https://docs.github.com/graphql/reference/mutations#markpullrequestreadyforreview
const markReady = `mutation($id: ID!) {
  markPullRequestReadyForReview(input: {pullRequestId: $id}) { pullRequest { id isDraft } }
}`

// MarkReady implements [forge.PullRequests]. The pull request is read first, so a
// repetition after a lost answer does nothing.
func (a *Adapter) MarkReady(ctx context.Context, ref forge.RepositoryRef, pr forge.PullRequest) error {
	doing := fmt.Sprintf("mark %s#%d ready for review", ref.FullName(), pr.Number)
	now, err := a.PullRequest(ctx, ref, pr.Number)
	if err != nil {
		return err
	}
	if pr.NodeID != "" && pr.NodeID != now.NodeID {
		return fmt.Errorf("%s: it is not the pull request with the node id %q: %w", doing, pr.NodeID, forge.ErrNotFound)
	}
	if !now.Draft {
		return nil
	}
	var answer struct {
		Mark struct {
			PullRequest struct {
				ID      string `json:"id"`
				IsDraft *bool  `json:"isDraft"`
			} `json:"pullRequest"`
		} `json:"markPullRequestReadyForReview"`
	}
	if err := a.mutate(ctx, ref, opMarkReady, markReady, map[string]any{"id": now.NodeID}, &answer); err != nil {
		return translate(doing, err)
	}
	marked := answer.Mark.PullRequest
	if marked.ID != now.NodeID || marked.IsDraft == nil || *marked.IsDraft {
		return fmt.Errorf("%s: GitHub did not confirm it", doing)
	}
	return nil
}

// Complete implements [forge.Events]: GitHub's deliveries tell all.
func (a *Adapter) Complete(_ context.Context, event forge.Event) ([]forge.Event, error) {
	return []forge.Event{event}, nil
}

// Traits implements [forge.Forge].
func (a *Adapter) Traits(string) forge.Traits { return forge.Traits{} }

// HoldReviews implements [forge.PullRequests]: GitHub's drafts take reviews.
func (a *Adapter) HoldReviews(context.Context, forge.RepositoryRef, forge.PullRequest) error {
	return nil
}

// graphQLError is one member of "errors" in a GraphQL answer.
type graphQLError struct {
	Type    string `json:"type"`
	Message string `json:"message"`
}

func (a *Adapter) mutate(ctx context.Context, ref forge.RepositoryRef, op operation,
	query string, variables map[string]any, data any) error {
	id, err := repositoryID(ref)
	if err != nil {
		return err
	}
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.graphql.String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	res, err := a.httpClient(&call{adapter: a, ref: ref, id: id, op: op}).Do(req)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return graphQLStatus(res)
	}
	defer func() { _ = res.Body.Close() }()
	answer := struct {
		Data   any            `json:"data"`
		Errors []graphQLError `json:"errors"`
	}{Data: data}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return fmt.Errorf("read GraphQL's answer: %w", err)
	}
	return graphQLErrors(string(op), answer.Errors, waitOf(res.Header, a.clock()))
}

func graphQLStatus(res *http.Response) error {
	status, words := res.StatusCode, bodyWords(res)
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("%w (GitHub: %s)", forge.ErrForbidden, words)
	case http.StatusNotFound:
		return fmt.Errorf("%w (GitHub: %s)", forge.ErrNotFound, words)
	default:
		return fmt.Errorf("GitHub answered %d: %s", status, words)
	}
}

// graphQLErrors maps the types GitHub uses; they come with status 200. The wait is
// for a limit among them.
func graphQLErrors(operation string, found []graphQLError, wait time.Duration) error {
	var all []error
	for _, e := range found {
		words := clip(e.Message)
		switch e.Type {
		case "NOT_FOUND":
			all = append(all, fmt.Errorf("%w (GitHub: %s)", forge.ErrNotFound, words))
		case "FORBIDDEN", "INSUFFICIENT_SCOPES":
			all = append(all, fmt.Errorf("%w (GitHub: %s)", forge.ErrForbidden, words))
		case "RATE_LIMITED", "RATE_LIMIT":
			all = append(all, &forge.RateLimitError{RetryAfter: wait, Cause: errors.New(words)})
		default:
			all = append(all, &forge.RefusedError{Operation: operation, Words: words})
		}
	}
	return errors.Join(all...)
}
