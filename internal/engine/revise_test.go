package engine

import (
	"errors"
	"testing"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/task"
)

var nadia = forge.User{Login: "nadia", Kind: forge.Person, Subject: forge.Subject{Host: forge.GitHub, ID: "1"}}

// reviewed is a task that waits for humans; nadia may send it back.
func reviewed(checks ...manifest.Check) *remaking {
	r := newRemaking()
	r.w.t.State, r.w.t.Revision, r.p.BaseCommit = task.Proposed, 0, "base"
	env := r.e.Manifests.(fixedManifests).set.Environments["staging"]
	env.Checks, env.Proposal = checks, manifest.Proposal{ReviseOnReview: true, MaxRevisions: 20}
	r.e.Manifests.(fixedManifests).set.Environments["staging"] = env
	r.e.Admins, r.e.Gate = []forge.Subject{nadia.Subject}, &approval.Gate{}
	return r
}

func review(id string, s forge.ReviewState, commit, body string) forge.Review {
	return forge.Review{ID: id, State: s, Author: nadia, Commit: commit, Body: body}
}

func TestOnlyAReviewThatStandsSendsBack(t *testing.T) {
	t.Parallel()
	no := review("1", forge.ReviewChangesRequested, "carrier1", "no")
	for name, tt := range map[string]struct {
		reviews     []forge.Review
		kept, lines int // lines: how often its comments were read in two looks
	}{
		"it stands":                     {[]forge.Review{no}, 1, 1},
		"approved since":                {[]forge.Review{no, review("2", forge.ReviewApproved, "carrier1", "")}, 0, 0},
		"another commit approved since": {[]forge.Review{no, review("2", forge.ReviewApproved, "other", "")}, 1, 1},
		"approved before":               {[]forge.Review{review("2", forge.ReviewApproved, "carrier1", ""), no}, 1, 1},
		"dismissed":                     {[]forge.Review{review("1", forge.ReviewDismissed, "carrier1", "no")}, 0, 0},
		"without a word":                {[]forge.Review{review("1", forge.ReviewChangesRequested, "carrier1", " ")}, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := reviewed()
			for range 2 {
				if err := r.e.takeReviews(t.Context(), r.w, tt.reviews, r.feedback); err != nil {
					t.Fatal(err)
				}
			}
			if len(r.feedback) != tt.kept || r.at.lines != tt.lines {
				t.Errorf("kept %d, comments on lines were read %d times", len(r.feedback), r.at.lines)
			}
		})
	}
}

// What waits for another agent to end asks the database, not the forge.
func TestARevisionThatWaitsForRoomLeavesTheForgeAlone(t *testing.T) {
	t.Parallel()
	r := reviewed()
	r.e.MaxRunning, r.feedback = 1, []task.Feedback{{Key: "comment:1", Kind: task.FeedbackRevise}}
	if err := r.e.judge(t.Context(), r.w); err != nil {
		t.Fatal(err)
	}
	if r.at.asked != 0 || len(r.jobs) != 1 || !r.jobs[0].RunAt.Equal(r.now.Add(revisionPause)) || len(r.started) != 0 {
		t.Errorf("the forge was asked %d times; jobs %+v", r.at.asked, r.jobs)
	}
}

func TestWhatIsAboutToBeReplacedIsNotExaminedFirst(t *testing.T) {
	t.Parallel()
	asked := []task.Feedback{{Key: "comment:1", Kind: task.FeedbackRevise}}
	for name, tt := range map[string]struct {
		feedback []task.Feedback
		unread   error
		state    task.State
		checks   int
	}{
		"nothing asked":          {nil, nil, task.Proposed, 1},
		"a revision asked":       {asked, nil, task.Preparing, 0},
		"reviews cannot be read": {asked, errors.New("503"), task.Proposed, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := reviewed(check("tests"))
			r.feedback, r.at.unread = tt.feedback, tt.unread
			if err := r.e.decide(t.Context(), r.w, r.at.pr); !errors.Is(err, tt.unread) {
				t.Fatal(err)
			}
			if r.w.t.State != tt.state || len(r.all) != tt.checks {
				t.Errorf("the task is %s with %d checks", r.w.t.State, len(r.all))
			}
		})
	}
}

// A rebase with nothing to do does not leave what else was asked to the reconciler.
func TestWhatWasAskedBesideARebaseIsTakenUpAfterIt(t *testing.T) {
	t.Parallel()
	r := reviewed()
	r.feedback = []task.Feedback{{Key: "comment:1/rebase", Kind: task.FeedbackRebase}, {Key: "comment:1", Kind: task.FeedbackRevise}}
	if held, err := r.e.feedback(t.Context(), r.w, nil); !held || err != nil {
		t.Fatal(held, err)
	}
	if len(r.jobs) != 1 || len(r.started) != 1 || r.w.t.State != task.Proposed {
		t.Fatalf("%d looks asked for; %q taken up; the task is %s", len(r.jobs), r.started, r.w.t.State)
	}
	if held, err := r.e.feedback(t.Context(), r.w, nil); !held || err != nil || r.w.t.State != task.Preparing {
		t.Errorf("the task is %s: %v %v", r.w.t.State, held, err)
	}
}

// Whoever asks for a revision before an approval is recorded, or carried out, is heard:
// the transaction that would do so fails.
func TestARevisionThatWasAskedForIsHeardBeforeAnApproval(t *testing.T) {
	t.Parallel()
	for name, asked := range map[string][]task.Feedback{
		"nothing asked":   nil,
		"taken up before": {{Key: "comment:1", Revision: 1}},
		"asked":           {{Key: "comment:1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			heard := len(task.Pending(asked)) > 0
			r := reviewed()
			r.feedback = asked
			err := r.e.approve(t.Context(), r.w, approval.Record{ID: "a"}, nil)
			if errors.Is(err, errFeedback) != heard || err != nil && !heard {
				t.Errorf("recording: %v", err)
			}
			if want := map[bool]task.State{true: task.Proposed, false: task.Approved}[heard]; r.w.t.State != want || (r.approved == 0) != heard {
				t.Errorf("recording: the task is %s, %d approvals", r.w.t.State, r.approved)
			}

			r.w.t.State, r.w.t.ApprovalID, r.w.t.Judged = task.Approved, "a", []task.Judgement{{Review: "1", Allowed: true}}
			if err := r.e.beginLanding(t.Context(), r.w); err != nil {
				t.Fatal(err)
			}
			if want := map[bool]task.State{true: task.Proposed, false: task.Landing}[heard]; r.w.t.State != want || (r.w.t.ApprovalID == "") != heard || r.w.t.Judged[0].Allowed == heard {
				t.Errorf("landing: the task is %s with approval %q", r.w.t.State, r.w.t.ApprovalID)
			}
		})
	}
}
