package github_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	gh "github.com/google/go-github/v62/github"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
)

func TestRepositoryIsReadByItsID(t *testing.T) {
	t.Parallel()
	w := newWorld(t, emulator.RepositoryOptions{})
	got, err := w.adapter.Repository(t.Context(), w.ref)
	want := forge.Repository{RepositoryRef: w.ref, DefaultBranch: "main", URL: got.URL, Private: true}
	if err != nil || got != want || !strings.HasSuffix(got.URL, "/acme/shop") {
		t.Errorf("got %+v, %v", got, err)
	}
	head := w.push("feature/ü", "x")
	if got, err := w.adapter.BranchHead(t.Context(), w.ref, "feature/ü"); err != nil || got != head {
		t.Errorf("BranchHead returned %s, %v, want %s", got, err, head)
	}
	for _, branch := range []string{"nope", "feature", "heads/main"} {
		if _, err := w.adapter.BranchHead(t.Context(), w.ref, branch); !errors.Is(err, forge.ErrNotFound) {
			t.Errorf("%s: %v, want ErrNotFound", branch, err)
		}
	}
}

// Threat 9: a deleted and re-created repository is another one.
func TestThreat09RecreatedRepositoryIsNotFound(t *testing.T) {
	t.Parallel()
	for _, private := range []bool{true, false} {
		w := newWorld(t, emulator.RepositoryOptions{})
		if _, err := w.adapter.Repository(t.Context(), w.ref); err != nil {
			t.Fatal(err)
		}
		w.must(w.forge.DeleteRepository("acme/shop"))
		_, err := w.forge.CreateRepository("acme", "shop", map[string]string{"a": "b"}, emulator.RepositoryOptions{Private: private})
		w.must(err)
		_, err = w.forge.Install("acme/shop")
		w.must(err)
		if _, err := w.adapter.Repository(t.Context(), w.ref); !errors.Is(err, forge.ErrNotFound) {
			t.Errorf("private %v, kept token: %v, want ErrNotFound", private, err)
		}
		if _, err := w.newAdapter().PushToken(t.Context(), w.ref); !errors.Is(err, forge.ErrNotFound) {
			t.Errorf("private %v, new token: %v, want ErrNotFound", private, err)
		}
		if _, err := w.adapter.Issue(t.Context(), w.ref, forge.IssueTopic(1)); !errors.Is(err, forge.ErrNotFound) {
			t.Errorf("private %v, issue: %v, want ErrNotFound", private, err)
		}
	}
}

func TestAccessIsWhatTheForgeLetsAPersonDo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, emulator.RepositoryOptions{})
	for login, want := range map[string]forge.Access{
		"anna": forge.AccessWrite, "rob": forge.AccessMaintain, "tess": forge.AccessTriage, "otto": forge.AccessNone,
	} {
		if got, err := w.adapter.AccessOf(t.Context(), w.ref, w.users[login]); err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", login, got, err, want)
		}
	}
	w.must(w.forge.RemoveCollaborator("acme/shop", "anna"))
	if got, err := w.adapter.AccessOf(t.Context(), w.ref, w.users["anna"]); err != nil || got != forge.AccessNone {
		t.Errorf("after removal: %s, %v", got, err)
	}
	nobody := forge.User{Subject: subject(999999), Login: "rob"}
	if got, err := w.adapter.AccessOf(t.Context(), w.ref, nobody); !errors.Is(err, forge.ErrNotFound) || got != forge.AccessNone {
		t.Errorf("unknown id under a known login: %s, %v", got, err)
	}
}

// Threat 47: who takes over a login takes over nothing else.
func TestThreat47ReusedLoginHasItsOwnAccess(t *testing.T) {
	t.Parallel()
	w := newWorld(t, emulator.RepositoryOptions{})
	w.must(w.forge.RenameUser("rob", "robert"))
	w.must(w.forge.RenameUser("otto", "rob"))
	if got, err := w.adapter.AccessOf(t.Context(), w.ref, w.users["rob"]); err != nil || got != forge.AccessMaintain {
		t.Errorf("renamed: %s, %v, want maintain", got, err)
	}
	taker := w.users["otto"]
	taker.Login = "rob"
	if got, err := w.adapter.AccessOf(t.Context(), w.ref, taker); err != nil || got != forge.AccessNone {
		t.Errorf("who took the login: %s, %v, want none", got, err)
	}
}

func TestIssuesCommentsAndLabels(t *testing.T) {
	t.Parallel()
	w := newWorld(t, emulator.RepositoryOptions{})
	ctx := t.Context()
	number := w.issue("Broken", "coderflow", "bug")
	w.issue("Other", "bug")
	start := time.Now().Add(-time.Minute)
	_, _, err := w.as("rob").Issues.CreateComment(ctx, "acme", "shop", number, &gh.IssueComment{Body: gh.String("/coderflow run")})
	w.must(err)

	issue, err := w.adapter.Issue(ctx, w.ref, forge.IssueTopic(number))
	if err != nil || issue.Title != "Broken" || issue.Author != w.users["anna"] || !issue.Open || issue.IsPullRequest ||
		!slices.Equal(slices.Sorted(slices.Values(issue.Labels)), []string{"bug", "coderflow"}) {
		t.Errorf("issue %+v, %v", issue, err)
	}
	comments, err := w.adapter.Comments(ctx, w.ref, number)
	if err != nil || len(comments) != 1 || comments[0].Author != w.users["rob"] || comments[0].Topic != forge.IssueTopic(number) || comments[0].Edited() {
		t.Errorf("comments %+v, %v", comments, err)
	}
	since, err := w.adapter.CommentsSince(ctx, w.ref, start)
	if err != nil || !slices.Equal(since, comments) {
		t.Errorf("comments since %+v, %v", since, err)
	}
	if later, err := w.adapter.CommentsSince(ctx, w.ref, time.Now().Add(time.Hour)); err != nil || len(later) != 0 {
		t.Errorf("comments of the future %+v, %v", later, err)
	}
	events, err := w.adapter.LabelEvents(ctx, w.ref, number)
	if err != nil || len(events) != 2 || events[0].Actor != w.users["anna"] || events[0].ID == events[1].ID || events[0].IssueNumber != number {
		t.Errorf("label events %+v, %v", events, err)
	}
	labeled, err := w.adapter.LabeledIssues(ctx, w.ref, "coderflow")
	if err != nil || len(labeled) != 1 || labeled[0].Number != number {
		t.Errorf("labeled %+v, %v", labeled, err)
	}
	if _, err := w.adapter.Issue(ctx, w.ref, forge.IssueTopic(404)); !errors.Is(err, forge.ErrNotFound) {
		t.Errorf("missing issue: %v", err)
	}
}

func TestCommentsBeyondAPageAreAllRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, emulator.RepositoryOptions{})
	number := w.issue("Long")
	for i := range 201 {
		_, _, err := w.as("rob").Issues.CreateComment(t.Context(), "acme", "shop", number, &gh.IssueComment{Body: gh.String(fmt.Sprint(i))})
		w.must(err)
	}
	comments, err := w.adapter.Comments(t.Context(), w.ref, number)
	if err != nil || len(comments) != 201 || comments[0].Body != "0" || comments[200].Body != "200" {
		t.Fatalf("%d comments, %v", len(comments), err)
	}
	if since, err := w.adapter.CommentsSince(t.Context(), w.ref, time.Unix(0, 0)); err != nil || len(since) != 201 {
		t.Errorf("%d comments since, %v", len(since), err)
	}
	posted, err := w.adapter.UpsertComment(t.Context(), w.ref, forge.IssueTopic(number), "<!-- m -->", "status")
	w.must(err)
	if again, err := w.adapter.UpsertComment(t.Context(), w.ref, forge.IssueTopic(number), "<!-- m -->", "status 2"); err != nil || again.ID != posted.ID {
		t.Errorf("our comment behind a page of others was not found: %+v, %v", again, err)
	}
}

func TestUnchangedAnswersAreConfirmedNotSent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, emulator.RepositoryOptions{})
	number := w.issue("Broken")
	for range 3 {
		_, err := w.adapter.Issue(t.Context(), w.ref, forge.IssueTopic(number))
		w.must(err)
	}
	w.ledger.mu.Lock()
	defer w.ledger.mu.Unlock()
	confirmed := 0
	for _, e := range w.ledger.calls {
		if e.path == fmt.Sprintf("/repos/acme/shop/issues/%d", number) && e.status == http.StatusNotModified {
			confirmed++
		}
	}
	if confirmed != 2 {
		t.Errorf("%d of 2 repetitions were answered 304", confirmed)
	}
}

func TestPingAnswersForForgeAndKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, emulator.RepositoryOptions{})
	w.must(w.adapter.Ping(t.Context()))
	w.failOnce("GET", "/app", &emulator.Fault{Status: 502})
	if err := w.adapter.Ping(t.Context()); err == nil {
		t.Error("a forge that answers 502 is not there")
	}
	w.must(w.forge.Close())
	if err := w.adapter.Ping(t.Context()); err == nil {
		t.Error("a closed forge is not there")
	}
}
