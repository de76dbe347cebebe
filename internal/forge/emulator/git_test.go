package emulator_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-github/v62/github"

	"github.com/coderflow/coderflow/internal/forge/emulator"
)

func TestGitNeedsTheRightCredential(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	url := w.info.GitURL + "/" + repoName + ".git"
	_, reader := w.bot(&github.InstallationTokenOptions{Permissions: &github.InstallationPermissions{Contents: github.String("read")}})
	_, blind := w.bot(&github.InstallationTokenOptions{Permissions: &github.InstallationPermissions{Issues: github.String("write")}})
	for name, tc := range map[string]struct{ user, token, want string }{
		"reader":       {"x-access-token", reader, ""},
		"no contents":  {"x-access-token", blind, "403"},
		"wrong name":   {"somebody", reader, "could not read Username"},
		"stranger":     {"mallory", w.forge.ClientFor("mallory"), "not found"},
		"unknown":      {"alice", "ghp_wrong", "could not read Username"},
		"collaborator": {"alice", w.forge.ClientFor("alice"), ""},
	} {
		out, err := w.git(t.TempDir(), tc.user, tc.token, "ls-remote", url)
		if (err == nil) != (tc.want == "") || !strings.Contains(out, tc.want) {
			t.Errorf("%s: %v %s", name, err, out)
		}
	}
	dir := w.clone("alice")
	w.commit(dir, "topic", "a.txt", "a\n")
	if out, err := w.git(dir, "x-access-token", reader, "push", "origin", "topic"); err == nil || !strings.Contains(out, "403") {
		t.Errorf("pushing with contents:read: %v %s", err, out)
	}
}

func TestPushMovesPullRequestAndTellsOfIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pr, dir := w.pull("topic", false)
	before := pr.GetHead().GetSHA()
	after := w.commit(dir, "topic", "more.txt", "more\n")
	w.mustGit(dir, "alice", "push", "-q", "origin", "topic")
	w.settle()
	sync := w.hooks.last(t, "pull_request")
	if sync["action"] != "synchronize" || sync["before"] != before || sync["after"] != after {
		t.Errorf("action %v, before %v, after %v", sync["action"], sync["before"], sync["after"])
	}
	if got := w.forge.PullRequests(repoName)[0].HeadSHA; got != after {
		t.Errorf("head is %s, not %s", got, after)
	}
	pushes := w.forge.Pushes(repoName)
	if last := pushes[len(pushes)-1]; last.Ref != "refs/heads/topic" || last.Old != before || last.New != after || last.Actor != "alice" || last.Kind != "push" {
		t.Errorf("last push is %+v", last)
	}
}

func TestForcePushIsAnIssueEventAndActivity(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pr, dir := w.pull("topic", false)
	w.mustGit(dir, "alice", "commit", "-q", "--amend", "-m", "Another")
	w.mustGit(dir, "alice", "push", "-q", "--force", "origin", "topic")
	if events := w.forge.IssueEvents(repoName, pr.GetNumber()); !slices.Contains(events, "head_ref_force_pushed") {
		t.Errorf("events are %v", events)
	}
	bot, _ := w.bot(nil)
	req, err := bot.NewRequest("GET", "repos/acme/widget/activity?ref=refs/heads/topic", nil)
	must(t, err)
	var activity []struct {
		Kind   string                 `json:"activity_type"`
		Before string                 `json:"before"`
		Actor  struct{ Login string } `json:"actor"`
	}
	_, err = bot.Do(t.Context(), req, &activity)
	must(t, err)
	if len(activity) != 2 || activity[0].Kind != "force_push" || activity[0].Before != pr.GetHead().GetSHA() || activity[0].Actor.Login != "alice" {
		t.Errorf("activity is %+v", activity)
	}
}

func TestDeletedHeadBranchClosesPullRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, dir := w.pull("topic", false)
	w.mustGit(dir, "alice", "push", "-q", "origin", ":topic")
	if got := w.forge.PullRequests(repoName)[0]; got.State != "closed" || got.Merged {
		t.Errorf("pull request is %+v", got)
	}
}

func TestProtectedBranchRefusesDirectPushes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, token := w.bot(nil)
	must(t, w.forge.Protect(repoName, "main", emulator.Protection{RequiredReviews: 1}))
	dir := w.clone("alice")
	w.commit(dir, "main", "a.txt", "a\n")
	for name, tc := range map[string]struct{ user, token string }{"person": {"alice", w.forge.ClientFor("alice")}, "App": {"x-access-token", token}} {
		out, err := w.git(dir, tc.user, tc.token, "push", "origin", "main")
		if err == nil || !strings.Contains(out, "GH006: Protected branch update failed for refs/heads/main.") || !strings.Contains(out, "remote rejected") {
			t.Errorf("%s: %v %s", name, err, out)
		}
	}
	if out, err := w.git(dir, "owner", w.forge.ClientFor("owner"), "push", "-q", "origin", "main"); err != nil {
		t.Errorf("an administrator whom it does not bind: %s", out)
	}
	must(t, w.forge.Protect(repoName, "main", emulator.Protection{RequiredReviews: 1, EnforceAdmins: true}))
	w.commit(dir, "main", "b.txt", "b\n")
	if out, err := w.git(dir, "owner", w.forge.ClientFor("owner"), "push", "origin", "main"); err == nil {
		t.Errorf("an administrator whom it binds: %s", out)
	}
	must(t, w.forge.Protect(repoName, "main", emulator.Protection{RequiredReviews: 1, EnforceAdmins: true, RestrictPushes: true, AllowPush: []string{w.info.AppSlug}}))
	if out, err := w.git(dir, "x-access-token", token, "push", "-q", "origin", "main"); err != nil {
		t.Errorf("an App that is allowed: %s", out)
	}
}

func TestProtectedBranchRefusesForceAndDeletion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, dir := w.pull("topic", false)
	must(t, w.forge.Protect(repoName, "topic", emulator.Protection{EnforceAdmins: true}))
	w.mustGit(dir, "alice", "commit", "-q", "--amend", "-m", "Another")
	if out, err := w.git(dir, "alice", w.forge.ClientFor("alice"), "push", "--force", "origin", "topic"); err == nil || !strings.Contains(out, "Cannot force-push to this branch") {
		t.Errorf("force: %v %s", err, out)
	}
	if out, err := w.git(dir, "alice", w.forge.ClientFor("alice"), "push", "origin", ":topic"); err == nil || !strings.Contains(out, "Cannot delete this protected branch") {
		t.Errorf("deletion: %v %s", err, out)
	}
}

func TestWorkflowFilesNeedThePermission(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, token := w.bot(nil)
	dir := w.clone("alice")
	w.commit(dir, "ci", ".github/workflows/ci.yml", "on: push\n")
	out, err := w.git(dir, "x-access-token", token, "push", "origin", "ci")
	want := "refusing to allow a GitHub App to create or update workflow `.github/workflows/ci.yml` without `workflows` permission"
	if err == nil || !strings.Contains(out, want) {
		t.Fatalf("an App: %v %s", err, out)
	}
	w.mustGit(dir, "alice", "push", "-q", "origin", "ci:main")
	w.commit(dir, "ci2", "plain.txt", "x\n")
	if out, err := w.git(dir, "x-access-token", token, "push", "-q", "origin", "ci2"); err != nil {
		t.Errorf("an App that builds on a workflow that is there: %s", out)
	}
}

func TestRepositoryOnDiskRefusesPushesPastTheForge(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir := w.clone("alice")
	w.commit(dir, "topic", "a.txt", "a\n")
	out, err := w.git(dir, "alice", "x", "push", w.forge.RepositoryDir(repoName), "topic")
	if err == nil || !strings.Contains(out, "pushes go through the forge") {
		t.Errorf("%v %s", err, out)
	}
}

func TestLargePushArrivesWhole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir := w.clone("alice")
	content := make([]byte, 3<<20) // over git's http.postBuffer, so that the body is chunked
	for i := range content {
		content[i] = byte(i * i >> 7)
	}
	must(t, os.WriteFile(filepath.Join(dir, "big.bin"), content, 0o600))
	sha := w.commit(dir, "big", "note.txt", "x\n")
	w.mustGit(dir, "alice", "-c", "http.postBuffer=1024", "push", "-q", "origin", "big")
	refs, err := w.forge.Refs(repoName)
	must(t, err)
	if refs["refs/heads/big"] != sha {
		t.Errorf("refs are %v", refs)
	}
}

func TestPushWhoseAnswerIsLostIsDone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir := w.clone("alice")
	sha := w.commit(dir, "topic", "a.txt", "a\n")
	w.forge.Fail(func(r *http.Request) *emulator.Fault {
		if strings.HasSuffix(r.URL.Path, "/git-receive-pack") {
			return &emulator.Fault{DropResponse: true}
		}
		return nil
	})
	if out, err := w.git(dir, "alice", w.forge.ClientFor("alice"), "push", "origin", "topic"); err == nil {
		t.Errorf("the client saw an answer: %s", out)
	}
	refs, err := w.forge.Refs(repoName)
	must(t, err)
	if pushes := w.forge.Pushes(repoName); refs["refs/heads/topic"] != sha || pushes[len(pushes)-1].New != sha {
		t.Errorf("refs are %v", refs)
	}
}

func TestForkIsAnotherRepository(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	must(t, w.forge.AddCollaborator(repoName, "mallory", "read"))
	fork, err := w.forge.Fork(repoName, "mallory")
	must(t, err)
	dir := w.clone("alice")
	sha := w.commit(dir, "evil", "a.txt", "a\n")
	w.mustGit(dir, "mallory", "push", "-q", w.info.GitURL+"/mallory/widget.git", "evil")
	pr, _, err := w.as("mallory").PullRequests.Create(t.Context(), "acme", "widget", &github.NewPullRequest{
		Title: github.String("From a fork"), Head: github.String("mallory:evil"), Base: github.String("main")})
	must(t, err)
	if pr.GetHead().GetRepo().GetID() != fork || pr.GetHead().GetSHA() != sha || pr.GetChangedFiles() != 1 {
		t.Errorf("head is %v", pr.GetHead())
	}
}

func TestPullRequestFilesAndDiffComeFromGit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pr, dir := w.pull("topic", false)
	w.mustGit(dir, "alice", "mv", "src/main.go", "src/renamed.go")
	w.mustGit(dir, "alice", "rm", "-q", "README.md")
	w.commit(dir, "topic", "with space ü.txt", "1\n2\n")
	w.mustGit(dir, "alice", "push", "-q", "origin", "topic")
	bot, _ := w.bot(nil)
	files, _, err := bot.PullRequests.ListFiles(t.Context(), "acme", "widget", pr.GetNumber(), nil)
	must(t, err)
	got := map[string]string{}
	for _, f := range files {
		got[f.GetFilename()] = f.GetStatus()
	}
	want := map[string]string{"README.md": "removed", "new.txt": "added", "src/renamed.go": "renamed", "with space ü.txt": "added"}
	gotText, _ := json.Marshal(got)
	wantText, _ := json.Marshal(want)
	if string(gotText) != string(wantText) {
		t.Errorf("files are %s, not %s", gotText, wantText)
	}
	diff, _, err := bot.PullRequests.GetRaw(t.Context(), "acme", "widget", pr.GetNumber(), github.RawOptions{Type: github.Diff})
	must(t, err)
	patch, _, err := bot.PullRequests.GetRaw(t.Context(), "acme", "widget", pr.GetNumber(), github.RawOptions{Type: github.Patch})
	must(t, err)
	if !strings.HasPrefix(diff, "diff --git") || strings.Count(patch, "Subject: [PATCH") != 2 {
		t.Errorf("diff %q, patch %q", diff, patch)
	}
}
