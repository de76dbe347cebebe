package emulator_test

import (
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/git"

	"github.com/coderflow/coderflow/internal/forge/emulator"
)

// page reads a page of the organization as a person.
func (w *azureWorld) page(login, path string) string {
	w.t.Helper()
	_, body := w.browse(login, http.MethodGet, path, nil)
	return body
}

// submit sends a form and returns where it leads.
func (w *azureWorld) submit(login, path string, form url.Values) string {
	w.t.Helper()
	form.Set("back", "/acme"+path)
	to, _ := w.browse(login, http.MethodPost, path, form)
	return to
}

func (w *azureWorld) browse(login, method, path string, form url.Values) (location, body string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.info.Azure.OrganizationURL+path, strings.NewReader(form.Encode()))
	must(w.t, err)
	req.AddCookie(&http.Cookie{Name: "acting-as", Value: login})
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	must(w.t, err)
	defer res.Body.Close() //nolint:errcheck // read
	text, err := io.ReadAll(res.Body)
	must(w.t, err)
	if csp := res.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") {
		w.t.Errorf("%s: policy %q", path, csp)
	}
	return res.Header.Get("Location"), string(text)
}

func (w *azureWorld) shows(login, path string, texts ...string) {
	w.t.Helper()
	body := w.page(login, path)
	for _, text := range texts {
		if !strings.Contains(body, text) {
			w.t.Errorf("%s does not show %q:\n%s", path, text, body)
		}
	}
}

func TestAzurePagesPlayAWorkItem(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	to := w.submit("alice", "/shop/_workitems", url.Values{"title": {"A <b>story</b>"}, "body": {"Line one\nLine <two>"}, "tags": {"bug"}, "kind": {"User Story"}})
	if to != "/acme/shop/_workitems/edit/1" {
		t.Fatalf("leads to %q", to)
	}
	const page = "/shop/_workitems/edit/1"
	w.submit("bob", page+"/comments", url.Values{"body": {"/coderflow run\n<script>x</script>"}})
	w.submit("bob", page+"/fields", url.Values{"tag": {"coderflow"}})
	w.submit("bob", page+"/fields", url.Values{"remove": {"bug"}})
	w.submit("bob", page+"/fields", url.Values{"state": {"Active"}})
	w.shows("alice", page, "A &lt;b&gt;story&lt;/b&gt;", "<div>Line &lt;two&gt;</div>", "<div>/coderflow run</div><div>&lt;script&gt;", `<span class="label">coderflow</span>`, "State: Active", "Bob Brown")
	w.shows("alice", "/shop/_workitems", "A &lt;b&gt;story", "1 comments")
	if read := w.forge.Issues(azureRepo)[0]; strings.Join(read.Labels, " ") != "coderflow" {
		t.Errorf("read as %+v", read)
	}
	if to := w.submit("alice", page+"/fields", url.Values{"state": {"Nonsense"}}); !strings.Contains(to, "refused=") {
		t.Errorf("a state that is none leads to %q", to)
	}
	if body := w.page("mallory", page); !strings.Contains(body, "Not found") {
		t.Error("a stranger sees the work item")
	}
}

func TestAzurePagesPlayAPullRequest(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	id, _ := w.pull("topic", true)
	page := "/shop/_git/widget/pullrequest/" + strconv.Itoa(id)
	w.shows("bob", page, "Draft", "nobody can vote", "new.txt", "&#43;one", "Why")
	w.submit("alice", page+"/state", url.Values{"to": {"publish"}})
	for _, word := range []string{"Approve", "Approve with suggestions", "Wait for author", "Reject", "Reset feedback", "Complete"} {
		w.shows("bob", page, ">"+word+"</button>")
	}
	w.submit("bob", page+"/vote", url.Values{"vote": {"-5"}, "body": {"/coderflow no-push"}, "remark": {"Not **here**"}, "path": {"new.txt"}, "line": {"1"}})
	w.shows("alice", page, "Waiting for the author", "/coderflow no-push", "Not <strong>here</strong>", "/new.txt</code> line 1", "Bob Brown voted -5", "published the pull request")
	if votes := w.votes(id); votes["Bob Brown"] != -5 {
		t.Errorf("votes: %v", votes)
	}
	must(t, w.vote("bob", id, 10))
	w.submit("alice", page+"/comments", url.Values{"body": {"Thank you"}})
	pr := w.get(id)
	w.submit("alice", page+"/state", url.Values{"to": {"complete"}, "sha": {*pr.LastMergeSourceCommit.CommitId}})
	w.shows("bob", page, "Completed", "Thank you")
	w.shows("bob", "/shop/_git/widget/pullrequests?_a=completed", "A change")
	if got := *w.get(id).Status; got != git.PullRequestStatusValues.Completed {
		t.Errorf("it is %s", got)
	}
}

func TestAzurePagesShowTheRepository(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	_, dir := w.pull("topic", false)
	head := w.world.mustGit(dir, "alice", "rev-parse", "HEAD")
	w.shows("alice", "", "shop/widget", "1 active pull requests", "a stand-in for Azure DevOps")
	w.shows("alice", "/shop/_git/widget", "README.md", "<h1>Widget</h1>", "topic", w.info.Azure.OrganizationURL+"/shop/_git/widget")
	w.shows("alice", "/shop/_git/widget?path=/README.md&version=GBmain", "# Widget")
	w.shows("alice", "/shop/_git/widget/commits?itemVersion=GBtopic", "Change one")
	w.shows("alice", "/shop/_git/widget/commit/"+head, "Change one", "new.txt")
	id, err := w.forge.AddPipeline(azureRepo, "deploy", emulator.PipelineOptions{})
	must(t, err)
	w.shows("alice", "/shop/_build", "Runs of pipelines")
	if id != 1 {
		t.Errorf("pipeline %d", id)
	}
	if body := w.page("mallory", "/shop/_git/widget"); !strings.Contains(body, "Not found") {
		t.Error("a stranger sees the repository")
	}
	res, err := http.Get(w.info.BaseURL + "/")
	must(t, err)
	must(t, res.Body.Close())
	if res.StatusCode != http.StatusOK || res.Request.URL.Path != "/acme" {
		t.Errorf("the root leads to %s: %d", res.Request.URL, res.StatusCode)
	}
}

func TestAzurePagesRefuseOtherSites(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.info.Azure.OrganizationURL+"/shop/_workitems", strings.NewReader("title=x"))
	must(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	res, err := http.DefaultClient.Do(req)
	must(t, err)
	must(t, res.Body.Close())
	if res.StatusCode != http.StatusForbidden || len(w.forge.Issues(azureRepo)) != 0 {
		t.Errorf("a form of another site: %d", res.StatusCode)
	}
}
