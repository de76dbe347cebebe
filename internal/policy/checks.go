package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/coderflow/coderflow/internal/task"
)

// RequiredCheck is a check that an approval needs to have passed.
type RequiredCheck struct {
	Name       string
	Definition string // "sha256:…" of what the admin says of it now
}

// Checked is one run of a check, as far as decisions depend on it.
type Checked struct {
	Examination string                `json:"examination"`
	Name        string                `json:"name"`
	Digest      string                `json:"digest"` // of the proposal that it was run on
	Definition  string                `json:"definition"`
	Attempt     int                   `json:"attempt"`
	State       task.ExaminationState `json:"state"`
}

// CheckedOf are the last runs of each check on the proposal of the digest.
func CheckedOf(all []task.Examination, digest string) []Checked {
	var checked []Checked
	for _, x := range all {
		if x.Kind != task.Check || x.Digest != digest {
			continue
		}
		run := Checked{Examination: x.ID, Name: x.Name, Digest: x.Digest, Definition: x.Definition, Attempt: x.Attempt, State: x.State}
		i := slices.IndexFunc(checked, func(o Checked) bool { return o.Name == x.Name })
		switch {
		case i < 0:
			checked = append(checked, run)
		case run.Attempt > checked[i].Attempt:
			checked[i] = run
		}
	}
	return checked
}

// checkReasons tells of each required check whether it passed on exactly the proposal, as
// it is defined now; the last attempt counts. waiting says which have not ended; it is
// empty where one has ended otherwise, because then waiting does not help.
//
// Deployments do not ask again: checks run while a proposal waits, so that one that was
// defined later could never pass on what has landed, and what has landed has passed.
func (p *Policy) checkReasons(f ApprovalFacts) (reasons []Reason, waiting string) {
	if f.Purpose == ToDeploy {
		return nil, ""
	}
	var pending []string
	ended := false
	for _, c := range p.Environments[f.Environment].Checks {
		r, waits := c.reason(f)
		reasons = append(reasons, r)
		switch {
		case waits:
			pending = append(pending, fmt.Sprintf("%q", c.Name))
		case !r.OK:
			ended = true
		}
	}
	if ended || len(pending) == 0 {
		return reasons, ""
	}
	return reasons, "the result of required check " + strings.Join(pending, ", ")
}

// onChecks begins every reason about a required check.
const onChecks = "required check "

// WaitsForChecks reports whether nothing stands against an approval but required checks.
func (d Decision) WaitsForChecks() bool {
	refusals := d.Reason.Refusals()
	for _, text := range refusals {
		if !strings.HasPrefix(text, onChecks) {
			return false
		}
	}
	return len(refusals) > 0
}

// reason is what the last run on exactly the proposal says. waits tells that it has not
// ended, or is to be made.
func (c RequiredCheck) reason(f ApprovalFacts) (r Reason, waits bool) {
	last := Checked{}
	for _, x := range f.Checks {
		if f.Digest != "" && x.Digest == f.Digest && x.Name == c.Name && x.Attempt > last.Attempt {
			last = x
		}
	}
	switch {
	case last.Attempt == 0:
		return No(fmt.Sprintf(onChecks+"%q has not run on this proposal yet", c.Name)), true
	case last.Definition != c.Definition || c.Definition == "":
		return No(fmt.Sprintf(onChecks+"%q is defined otherwise than when it ran; it runs again", c.Name)), true
	case last.State == task.ExaminationPassed:
		return Yes(fmt.Sprintf(onChecks+"%q passed on exactly this proposal", c.Name)), false
	case !last.State.Ended():
		return No(fmt.Sprintf(onChecks+"%q is %s", c.Name, last.State)), true
	}
	return No(fmt.Sprintf(onChecks+"%q %s; once `/coderflow check %s` has passed, or the change was revised, it takes a new review",
		c.Name, endWords[last.State], c.Name)), false
}

var endWords = map[task.ExaminationState]string{
	task.ExaminationFailed: "failed", task.ExaminationBroken: "could not be run", task.ExaminationCancelled: "was cancelled",
}
