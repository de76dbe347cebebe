package emulator_test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-github/v62/github"
)

// browser is a person at the HTML view.
type browser struct {
	w      *world
	client *http.Client
}

func (w *world) browser(login string) *browser {
	w.t.Helper()
	jar, err := cookiejar.New(nil)
	must(w.t, err)
	b := &browser{w: w, client: &http.Client{Jar: jar}}
	b.post("/-/act-as", "login", login, "back", "/")
	return b
}

func (b *browser) get(path string) (int, string) {
	b.w.t.Helper()
	res, err := b.client.Get(b.w.info.BaseURL + path)
	must(b.w.t, err)
	return readPage(b.w.t, res)
}

func (b *browser) post(path string, pairs ...string) (int, string) {
	b.w.t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	res, err := b.client.PostForm(b.w.info.BaseURL+path, form)
	must(b.w.t, err)
	return readPage(b.w.t, res)
}

func readPage(t *testing.T, res *http.Response) (int, string) {
	t.Helper()
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	must(t, err)
	return res.StatusCode, string(body)
}

func TestPersonOpensIssueReviewsAndMergesInTheBrowser(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, bob := w.browser("alice"), w.browser("bob")
	_, page := alice.post("/acme/widget/issues", "title", "It breaks", "body", "Please *repair*", "labels", "bug, coderflow", "back", "/acme/widget/issues/new")
	if !strings.Contains(page, "It breaks") || !strings.Contains(page, "<em>repair</em>") || !strings.Contains(page, "coderflow") {
		t.Errorf("the issue's page is %s", page)
	}
	alice.post("/acme/widget/issues/1/comments", "body", "/coderflow run", "back", "/acme/widget/issues/1")
	if got := w.forge.Comments(repoName, 1); len(got) != 1 || got[0].Author != "alice" || got[0].Body != "/coderflow run" {
		t.Errorf("comments are %+v", got)
	}
	pr, _ := w.pull("topic", true)
	path := "/acme/widget/pull/2"
	_, page = alice.post(path+"/reviews", "event", "APPROVE", "commit_id", pr.GetHead().GetSHA(), "back", path)
	if !strings.Contains(page, "Can not approve your own pull request") {
		t.Error("the refusal is not shown")
	}
	bob.post(path+"/reviews", "event", "APPROVE", "commit_id", pr.GetHead().GetSHA(), "back", path)
	_, page = bob.post(path+"/merge", "back", path)
	if !strings.Contains(page, "APPROVED") {
		t.Error("the approval is not shown")
	}
	if !strings.Contains(page, "still a draft") {
		t.Error("merging a draft is not refused")
	}
	bob.post(path+"/draft", "draft", "false", "back", path)
	_, page = bob.post(path+"/merge", "back", path)
	if !strings.Contains(page, "Merged") || !w.forge.PullRequests(repoName)[0].Merged {
		t.Errorf("the page after the merge is %s", page)
	}
}

func TestPagesEscapeHostileText(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hostile := "<script>alert(1)</script><img src=x onerror=alert(1)> [x](javascript:alert(1)) \u202e"
	_, _, err := w.as("alice").Issues.Create(t.Context(), "acme", "widget", &github.IssueRequest{Title: &hostile, Body: &hostile})
	must(t, err)
	dir := w.clone("alice")
	w.commit(dir, "topic", "a.html", hostile+"\n")
	w.mustGit(dir, "alice", "push", "-q", "origin", "topic")
	_, _, err = w.as("alice").PullRequests.Create(t.Context(), "acme", "widget", &github.NewPullRequest{Title: &hostile, Body: &hostile, Head: github.String("topic"), Base: github.String("main")})
	must(t, err)
	for _, path := range []string{"/acme/widget/issues/1", "/acme/widget/issues", "/acme/widget/pull/2", "/acme/widget/commit/topic"} {
		code, page := w.browser("alice").get(path)
		if code != 200 || strings.Contains(page, "<script") || strings.Contains(page, "<img src=x") || strings.Contains(page, `href="javascript:`) {
			t.Errorf("%s: %d %s", path, code, page)
		}
	}
	if _, page := w.browser("alice").get("/acme/widget/pull/2"); strings.Contains(page, "\u202e") || !strings.Contains(page, "⟨U+202E⟩") {
		t.Error("a character that reorders text is not made visible")
	}
}

func TestEveryPageOpens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pr, _ := w.pull("topic", false)
	bot, _ := w.bot(nil)
	ctx := t.Context()
	check, _, err := bot.Checks.CreateCheckRun(ctx, "acme", "widget", github.CreateCheckRunOptions{Name: "gate", HeadSHA: pr.GetHead().GetSHA(),
		Status: github.String("in_progress"), Output: &github.CheckRunOutput{Title: github.String("Waiting"), Summary: github.String("for *you*"), Annotations: []*github.CheckRunAnnotation{
			{Path: github.String("a.sql"), StartLine: github.Int(7), EndLine: github.Int(7), AnnotationLevel: github.String("failure"), Message: github.String("<b>it drops</b> a table")}}}})
	must(t, err)
	d, _, err := bot.Repositories.CreateDeployment(ctx, "acme", "widget", &github.DeploymentRequest{Ref: github.String("main"), Environment: github.String("test")})
	must(t, err)
	_, _, err = bot.Repositories.CreateDeploymentStatus(ctx, "acme", "widget", d.GetID(), &github.DeploymentStatusRequest{State: github.String("success"), Description: github.String("went well")})
	must(t, err)
	b := w.browser("alice")
	for path, want := range map[string]string{
		"/": "acme/widget", "/acme/widget": "Widget", "/acme/widget/pulls": "A change", "/acme/widget/issues/new": "New issue",
		"/acme/widget/pull/1": "Approve", "/acme/widget/pull/1/files": "new.txt", "/acme/widget/pull/1.diff": "+new", "/acme/widget/pull/1.patch": "Subject:",
		"/acme/widget/blob/main/src/main.go": "package main",
		"/acme/widget/commits/topic":         "Change new.txt", "/acme/widget/compare/main...topic": "new.txt", "/acme/widget/deployments": "went well",
		strings.TrimPrefix(check.GetHTMLURL(), w.info.BaseURL): "<em>you</em>", "/apps/coderflow": "pull_requests", "/settings/apps/new": "Manifest",
		"/-/style.css": "font", "/avatars/u/1001": "<svg",
	} {
		if code, page := b.get(path); code != 200 || !strings.Contains(page, want) {
			t.Errorf("%s: %d %s", path, code, page)
		}
	}
	if _, page := b.get(strings.TrimPrefix(check.GetHTMLURL(), w.info.BaseURL)); !strings.Contains(page, "a.sql#L7") || !strings.Contains(page, "&lt;b&gt;it drops") {
		t.Errorf("the check's page shows no annotation: %s", page)
	}
	if code, _ := w.browser("mallory").get("/acme/widget/pull/1"); code != 404 {
		t.Errorf("a stranger's look at a private repository: %d", code)
	}
}

func TestFormsFromOtherSitesAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.openIssue("One")
	for _, path := range []string{"/acme/widget/issues/1/comments", "/settings/apps/new"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.info.BaseURL+path, strings.NewReader("body=hi&as=alice&manifest={}"))
		must(t, err)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Sec-Fetch-Site", "cross-site")
		res, err := http.DefaultClient.Do(req)
		must(t, err)
		if code, _ := readPage(t, res); code != http.StatusForbidden {
			t.Errorf("%s: %d", path, code)
		}
	}
}

func TestPagesAnswerToTheForgesOwnNamesOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for host, want := range map[string]int{"": 200, "localhost:80": 200, "evil.example": http.StatusMisdirectedRequest} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.info.HTMLURL, nil)
		must(t, err)
		req.Host = host
		res, err := http.DefaultClient.Do(req)
		must(t, err)
		if code, _ := readPage(t, res); code != want {
			t.Errorf("%q: %d", host, code)
		}
	}
}

func TestAppIsMadeFromAManifest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	manifest := `{"name":"Second Bot","url":"https://example.com","redirect_url":"http://127.0.0.1:1/done","default_events":["issues"],"default_permissions":{"issues":"write"}}`
	b := w.browser("alice")
	b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if code, page := b.post("/settings/apps/new?state=abc", "manifest", manifest); code != 200 || !strings.Contains(page, "Create this App as alice") {
		t.Fatalf("confirmation: %d %s", code, page)
	}
	res, err := b.client.PostForm(w.info.BaseURL+"/settings/apps/new?state=abc", url.Values{"manifest": {manifest}, "as": {"alice"}})
	must(t, err)
	_ = res.Body.Close()
	to, err := res.Location()
	must(t, err)
	if to.Query().Get("state") != "abc" || to.Path != "/done" {
		t.Fatalf("redirected to %s", to)
	}
	app, _, err := w.client(nil).Apps.CompleteAppManifest(t.Context(), to.Query().Get("code"))
	must(t, err)
	if app.GetSlug() != "second-bot" || !strings.Contains(app.GetPEM(), "RSA PRIVATE KEY") || app.GetWebhookSecret() == "" || app.GetOwner().GetLogin() != "alice" {
		t.Errorf("the App is %v", app)
	}
	if _, _, err := w.client(nil).Apps.CompleteAppManifest(t.Context(), to.Query().Get("code")); status(err) != 404 {
		t.Errorf("the code a second time: %v", err)
	}
}

// With the address of the App's own pages, issues and proposals lead there; without, nothing does.
func TestPagesLeadToTheAppsOwnOnes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice := w.browser("alice")
	alice.post("/acme/widget/issues", "title", "It breaks", "back", "/")
	w.pull("coderflow/abcdefgh2345", true)
	w.pull("coderflow/no-task", true)
	const console = "https://console.example"
	for _, url := range []string{"", console + "/"} {
		w.forge.SetConsoleURL(url)
		for path, want := range map[string]string{
			"/": console + "/tasks", "/acme/widget/issues/1": console + "/tasks?q=%231", "/acme/widget/pull/2": console + "/tasks/abcdefgh2345",
		} {
			if _, page := alice.get(path); strings.Contains(page, `href="`+want+`"`) != (url != "") {
				t.Errorf("with the address %q %s leads to %s: %t", url, path, want, url == "")
			}
		}
		if _, page := alice.get("/acme/widget/pull/3"); strings.Contains(page, "This proposal") {
			t.Error("a branch that is no proposal's leads somewhere")
		}
	}
}

func TestARemarkOnALineIsMadeAndShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bob := w.browser("bob")
	pr, _ := w.pull("topic", true)
	path := "/acme/widget/pull/" + strconv.Itoa(pr.GetNumber())
	_, page := bob.post(path+"/reviews", "event", "REQUEST_CHANGES", "body", "not yet", "commit_id", pr.GetHead().GetSHA(), "path", "new.txt", "line", "1",
		"remark", "why <b>this</b>?", "back", path)
	if !strings.Contains(page, "discussion_r") || !strings.Contains(page, "line 1</p>") || !strings.Contains(page, "why ") || strings.Contains(page, "<b>this</b>") {
		t.Errorf("the page is %s", page)
	}
	if _, page = bob.post(path+"/reviews", "event", "COMMENT", "body", "x", "path", "new.txt", "line", "99999", "remark", "nowhere", "back", path); !strings.Contains(page, "Refused.") {
		t.Errorf("a line that is not there: %s", page)
	}
}
