package present

import "github.com/coderflow/coderflow/internal/task"

// stateText is how a state is told to people.
type stateText struct{ mark, name, words string }

var stateTexts = map[task.State]stateText{
	task.Queued:     {"🕓", "queued", "it was accepted and waits for its turn"},
	task.Preparing:  {"🕓", "preparing", "the repository is fetched and the sandbox is set up"},
	task.Running:    {"⚙", "running", "the agent is at work in its sandbox"},
	task.Collecting: {"⚙", "collecting", "the agent is done and its changes are looked through"},
	task.Proposed:   {"👀", "waiting for approval", "a pull request carries the patch for review; nothing is committed"},
	task.Approved:   {"✅", "approved", "exactly this proposal was approved"},
	task.Landing:    {"✅", "landing", "the approved commit is made and pushed"},
	task.Landed:     {"✅", "landed", "the approved commit is at the forge"},
	task.Deploying:  {"🚀", "deploying", "the commit is pushed and the armed deployments run"},
	task.Done:       {"✅", "done", "the approved commit is pushed and every deployment has an outcome"},
	task.NoChange:   {"➖", "no change", "the agent changed nothing"},
	task.Refused:    {"⛔", "refused", "the result breaks a rule that no approval can lift"},
	task.Failed:     {"❌", "failed", "something went wrong; nothing more was done"},
	task.Cancelled:  {"➖", "cancelled", "it was cancelled on request"},
	task.Rejected:   {"➖", "rejected", "its pull request was closed without an approval being carried out"},
	task.Superseded: {"⛔", "void", "the branch or the base of its pull request was changed by somebody else"},
	task.Expired:    {"➖", "expired", "nobody decided in time"},
}

func stateOf(s task.State) stateText {
	if text, known := stateTexts[s]; known {
		return text
	}
	return stateText{"❓", "in an unknown state", "its state is not known to this version"}
}

func stateMark(s task.State) string  { return stateOf(s).mark }
func stateName(s task.State) string  { return stateOf(s).name }
func stateWords(s task.State) string { return stateOf(s).words }
