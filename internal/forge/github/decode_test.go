package github_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator/contract"
	"github.com/coderflow/coderflow/internal/forge/github"
)

func webhook(t testing.TB) *github.Webhook {
	t.Helper()
	hook, err := github.NewWebhook([]byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	return hook
}

// kindOf is what a published example should become, by event and action.
var kindOf = map[string]forge.EventKind{
	"issue_comment created":         forge.EventCommentCreated,
	"issues labeled":                forge.EventIssueLabeled,
	"issues closed":                 forge.EventIssueClosed,
	"pull_request synchronize":      forge.EventPullRequestPushed,
	"pull_request closed":           forge.EventPullRequestClosed,
	"pull_request edited":           forge.EventPullRequestEdited,
	"pull_request_review submitted": forge.EventReviewSubmitted,
	"pull_request_review dismissed": forge.EventReviewDismissed,
}

func TestEveryPublishedExampleDecodes(t *testing.T) {
	t.Parallel()
	hook, seen := webhook(t), map[forge.EventKind]int{}
	for event, payload := range contract.Examples() {
		var shown struct {
			Action string `json:"action"`
		}
		if err := json.Unmarshal(payload, &shown); err != nil {
			t.Fatal(err)
		}
		name := event + " " + shown.Action
		events, err := hook.Decode(event, payload)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := kindOf[name]
		if want == "" {
			if len(events) != 0 {
				t.Errorf("%s: got %d events, want none", name, len(events))
			}
			continue
		}
		if len(events) != 1 || events[0].Kind != want {
			t.Errorf("%s: got %+v, want one %s", name, events, want)
			continue
		}
		seen[want]++
		checkExample(t, name, events[0])
	}
	unpublished := []forge.EventKind{forge.EventPullRequestEdited, forge.EventIssueClosed}
	for name, kind := range kindOf {
		if seen[kind] == 0 && !slices.Contains(unpublished, kind) {
			t.Errorf("no published example of %s", name)
		}
	}
}

// checkExample holds what every example of GitHub says in one way or another.
func checkExample(t *testing.T, name string, e forge.Event) {
	t.Helper()
	if e.Repository.Host != forge.GitHub || e.Repository.ID == "" || e.Repository.Owner == "" || e.Repository.Name == "" {
		t.Errorf("%s: repository %+v", name, e.Repository)
	}
	if _, err := forge.ParseSubject(e.Actor.Subject.String()); err != nil || e.Actor.Login == "" {
		t.Errorf("%s: actor %+v: %v", name, e.Actor, err)
	}
	if e.At.IsZero() || e.At.Location() == nil {
		t.Errorf("%s: no time", name)
	}
	switch e.Kind {
	case forge.EventCommentCreated:
		if e.Issue == nil || e.Comment == nil || e.Comment.Topic != e.Issue.Topic() || e.Comment.Body == "" {
			t.Errorf("%s: issue %+v, comment %+v", name, e.Issue, e.Comment)
		}
	case forge.EventIssueLabeled:
		if e.Issue == nil || e.Label == "" || e.Issue.IsPullRequest {
			t.Errorf("%s: issue %+v, label %q", name, e.Issue, e.Label)
		}
	default:
		if e.PullRequest == nil || len(e.PullRequest.Head.Commit) != 40 || e.PullRequest.Base.RepositoryID != e.Repository.ID {
			t.Errorf("%s: pull request %+v", name, e.PullRequest)
		}
		if strings.HasPrefix(string(e.Kind), "review") && (e.Review == nil || len(e.Review.Commit) != 40) {
			t.Errorf("%s: review %+v", name, e.Review)
		}
	}
}

// An issue that is closed is told with the moment at which it was; a label of
// CoderFlow's own is no event.
func TestAClosedIssueAndOwnLabels(t *testing.T) {
	t.Parallel()
	const body = `{"action":"ACTION","label":{"name":"LABEL"},"sender":{"login":"ann","id":3,"type":"User"},
 "issue":{"number":7,"state":"closed","closed_at":"2026-01-02T03:04:05Z","updated_at":"2026-02-02T03:04:05Z","html_url":"https://github.com/o/r/issues/7"},
 "repository":{"id":42,"name":"r","owner":{"login":"o","id":5}}}`
	decode := func(action, label string) []forge.Event {
		events, err := webhook(t).Decode("issues", []byte(strings.NewReplacer("ACTION", action, "LABEL", label).Replace(body)))
		if err != nil {
			t.Fatal(err)
		}
		return events
	}
	events := decode("closed", "")
	if len(events) != 1 || events[0].Kind != forge.EventIssueClosed || events[0].Issue.Number != 7 || events[0].Issue.Open ||
		!events[0].At.Equal(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)) || events[0].Actor.Login != "ann" {
		t.Errorf("%+v", events)
	}
	if events := decode("labeled", forge.StateLabelPrefix+"review"); len(events) != 0 {
		t.Errorf("a label of ours is told: %+v", events)
	}
	if events := decode("labeled", "coderflow:review"); len(events) != 1 {
		t.Errorf("a label that starts tasks is not told: %+v", events)
	}
	if events := decode("reopened", ""); len(events) != 0 {
		t.Errorf("reopening is told: %+v", events)
	}
}

const reviewDelivery = `{"action":"submitted",
 "review":{"id":80,"user":{"login":"octocat","id":1,"type":"User"},"body":"Thanks\n/coderflow no-push","commit_id":"ecdd80bb57125d7ba9641ffaa4d7d2c19d3f3091",
  "submitted_at":"2026-01-02T03:04:05Z","state":"approved","html_url":"https://github.com/o/r/pull/8#pullrequestreview-80"},
 "pull_request":{"number":8,"node_id":"PR_x","state":"open","draft":true,"title":"T","body":"B","user":{"login":"coderflow[bot]","id":7,"type":"Bot"},
  "merged_at":null,"merge_commit_sha":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
  "head":{"ref":"coderflow/t1","sha":"ecdd80bb57125d7ba9641ffaa4d7d2c19d3f3091","repo":{"id":42}},
  "base":{"ref":"main","sha":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","repo":{"id":42}}},
 "repository":{"id":42,"name":"r","owner":{"login":"o","id":5}},
 "sender":{"login":"octocat","id":1,"type":"User"}}`

func TestReviewDeliveryBecomesANeutralEvent(t *testing.T) {
	t.Parallel()
	events, err := webhook(t).Decode("pull_request_review", []byte(reviewDelivery))
	if err != nil || len(events) != 1 {
		t.Fatalf("Decode returned %v, %v", events, err)
	}
	octocat := forge.User{Subject: forge.Subject{Host: forge.GitHub, ID: "1"}, Login: "octocat", Kind: forge.Person}
	e := events[0]
	if e.Repository != (forge.RepositoryRef{Host: forge.GitHub, ID: "42", Owner: "o", Name: "r"}) || e.Actor != octocat {
		t.Errorf("repository %+v, actor %+v", e.Repository, e.Actor)
	}
	want := forge.Review{ID: "80", Author: octocat, State: forge.ReviewApproved, Commit: "ecdd80bb57125d7ba9641ffaa4d7d2c19d3f3091",
		Body: "Thanks\n/coderflow no-push", URL: "https://github.com/o/r/pull/8#pullrequestreview-80",
		SubmittedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	if *e.Review != want {
		t.Errorf("review %+v, want %+v", *e.Review, want)
	}
	pr := *e.PullRequest
	if pr.Author.Kind != forge.Bot || !pr.Open || !pr.Draft || pr.Merged || pr.MergedAs != "" || pr.NodeID != "PR_x" {
		t.Errorf("pull request %+v", pr)
	}
	if pr.Head != (forge.Tip{RepositoryID: "42", Branch: "coderflow/t1", Commit: want.Commit}) {
		t.Errorf("head %+v", pr.Head)
	}
}

func TestEditedPullRequestIsAnEvent(t *testing.T) {
	t.Parallel()
	body := strings.Replace(reviewDelivery, "submitted", "edited", 1)
	events, err := webhook(t).Decode("pull_request", []byte(body))
	if err != nil || len(events) != 1 || events[0].Kind != forge.EventPullRequestEdited || events[0].PullRequest.Number != 8 {
		t.Errorf("Decode returned %+v, %v", events, err)
	}
}

func TestDeliveryThatLacksItsSubjectIsAnError(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ event, body string }{
		"not JSON":      {"issues", `{`},
		"other type":    {"issues", `[]`},
		"no issue":      {"issues", `{"action":"labeled"}`},
		"no comment":    {"issue_comment", `{"action":"created","issue":{"number":1}}`},
		"no review":     {"pull_request_review", `{"action":"submitted","pull_request":{}}`},
		"no repository": {"issue_comment", `{"action":"created","issue":{},"comment":{},"sender":{"id":1}}`},
		"no sender":     {"issue_comment", `{"action":"created","issue":{},"comment":{},"repository":{"id":1}}`},
	} {
		if events, err := webhook(t).Decode(c.event, []byte(c.body)); err == nil {
			t.Errorf("%s: decoded to %+v", name, events)
		}
	}
	for _, c := range []struct{ event, body string }{{"ping", `{`}, {"watch", `{}`}, {"issues", `{"action":"opened"}`}} {
		if events, err := webhook(t).Decode(c.event, []byte(c.body)); err != nil || len(events) != 0 {
			t.Errorf("%s %s: %v, %v", c.event, c.body, events, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	hook := webhook(f)
	for event, payload := range contract.Examples() {
		if kinds := map[string]bool{"issue_comment": true, "issues": true, "pull_request": true, "pull_request_review": true}; kinds[event] {
			f.Add(event, payload)
		}
	}
	f.Add("pull_request_review", []byte(reviewDelivery))
	f.Add("issue_comment", []byte(`{"action":"created","issue":null,"comment":{"id":-1,"user":null},"repository":{"id":1e3},"sender":{"id":0}}`))
	f.Fuzz(func(t *testing.T, event string, body []byte) {
		events, err := hook.Decode(event, body)
		if err != nil && len(events) != 0 {
			t.Fatalf("events beside an error: %v, %v", events, err)
		}
		for _, e := range events {
			if _, err := forge.ParseSubject(e.Actor.Subject.String()); err != nil {
				t.Fatalf("actor %+v: %v", e.Actor, err)
			}
			if _, err := json.Marshal(e); err != nil {
				t.Fatalf("event cannot be stored: %v", err)
			}
		}
	})
}
