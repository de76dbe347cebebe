package azuredevops

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/wire"
)

// decoders holds the events that CoderFlow subscribes to. What they make are hints: which
// object something happened to, and nothing else, since a payload may lack the rest and
// tells of a work item neither the repository nor which comment it is about. [Adapter.Complete]
// reads what happened.
var decoders = map[string]func(payload) ([]forge.Event, error){
	"workitem.commented":                        workItemHint(forge.EventCommentCreated),
	"workitem.updated":                          workItemHint(forge.EventIssueLabeled),
	"git.pullrequest.created":                   pullHint,
	"git.pullrequest.updated":                   pullHint,
	"git.pullrequest.merged":                    pullHint,
	"git.push":                                  pushHint,
	"ms.vss-code.git-pullrequest-comment-event": pullCommentHint,
}

// EventTypes are the events that CoderFlow subscribes to, sorted.
func EventTypes() []string { return slices.Sorted(maps.Keys(decoders)) }

// Decode translates a verified delivery. Events that CoderFlow does not act on are no error
// and give no event.
func (w *Webhook) Decode(body []byte) ([]forge.Event, error) {
	p, err := parsePayload(body)
	if err != nil {
		return nil, err
	}
	decode, handled := decoders[p.EventType]
	if !handled {
		return nil, nil
	}
	events, err := decode(p)
	if err != nil {
		return nil, fmt.Errorf("decode a %s delivery: %w", p.EventType, err)
	}
	return events, nil
}

var errIncomplete = errors.New("the payload does not tell what it is about")

// time is when the event was made, by the service's clock; zero if it does not tell.
func (p payload) time() time.Time { return timeOf(p.CreatedDate) }

// number is an id of a work item or a pull request.
type number int

// UnmarshalJSON takes numbers and their text, and zero for anything else.
func (n *number) UnmarshalJSON(raw []byte) error {
	value, err := strconv.Atoi(strings.Trim(string(raw), `"`))
	if err != nil || value < 0 {
		value = 0
	}
	*n = number(value)
	return nil
}

var itemAddress = regexp.MustCompile(`(?i)/_apis/wit/workItems/(\d{1,10})\b`)

// workItemHint finds the work item: an update has a number of its own and names its work
// item beside it.
func workItemHint(kind forge.EventKind) func(payload) ([]forge.Event, error) {
	return func(p payload) ([]forge.Event, error) {
		var r struct {
			ID       number `json:"id"`
			Item     number `json:"workItemId"`
			Revision struct {
				ID number `json:"id"`
			} `json:"revision"`
			URL    string                     `json:"url"`
			Fields map[string]json.RawMessage `json:"fields"`
		}
		if err := json.Unmarshal(p.Resource, &r); err != nil {
			return nil, fmt.Errorf("%w: %w", errIncomplete, err)
		}
		if kind == forge.EventIssueLabeled && len(r.Fields) > 0 && r.Fields[fieldTags] == nil && r.Fields[fieldState] == nil {
			return nil, nil // neither tagged nor closed
		}
		item := r.Item
		if item == 0 {
			item = r.Revision.ID
		}
		if found := itemAddress.FindStringSubmatch(r.URL); item == 0 && found != nil {
			_ = item.UnmarshalJSON([]byte(found[1]))
		}
		if item == 0 && kind == forge.EventCommentCreated {
			item = r.ID
		}
		if item == 0 {
			return nil, errIncomplete
		}
		return []forge.Event{{
			Kind: kind, Repository: forge.RepositoryRef{Host: forge.AzureDevOps}, Issue: &forge.Issue{Number: int(item)}, At: p.time(),
		}}, nil
	}
}

// repository is how payloads name one.
type repositoryHint struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Project struct {
		Name string `json:"name"`
	} `json:"project"`
}

func (r repositoryHint) ref() (forge.RepositoryRef, error) {
	ref := forge.RepositoryRef{Host: forge.AzureDevOps, ID: strings.ToLower(r.ID), Owner: wire.Clip(r.Project.Name, 256), Name: wire.Clip(r.Name, 256)}
	if !guidShape.MatchString(ref.ID) {
		return ref, errIncomplete
	}
	return ref, nil
}

type pullHintOf struct {
	Number     number         `json:"pullRequestId"`
	Repository repositoryHint `json:"repository"`
	URL        string         `json:"url"`
	Source     string         `json:"sourceRefName"`
}

var pullAddress = regexp.MustCompile(`(?i)/_apis/git/repositories/([0-9a-f-]{36})/pullRequests/(\d{1,10})\b`)

// where is the repository and the number, from the address if the payload has no more.
func (h pullHintOf) where(address string) (forge.RepositoryRef, int, error) {
	ref, err := h.Repository.ref()
	if found := pullAddress.FindStringSubmatch(address); found != nil && (err != nil || h.Number == 0) {
		ref.ID = strings.ToLower(found[1])
		_ = h.Number.UnmarshalJSON([]byte(found[2]))
		_, err = repositoryHint{ID: ref.ID}.ref()
	}
	if err == nil && h.Number == 0 {
		err = errIncomplete
	}
	return ref, int(h.Number), err
}

func pullHint(p payload) ([]forge.Event, error) {
	var r pullHintOf
	if err := json.Unmarshal(p.Resource, &r); err != nil {
		return nil, fmt.Errorf("%w: %w", errIncomplete, err)
	}
	ref, n, err := r.where(r.URL)
	if err != nil {
		return nil, err
	}
	if r.Source != "" && !strings.HasPrefix(r.Source, heads+ourBranches) { // no proposal
		return nil, nil
	}
	return []forge.Event{{Kind: forge.EventPullRequestEdited, Repository: ref, PullRequest: &forge.PullRequest{Number: n}, At: p.time()}}, nil
}

func pullCommentHint(p payload) ([]forge.Event, error) {
	var r struct {
		PullRequest pullHintOf `json:"pullRequest"`
		Comment     struct {
			Links struct {
				Self struct {
					Href string `json:"href"`
				} `json:"self"`
			} `json:"_links"`
		} `json:"comment"`
	}
	if err := json.Unmarshal(p.Resource, &r); err != nil {
		return nil, fmt.Errorf("%w: %w", errIncomplete, err)
	}
	ref, n, err := r.PullRequest.where(r.Comment.Links.Self.Href)
	if err != nil {
		return nil, err
	}
	return []forge.Event{{Kind: forge.EventCommentCreated, Repository: ref, PullRequest: &forge.PullRequest{Number: n}, At: p.time()}}, nil
}

// maxRefs bounds how many branches of one push are looked at.
const maxRefs = 50

func pushHint(p payload) ([]forge.Event, error) {
	var r struct {
		Repository repositoryHint `json:"repository"`
		Refs       []struct {
			Name string `json:"name"`
		} `json:"refUpdates"`
	}
	if err := json.Unmarshal(p.Resource, &r); err != nil {
		return nil, fmt.Errorf("%w: %w", errIncomplete, err)
	}
	ref, err := r.Repository.ref()
	if err != nil && len(r.Refs) == 0 { // without details; the pull request's own event tells the same
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var events []forge.Event
	for _, one := range r.Refs {
		branch, found := strings.CutPrefix(one.Name, heads)
		if !found || !strings.HasPrefix(branch, ourBranches) || len(branch) > 256 || len(events) == maxRefs {
			continue
		}
		events = append(events, forge.Event{
			Kind: forge.EventPullRequestPushed, Repository: ref, At: p.time(), PullRequest: &forge.PullRequest{Head: forge.Tip{RepositoryID: ref.ID, Branch: branch}},
		})
	}
	return events, nil
}
