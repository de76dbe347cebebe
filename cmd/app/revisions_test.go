package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	gh "github.com/google/go-github/v62/github"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/task"
)

// revisingAgent changes a file at first, and later what the feedback says: "ADD: word"
// makes it write the word down. It counts its rounds in a file, which tells whether it
// found its own work again.
const revisingAgent = `
if [ -f rounds ]; then
	echo "round $(($(cat rounds) + 1))" && echo $(($(cat rounds) + 1)) >rounds
	if grep -q 'FAIL: please' "$CODERFLOW_PROMPT_FILE"; then echo broken >half-done; exit 3; fi
	if grep -q 'KEEP: it' "$CODERFLOW_PROMPT_FILE"; then echo $(($(cat rounds) - 1)) >rounds; exit 0; fi
	grep -o 'ADD: [a-z]*' "$CODERFLOW_PROMPT_FILE" >>added
	grep -o 'receipt.awk:[0-9]*: .*' "$CODERFLOW_PROMPT_FILE" >>added
	exit 0
fi
` + quickAgent + `
echo 1 >rounds`

// A proposal is sent back by a comment, by a review with remarks on lines, and by a
// rebase; what is approved in the end is the newest revision, and nothing older ever is.
func TestAProposalIsRevisedUntilSomebodyApprovesTheNewestRevision(t *testing.T) {
	onBoth(t, func(t *testing.T, at worldOption) {
		w := newWorld(t, at, withAgent(revisingAgent))
		issue := w.run(maria)
		first := w.taskOf(issue.Number, task.Proposed)
		pr := first.PullRequest
		carriers := []string{w.head(pr)}

		w.say(eve, forge.PullTopic(pr), "/coderflow revise ADD: nothing")
		w.waitSaid(forge.PullTopic(pr), "has no role in environment")
		w.say(maria, forge.PullTopic(pr), "/coderflow revise ADD: unit")
		second := w.revised(issue.Number, 2)
		carriers = append(carriers, w.head(pr))
		w.follows(second, carriers)
		w.proposes(second, map[string]string{"rounds": "2\n", "added": "ADD: unit\n"})
		w.waitSaid(forge.PullTopic(pr), "Revision 2 is up for review")

		if !w.onAzure() { // votes name no commit
			w.approvesCommit(tom, pr, carriers[0], "ship it") // threat 41
			w.waitSaid(forge.PullTopic(pr), "the review is of commit `"+carriers[0][:12])
			w.auditHas(second.ID, map[audit.Action]int{audit.ApprovalRefused: 1, audit.ApprovalRecorded: 0, audit.PushIntent: 0})
		}

		w.requestsChanges(tom, second, "ADD: total", "receipt.awk", "the tax is missing")
		third := w.revised(issue.Number, 3)
		carriers = append(carriers, w.head(pr))
		w.follows(third, carriers)
		w.waitSaid(forge.PullTopic(pr), "the tax is missing")
		if added := w.resultFile(third, "added"); !strings.Contains(added, "ADD: total") || !strings.Contains(added, ": the tax is missing") {
			t.Errorf("the agent was told %q", added)
		}

		w.showsRevisions(third)

		w.landsElsewhere(tom, "NEWS", "news\n")
		w.say(maria, forge.PullTopic(pr), "/coderflow rebase")
		fourth := w.revised(issue.Number, 4)
		carriers = append(carriers, w.head(pr))
		w.follows(fourth, carriers)
		if fourth.BaseCommit == third.BaseCommit || w.resultFile(fourth, "NEWS") != "news\n" || w.resultFile(fourth, "rounds") != "3\n" {
			t.Errorf("the rebased change is of base %s and has %q", fourth.BaseCommit, w.resultFile(fourth, "rounds"))
		}
		w.say(maria, forge.PullTopic(pr), "/coderflow rebase")
		w.waitSaid(forge.PullTopic(pr), "it is on the tip of main already")

		w.say(maria, forge.PullTopic(pr), "/coderflow revise FAIL: please")
		w.waitSaid(forge.PullTopic(pr), "Revision 6 came to nothing")
		w.say(maria, forge.PullTopic(pr), "/coderflow revise KEEP: it")
		w.waitSaid(forge.PullTopic(pr), "Revision 7 came to nothing")
		stands := w.taskOf(issue.Number, task.Proposed)
		if w.head(pr) != carriers[3] {
			t.Errorf("the branch moved to %s by a revision that came to nothing", w.head(pr))
		}
		w.say(maria, forge.PullTopic(pr), "/coderflow revise ADD: receipt")
		last := w.revised(issue.Number, 8)
		if w.resultFile(last, "half-done") != "" || w.resultFile(last, "rounds") != "4\n" || last.BaseCommit != stands.BaseCommit {
			t.Errorf("revision 8 goes on from what revision 6 left: %q", w.resultFile(last, "rounds"))
		}
		carriers = append(carriers, w.head(pr))
		w.follows(last, carriers)

		done := w.approvesWhileSomebodyRevises(last, &carriers)
		w.landedFrom(done, carriers)
		w.auditHas(done.ID, map[audit.Action]int{
			audit.PushDone: 1,
		})
		w.entriesSayEnough(audit.RevisionAsked, audit.RevisionStarted, audit.RevisionEnded)
		w.nothingMentioned()
	})
}

// showsRevisions proves what the command line says of three revisions.
func (w *world) showsRevisions(t task.Task) {
	w.t.Helper()
	remarks := "(1 remarks"
	if w.onAzure() { // where the text of the review is one, too
		remarks = "(2 remarks"
	}
	for want, args := range map[string][]string{
		"\n-2\n+3\n": {"diff", string(t.ID), "--revision", "3", "--against", "2"},
		"+ADD: unit": {"diff", string(t.ID), "--revision", "2"},
		"ADD: unit":  {"revisions", string(t.ID)},
		remarks:      {"revisions", string(t.ID)},
	} {
		out, said, err := w.cli(append(append([]string{"tasks"}, args...), "-c", w.in.config)...)
		if err != nil || !strings.Contains(out, want) {
			w.t.Errorf("tasks %q: %v\n%s%s", args, err, out, said)
		}
	}
}

// approvesWhileSomebodyRevises has an approval and a request for a revision come at the
// same moment: either the approval is carried out, and nothing is revised any more, or it
// is void, and it takes another one of the revision.
func (w *world) approvesWhileSomebodyRevises(t task.Task, carriers *[]string) task.Task {
	w.t.Helper()
	var both sync.WaitGroup
	w.reviewable(t)
	both.Go(func() {
		_, err := w.review(w.t.Context(), tom, t.PullRequest, forge.ReviewApproved, "Count every item")
		// On Azure DevOps the revision can be so much faster that there is a draft again.
		if err != nil && !(w.onAzure() && strings.Contains(err.Error(), "Votes are not allowed on a draft")) {
			w.t.Error(err)
		}
	})
	both.Go(func() { w.say(maria, forge.PullTopic(t.PullRequest), "/coderflow revise ADD: late") })
	both.Wait()
	w.wait("an end of the race", func(context.Context) (bool, error) {
		found := w.tasksOf(t.Issue)[0]
		return found.State == task.Done || found.State == task.Proposed && found.Revision > t.Revision, nil
	})
	found := w.tasksOf(t.Issue)[0]
	if found.State == task.Proposed {
		w.t.Log("the revision was faster")
		w.auditHas(t.ID, map[audit.Action]int{audit.PushIntent: 0, audit.PushDone: 0})
		*carriers = append(*carriers, w.head(t.PullRequest))
		w.approve(tom, t.PullRequest, "Count every item")
	}
	return w.taskOf(t.Issue, task.Done)
}

// revised waits until the numbered revision is up for review.
func (w *world) revised(issue, number int) task.Task {
	w.t.Helper()
	var found task.Task
	w.wait(fmt.Sprintf("revision %d", number), func(context.Context) (bool, error) {
		found = w.tasksOf(issue)[0]
		if found.State.Ended() || found.Revision > number {
			return false, fmt.Errorf("the task is %s, in revision %d: %s", found.State, found.Revision, found.Failure)
		}
		return found.State == task.Proposed && found.Revision == number, nil
	})
	p, err := w.db().Proposal(w.t.Context(), found.ID)
	if err != nil || p.Revision != number {
		w.t.Fatalf("revision %d is proposed: %v; %s", p.Revision, err, found.Failure)
	}
	return found
}

// follows proves that the branch went forward only, by inert commits, and that the pull
// request shows one file.
func (w *world) follows(t task.Task, carriers []string) {
	w.t.Helper()
	if pushed := w.branchPushes(t.ID); !slices.Equal(pushed, carriers) {
		w.t.Errorf("pushed to the branch: %q, want %q", pushed, carriers)
	}
	last := carriers[len(carriers)-1]
	commit, err := w.commit(w.t.Context(), last)
	if err != nil || commit.Parents[0] != carriers[len(carriers)-2] {
		w.t.Errorf("%s does not follow the carrier before: %v, %v", last, commit.Parents, err)
	}
	files, err := w.files(w.t.Context(), t.PullRequest)
	if err != nil || len(files) != 1 || files[0].Path != task.ProposalPath(t.ID) || files[0].Status != "added" {
		w.t.Errorf("the pull request shows %v, %v", files, err)
	}
}

// proposes proves what the newest proposal's tree has.
func (w *world) proposes(t task.Task, files map[string]string) {
	w.t.Helper()
	for path, want := range files {
		if got := w.resultFile(t, path); got != want {
			w.t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
}

// resultFile reads a file of the newest proposal's tree, from the server's mirror.
func (w *world) resultFile(t task.Task, path string) string {
	w.t.Helper()
	p, err := w.db().Proposal(w.t.Context(), t.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.inMirror(p.Tree, path)
}

func (w *world) approvesCommit(login string, number int, commit, text string) {
	w.t.Helper()
	event := "APPROVE"
	_, _, err := w.gitHub(login).PullRequests.CreateReview(w.t.Context(), sampleOwner, sampleName, number,
		&gh.PullRequestReviewRequest{Event: &event, Body: &text, CommitID: &commit})
	if err != nil {
		w.t.Fatal(err)
	}
}

// requestsChanges reviews with a remark on the first added line of a file in the patch.
func (w *world) requestsChanges(login string, t task.Task, text, path, remark string) {
	w.t.Helper()
	p, err := w.db().Proposal(w.t.Context(), t.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	line, inside := 0, false
	for i, l := range strings.Split(string(p.Diff), "\n") {
		if strings.HasPrefix(l, "diff --git ") {
			inside = strings.HasSuffix(l, " b/"+path)
		}
		if inside && line == 0 && strings.HasPrefix(l, "+") && !strings.HasPrefix(l, "+++") {
			line = i + 1
		}
	}
	_, err = w.review(w.t.Context(), login, t.PullRequest, forge.ReviewChangesRequested, text,
		forge.Remark{Path: task.ProposalPath(t.ID), Line: line, Body: remark})
	if err != nil {
		w.t.Fatal(err)
	}
}

// landsElsewhere puts a commit on the base branch, as other people's work is.
func (w *world) landsElsewhere(login, path, content string) {
	w.t.Helper()
	w.pushAs(login, "main", func(git func(arguments ...string) string) {
		dir := git("rev-parse", "--show-toplevel")
		if err := os.WriteFile(filepath.Join(dir, path), []byte(content), 0o644); err != nil {
			w.t.Fatal(err)
		}
		git("add", "--all")
		git("commit", "-q", "-m", "Meanwhile")
		git("push", "-q", "origin", "HEAD:main")
	})
}

// inMirror reads a file of a tree from the server's mirror; empty if it is not there.
func (w *world) inMirror(tree, path string) string {
	w.t.Helper()
	mirrors, err := filepath.Glob(filepath.Join(w.dir, "data", "git", "mirrors", "*.git"))
	if err != nil || len(mirrors) != 1 {
		w.t.Fatalf("mirrors: %q, %v", mirrors, err)
	}
	out, err := exec.Command("git", "-C", mirrors[0], "cat-file", "blob", tree+":"+path).Output()
	if err != nil {
		return ""
	}
	return string(out)
}

// landedFrom proves that what landed is the newest proposal on its base.
func (w *world) landedFrom(done task.Task, carriers []string) {
	w.t.Helper()
	w.landedTree(done)
	if pushed := w.branchPushes(done.ID); !slices.Equal(pushed, append(slices.Clone(carriers), done.LandedCommit)) {
		w.t.Errorf("pushed to the branch: %q", pushed)
	}
}
