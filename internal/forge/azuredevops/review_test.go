package azuredevops_test

import (
	"testing"
	"time"

	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/git"

	"github.com/coderflow/coderflow/internal/forge"
)

// states are the reviews' states, oldest first, with the voter.
func states(reviews []forge.Review) (list []string) {
	for _, r := range reviews {
		list = append(list, r.Author.Name+" "+string(r.State))
	}
	return list
}

func same(t *testing.T, got []string, want ...string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("got %q, want %q", got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
}

func TestOnlyAVoteOfTenApproves(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pr, commit := w.proposal(w.item("alice", "Do it", ""))
	w.vote("alice", pr.Number, 5)
	same(t, states(w.reviews(pr.Number)), "Alice Adams commented")
	w.vote("bob", pr.Number, 10)
	reviews := w.reviews(pr.Number)
	same(t, states(reviews), "Alice Adams commented", "Bob Brown approved")
	r := reviews[1]
	if r.Commit != commit || r.Author.Subject != w.user("bob").Subject || r.Author.Kind != forge.Person || r.URL == "" || r.SubmittedAt.IsZero() {
		t.Errorf("the approval is %+v", r)
	}
	again, err := w.adapter.Review(t.Context(), w.ref, pr.Number, r.ID)
	if err != nil || again != r {
		t.Errorf("read alone it is %+v, %v", again, err)
	}
	w.vote("alice", pr.Number, -5)
	same(t, states(w.reviews(pr.Number)), "Alice Adams commented", "Bob Brown approved", "Alice Adams changes_requested")
	w.vote("bob", pr.Number, 0)
	same(t, states(w.reviews(pr.Number)), "Alice Adams commented", "Bob Brown dismissed", "Alice Adams changes_requested", "Bob Brown dismissed")
	w.vote("bob", pr.Number, 10)
	w.vote("alice", pr.Number, 10)
	same(t, states(w.reviews(pr.Number)), "Alice Adams commented", "Bob Brown dismissed", "Alice Adams changes_requested", "Bob Brown dismissed", "Bob Brown approved", "Alice Adams approved")
}

// The vote goes with whoever gave it.
func TestTheApprovalOfARemovedReviewerCountsForNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pr, _ := w.proposal(w.item("alice", "Do it", ""))
	w.vote("bob", pr.Number, 10)
	same(t, states(w.reviews(pr.Number)), "Bob Brown approved")
	w.clock.advance(time.Second)
	w.must(w.git("alice").DeletePullRequestReviewer(t.Context(), git.DeletePullRequestReviewerArgs{RepositoryId: &w.ref.ID, PullRequestId: &pr.Number, ReviewerId: ptr(w.guid("bob"))}))
	for _, r := range w.reviews(pr.Number) {
		if r.State == forge.ReviewApproved {
			t.Errorf("it still counts: %+v", r)
		}
	}
}

func TestAVoteBeforeAPushIsOfTheOlderCommit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pr, first := w.proposal(w.item("alice", "Do it", ""))
	w.vote("bob", pr.Number, 10)
	second := w.push("", "coderflow/abc", "other\n")
	reviews := w.reviews(pr.Number)
	if len(reviews) != 1 || reviews[0].Commit != first {
		t.Errorf("after the push it is %+v, want of %s", reviews, first)
	}
	w.vote("alice", pr.Number, 10)
	if reviews = w.reviews(pr.Number); reviews[1].Commit != second {
		t.Errorf("the second is %+v, want of %s", reviews[1], second)
	}
}

func TestMakingADraftTakesAllVotesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pr, _ := w.proposal(w.item("alice", "Do it", ""))
	w.vote("bob", pr.Number, 10)
	w.vote("alice", pr.Number, -10)
	w.must(w.adapter.HoldReviews(t.Context(), w.ref, pr))
	w.must(w.adapter.HoldReviews(t.Context(), w.ref, pr))
	for _, r := range w.reviews(pr.Number) {
		if r.State != forge.ReviewDismissed || r.DismissedByCommit != "" {
			t.Errorf("in a draft: %+v", r)
		}
	}
	w.must(w.adapter.MarkReady(t.Context(), w.ref, pr))
	for _, r := range w.reviews(pr.Number) {
		if r.State != forge.ReviewDismissed || r.DismissedByCommit != "" {
			t.Errorf("published again: %+v", r)
		}
	}
}

func TestTheAuthorsVoteIsNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.push("alice", "topic", "x\n")
	made, err := w.git("alice").CreatePullRequest(t.Context(), git.CreatePullRequestArgs{RepositoryId: &w.ref.ID, GitPullRequestToCreate: &git.GitPullRequest{
		Title: ptr("Mine"), SourceRefName: ptr("refs/heads/topic"), TargetRefName: ptr("refs/heads/main")}})
	w.must(err)
	w.vote("alice", *made.PullRequestId, 10)
	w.vote("bob", *made.PullRequestId, 10)
	same(t, states(w.reviews(*made.PullRequestId)), "Bob Brown approved")
}

// Whoever may comment can give a thread any properties, and could say that another voted.
func TestAForgedVoteCountsForNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pr, first := w.proposal(w.item("alice", "Do it", ""))
	w.vote("bob", pr.Number, 10)
	w.push("", "coderflow/abc", "other\n")
	text := func(v string) map[string]any { return map[string]any{"$type": "System.String", "$value": v} }
	for _, kind := range []git.CommentType{git.CommentTypeValues.Text, git.CommentTypeValues.System} {
		_, _ = w.git("mallory").CreateThread(t.Context(), git.CreateThreadArgs{RepositoryId: &w.ref.ID, PullRequestId: &pr.Number, CommentThread: &git.GitPullRequestCommentThread{
			Comments: &[]git.Comment{{Content: ptr("Bob Brown voted 10"), CommentType: &kind}},
			Properties: map[string]any{"CodeReviewThreadType": text("VoteUpdate"), "CodeReviewVoteResult": text("10"), "CodeReviewVotedByIdentity": text("1"),
				"CodeReviewVotedByTfId": text(w.guid("bob"))},
		}})
	}
	for _, r := range w.reviews(pr.Number) {
		if r.State == forge.ReviewApproved && r.Commit != first {
			t.Errorf("a forged vote counts: %+v", r)
		}
	}
}

func TestTheVotersDirectivesAreTheReviewsText(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pr, _ := w.proposal(w.item("alice", "Do it", ""))
	w.comment("bob", pr.Number, "/coderflow target old", "", 0)
	w.comment("bob", pr.Number, "/coderflow target new", "", 0)
	w.comment("bob", pr.Number, "just talk", "", 0)
	w.comment("mallory", pr.Number, "/coderflow target evil", "", 0)
	w.comment("bob", pr.Number, "/coderflow target line", "new.txt", 1)
	edited := w.comment("bob", pr.Number, "/coderflow target harmless", "", 0)
	w.edit("bob", pr.Number, edited, "/coderflow target edited")
	w.vote("bob", pr.Number, 10)
	w.comment("bob", pr.Number, "/coderflow target late", "", 0)
	if got := w.reviews(pr.Number)[0].Body; got != "/coderflow target new" {
		t.Errorf("the text is %q", got)
	}
	w.push("", "coderflow/abc", "other\n")
	w.vote("bob", pr.Number, 0)
	w.vote("bob", pr.Number, 10)
	reviews := w.reviews(pr.Number)
	if last := reviews[len(reviews)-1]; last.Body != "" {
		t.Errorf("a directive of the older iteration counts: %+v", last)
	}
}

func TestWhatARequestForChangesSaysOfLines(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pr, _ := w.proposal(w.item("alice", "Do it", ""))
	w.comment("bob", pr.Number, "wrong here", "new.txt", 2)
	w.comment("mallory", pr.Number, "mine", "new.txt", 1)
	w.comment("bob", pr.Number, "in general", "", 0)
	w.vote("bob", pr.Number, -5)
	w.comment("bob", pr.Number, "too late", "new.txt", 1)
	review := w.reviews(pr.Number)[0]
	comments, err := w.adapter.ReviewComments(t.Context(), w.ref, pr.Number, review.ID)
	if err != nil || len(comments) != 1 || comments[0].Path != "new.txt" || comments[0].Line != 2 || comments[0].Body != "wrong here" || comments[0].Author.Subject != review.Author.Subject {
		t.Errorf("it says %+v, %v", comments, err)
	}
}

func TestSomebodyElsesPushIsSeenAlsoAfterItWasTakenBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pr, commit := w.proposal(w.item("alice", "Do it", ""))
	changes, err := w.adapter.HeadChanges(t.Context(), w.ref, pr.Number)
	if err != nil || len(changes) != 0 {
		t.Fatalf("at first: %+v, %v", changes, err)
	}
	w.must(w.forge.AddCollaborator(repoName, "alice", "maintain")) // who may force
	dir, token := t.TempDir(), w.forge.ClientFor("alice")
	w.sh(dir, token, "clone", "-q", "--bare", w.adapter.GitURL(w.ref), ".")
	w.push("alice", "coderflow/abc", "evil\n")
	w.sh(dir, token, "push", "-q", "--force", "origin", commit+":refs/heads/coderflow/abc")
	if pr, err = w.adapter.PullRequest(t.Context(), w.ref, pr.Number); err != nil || pr.Head.Commit != commit {
		t.Fatalf("the branch was not restored: %+v, %v", pr, err)
	}
	changes, err = w.adapter.HeadChanges(t.Context(), w.ref, pr.Number)
	w.must(err)
	if len(changes) < 2 {
		t.Fatalf("%d changes, want both pushes", len(changes))
	}
	for _, c := range changes {
		if c.Actor.Subject != w.user("alice").Subject {
			t.Errorf("it was not %s: %+v", c.Actor.Login, c)
		}
	}
}

func TestClosingsAreKeptWhenItIsOpenedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pr, _ := w.proposal(w.item("alice", "Do it", ""))
	if closings, err := w.adapter.Closings(t.Context(), w.ref, pr.Number); err != nil || len(closings) != 0 {
		t.Fatalf("at first: %+v, %v", closings, err)
	}
	for _, status := range []git.PullRequestStatus{git.PullRequestStatusValues.Abandoned, git.PullRequestStatusValues.Active} {
		_, err := w.git("bob").UpdatePullRequest(t.Context(), git.UpdatePullRequestArgs{RepositoryId: &w.ref.ID, PullRequestId: &pr.Number, GitPullRequestToUpdate: &git.GitPullRequest{Status: &status}})
		w.must(err)
	}
	closings, err := w.adapter.Closings(t.Context(), w.ref, pr.Number)
	if err != nil || len(closings) != 1 || closings[0].Actor.Subject != w.user("bob").Subject || closings[0].At.IsZero() {
		t.Errorf("the closings are %+v, %v", closings, err)
	}
}
