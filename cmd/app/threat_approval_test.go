package main

import (
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/bradleyfalzon/ghinstallation/v2"
	gh "github.com/google/go-github/v62/github"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/task"
)

// otherBot is a client of another App that may write issues and reviews.
func (w *world) otherBot() *gh.Client {
	w.t.Helper()
	app, err := w.hub.CreateApp(emulator.AppManifest{
		Name: "Rubber Stamp " + string(task.NewID()), URL: "https://example.com",
		Permissions: map[string]string{"metadata": "read", "issues": "write", "pull_requests": "write", "contents": "write"},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	installation, err := w.hub.InstallApp(app.Slug, sampleRepo)
	if err != nil {
		w.t.Fatal(err)
	}
	transport, err := ghinstallation.NewKeyFromFile(http.DefaultTransport, app.ID, installation, app.PrivateKeyFile)
	if err != nil {
		w.t.Fatal(err)
	}
	transport.InstallationTokenOptions = &gh.InstallationTokenOptions{} // without it the request's body is null
	transport.BaseURL = strings.TrimSuffix(w.hub.Info().APIURL, "/")
	client, err := gh.NewClient(&http.Client{Transport: transport}).WithEnterpriseURLs(w.hub.Info().APIURL, w.hub.Info().APIURL)
	if err != nil {
		w.t.Fatal(err)
	}
	return client
}

func (w *world) botSays(topic forge.Topic, text string) {
	w.t.Helper()
	if w.onAzure() {
		w.machine().says(topic.Number, text)
		return
	}
	if _, _, err := w.otherBot().Issues.CreateComment(w.t.Context(), sampleOwner, sampleName, topic.Number, &gh.IssueComment{Body: &text}); err != nil {
		w.t.Fatal(err)
	}
}

// pushAs pushes with real git, as a person would.
func (w *world) pushAs(login, branch string, change func(git func(arguments ...string) string)) {
	w.t.Helper()
	dir := filepath.Join(w.t.TempDir(), "clone")
	git := func(arguments ...string) string {
		w.t.Helper()
		cmd := exec.Command("git", arguments...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			w.t.Fatalf("git %v: %v\n%s", arguments, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	remote := w.remoteAs(login)
	if out, err := exec.Command("git", "clone", "-q", "-b", branch, remote, dir).CombinedOutput(); err != nil {
		w.t.Fatalf("clone: %v\n%s", err, out)
	}
	git("config", "user.name", login)
	git("config", "user.email", login+"@example.com")
	change(git)
}

// Approvals that must not count. All of them are made on one server, so that
// the last row, a valid approval of another task, proves that it works at all.
func TestThreat40And42And52ApprovalsThatDoNotCount(t *testing.T) {
	onBoth(t, func(t *testing.T, at worldOption) {
		w := newWorld(t, at)
		rows := map[string]struct {
			act  func(t *testing.T, proposed task.Task)
			says string
		}{
			"threat 40: somebody without a role and with read access": {func(_ *testing.T, p task.Task) {
				w.approve(eve, p.PullRequest, "ship it")
			}, "has no role in environment"},
			"threat 42: the requester": {func(_ *testing.T, p task.Task) {
				w.approve(maria, p.PullRequest, "ship it")
			}, "the requester of a task cannot approve it"},
			"threat 42: a bot": {func(t *testing.T, p task.Task) {
				if w.onAzure() {
					w.reviewable(p)
					w.machine().votes(p.PullRequest, 10)
					return
				}
				event := "APPROVE"
				if _, _, err := w.otherBot().PullRequests.CreateReview(t.Context(), sampleOwner, sampleName, p.PullRequest, &gh.PullRequestReviewRequest{Event: &event}); err != nil {
					t.Fatal(err)
				}
			}, "is not a person"},
			"an unclear directive": {func(_ *testing.T, p task.Task) {
				w.approve(tom, p.PullRequest, "/coderflow depoly publish")
			}, "depoly"},
			"threat 52: a profile that does not exist": {func(_ *testing.T, p task.Task) {
				w.approve(tom, p.PullRequest, "/coderflow deploy nowhere")
			}, "nowhere"},
			"threat 52: shell text in a parameter": {func(_ *testing.T, p task.Task) {
				w.approve(tom, p.PullRequest, `/coderflow deploy publish channel="beta; touch /workspace/x"`)
			}, "channel"},
		}
		for name, row := range rows {
			t.Run(name, func(t *testing.T) {
				issue := w.run(maria)
				proposed := w.taskOf(issue.Number, task.Proposed)
				row.act(t, proposed)
				w.waitSaid(forge.PullTopic(proposed.PullRequest), row.says)
				w.noCommit(proposed)
				if got := w.taskOf(issue.Number, task.Proposed); got.ApprovalID != "" {
					t.Errorf("the task stands under approval %s", got.ApprovalID)
				}
			})
		}
		w.entriesSayEnough(audit.ApprovalRefused)
		w.nothingMentioned()
	})
}

// rewords changes the text of tom's review: on Azure DevOps that of his comment.
func (w *world) rewords(number int, review forge.Review, text string) {
	w.t.Helper()
	if w.onAzure() {
		comments, err := w.comments(w.t.Context(), forge.PullTopic(number))
		at := slices.IndexFunc(comments, func(c forge.Comment) bool { return c.Author.Subject.String() == w.subject(tom) })
		if err != nil || at < 0 {
			w.t.Fatalf("tom said nothing: %v", err)
		}
		if err := w.editComment(w.t.Context(), tom, comments[at], text+"\n\n/coderflow deploy publish"); err != nil {
			w.t.Fatal(err)
		}
		return
	}
	id, err := strconv.ParseInt(review.ID, 10, 64)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, _, err := w.gitHub(tom).PullRequests.UpdateReview(w.t.Context(), sampleOwner, sampleName, number, id, text); err != nil {
		w.t.Fatal(err)
	}
}

// Comments and text approve nothing; only the review's state does (row 45).
func TestThreat45TextNeverApproves(t *testing.T) {
	onBoth(t, func(t *testing.T, at worldOption) {
		w := newWorld(t, at)
		issue := w.run(maria)
		proposed := w.taskOf(issue.Number, task.Proposed)
		review, err := w.review(t.Context(), tom, proposed.PullRequest, forge.ReviewCommented, "APPROVED\n\n/coderflow deploy publish")
		if err != nil {
			t.Fatal(err)
		}
		w.rewords(proposed.PullRequest, review, "I approve")
		w.say(tom, forge.PullTopic(proposed.PullRequest), "/coderflow status")
		w.waitSaid(forge.PullTopic(proposed.PullRequest), "Waiting for approval")
		w.noCommit(proposed)
	})
}

// An approval of an older head does not count after a push, and a push by
// anybody else makes the proposal void for good, restored or not.
func TestThreat41And43PushToTheProposalBranchVoidsIt(t *testing.T) {
	onBoth(t, func(t *testing.T, at worldOption) {
		w := newWorld(t, at, withExtra("reconcile: {interval: 1h}"))
		issue := w.run(maria)
		proposed := w.taskOf(issue.Number, task.Proposed)
		// The server must not be helped by deliveries: it sees the branch restored.
		w.hub.DropDeliveries(func(event string) bool {
			return ofPullRequest(event) || event == "push" || event == "git.push"
		})
		if err := w.hub.AddCollaborator(sampleRepo, maria, "maintain"); err != nil { // who may push by force
			t.Fatal(err)
		}
		w.pushAs(maria, proposed.ID.Branch(), func(git func(...string) string) {
			carrier := git("rev-parse", "HEAD")
			git("commit", "-q", "--allow-empty", "-m", "sneak")
			git("push", "-q", "origin", "HEAD")
			git("push", "-q", "-f", "origin", carrier+":refs/heads/"+proposed.ID.Branch())
		})
		w.settle()
		w.hub.DropDeliveries(nil)
		w.approve(tom, proposed.PullRequest, "looks good")
		w.taskOf(issue.Number, task.Superseded)
		w.waitSaid(forge.PullTopic(proposed.PullRequest), "void")
		w.noCommit(proposed)

		if w.onAzure() { // votes name no commit
			return
		}
		second := w.run(maria)
		other := w.taskOf(second.Number, task.Proposed)
		w.hub.DropDeliveries(func(string) bool { return true })
		carrier := w.head(other.PullRequest)
		w.pushAs(maria, other.ID.Branch(), func(git func(...string) string) {
			git("commit", "-q", "--allow-empty", "-m", "on top")
			git("push", "-q", "origin", "HEAD")
		})
		approve := "APPROVE" // of the carrier, which is no longer the head
		if _, _, err := w.gitHub(tom).PullRequests.CreateReview(t.Context(), sampleOwner, sampleName, other.PullRequest,
			&gh.PullRequestReviewRequest{Event: &approve, CommitID: &carrier}); err != nil {
			t.Fatal(err)
		}
		w.hub.DropDeliveries(func(string) bool { return false })
		w.say(tom, forge.PullTopic(other.PullRequest), "/coderflow status")
		w.pushAs(maria, other.ID.Branch(), func(git func(...string) string) {
			git("commit", "-q", "--allow-empty", "-m", "and again")
			git("push", "-q", "origin", "HEAD")
		})
		w.taskOf(second.Number, task.Superseded)
		w.noCommit(other)
	})
}

// Rows 44 and 46: a dismissed approval, and a pull request that was retargeted
// or closed, give nothing.
func TestThreat44And46WithdrawnApprovalsAndMovedPullRequests(t *testing.T) {
	onBoth(t, func(t *testing.T, at worldOption) {
		w := newWorld(t, at, withExtra("reconcile: {interval: 1h}"))
		quiet := func(f func()) {
			w.hub.DropDeliveries(ofPullRequest)
			f()
			if err := w.hub.Settle(t.Context()); err != nil {
				t.Fatal(err)
			}
			w.hub.DropDeliveries(func(string) bool { return false })
		}
		dismissed := w.taskOf(w.run(maria).Number, task.Proposed)
		quiet(func() {
			review := w.approve(tom, dismissed.PullRequest, "fine")
			w.dismiss(dismissed.PullRequest, review)
		})
		w.approve(eve, dismissed.PullRequest, "") // wakes the task
		w.waitSaid(forge.PullTopic(dismissed.PullRequest), "has no role in environment")
		w.noCommit(dismissed)

		retargeted := w.taskOf(w.run(maria).Number, task.Proposed)
		w.pushAs(tom, "main", func(git func(...string) string) { git("push", "-q", "origin", "HEAD:refs/heads/release") })
		quiet(func() {
			if err := w.retarget(t.Context(), tom, retargeted.PullRequest, "release"); err != nil {
				t.Fatal(err)
			}
		})
		w.approve(tom, retargeted.PullRequest, "fine")
		w.taskOf(retargeted.Issue, task.Superseded)
		w.waitSaid(forge.PullTopic(retargeted.PullRequest), "pointed at another branch")
		w.noCommit(retargeted)

		closed := w.taskOf(w.run(maria).Number, task.Proposed)
		if err := w.setPullRequestOpen(t.Context(), tom, closed.PullRequest, false); err != nil {
			t.Fatal(err)
		}
		w.taskOf(closed.Issue, task.Rejected)
		w.noCommit(closed)
	})
}

// Two valid approvals at once, with every delivery sent twice, are one commit,
// one push and one deployment.
func TestThreat51TwoApprovalsAtOnceLandOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withExtra("reconcile: {interval: 1s}"))
	if err := w.hub.AddCollaborator(sampleRepo, tom, "admin"); err != nil {
		t.Fatal(err)
	}
	issue := w.run(maria)
	proposed := w.taskOf(issue.Number, task.Proposed)
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() { w.approve(tom, proposed.PullRequest, "/coderflow deploy publish") })
	}
	both.Wait()
	for _, d := range w.hub.Deliveries() {
		if d.Event == "pull_request_review" && !d.Redelivery {
			if err := w.hub.Redeliver(d.GUID); err != nil {
				t.Fatal(err)
			}
		}
	}
	done := w.taskOf(issue.Number, task.Done)
	if err := w.hub.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.landedExactly(done)
	w.auditHas(done.ID, map[audit.Action]int{
		audit.ApprovalRecorded: 1, audit.PushIntent: 1, audit.PushDone: 1, audit.DeployIntent: 1, audit.DeployStarted: 1, audit.DeployEnded: 1,
	})
	if n := len(w.hub.Deployments(sampleRepo)); n != 1 {
		t.Errorf("%d deployments at the forge, want 1", n)
	}
}

// Before the approval nothing that CI could build is in the repository: every
// push is the inert file alone, and says [skip ci] (row 37).
func TestThreat37RepositoryHoldsOneInertFileBeforeApproval(t *testing.T) {
	onBoth(t, func(t *testing.T, at worldOption) {
		w := newWorld(t, at, withAgent(`mkdir -p .github/workflows && printf 'on: push\n' >.github/workflows/x.yml; printf 'all:\n\ttouch /tmp/owned\n' >Makefile`))
		proposed := w.taskOf(w.run(maria).Number, task.Proposed)
		head := w.head(proposed.PullRequest)
		commit, err := w.commit(t.Context(), head)
		if err != nil {
			t.Fatal(err)
		}
		if len(commit.Files) != 1 || commit.Files[0].Path != task.ProposalPath(proposed.ID) || commit.Files[0].Status != "added" {
			t.Errorf("the carrier commit changes %v", commit.Files)
		}
		if !strings.Contains(commit.Message, "[skip ci]") {
			t.Errorf("message %q", commit.Message)
		}
		pr, err := w.pullRequest(t.Context(), proposed.PullRequest)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(pr.Body, "workflow") || !pr.Draft && !w.onAzure() {
			t.Errorf("draft %v; the workflow file is not named as a risk:\n%s", pr.Draft, pr.Body)
		}
		if w.onAzure() { // which has no rule about such files
			return
		}
		// Threat 36: the App has no permission to push workflow files, and the forge's
		// refusal is shown in its own words.
		w.approve(tom, proposed.PullRequest, "")
		w.waitSaid(forge.PullTopic(proposed.PullRequest), "the forge refused the push")
		w.waitSaid(forge.PullTopic(proposed.PullRequest), "may not change workflow files, on purpose")
		w.auditHas(proposed.ID, map[audit.Action]int{audit.PushRefused: 1, audit.PushDone: 0})
		if got := w.head(proposed.PullRequest); got != head {
			t.Errorf("the branch moved to %s", got)
		}
	})
}
