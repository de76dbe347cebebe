package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// MaxApprovals bounds how many approvals a gate can ask for.
const MaxApprovals = 10

// CommitMessageRule says where a landed commit's message comes from.
type CommitMessageRule string

// The two rules of gate.commitMessage.
const (
	// MessageProposed accepts the proposed message where the review has none.
	MessageProposed CommitMessageRule = "proposed"
	// MessageWritten insists on a message written in the approving review.
	MessageWritten CommitMessageRule = "written"
)

// Gate is what an environment asks of approvals beyond the permission. The zero
// value asks for one, by somebody other than the requester.
type Gate struct {
	CommitMessage CommitMessageRule
	// Approvals is how many different people must approve; less than 1 means 1.
	Approvals int
	// From is who must be among them. One person can satisfy several.
	From []Ask
	// RequesterMayApprove lets the requester's approval count as one. It never
	// satisfies a From, so it suffices alone only where one approval by anybody does.
	RequesterMayApprove bool
	// Rules raise what is needed, each for the changes that it matches.
	Rules []GateRule
}

// Ask is a number of approvers who have a role on the environment, or are in a team.
type Ask struct {
	Role  string // one of the two
	Team  string
	Count int // less than 1 means 1
}

// GateRule raises what is needed for a change that has one of the paths, one of the
// risks, more files or lines, or of which a judge says one of the things.
type GateRule struct {
	Name  string
	Paths []string // see CheckGlob
	Risks []string
	Files int // 0: any number
	Lines int // 0: any number
	// Judges makes it hold for what AI judges say, too.
	Judges *JudgeRule

	Approvals int
	From      []Ask
}

func (g Gate) same(other Gate) bool {
	return g.CommitMessage == other.CommitMessage && g.Approvals == other.Approvals &&
		g.RequesterMayApprove == other.RequesterMayApprove && slices.Equal(g.From, other.From) &&
		slices.EqualFunc(g.Rules, other.Rules, GateRule.same)
}

func (r GateRule) same(other GateRule) bool {
	return r.Name == other.Name && slices.Equal(r.Paths, other.Paths) && slices.Equal(r.Risks, other.Risks) &&
		r.Files == other.Files && r.Lines == other.Lines && r.Judges.same(other.Judges) && r.Approvals == other.Approvals && slices.Equal(r.From, other.From)
}

// Requirement is what one change needs: the gate's own demands and those of each
// rule that matches, the strictest of each.
type Requirement struct {
	Approvals           int   // at least 1
	From                []Ask // each role and team once, in order
	RequesterMayApprove bool
	// Because names the rules that matched, and what they matched, for people.
	Because []string
}

// Require is what the gate asks for the change. It is a pure function: neither
// another rule nor another path can lower what is needed.
func (g Gate) Require(c Change) Requirement {
	r := Requirement{RequesterMayApprove: g.RequesterMayApprove}
	r.raise(g.Approvals, g.From)
	looked := c.look()
	for _, rule := range g.Rules {
		if why := rule.matches(looked); why != "" {
			own := Requirement{}
			own.raise(rule.Approvals, rule.From)
			r.Because = append(r.Because, fmt.Sprintf("rule %q asks for %s, because %s", rule.Name, own, why))
			r.raise(rule.Approvals, rule.From)
		}
	}
	return r
}

func (r *Requirement) raise(approvals int, from []Ask) {
	r.Approvals = max(r.Approvals, approvals, 1)
	for _, ask := range from {
		ask.Count = max(ask.Count, 1)
		r.Approvals = max(r.Approvals, ask.Count)
		i := slices.IndexFunc(r.From, func(a Ask) bool { return a.Role == ask.Role && a.Team == ask.Team })
		if i < 0 {
			r.From = append(r.From, ask)
			continue
		}
		r.From[i].Count = max(r.From[i].Count, ask.Count)
	}
	slices.SortFunc(r.From, func(a, b Ask) int { return cmp.Or(cmp.Compare(a.Role, b.Role), cmp.Compare(a.Team, b.Team)) })
}

// String says the requirement in words: "2 approvals, one of them by an environment-admin".
func (r Requirement) String() string {
	text := "one approval"
	if r.Approvals > 1 {
		text = strconv.Itoa(r.Approvals) + " approvals"
	}
	for i, ask := range r.From {
		link := map[bool]string{true: ", ", false: ", and "}[i == 0]
		switch {
		case r.Approvals == 1:
			text += link + "by " + ask.Who()
		default:
			text += link + number(ask.Count) + " of them by " + ask.Who()
		}
	}
	return text
}

// Who is an approver of the kind that is asked for, in words.
func (a Ask) Who() string {
	if a.Team != "" {
		return "a member of team " + strconv.Quote(a.Team)
	}
	if strings.ContainsAny(a.Role[:min(1, len(a.Role))], "aeiouAEIOU") {
		return "an " + a.Role
	}
	return "a " + a.Role
}

func number(n int) string {
	words := []string{"none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"}
	if n >= 0 && n < len(words) {
		return words[n]
	}
	return strconv.Itoa(n)
}
