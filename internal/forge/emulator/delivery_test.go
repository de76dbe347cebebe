package emulator_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-github/v62/github"

	"github.com/coderflow/coderflow/internal/forge/emulator"
)

func (w *world) openIssue(title string) *github.Issue {
	w.t.Helper()
	i, _, err := w.as("alice").Issues.Create(w.t.Context(), "acme", "widget", &github.IssueRequest{Title: &title})
	must(w.t, err)
	return i
}

func TestDeliveryIsSignedAndHasGitHubsHeaders(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.openIssue("One")
	w.settle()
	got := w.hooks.got[len(w.hooks.got)-1]
	mac := hmac.New(sha256.New, []byte(w.info.WebhookSecret))
	mac.Write(got.body)
	if want := "sha256=" + hex.EncodeToString(mac.Sum(nil)); got.header.Get("X-Hub-Signature-256") != want {
		t.Errorf("signature is %s", got.header.Get("X-Hub-Signature-256"))
	}
	for name, want := range map[string]string{"X-GitHub-Event": "issues", "Content-Type": "application/json",
		"X-GitHub-Hook-Installation-Target-ID": fmt.Sprint(w.info.AppID), "X-GitHub-Hook-Installation-Target-Type": "integration"} {
		if got.header.Get(name) != want {
			t.Errorf("%s is %q", name, got.header.Get(name))
		}
	}
	if len(got.guid) != 36 || !strings.HasPrefix(got.header.Get("User-Agent"), "GitHub-Hookshot/") || got.header.Get("X-Hub-Signature") == "" {
		t.Errorf("headers are %v", got.header)
	}
}

func TestRedeliveryKeepsGUIDAndBytes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.openIssue("One")
	w.settle()
	list := w.forge.Deliveries()
	first := list[len(list)-1]
	must(t, w.forge.Redeliver(first.GUID))
	_, _, err := w.app().Apps.RedeliverHookDelivery(t.Context(), first.ID)
	var accepted *github.AcceptedError
	if !errors.As(err, &accepted) {
		t.Fatal(err)
	}
	w.settle()
	got := w.hooks.got[len(w.hooks.got)-3:]
	for _, again := range got[1:] {
		if again.guid != got[0].guid || string(again.body) != string(got[0].body) || again.header.Get("X-Hub-Signature-256") != got[0].header.Get("X-Hub-Signature-256") {
			t.Errorf("redelivery differs: %s, %s", again.guid, got[0].guid)
		}
	}
	page, _, err := w.app().Apps.ListHookDeliveries(t.Context(), &github.ListCursorOptions{PerPage: 2})
	must(t, err)
	if len(page) != 2 || page[0].GetGUID() != first.GUID || !page[0].GetRedelivery() || page[0].GetStatusCode() != 202 {
		t.Errorf("deliveries are %v", page)
	}
}

func TestDroppedDeliveryIsNotRetried(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.forge.DropDeliveries(func(event string) bool { return event == "issues" })
	w.openIssue("One")
	w.settle()
	w.forge.DropDeliveries(nil)
	w.openIssue("Two")
	w.settle()
	got := 0
	for _, e := range w.hooks.events() {
		if e == "issues.opened" {
			got++
		}
	}
	list := w.forge.Deliveries()
	if got != 1 || !list[len(list)-2].Dropped || list[len(list)-1].Status != 202 {
		t.Errorf("%d came; the log is %+v", got, list)
	}
}

func TestOnlySubscribedEventsAreDelivered(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *emulator.Options) {
		app := emulator.DefaultApp()
		app.Events = []string{"issue_comment"}
		o.App = &app
	})
	i := w.openIssue("One")
	_, _, err := w.as("alice").Issues.CreateComment(t.Context(), "acme", "widget", i.GetNumber(), &github.IssueComment{Body: github.String("hi")})
	must(t, err)
	w.settle()
	if got := strings.Join(w.hooks.events(), " "); got != "ping installation.created issue_comment.created" {
		t.Errorf("events are %s", got)
	}
}

func TestTextsOverGitHubsLimitsAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	long := strings.Repeat("é", 65537)
	_, _, err := w.as("alice").Issues.Create(t.Context(), "acme", "widget", &github.IssueRequest{Title: github.String("x"), Body: &long})
	if status(err) != 422 || !strings.Contains(err.Error(), "body is too long (maximum is 65536 characters)") {
		t.Errorf("a long body: %v", err)
	}
	fits := long[:2*65536]
	_, _, err = w.as("alice").Issues.Create(t.Context(), "acme", "widget", &github.IssueRequest{Title: github.String("x"), Body: &fits})
	must(t, err)
}

func TestETagAnswers304UntilSomethingChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.openIssue("One")
	fetch := func(tag string) *http.Response {
		req, err := http.NewRequestWithContext(t.Context(), "GET", w.info.APIURL+"repos/acme/widget/issues/1/comments", nil)
		must(t, err)
		req.Header.Set("Authorization", "Bearer "+w.forge.ClientFor("alice"))
		req.Header.Set("If-None-Match", tag)
		res, err := http.DefaultClient.Do(req)
		must(t, err)
		_ = res.Body.Close()
		return res
	}
	first := fetch("")
	tag := first.Header.Get("ETag")
	if first.StatusCode != 200 || tag == "" || first.Header.Get("X-RateLimit-Remaining") == "" {
		t.Fatalf("first answer is %d with %v", first.StatusCode, first.Header)
	}
	if again := fetch(tag); again.StatusCode != 304 {
		t.Errorf("unchanged: %d", again.StatusCode)
	}
	_, _, err := w.as("alice").Issues.CreateComment(t.Context(), "acme", "widget", i.GetNumber(), &github.IssueComment{Body: github.String("hi")})
	must(t, err)
	if changed := fetch(tag); changed.StatusCode != 200 {
		t.Errorf("changed: %d", changed.StatusCode)
	}
}

func TestPagesAreLinked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for n := range 35 {
		w.openIssue(fmt.Sprint(n))
	}
	opts := &github.IssueListByRepoOptions{Direction: "asc"}
	page, res, err := w.as("alice").Issues.ListByRepo(t.Context(), "acme", "widget", opts)
	must(t, err)
	if len(page) != 30 || res.NextPage != 2 || res.LastPage != 2 {
		t.Fatalf("%d issues, next %d, last %d", len(page), res.NextPage, res.LastPage)
	}
	opts.Page = 2
	page, res, err = w.as("alice").Issues.ListByRepo(t.Context(), "acme", "widget", opts)
	must(t, err)
	if len(page) != 5 || res.NextPage != 0 || res.PrevPage != 1 || page[4].GetNumber() != 35 {
		t.Errorf("%d issues, next %d, previous %d", len(page), res.NextPage, res.PrevPage)
	}
}

func TestFaultsAreInjectedAndLostResponsesStillAct(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	faults := []*emulator.Fault{{Status: 502}, emulator.SecondaryRateLimit("7"), {DropResponse: true}}
	w.forge.Fail(func(r *http.Request) *emulator.Fault {
		if r.Method != http.MethodPost || len(faults) == 0 {
			return nil
		}
		next := faults[0]
		faults = faults[1:]
		return next
	})
	try := func() error {
		_, _, err := w.as("alice").Issues.Create(t.Context(), "acme", "widget", &github.IssueRequest{Title: github.String("x")})
		return err
	}
	if err := try(); status(err) != 502 {
		t.Errorf("first: %v", err)
	}
	var limited *github.AbuseRateLimitError
	if err := try(); !errors.As(err, &limited) || limited.GetRetryAfter() != 7*time.Second {
		t.Errorf("second: %v", err)
	}
	var lost *url.Error
	if err := try(); !errors.As(err, &lost) || !errors.Is(err, io.EOF) {
		t.Errorf("third: %v", err)
	}
	if got := len(w.forge.Issues(repoName)); got != 1 {
		t.Errorf("%d issues, though only the lost response acted", got)
	}
}
