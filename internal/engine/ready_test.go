package engine

import (
	"errors"
	"testing"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/task"
)

// Where a draft cannot be reviewed, it is made ready when everything that examines it has
// ended, whatever it said, and not before.
func TestADraftThatCannotBeReviewedIsMadeReadyWhenItsChecksHaveEnded(t *testing.T) {
	t.Parallel()
	waits := forge.Traits{ReviewsWaitForReady: true}
	for name, tt := range map[string]struct {
		traits forge.Traits
		draft  bool
		ends   task.ExaminationState // of the check; empty: none is defined
		want   int
	}{
		"nothing examines it":          {waits, true, "", 1},
		"its check has yet to start":   {waits, true, task.ExaminationQueued, 0},
		"its check runs":               {waits, true, task.ExaminationRunning, 0},
		"its check passed":             {waits, true, task.ExaminationPassed, 1},
		"its check failed":             {waits, true, task.ExaminationFailed, 1},
		"its check broke":              {waits, true, task.ExaminationBroken, 1},
		"it is ready already":          {waits, false, "", 0},
		"drafts are reviewed here":     {forge.Traits{}, true, "", 0},
		"drafts are reviewed, and ran": {forge.Traits{}, true, task.ExaminationPassed, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := reviewed()
			if tt.ends != "" {
				r.defines(check("tests"))
				r.all = []task.Examination{{
					ID: "x", Task: r.w.t.ID, Kind: task.Check, Name: "tests", Revision: r.p.Revision, Digest: r.p.Digest, State: tt.ends,
				}}
			}
			r.at.traits = tt.traits
			if err := r.e.openToReview(t.Context(), r.w, forge.PullRequest{Number: 7, Draft: tt.draft}); err != nil || r.at.readied != tt.want {
				t.Errorf("made ready %d times, %v", r.at.readied, err)
			}
		})
	}
}

// What examined an earlier revision says nothing about this one.
func TestADraftIsNotMadeReadyForWhatExaminedAnotherProposal(t *testing.T) {
	t.Parallel()
	r := reviewed(check("tests"))
	r.at.traits = forge.Traits{ReviewsWaitForReady: true}
	r.all = []task.Examination{{
		ID: "x", Task: r.w.t.ID, Kind: task.Check, Name: "tests", Revision: r.p.Revision, Digest: "sha256:other", State: task.ExaminationPassed,
	}}
	if err := r.e.openToReview(t.Context(), r.w, forge.PullRequest{Number: 7, Draft: true}); err != nil || r.at.readied != 0 {
		t.Errorf("made ready %d times, %v", r.at.readied, err)
	}
}

// A comment with directives is no command where reviews have no text of their own: it waits
// for the vote of whoever wrote it. Elsewhere it is answered as the mistake that it is.
func TestADirectiveInACommentWaitsForTheVote(t *testing.T) {
	t.Parallel()
	read := errors.New("the manifests were read")
	for name, tt := range map[string]struct {
		traits forge.Traits
		pull   bool
		body   string
		want   error
	}{
		"a directive":                {forge.Traits{DirectivesInComments: true}, true, "/coderflow deploy publish", nil},
		"a command":                  {forge.Traits{DirectivesInComments: true}, true, "/coderflow status", read},
		"on an issue":                {forge.Traits{DirectivesInComments: true}, false, "/coderflow deploy publish", read},
		"where reviews have a text":  {forge.Traits{}, true, "/coderflow deploy publish", read},
		"a directive that is quoted": {forge.Traits{DirectivesInComments: true}, true, "> /coderflow deploy publish\n\n/coderflow status", read},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := reviewed()
			r.at.traits = tt.traits
			r.e.Manifests = failingManifests{read}
			err := r.e.handleComment(t.Context(), forge.Event{
				Kind: forge.EventCommentCreated, Issue: &forge.Issue{Number: 7, IsPullRequest: tt.pull},
				Comment: &forge.Comment{ID: "1", Author: rob, Body: tt.body},
			})
			if !errors.Is(err, tt.want) {
				t.Errorf("%v", err)
			}
		})
	}
}
