package present

import (
	"slices"
	"strings"

	"github.com/coderflow/coderflow/internal/policy"
)

// PushRefusal is a kind of refusal of a push, told by the forge's words, and what
// people can do about it.
type PushRefusal struct {
	Name string
	// Says are parts of the forge's words, in lower case; each of them must be there.
	Says []string
	// Do is what to do next. Elsewhere replaces it where the push went to another
	// branch than the proposal's.
	Do, Elsewhere string
}

const (
	againThen    = "; then approve again"
	ownPrefix    = "an admin of the repository lets CoderFlow's App push to coderflow/** in that rule" + againThen
	throughPull  = "approve again without /coderflow target: the commit goes to the proposal branch, and the pull request is merged under this rule; or name a branch without it"
	azureRights  = "CoderFlow's account needs the rights Contribute and Create branch in this repository (whoever makes a branch may force-push it): an admin grants them" + againThen
	withoutThese = "cancel this task and run it again without that part, or let a person push it"
)

// pushRefusals are those of GitHub and of Azure DevOps, the more particular first.
var pushRefusals = []PushRefusal{
	{Name: "workflow file", Says: []string{"refusing to allow", "to create or update workflow"},
		Do: "CoderFlow's App may not change workflow files, on purpose: a person adds that file themselves. To land the rest, cancel this task and run it again without it"},
	{Name: "secret", Says: []string{"push cannot contain secrets"},
		Do: "the forge takes something in the change for a secret: look at what it names. If it is one, cancel this task and have the secret replaced; if not, allow it at the forge" + againThen},
	{Name: "signature", Says: []string{"must have verified signatures"},
		Do: "CoderFlow's commits are not signed: " + ownPrefix, Elsewhere: throughPull},
	{Name: "required check", Says: []string{"required status check"},
		Do: "the rule wants checks of a commit before it is pushed: " + ownPrefix, Elsewhere: throughPull},
	{Name: "pull request required", Says: []string{"changes must be made through a pull request"}, Do: ownPrefix, Elsewhere: throughPull},
	{Name: "creation restricted", Says: []string{"cannot create ref due to creations being restricted"},
		Do: ownPrefix, Elsewhere: "an admin of the repository makes the branch or lets CoderFlow's App make it" + againThen + ", or name a branch that exists"},
	{Name: "large file", Says: []string{"gh001"}, Do: "the change has a file that is too large for the forge: " + withoutThese},
	{Name: "file size", Says: []string{"exceeds github's file size limit"}, Do: "the change has a file that is too large for the forge: " + withoutThese},
	{Name: "large file storage", Says: []string{"gh008"}, Do: "the change points at content of Git LFS that the forge does not have: " + withoutThese},
	{Name: "branch name", Says: []string{"gh002"}, Do: "name another branch: the forge does not take this name"},
	{Name: "private address", Says: []string{"gh007"},
		Do: "the forge keeps an e-mail address of this commit private: whoever owns it allows it in their settings for e-mail" + againThen},
	{Name: "rule", Says: []string{"gh013"}, Do: ownPrefix, Elsewhere: throughPull},
	{Name: "rule", Says: []string{"repository rule violations"}, Do: ownPrefix, Elsewhere: throughPull},
	{Name: "protected branch", Says: []string{"gh006"}, Do: ownPrefix, Elsewhere: throughPull},
	{Name: "protected branch", Says: []string{"protected branch"}, Do: ownPrefix, Elsewhere: throughPull},
	{Name: "archived", Says: []string{"archived so it is read-only"}, Do: "an admin takes the repository out of the archive" + againThen},
	{Name: "credential of a provider", Says: []string{"the credential of git provider"}, Do: "whoever looks after the server renews it or lets the next source take its place" + againThen},
	{Name: "no permission", Says: []string{"denied to"}, Do: "the App's installation, or the git provider's credential, needs to write the contents of this repository: an admin grants that" + againThen},
	{Name: "no permission", Says: []string{"write access to repository not granted"}, Do: "the App's installation, or the git provider's credential, needs to write the contents of this repository: an admin grants that" + againThen},
	{Name: "protected branch", Says: []string{"tf402455"}, Do: "a branch policy of the repository covers the proposal branch: an admin takes coderflow/** out of it" + againThen, Elsewhere: throughPull},
	{Name: "no permission", Says: []string{"tf401027"}, Do: azureRights},
	{Name: "secret", Says: []string{"vs403654"}, Do: "the forge takes something in the change for a secret: look at what it names. If it is one, cancel this task and have the secret replaced; if not, allow it at the forge" + againThen},
	{Name: "hook", Says: []string{"pre-receive hook declined"}, Do: "whoever looks after the forge says what its hook wants" + againThen},
}

// unknownRefusal is for words that are not known.
var unknownRefusal = PushRefusal{Name: "other", Do: "ask whoever looks after the repository what this means; once it is changed, approve again"}

// RefusalOf finds the kind of a refusal by the forge's words. They choose nothing
// but which advice of ours is shown.
func RefusalOf(said string) PushRefusal {
	said = strings.ToLower(said)
	i := slices.IndexFunc(pushRefusals, func(r PushRefusal) bool {
		return !slices.ContainsFunc(r.Says, func(part string) bool { return !strings.Contains(said, part) })
	})
	if i < 0 {
		return unknownRefusal
	}
	return pushRefusals[i]
}

// Advice is what to do about it.
func (r PushRefusal) Advice(elsewhere bool) string {
	if elsewhere && r.Elsewhere != "" {
		return r.Elsewhere
	}
	return r.Do
}

// PushRefused says that the forge refused a push to the branch: in one text, and as
// a decision against the approval that has each of the forge's lines.
func PushRefused(branch, said string, elsewhere bool) (string, policy.Decision) {
	advice := RefusalOf(said).Advice(elsewhere)
	headline := "the forge refused the push to " + branch
	in := policy.No(headline + ", in its own words:")
	for line := range strings.SplitSeq(said, "; ") {
		in.Because = append(in.Because, policy.No(line))
	}
	reason := policy.No("the approval could not be carried out")
	reason.Because = []policy.Reason{in, policy.No("what to do: " + advice)}
	return headline + ": " + said + ". What to do: " + advice + ".", policy.Decision{Reason: reason}
}

// TargetMoved says that somebody moved the branch an approval names before the push.
func TargetMoved(branch string) (string, policy.Decision) {
	text := "somebody else moved, made or deleted branch " + branch + " before the push; nothing was pushed there"
	const advice = "approve again without /coderflow target, or cancel this task and run it again with that branch as its base"
	reason := policy.No("the approval could not be carried out")
	reason.Because = []policy.Reason{policy.No(text), policy.No("what to do: " + advice)}
	return text + ". What to do: " + advice + ".", policy.Decision{Reason: reason}
}
