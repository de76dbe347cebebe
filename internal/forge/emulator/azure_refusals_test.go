package emulator_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/forge/emulator"
)

// twoRepositories is a project whose second repository is not alice's; olga administers it and not the first.
func twoRepositories(t *testing.T) *azureWorld {
	t.Helper()
	w := newAzureWorld(t)
	_, err := w.forge.CreateRepository("shop", "vault", map[string]string{"a.txt": "a\n"}, emulator.RepositoryOptions{Private: true})
	must(t, err)
	must(t, w.forge.AddCollaborator("shop/vault", "olga", "admin"))
	must(t, w.forge.AddCollaborator(azureRepo, "olga", "read"))
	return w
}

// What a repository's people may do, they may not do in another one of the project.
func TestAzureRightsAreOfOneRepository(t *testing.T) {
	t.Parallel()
	w := twoRepositories(t)
	id, err := w.forge.AddPipeline("shop/vault", "release", emulator.PipelineOptions{})
	must(t, err)
	_, err = w.forge.AddPipeline(azureRepo, "release", emulator.PipelineOptions{})
	must(t, err)
	bound, err := w.forge.AddPolicy(azureRepo, "main", emulator.BranchPolicy{Reviewers: &emulator.ReviewersPolicy{Minimum: 1}})
	must(t, err)
	run := fmt.Sprintf("/shop/_apis/pipelines/%d/runs?api-version=7.1", id)
	policies := fmt.Sprintf("/shop/_apis/policy/configurations/%d?api-version=7.1", bound)
	for _, c := range []struct {
		login, method, path, body string
		status                    int
		says                      string
	}{
		{"alice", "POST", run, "{}", 404, "PipelineNotFoundException"},
		{"olga", "POST", run, "{}", 200, "inProgress|completed"},
		{"alice", "GET", "/shop/_apis/pipelines/1/runs/1?api-version=7.1", "", 404, "BuildNotFoundException"},
		{"alice", "GET", "/shop/_apis/build/builds/1?api-version=7.1", "", 404, "BuildNotFoundException"},
		{"alice", "GET", "/shop/_apis/build/builds?api-version=7.1", "", 200, `"count":0`},
		{"alice", "GET", "/shop/_apis/pipelines?api-version=7.1", "", 200, `"count":1`},
		{"olga", "POST", "/shop/_apis/pipelines/2/runs?api-version=7.1", "{}", 403, "GenericContribute"},
		{"olga", "DELETE", policies, "", 403, "EditPolicies"},
		{"olga", "GET", policies, "", 200, "minimumApproverCount"},
	} {
		res, text := w.ask(c.method, c.path, w.forge.ClientFor(c.login), c.body)
		first, second, _ := strings.Cut(c.says, "|")
		if res.StatusCode != c.status || !strings.Contains(text, first) && (second == "" || !strings.Contains(text, second)) {
			t.Errorf("%s: %s %s: %d %s", c.login, c.method, c.path, res.StatusCode, text)
		}
	}
}

// A public project is seen by everybody who signs in, and worked on by its people.
func TestAzureWorkItemsAreChangedByMembers(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	_, err := w.forge.CreateRepository("shop", "open", map[string]string{"a.txt": "a\n"}, emulator.RepositoryOptions{})
	must(t, err)
	id := w.item("alice", "Do it", "")
	said := w.comment("alice", id, "please")
	item := fmt.Sprintf("/shop/_apis/wit/workItems/%d", id)
	title := `[{"op": "add", "path": "/fields/System.Title", "value": "Other"}]`
	as := func(method, path, body string) int {
		res, _ := w.ask(method, path, w.forge.ClientFor("mallory"), body, "Content-Type: "+map[bool]string{true: "application/json-patch+json", false: "application/json"}[strings.HasPrefix(body, "[")])
		return res.StatusCode
	}
	if got := as("GET", item+"?api-version=7.1", ""); got != http.StatusOK {
		t.Errorf("reading: %d", got)
	}
	change := func(want int) {
		t.Helper()
		for _, c := range []struct{ method, path, body string }{
			{"PATCH", item + "?api-version=7.1", title}, {"POST", "/shop/_apis/wit/workItems/$Issue?api-version=7.1", title},
			{"POST", item + "/comments?api-version=7.1-preview.4", `{"text": "do more"}`},
			{"PUT", fmt.Sprintf("%s/comments/%d/reactions/like?api-version=7.1-preview.1", item, *said.Id), ""},
		} {
			if got := as(c.method, c.path, c.body); got != want {
				t.Errorf("%s %s: %d, want %d", c.method, c.path, got, want)
			}
		}
	}
	change(http.StatusForbidden)
	must(t, w.forge.AddCollaborator(azureRepo, "mallory", "read"))
	change(http.StatusOK)
}

// A pull request that cannot be made as it is asked for is not made at all.
func TestAzureRefusedPullRequestsAreNotMade(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	w.push("alice", w.clone("alice"), "topic", "one\n")
	body := `{"title": "x", "sourceRefName": "refs/heads/topic", "targetRefName": "refs/heads/main", %s}`
	for _, more := range []string{`"workItemRefs": [{"id": "77"}]`, `"reviewers": [{"id": "11111111-2222-3333-4444-555555555555"}]`} {
		res, text := w.ask("POST", "/shop/_apis/git/repositories/widget/pullrequests?api-version=7.1", w.forge.ClientFor("alice"), fmt.Sprintf(body, more))
		if res.StatusCode < 400 || res.StatusCode == http.StatusNotImplemented {
			t.Errorf("%s: %d %s", more, res.StatusCode, text)
		}
	}
	if _, list := w.ask("GET", "/shop/_apis/git/pullrequests?api-version=7.1&searchCriteria.status=all", w.forge.ClientFor("alice"), ""); !strings.Contains(list, `"count":0`) {
		t.Errorf("made: %s", list)
	}
}

// What would be accepted and then not acted on fails loudly.
func TestAzureUnknownPartsOfBodiesFailLoudly(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	pipeline, err := w.forge.AddPipeline(azureRepo, "ci", emulator.PipelineOptions{})
	must(t, err)
	pull, _ := w.pull("topic", false)
	inPull := fmt.Sprintf("/shop/_apis/git/repositories/widget/pullRequests/%d", pull)
	token := w.forge.ClientFor("olga")
	res, text := w.ask("POST", inPull+"/threads?api-version=7.1", token, `{"comments": [{"content": "hm", "commentType": 1}]}`)
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", res.StatusCode, text)
	}
	inThread := inPull + "/threads/" + fmt.Sprint(*w.threads(pull)[0].Id)
	policy := func(kind, settings string) string {
		return `{"isEnabled": true, "isBlocking": true, "type": {"id": "` + kind + `"}, "settings": {` + settings +
			`, "scope": [{"refName": "refs/heads/main", "matchKind": "Exact", "repositoryId": "` + w.repoGUID() + `"}]}}`
	}
	const status, build = "cbdc66da-9728-4af8-aada-9a5a32e4a226", "0609b952-1397-4640-95ec-e00a01b2c241"
	of := fmt.Sprintf(`"buildDefinitionId": %d, `, pipeline)
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", "/shop/_apis/policy/configurations", policy(status, `"statusName": "gate", "invalidateOnSourceUpdate": false`), 501},
		{"POST", "/shop/_apis/policy/configurations", policy(status, `"statusName": "gate", "defaultDisplayName": "Gate"`), 501},
		{"POST", "/shop/_apis/policy/configurations", policy(status, `"statusName": "gate", "policyApplicability": 1`), 501},
		{"POST", "/shop/_apis/policy/configurations", policy(build, of+`"queueOnSourceUpdateOnly": false`), 501},
		{"POST", "/shop/_apis/policy/configurations", policy(build, of+`"manualQueueOnly": true`), 501},
		{"POST", "/shop/_apis/policy/configurations", policy(build, of+`"validDuration": 720`), 501},
		{"POST", "/shop/_apis/policy/configurations", policy(build, `"buildDefinitionId": 9`), 400},
		{"POST", "/shop/_apis/policy/configurations", policy(build, of+`"manualQueueOnly": false`), 200},
		{"POST", inPull + "/threads", `{"comments": [{"content": "hm", "commentType": "vote"}]}`, 400},
		{"POST", inPull + "/threads", `{"comments": [{"content": "hm", "parentCommentId": 1}]}`, 400},
		{"POST", inPull + "/threads", `{"comments": [{"content": "hm"}], "threadContext": {"filePath": "/a", "rightFileStart": {"line": 0, "offset": 1}, "rightFileEnd": {"line": 1, "offset": 1}}}`, 400},
		{"POST", inPull + "/threads", `{"comments": [{"content": "hm"}], "threadContext": {"filePath": "/a", "rightFileStart": {"line": 1, "offset": 1}}}`, 400},
		{"POST", inPull + "/threads", `{"comments": [{"content": "hm"}], "pullRequestThreadContext": {"iterationContext": {"firstComparingIteration": 1, "secondComparingIteration": 2}}}`, 400},
		{"PATCH", inThread, `{"pullRequestThreadContext": {}}`, 501},
		{"POST", inThread + "/comments", `{"content": "hm", "parentCommentId": 2}`, 400},
		{"POST", inThread + "/comments", `{"content": "hm", "parentCommentId": 1}`, 200},
		{"PATCH", inThread + "/comments/2", `{"content": "hm", "parentCommentId": 2}`, 501},
		{"PATCH", inThread + "/comments/2", `{"content": "hm", "commentType": "system"}`, 501},
		{"POST", inPull + "/statuses", `{"state": "failed", "context": {"name": "x"}, "properties": {"a": 1}}`, 501},
	} {
		res, text := w.ask(c.method, c.path+"?api-version=7.1", token, c.body)
		if res.StatusCode != c.status {
			t.Errorf("%s %s %s: %d, want %d: %s", c.method, c.path, c.body, res.StatusCode, c.status, text)
		}
	}
}

func TestAzureListsGoOnAtTheirToken(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	for _, name := range []string{"one", "two", "three"} {
		_, err := w.forge.AddPipeline(azureRepo, name, emulator.PipelineOptions{})
		must(t, err)
	}
	path, names := "/shop/_apis/pipelines?api-version=7.1&$top=2", ""
	for next := path; next != ""; {
		res, text := w.ask("GET", next, w.forge.ClientFor("alice"), "")
		for _, name := range []string{"one", "two", "three"} {
			if strings.Contains(text, `"name":"`+name+`"`) {
				names += name + " "
			}
		}
		if next = res.Header.Get("X-Ms-Continuationtoken"); next != "" {
			names += "| "
			next = path + "&continuationToken=" + next
		}
	}
	if names != "one two | three " {
		t.Errorf("pages: %s", names)
	}
}
