package present

import (
	"fmt"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/task"
)

// StillOpen answers a request on an issue that has a task which another one could take
// the place of.
func StillOpen(open []task.Task) string {
	var lines []string
	for _, t := range open {
		line := Say("task %s is %s", string(t.ID), Inert{stateName(t.State)})
		if t.PullRequest != 0 {
			line = Say("%s: %s", line, Link(words(fmt.Sprintf("pull request %d", t.PullRequest)), t.PullRequestURL))
		}
		lines = append(lines, "- "+line.markdown)
	}
	return "**Nothing was started:** this issue is being worked on in this environment.\n\n" + strings.Join(lines, "\n") +
		"\n\n`/coderflow revise …` on the pull request sends the change back with your words. " +
		"`/coderflow run --supersede …` starts anew and closes what is there; `/coderflow cancel` only closes it."
}

// Reminder says that a proposal is about to expire.
func Reminder(t task.Task, end time.Time) string {
	return Say("**This proposal expires at %s** if nobody approves it before: the pull request is then closed, and nothing of it lands. "+
		"`/coderflow retry` makes a new one of the issue as it is then.", end.UTC()).markdown
}

// Closed says on a pull request why CoderFlow closes it.
func Closed(t task.Task) string {
	return Say("**Closed by CoderFlow: the task is %s.** %s.\n\nNothing of this proposal lands, and no approval of it counts, also if the pull request is opened again. "+
		"`/coderflow retry` here or on the issue makes a new proposal.", Inert{closedName(t)}, sentence(t.Failure)).markdown
}

func closedName(t task.Task) string {
	if t.State == task.Superseded && t.ReplacedBy != "" {
		return "superseded"
	}
	return stateName(t.State)
}

// sentence makes a reason begin and end like a sentence.
func sentence(why string) Inert {
	why = strings.TrimRight(strings.TrimSpace(why), ".")
	if why == "" {
		why = "no reason was recorded"
	}
	return Plain(strings.ToUpper(why[:1]) + why[1:])
}

// Span writes a length of time in days where it is whole days.
func Span(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= day && d%day == 0 {
		return count(int(d/day), "day")
	}
	return d.String()
}

// Retrying says what /coderflow retry starts.
func Retrying(old []task.Task, with int) string {
	text := Say("**Starting again**, with the issue as it is now: %s for task %s, which is %s.",
		words(count(with, "new task")), string(old[0].ID), Inert{stateName(old[0].State)}).markdown
	if old[0].PullRequest != 0 {
		text += " Nothing of the former proposal is taken over; `/coderflow revise` on an open one would continue it."
	}
	return text
}

// wordsOf tells the state of a task.
func wordsOf(t task.Task) string {
	if t.State == task.Superseded && t.ReplacedBy != "" {
		return "another task took its place"
	}
	return stateWords(t.State)
}
