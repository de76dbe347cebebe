package manifest

import (
	"fmt"
	"slices"

	"github.com/coderflow/coderflow/internal/gitops"
	"github.com/coderflow/coderflow/internal/policy"
	sy "github.com/coderflow/coderflow/internal/strictyaml"
)

// Gate is what the environment asks of an approval beyond the permission.
type Gate struct {
	// CommitMessage: written insists on a message in the approving review.
	CommitMessage policy.CommitMessageRule `json:"commitMessage" yaml:"commitMessage"`
	// Approvals is how many different people must approve.
	Approvals int `json:"approvals" yaml:"approvals"`
	// From is who must be among them. The requester never is.
	From []Ask `json:"from,omitempty" yaml:"from"`
	// RequesterMayApprove lets the requester's approval count as one. Default: it does not count.
	RequesterMayApprove bool `json:"requesterMayApprove,omitempty" yaml:"requesterMayApprove"`
	// Rules raise what is needed, each for the changes that it matches.
	Rules []GateRule `json:"rules,omitempty" yaml:"rules"`
}

// Ask is a number of approvers who have a role on the environment, or are in a team.
type Ask struct {
	Role string `json:"role,omitempty" yaml:"role"`
	Team string `json:"team,omitempty" yaml:"team"`
	// Count is how many of them. Default: one.
	Count int `json:"count,omitempty" yaml:"count"`
}

// GateRule raises what is needed for a change that has one of the paths, one of the
// risks, or more files or lines.
type GateRule struct {
	Name string `json:"name" yaml:"name,required"`
	// Paths are patterns from the root of the repository; ** is any number of directories.
	Paths []string `json:"paths,omitempty" yaml:"paths"`
	Risks []string `json:"risks,omitempty" yaml:"risks"`
	// Files is how many may change without the rule.
	Files int `json:"files,omitempty" yaml:"files"`
	// Lines is how many may change without the rule.
	Lines int `json:"lines,omitempty" yaml:"lines"`
	// Judges is what AI judges say.
	Judges    *JudgeRule `json:"judges,omitempty" yaml:"judges"`
	Approvals int        `json:"approvals,omitempty" yaml:"approvals"`
	From      []Ask      `json:"from,omitempty" yaml:"from"`
}

const (
	maxGateRules = 50
	maxRuleItems = 50
	maxRuleSize  = 1_000_000_000
)

// Policy is the gate as decisions are made by it.
func (g Gate) Policy() policy.Gate {
	p := policy.Gate{
		CommitMessage: g.CommitMessage, Approvals: g.Approvals, From: asks(g.From), RequesterMayApprove: g.RequesterMayApprove,
	}
	for _, r := range g.Rules {
		p.Rules = append(p.Rules, policy.GateRule{
			Name: r.Name, Paths: r.Paths, Risks: r.Risks, Files: r.Files, Lines: r.Lines, Judges: r.Judges.policy(),
			Approvals: r.Approvals, From: asks(r.From),
		})
	}
	return p
}

func asks(list []Ask) []policy.Ask {
	var all []policy.Ask
	for _, a := range list {
		all = append(all, policy.Ask{Role: a.Role, Team: a.Team, Count: max(a.Count, 1)})
	}
	return all
}

func (g Gate) check(w wrong) {
	if m := g.CommitMessage; m != policy.MessageProposed && m != policy.MessageWritten {
		w("spec.gate.commitMessage", "want %q or %q, not %q", policy.MessageProposed, policy.MessageWritten, m)
	}
	if g.Approvals < 1 || g.Approvals > policy.MaxApprovals {
		w("spec.gate.approvals", "want between 1 and %d", policy.MaxApprovals)
	}
	checkAsks(w, "spec.gate.from", g.From)
	if len(g.Rules) > maxGateRules {
		w("spec.gate.rules", "has more than %d rules", maxGateRules)
	}
	seen := map[string]bool{}
	for i, r := range g.Rules {
		at := fmt.Sprintf("spec.gate.rules[%d]", i)
		if !bindingName.MatchString(r.Name) {
			w(at+".name", "want a letter or underscore, then up to 63 letters, digits, hyphens and underscores; this is %q", r.Name)
		}
		if seen[r.Name] {
			w(at+".name", "there are two rules %q", r.Name)
		}
		seen[r.Name] = true
		r.check(w, at)
	}
}

func (r GateRule) check(w wrong, at string) {
	if len(r.Paths) == 0 && len(r.Risks) == 0 && r.Files == 0 && r.Lines == 0 && r.Judges == nil {
		w(at, "matches nothing in particular: name paths, risks, files, lines or judges, or ask for it of every change under gate")
	}
	if r.Approvals == 0 && len(r.From) == 0 {
		w(at, "asks for nothing: name approvals or from")
	}
	if r.Approvals < 0 || r.Approvals > policy.MaxApprovals {
		w(at+".approvals", "want between 1 and %d", policy.MaxApprovals)
	}
	checkAsks(w, at+".from", r.From)
	r.Judges.check(w, at+".judges")
	if len(r.Paths) > maxRuleItems || len(r.Risks) > maxRuleItems {
		w(at, "has more than %d paths or risks", maxRuleItems)
	}
	for i, pattern := range r.Paths {
		if err := policy.CheckGlob(pattern); err != nil {
			w(fmt.Sprintf("%s.paths[%d]", at, i), "%q: %v", pattern, err)
		}
	}
	for i, risk := range r.Risks {
		if !slices.Contains(gitops.RiskNames(), risk) {
			w(fmt.Sprintf("%s.risks[%d]", at, i), "unknown risk %q%s", risk, sy.Nearest(risk, gitops.RiskNames()))
		}
	}
	for key, n := range map[string]int{"files": r.Files, "lines": r.Lines} {
		if n < 0 || n > maxRuleSize {
			w(at+"."+key, "want between 1 and %d", maxRuleSize)
		}
	}
}

func checkAsks(w wrong, at string, list []Ask) {
	if len(list) > maxRuleItems {
		w(at, "names more than %d roles and teams", maxRuleItems)
	}
	for i, a := range list {
		one := fmt.Sprintf("%s[%d]", at, i)
		if (a.Role == "") == (a.Team == "") {
			w(one, "name either a role or a team")
		}
		if a.Count < 0 || a.Count > policy.MaxApprovals {
			w(one+".count", "want between 1 and %d", policy.MaxApprovals)
		}
	}
}

// checkGates refuses gates that ask for a role or a team that does not exist:
// nobody could approve.
func (b *builder) checkGates(s *Set) {
	for _, e := range b.environments {
		b.checkNamed(s, e, "spec.gate.from", e.value.Gate.From)
		for i, r := range e.value.Gate.Rules {
			b.checkNamed(s, e, fmt.Sprintf("spec.gate.rules[%d].from", i), r.From)
		}
	}
}

func (b *builder) checkNamed(s *Set, e placed[Environment], at string, list []Ask) {
	for i, a := range list {
		one := fmt.Sprintf("%s[%d]", at, i)
		if _, known := s.Teams[a.Team]; a.Team != "" && !known {
			b.add(e.doc.Problem(one+".team", "there is no team %q%s", a.Team, sy.Nearest(a.Team, s.teamNames())))
		}
		if a.Role == "" {
			continue
		}
		role, known := policy.PredefinedRole(a.Role)
		if !known {
			role, known = s.Roles[a.Role]
		}
		switch {
		case !known:
			b.add(e.doc.Problem(one+".role", "there is no role %q", a.Role))
		case !role.Fits(policy.OnEnvironment) && a.Role != policy.ServerAdmin:
			b.add(e.doc.Problem(one+".role", "role %q is never bound on an environment", a.Role))
		}
	}
}
