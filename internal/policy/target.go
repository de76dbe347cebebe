package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/coderflow/coderflow/internal/task"
)

// Target is the branch on which an approval lands instead of the proposal's own,
// and where the forge shows it now. The zero value is none.
type Target struct {
	Branch string `json:"branch"`
	New    bool   `json:"new,omitempty"` // the landing makes it
	Base   string `json:"base"`          // the landed commit's parent
	Tip    string `json:"tip,omitempty"` // empty: there is no such branch
	// HasLanded tells that the landed commit is on the branch: its tip, or below it.
	HasLanded bool `json:"hasLanded,omitempty"`
}

// Set reports whether there is another branch at all.
func (t Target) Set() bool { return t.Branch != "" }

// Free reports whether the branch is where a landing expects it.
func (t Target) Free() bool {
	if t.New {
		return t.Tip == ""
	}
	return t.Tip != "" && t.Tip == t.Base
}

// AllowsTarget reports whether a review may name the branch. Names are compared
// byte by byte; a pattern that cannot be read allows nothing.
func (e Environment) AllowsTarget(branch string) bool {
	if branch == "" || ownBranch(branch) {
		return false
	}
	parts := strings.Split(branch, "/")
	return slices.ContainsFunc(e.Targets, func(pattern string) bool {
		return CheckBranchPattern(pattern) == nil && reach(strings.Split(pattern, "/"), parts, false)
	})
}

// CheckBranchPattern says why a text cannot be a pattern of branches that a review
// may name. It is one of [CheckGlob] that can match something else than CoderFlow's
// own branches.
func CheckBranchPattern(pattern string) error {
	if err := CheckGlob(pattern); err != nil {
		return err
	}
	if strings.HasPrefix(pattern, "refs/") {
		return errors.New("name branches without refs/heads/")
	}
	if ownBranch(pattern) {
		return errors.New("CoderFlow's own branches cannot be named by a review")
	}
	return nil
}

// ownBranch reports whether the name is one of CoderFlow's, in any spelling that
// a file system may take for it.
func ownBranch(branch string) bool {
	return len(branch) >= len(task.BranchPrefix) && strings.EqualFold(branch[:len(task.BranchPrefix)], task.BranchPrefix)
}

// targetReasons judge the branch that an approval names; none if it names none.
func (p *Policy) targetReasons(f ApprovalFacts) []Reason {
	if !f.Target.Set() {
		return nil
	}
	if f.Purpose == ToDeploy { // it landed there; what may be named now is no question any more
		return []Reason{landedStands(f)}
	}
	return []Reason{p.targetAllowed(f), targetStands(f)}
}

func (p *Policy) targetAllowed(f ApprovalFacts) Reason {
	environment, branch := p.Environments[f.Environment], f.Target.Branch
	const without = "approve again without /coderflow target, or with a branch that may be named"
	switch {
	case ownBranch(branch):
		return No(fmt.Sprintf("branch %q is one of CoderFlow's own, which no review can name; %s", branch, without))
	case environment.AllowsTarget(branch):
		return Yes(fmt.Sprintf("environment %q lets a review name branch %q", f.Environment, branch))
	case len(environment.Targets) == 0:
		return No(fmt.Sprintf("environment %q lets no review name a branch to land on; approve again without /coderflow target, "+
			"or have an admin of the environment list the branch under landing.targets of its manifest", f.Environment))
	}
	return No(fmt.Sprintf("environment %q lets a review name only %s, and branch %q is none of them; %s",
		f.Environment, strings.Join(environment.Targets, ", "), branch, without))
}

// targetStands tells whether the push would be a plain fast-forward from the
// proposal's base, or make the branch. One that was pushed already stands too.
func targetStands(f ApprovalFacts) Reason {
	t := f.Target
	const nothing = "nothing is pushed there"
	switch {
	case f.Purpose == ToLand && t.HasLanded:
		return Yes(fmt.Sprintf("branch %q has the commit of this approval", t.Branch))
	case t.Free() && t.New:
		return Yes(fmt.Sprintf("branch %q does not exist yet", t.Branch))
	case t.Free():
		return Yes(fmt.Sprintf("branch %q is at the commit that the proposal was made on", t.Branch))
	case t.New:
		return No(fmt.Sprintf("branch %q exists already, at %.12s; %s. Name one that does not exist, or leave out --new", t.Branch, t.Tip, nothing))
	case t.Tip == "":
		return No(fmt.Sprintf("there is no branch %q; to have it made, approve again with /coderflow target --new %s", t.Branch, t.Branch))
	}
	return No(fmt.Sprintf("branch %q is at %.12s and the proposal was made on %.12s; %s. "+
		"Approve again without /coderflow target, or cancel this task and run it again with that branch as its base", t.Branch, t.Tip, t.Base, nothing))
}

// landedStands tells whether what was landed on another branch is still there.
func landedStands(f ApprovalFacts) Reason {
	t := f.Target
	switch {
	case t.HasLanded && t.Tip == f.LandedHead:
		return Yes(fmt.Sprintf("branch %q is at the commit this approval made", t.Branch))
	case t.HasLanded:
		return Yes(fmt.Sprintf("branch %q has the commit this approval made", t.Branch))
	case t.Tip == "":
		return No(fmt.Sprintf("branch %q, on which the commit landed, was deleted", t.Branch))
	}
	return No(fmt.Sprintf("branch %q is at %.12s and no longer has the commit this approval made", t.Branch, t.Tip))
}
