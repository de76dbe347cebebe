package present

import (
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/task"
)

const nastyFeedback = "@everyone closes #1 <img src=x onerror=alert(1)> ![x](http://evil.example/x) \x1b[31m\u202e</details>```"

// Threat 38: whatever people and agents write into feedback and file names, a comment
// about it notifies nobody, closes nothing and shows no markup of theirs.
func TestThreat38RevisionsAreToldInertly(t *testing.T) {
	t.Parallel()
	somebody := forge.User{Subject: forge.Subject{Host: forge.GitHub, ID: "7"}, Login: nastyFeedback, Kind: forge.Person}
	r := task.Revision{
		Task: "aaaaaaaaaaaa", Number: 2, Kind: task.FeedbackRevise, After: 1, Outcome: nastyFeedback, StartedAt: time.Unix(0, 0),
		Feedback: []task.Feedback{
			{Kind: task.FeedbackRevise, By: somebody, URL: "javascript:alert(1)", Text: nastyFeedback},
			{Kind: task.FeedbackReview, By: somebody, About: 1, Text: strings.Repeat(nastyFeedback, 1000), Remarks: []task.Remark{{Path: nastyFeedback, Line: 3, Text: nastyFeedback}, {Text: nastyFeedback}}},
			{Kind: task.FeedbackRebase, By: somebody},
		},
	}
	changes := []task.PathChange{{Path: nastyFeedback, Kind: task.Added, Added: 1}}
	tk := sampleTask()
	tk.BaseBranch = nastyFeedback
	for _, state := range []task.RevisionState{task.RevisionMaking, task.RevisionProposed, task.RevisionNothing} {
		for _, kind := range []task.FeedbackKind{task.FeedbackRevise, task.FeedbackRebase} {
			r.State, r.Kind = state, kind
			text := RevisionComment(RevisionView{Task: tk, Revision: r, Between: changes, Voided: []forge.User{somebody}})
			marker, rest, _ := strings.Cut(text, "\n")
			if problem := effect(rest); problem != "" || marker != RevisionMarker(tk.ID, 2) || len(text) > maxPart {
				t.Errorf("%s %s: %s (%d bytes)\n%s", state, kind, problem, len(text), text)
			}
		}
	}
	for _, text := range []string{History([]task.Revision{r, r}), TooLate(tk, r.Feedback), RevisionAsked(tk, task.FeedbackRevise), RevisionAsked(tk, task.FeedbackRebase), GateRevising(tk).Summary} {
		if problem := effect(text); problem != "" {
			t.Errorf("%s\n%s", problem, text)
		}
	}
}
