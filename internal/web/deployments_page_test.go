package web

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/forge"
)

// signedIn is a browser of Alice, a viewer of staging.
func signedIn(t *testing.T, limits ...Limits) (*signInWorld, *http.Client) {
	t.Helper()
	w := newSignInWorld(t, false, limits...)
	c := w.browser(nil)
	w.get(c, w.login())
	return w, c
}

// scripted tells whether a page has a script that is not a file of ours.
func scripted(page string) bool {
	return strings.Contains(strings.ReplaceAll(page, `<script src="/static/`, ""), "<script")
}

func TestDeploymentsOnAPageAnswerWhoWhatWhenAndHowItEnded(t *testing.T) {
	t.Parallel()
	w, c := signedIn(t)
	if _, home := w.get(c, w.server.URL+"/"); !strings.Contains(home, `href="/deployments"`) {
		t.Errorf("the start page does not lead there: %s", home)
	}
	w.api.tasks[0].PullRequestURL = "https://forge.test/acme/x/pull/5"
	answer, list := w.get(c, w.server.URL+"/deployments")
	for _, want := range []string{
		"staging/publish", "2026-03-01 10:00", "Failed with exit status 3", "channel=<wbr>beta", "tom, zoe", "in the approving review",
		`href="https://forge.test/acme/x/pull/5"`, `href="/deployments/` + runHere + `"`, "<code>" + someCommit[:12] + "</code>",
	} {
		if !strings.Contains(list, want) {
			t.Errorf("the list does not say %q", want)
		}
	}
	if csp := answer.Header.Get("Content-Security-Policy"); csp != pagePolicy || scripted(list) || strings.Contains(list, "style=") {
		t.Errorf("%q", csp)
	}
	answer, one := w.get(c, w.server.URL+"/deployments/"+runHere)
	for _, want := range []string{
		someCommit, "github:7", "https://forge.test/r/9", "https://forge.test/r/8", "<div>first</div><div>second</div>", "<code>channel</code> beta", "task " + string(here),
	} {
		if !strings.Contains(one, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if csp := answer.Header.Get("Content-Security-Policy"); answer.StatusCode != http.StatusOK || csp != pagePolicy || w.api.stream != "deploy/"+runHere {
		t.Errorf("%d %q %s", answer.StatusCode, csp, w.api.stream)
	}
}

func TestThreat49PagesShowDeploymentsThatTheViewerMaySee(t *testing.T) {
	t.Parallel()
	w, c := signedIn(t)
	_, list := w.get(c, w.server.URL+"/deployments")
	if strings.Contains(list, "production") || strings.Contains(list, runThere) {
		t.Errorf("the list has what another environment has: %s", list)
	}
	hidden, a := w.get(c, w.server.URL+"/deployments/"+runThere)
	absent, b := w.get(c, w.server.URL+"/deployments/"+runNone)
	if hidden.StatusCode != http.StatusNotFound || absent.StatusCode != http.StatusNotFound || a != b {
		t.Errorf("%d %s\n%d %s", hidden.StatusCode, a, absent.StatusCode, b)
	}
	if answer, page := w.get(c, w.server.URL+"/deployments?environment=production"); answer.StatusCode != http.StatusNotFound || !strings.Contains(page, "you may not see it") {
		t.Errorf("%d %s", answer.StatusCode, page)
	}
	w.api.rule(bindingYAML("b", "github:99", "viewer", "environment/staging"))
	if answer, _ := w.get(c, w.server.URL+"/deployments"); answer.StatusCode != http.StatusForbidden {
		t.Errorf("without a role: %d", answer.StatusCode)
	}
	w.api.rule(roleYAML("looker", "environments:view", "tasks:view"), bindingYAML("b", "oidc:own/alice", "looker", "environment/staging"))
	for _, path := range []string{"/deployments", "/deployments/" + runHere} {
		if answer, page := w.get(c, w.server.URL+path); answer.StatusCode < 400 || strings.Contains(page, someCommit[:12]) {
			t.Errorf("who sees tasks alone sees at %s: %d %s", path, answer.StatusCode, page)
		}
	}
	stranger := w.browser(nil)
	answer, page := w.get(stranger, w.server.URL+"/deployments?state=failed")
	if answer.StatusCode != http.StatusOK || !strings.Contains(page, "next=%2fdeployments%3fstate%3dfailed") || strings.Contains(page, "publish") {
		t.Errorf("nobody: %d %s", answer.StatusCode, page)
	}
}

func TestDeploymentsOnAPageAreFilteredAndPaged(t *testing.T) {
	t.Parallel()
	w, c := signedIn(t)
	for i := range runsOnPage {
		run := w.api.runs[0]
		run.ID, run.State, run.Profile = fmt.Sprintf("%016d", i), deploy.Succeeded, "verify"
		w.api.runs = append([]deploy.Run{run}, w.api.runs...)
	}
	_, first := w.get(c, w.server.URL+"/deployments?environment=&profile=&state=")
	rows := func(page string) int { return strings.Count(page, "<time") }
	if rows(first) != runsOnPage || !strings.Contains(first, `rel="next" href="/deployments?before=0000000000000000`) {
		t.Errorf("%d rows: %s", rows(first), first)
	}
	if _, rest := w.get(c, w.server.URL+"/deployments?before=0000000000000000"); rows(rest) != 1 || !strings.Contains(rest, "Newest") {
		t.Errorf("the rest: %s", rest)
	}
	if _, failed := w.get(c, w.server.URL+"/deployments?state=failed&profile=publish"); rows(failed) != 1 || !strings.Contains(failed, "<option selected>failed</option>") {
		t.Errorf("failed: %s", failed)
	}
	if _, none := w.get(c, w.server.URL+"/deployments?profile=other"); !strings.Contains(none, "There are none of this kind") {
		t.Errorf("none: %s", none)
	}
	if answer, page := w.get(c, w.server.URL+"/deployments?state=%3Cscript%3E"); answer.StatusCode != http.StatusBadRequest || scripted(page) {
		t.Errorf("%d %s", answer.StatusCode, page)
	}
}

// Whatever a deployment writes and whatever people write about it: a page shows
// it, and no browser and no terminal acts on it.
func TestThreat39NothingInADeploymentActsOnAPage(t *testing.T) {
	t.Parallel()
	const hostile = "</pre><script>alert(1)</script>\x1b[31m\x9b2J\u202e<img src=x onerror=alert(1)>\" onmouseover=\"alert(1)"
	w, c := signedIn(t)
	w.api.mu.Lock()
	run := &w.api.runs[0]
	run.Parameters = map[string]string{"note": hostile}
	run.Reason, run.Detail, run.RequestedBy.Login, run.Repository.Name = hostile, hostile, hostile, hostile
	w.api.log = []byte(hostile + "\n")
	w.api.tasks[0].PullRequestURL = "javascript:alert(1)"
	w.api.approvals["a1"] = approval.Record{ID: "a1", ReviewID: "9", ReviewURL: "javascript:alert(1)", Approver: forge.User{Subject: owner, Login: hostile}}
	w.api.mu.Unlock()
	for _, path := range []string{"/deployments", "/deployments/" + runHere} {
		answer, page := w.get(c, w.server.URL+path)
		if scripted(page) {
			t.Errorf("%s has a script that is not ours", path)
		}
		for _, bad := range []string{"<img", "\x1b", "\x9b", "\u009b", "\u202e", `" onmouseover="`, `="javascript:`} {
			if strings.Contains(page, bad) {
				t.Errorf("%s has %q", path, bad)
			}
		}
		if answer.StatusCode != http.StatusOK || !strings.Contains(page, "&lt;script&gt;") || !strings.Contains(page, `\u001b`) {
			t.Errorf("%s: %d, and the text itself is not there", path, answer.StatusCode)
		}
	}
}

func TestALongOutputIsShownFromItsEnd(t *testing.T) {
	t.Parallel()
	w, c := signedIn(t)
	w.api.mu.Lock()
	w.api.log = []byte("the first line\n" + strings.Repeat("éé\n", outputOnPage/5) + "the last line\n")
	w.api.mu.Unlock()
	_, end := w.get(c, w.server.URL+"/deployments/"+runHere)
	_, link, _ := strings.Cut(end, `<p><a href="`)
	link, _, _ = strings.Cut(link, "#output")
	if !strings.Contains(end, "the last line") || strings.Contains(end, "the first line") || link == "" || strings.Contains(end, "�") {
		t.Fatalf("the end, then %q", link)
	}
	if _, before := w.get(c, w.server.URL+link); !strings.Contains(before, "the first line") || strings.Contains(before, "the last line") {
		t.Error("what was before is not the rest")
	}
	if answer, _ := w.get(c, w.server.URL+"/deployments/"+runHere+"?until=-1"); answer.StatusCode != http.StatusBadRequest {
		t.Errorf("%d", answer.StatusCode)
	}
}
