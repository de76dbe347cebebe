package azuredevops_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/git"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/workitemtracking"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/azuredevops"
	"github.com/coderflow/coderflow/internal/forge/emulator"
)

// told is what the deliveries so far come to: verified, decoded and completed.
func (w *world) told() (events []forge.Event) {
	w.Helper()
	w.settle()
	bodies, headers := w.hooks.take()
	hook, err := azuredevops.NewWebhook(w.info.Azure.WebhookUser, "another one", w.info.Azure.WebhookPassword)
	w.must(err)
	for i, body := range bodies {
		w.must(hook.Verify(headers[i]))
		delivery, err := azuredevops.DeliveryOf(headers[i], body)
		w.must(err)
		if delivery.Header["Authorization"] != "" || !strings.HasPrefix(delivery.ID, "azuredevops:") {
			w.Errorf("kept of the delivery: %+v", delivery)
		}
		hints, err := hook.Decode(body)
		w.must(err)
		for _, hint := range hints {
			of, err := w.adapter.Complete(w.Context(), hint)
			w.must(err)
			events = append(events, of...)
		}
	}
	return events
}

func ofKind(events []forge.Event, kind forge.EventKind) (list []forge.Event) {
	for _, e := range events {
		if e.Kind == kind {
			list = append(list, e)
		}
	}
	return list
}

func TestACommentOnAWorkItemBecomesAnEvent(t *testing.T) {
	t.Parallel()
	for _, details := range []string{"all", "minimal"} {
		w := newWorld(t, func(o *emulator.Options, _ *azuredevops.Config) { o.Azure.ResourceDetails = details })
		item := w.item("alice", "Do it", "")
		w.say("alice", item, "<div>/coderflow run --env x</div><blockquote>quoted</blockquote>")
		events := ofKind(w.told(), forge.EventCommentCreated)
		if len(events) == 0 {
			t.Fatalf("%s: no event", details)
		}
		e := events[0]
		if e.Repository != w.ref || e.Actor.Subject != w.user("alice").Subject || e.Actor.Kind != forge.Person || e.Issue.Number != item || e.Issue.IsPullRequest ||
			e.Comment.Topic != forge.IssueTopic(item) || e.Comment.Body != "/coderflow run --env x\n\n> quoted" || e.Comment.Edited() || e.At.IsZero() {
			t.Errorf("%s: the event is %+v, comment %+v", details, e, e.Comment)
		}
	}
}

func TestEveryNewCommentIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	item := w.item("alice", "Do it", "")
	w.say("alice", item, "old")
	w.clock.advance(time.Hour)
	_ = w.told()
	comments := 0
	w.forge.DropDeliveries(func(event string) bool { // all but the last are lost
		if event == "workitem.commented" {
			comments++
		}
		return event == "workitem.commented" && comments < 3
	})
	w.say("alice", item, "first")
	edited := w.say("alice", item, "edited")
	w.clock.advance(time.Second)
	_, err := w.work("alice").UpdateComment(t.Context(), workitemtracking.UpdateCommentArgs{Project: ptr("shop"), WorkItemId: &item, CommentId: &edited, Request: &workitemtracking.CommentUpdate{Text: ptr("/coderflow run")}})
	w.must(err)
	w.say("alice", item, "second")
	var bodies []string
	for _, e := range ofKind(w.told(), forge.EventCommentCreated) {
		if !slices.Contains(bodies, e.Comment.Body) {
			bodies = append(bodies, e.Comment.Body)
		}
	}
	if strings.Join(bodies, ",") != "first,second" {
		t.Errorf("told are %q", bodies)
	}
}

func TestATagAndAClosingBecomeEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	item := w.item("alice", "Do it", "other")
	_ = w.told()
	w.clock.advance(time.Minute)
	w.set("bob", item, "System.Tags", "other; coderflow; coderflow: running")
	events := ofKind(w.told(), forge.EventIssueLabeled)
	labels := map[string]forge.Event{}
	for _, e := range events {
		labels[e.Label] = e
	}
	if e, found := labels["coderflow"]; !found || e.Actor.Subject != w.user("bob").Subject || e.Repository != w.ref || e.Issue.Number != item {
		t.Errorf("the events are %+v", events)
	}
	if _, found := labels["coderflow: running"]; found {
		t.Error("a tag that shows a state is told as one that was set")
	}
	acts, err := w.adapter.LabelEvents(t.Context(), w.ref, item)
	w.must(err)
	var said []string
	for _, a := range acts {
		said = append(said, a.Label+" by "+a.Actor.Name)
	}
	same(t, said, "other by Alice Adams", "coderflow by Bob Brown", "coderflow: running by Bob Brown")
	w.clock.advance(time.Hour)
	w.set("bob", item, "System.State", "Closed")
	closed := ofKind(w.told(), forge.EventIssueClosed)
	if len(closed) == 0 || closed[0].Actor.Subject != w.user("bob").Subject || closed[0].Issue.Open || !closed[0].At.After(acts[2].CreatedAt) {
		t.Errorf("closed: %+v", closed)
	}
}

func TestWhatHappensToAPullRequestBecomesEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pr, _ := w.proposal(w.item("alice", "Do it", ""))
	_ = w.told()
	w.vote("bob", pr.Number, 10)
	if events := ofKind(w.told(), forge.EventPullRequestEdited); len(events) == 0 || events[0].PullRequest.Head != pr.Head || events[0].Repository != w.ref {
		t.Errorf("a vote: %+v", events)
	}
	w.comment("bob", pr.Number, "/coderflow revise more", "", 0)
	events := ofKind(w.told(), forge.EventCommentCreated)
	if len(events) != 1 || events[0].Comment.Topic != forge.PullTopic(pr.Number) || !events[0].Issue.IsPullRequest || events[0].Comment.Body != "/coderflow revise more" ||
		events[0].Actor.Subject != w.user("bob").Subject || events[0].Actor.Kind != forge.Person {
		t.Errorf("a comment: %+v", events)
	}
	commit := w.push("", "coderflow/abc", "other\n")
	if events := ofKind(w.told(), forge.EventPullRequestPushed); len(events) != 1 || events[0].PullRequest.Head.Commit != commit {
		t.Errorf("a push: %+v", events)
	}
	_, err := w.git("bob").UpdatePullRequest(t.Context(), git.UpdatePullRequestArgs{RepositoryId: &w.ref.ID, PullRequestId: &pr.Number, GitPullRequestToUpdate: &git.GitPullRequest{Status: &git.PullRequestStatusValues.Abandoned}})
	w.must(err)
	if events := ofKind(w.told(), forge.EventPullRequestClosed); len(events) == 0 || events[0].Actor.Subject != w.user("bob").Subject || events[0].PullRequest.Open || events[0].PullRequest.Merged {
		t.Errorf("closed: %+v", events)
	}
}

// A work item and a pull request can have the same number.
func TestNumbersAreKeptApart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *emulator.Options, _ *azuredevops.Config) { o.Azure.NumbersCollide = true })
	item := w.item("alice", "The work item", "")
	pr, _ := w.proposal(item)
	if pr.Number != item {
		t.Fatalf("work item %d, pull request %d: not the same", item, pr.Number)
	}
	issue, err := w.adapter.Issue(t.Context(), w.ref, forge.IssueTopic(item))
	if err != nil || issue.Title != "The work item" || issue.IsPullRequest {
		t.Errorf("the work item is %+v, %v", issue, err)
	}
	issue, err = w.adapter.Issue(t.Context(), w.ref, forge.PullTopic(item))
	if err != nil || issue.Title != "A change" || !issue.IsPullRequest {
		t.Errorf("the pull request is %+v, %v", issue, err)
	}
	for _, topic := range []forge.Topic{forge.IssueTopic(item), forge.PullTopic(item)} {
		c, err := w.adapter.UpsertComment(t.Context(), w.ref, topic, "<!-- coderflow:x=1 -->", "on the "+topic.String())
		if err != nil || c.Topic != topic {
			t.Errorf("%s: %+v, %v", topic, c, err)
		}
	}
	w.say("alice", item, "/coderflow run")
	w.comment("bob", item, "/coderflow revise", "", 0)
	comments, err := w.adapter.CommentsSince(t.Context(), w.ref, w.clock.Now().Add(-time.Hour))
	w.must(err)
	ids := map[string]bool{}
	for _, c := range comments {
		ids[c.ID] = true
		if want := strings.HasPrefix(c.ID, "p"); c.Topic != (forge.Topic{Number: item, PullRequest: want}) {
			t.Errorf("%s is under %s", c.ID, c.Topic)
		}
	}
	if len(ids) != 4 {
		t.Errorf("%d comments: %v", len(ids), ids)
	}
}

func TestWhatIsGoneGivesNoEvent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, hint := range []forge.Event{
		{Kind: forge.EventCommentCreated, Issue: &forge.Issue{Number: 99}}, {Kind: forge.EventIssueLabeled, Issue: &forge.Issue{Number: 99}},
		{Kind: forge.EventPullRequestEdited, Repository: w.ref, PullRequest: &forge.PullRequest{Number: 9999}},
		{Kind: forge.EventCommentCreated, Repository: w.ref, PullRequest: &forge.PullRequest{Number: 9999}},
		{Kind: forge.EventPullRequestPushed, Repository: w.ref, PullRequest: &forge.PullRequest{Head: forge.Tip{Branch: "coderflow/none"}}},
		{Kind: forge.EventPullRequestEdited, Repository: forge.RepositoryRef{Host: forge.AzureDevOps, ID: "0f8fad5b-d9cb-469f-a165-70867728950e"}, PullRequest: &forge.PullRequest{Number: 1}},
	} {
		if events, err := w.adapter.Complete(t.Context(), hint); err != nil || len(events) != 0 {
			t.Errorf("%+v: %v, %v", hint, events, err)
		}
	}
}

func TestDeliveriesAreProven(t *testing.T) {
	t.Parallel()
	hook, err := azuredevops.NewWebhook("coderflow", "old", "new")
	if err != nil {
		t.Fatal(err)
	}
	basic := func(user, password string) string {
		r, _ := http.NewRequest(http.MethodPost, "https://x", nil)
		r.SetBasicAuth(user, password)
		return r.Header.Get("Authorization")
	}
	for _, c := range []struct {
		values []string
		proven bool
	}{
		{[]string{basic("coderflow", "old")}, true}, {[]string{basic("coderflow", "new")}, true}, {nil, false}, {[]string{basic("coderflow", "wrong")}, false},
		{[]string{basic("other", "new")}, false}, {[]string{basic("coderflow", "")}, false}, {[]string{basic("coderflow", "new"), basic("coderflow", "new")}, false},
		{[]string{"Bearer new"}, false}, {[]string{"Basic !"}, false}, {[]string{""}, false}, {[]string{"Basic " + strings.Repeat("A", 4096)}, false},
	} {
		if err := hook.Verify(http.Header{"Authorization": c.values}); (err == nil) != c.proven || err != nil && !errors.Is(err, azuredevops.ErrSignature) {
			t.Errorf("%q: %v", c.values, err)
		}
	}
	for _, secrets := range [][]string{{}, {""}, {"good", " "}} {
		if _, err := azuredevops.NewWebhook("coderflow", secrets...); err == nil {
			t.Errorf("the passwords %q are taken", secrets)
		}
	}
	if _, err := azuredevops.NewWebhook("", "x"); err == nil {
		t.Error("no user name is taken")
	}
}

func TestOddDeliveriesAreRefusedOrIgnored(t *testing.T) {
	t.Parallel()
	hook, err := azuredevops.NewWebhook("coderflow", "new")
	if err != nil {
		t.Fatal(err)
	}
	const head = `{"id":"0f8fad5b-d9cb-469f-a165-70867728950e","eventType":"`
	for body, refused := range map[string]bool{
		head + `build.complete","resource":{}}`: false, head + `workitem.commented","resource":{"id":5}}`: false,
		head + `workitem.commented","resource":{}}`: true, head + `workitem.commented","resource":[]}`: true, head + `workitem.commented"}`: true,
		head + `git.pullrequest.updated","resource":{"pullRequestId":5}}`:                                                                  true,
		head + `git.pullrequest.updated","resource":{"pullRequestId":-5,"repository":{"id":"0f8fad5b-d9cb-469f-a165-70867728950e"}}}`:      true,
		head + `git.pullrequest.updated","resource":{"pullRequestId":5,"repository":{"id":"../../x"}}}`:                                    true,
		head + `git.push","resource":{"repository":{"id":"0f8fad5b-d9cb-469f-a165-70867728950e"},"refUpdates":[{"name":"refs/heads/x"}]}}`: false,
		`{}`: true, `[]`: true, ``: true, `{"id":"x","eventType":"a"}`: true, `{"id":"0f8fad5b-d9cb","eventType":"a b"}`: true, strings.Repeat("[", 100_000): true,
	} {
		if _, err := hook.Decode([]byte(body)); (err != nil) != refused {
			t.Errorf("%.120s: %v", body, err)
		}
	}
	if _, err := azuredevops.DeliveryOf(http.Header{}, make([]byte, 9<<20)); err == nil {
		t.Error("a delivery of 9 MiB is read")
	}
}
