package web

import (
	"net/http"
	"strings"
	"testing"
)

func TestTheLogOnAPageShowsWhatTheViewerMaySee(t *testing.T) {
	t.Parallel()
	w, c := signedIn(t)
	if answer, page := w.get(c, w.server.URL+"/audit"); answer.StatusCode != http.StatusForbidden || strings.Contains(page, "y.z") {
		t.Errorf("a viewer, who may not see the log: %d %s", answer.StatusCode, page)
	}
	w.api.rule(bindingYAML("b", "oidc:own/alice", "environment-admin", "environment/production"))
	if _, home := w.get(c, w.server.URL+"/"); !strings.Contains(home, `href="/audit"`) {
		t.Errorf("the start page does not lead there: %s", home)
	}
	answer, page := w.get(c, w.server.URL+"/audit?subject=x&action=y.*&since=2026-01-31&until=")
	for _, want := range []string{
		"<td>2</td>", "2026-03-01 10:00:00", "y.z", "production", `href="/tasks/` + string(there) + `/chain"`, "&#34;a&#34;: &#34;&lt;b&gt;&#34;",
		`name="subject" value="x"`, `value="2026-01-31"`, "Environments whose log you may see: production.",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q: %s", want, page)
		}
	}
	if csp := answer.Header.Get("Content-Security-Policy"); csp != pagePolicy || strings.Contains(page, "<td>1</td>") || strings.Contains(page, "<td>3</td>") || strings.Contains(page, "<b>") {
		t.Errorf("%q %s", csp, page)
	}
	if q := w.api.asked; !q.Newest || q.Limit != entriesOnPage || len(q.Environments) != 1 || q.Actor != "x" || q.Since.IsZero() || !q.Until.IsZero() {
		t.Errorf("%+v", q)
	}
	for path, want := range map[string]int{"/audit?environment=staging": 404, "/audit?environment=nowhere": 404, "/audit?action=%25": 400, "/audit?cursor=x": 400} {
		if answer, page := w.get(c, w.server.URL+path); answer.StatusCode != want || strings.Contains(page, "<td>") {
			t.Errorf("%s: %d %s", path, answer.StatusCode, page)
		}
	}
	if answer, page := w.get(w.browser(nil), w.server.URL+"/audit"); answer.StatusCode != http.StatusOK || strings.Contains(page, "y.z") {
		t.Errorf("a stranger: %d %s", answer.StatusCode, page)
	}
}
