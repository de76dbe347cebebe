package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/coderflow/coderflow/internal/forge"
)

// Approval is a review and what the forge itself lets its author do.
type Approval struct {
	Review forge.Review
	Access forge.Access
}

// QuorumFacts is everything that an approval by one or more people is judged by.
type QuorumFacts struct {
	// ApprovalFacts are of the review whose words count.
	ApprovalFacts
	// With are the other reviews. To record, those that stand count; afterwards
	// all of them must stand, because the approval was given by all of them.
	With   []Approval
	Change Change
}

// Quorum is the decision about an approval by one or more people.
type Quorum struct {
	Decision
	// Waiting tells that nothing is wrong with the review, but that others are missing.
	Waiting bool
	// Missing says what is, in words; empty if nothing is.
	Missing string
	// Counted are the reviews that count, one of each person, in the forge's order.
	Counted []forge.Review
}

// DecideQuorum tells whether the reviews together approve exactly this proposal,
// as the environment's gate asks for its change, now. Every review that counts
// satisfies all of [Policy.DecideApproval].
func (p *Policy) DecideQuorum(f QuorumFacts) Quorum {
	reasons := p.approvalReasons(f.ApprovalFacts)
	if own := All("", reasons...); !own.OK {
		return Quorum{Decision: p.decision(All(approves, reasons...))}
	}
	counted := []forge.Review{f.Review}
	var fallen []Reason
	for _, a := range f.With {
		one := f.ApprovalFacts
		one.Review, one.Access, one.Deploys = a.Review, a.Access, nil
		r := All(fmt.Sprintf("the approval by %s counts", userText(a.Review.Author)), p.approvalReasons(one)...)
		if r.OK {
			counted = append(counted, a.Review)
		} else {
			r.Text = fmt.Sprintf("the approval by %s does not count", userText(a.Review.Author))
			fallen = append(fallen, r)
		}
	}
	counted = onePerPerson(counted, f.Others)
	required := p.Environments[f.Environment].Gate.Require(f.Change)
	missing := p.missing(f.ApprovalFacts, required, counted)
	reasons = append(reasons, enough(f, required, counted, fallen, missing))
	checked, waiting := p.checkReasons(f.ApprovalFacts)
	reasons, missing = append(reasons, checked...), cmp.Or(missing, waiting)
	if f.Purpose == ToRecord { // afterwards each deployment is judged at its time
		into, lacking := p.elsewhere(f)
		reasons, missing = append(reasons, into...), cmp.Or(missing, lacking)
	}
	all := p.decision(All(approves, reasons...))
	forGood := waiting == "" && !All("", append(checked, Yes(""))...).OK // a check has ended and not passed
	return Quorum{Decision: all, Waiting: f.Purpose == ToRecord && missing != "" && !forGood, Missing: missing, Counted: counted}
}

const approves = "the review approves this proposal"

// enough explains whether the counted reviews are what is required.
func enough(f QuorumFacts, required Requirement, counted []forge.Review, fallen []Reason, missing string) Reason {
	r := Reason{OK: missing == "" && (f.Purpose == ToRecord || len(fallen) == 0), Text: "the gate asks for " + required.String()}
	for _, text := range required.Because {
		r.Because = append(r.Because, Yes(text))
	}
	for _, review := range counted {
		r.Because = append(r.Because, Yes(userText(review.Author)+" approved this commit"))
	}
	r.Because = append(r.Because, fallen...)
	if missing != "" {
		r.Because = append(r.Because, No(missing))
	}
	return r
}

// missing says what the people who approved are short of: "1 of 2 approvals; one
// of them must be an environment-admin". The requester is one approver, never one
// of those who are asked for by name.
func (p *Policy) missing(f ApprovalFacts, required Requirement, counted []forge.Review) string {
	var asks []string
	for _, ask := range required.From {
		n := 0
		for _, review := range counted {
			if review.Author.Subject != f.Requester.Subject && p.satisfies(ask, review.Author.Subject, f.Environment) {
				n++
			}
		}
		if n < ask.Count {
			asks = append(asks, number(ask.Count)+" of them must be "+ask.Who()+p.whyNobody(ask))
		}
	}
	if len(counted) >= required.Approvals && len(asks) == 0 {
		return ""
	}
	have := fmt.Sprintf("%d of %d approvals", len(counted), required.Approvals)
	if len(counted) > required.Approvals {
		have = fmt.Sprintf("%d approvals", len(counted))
	}
	return strings.Join(append([]string{have}, asks...), "; ")
}

// satisfies reports whether the person is whom the gate asks for.
func (p *Policy) satisfies(ask Ask, person forge.Subject, environment string) bool {
	x, found := p.index(), false
	if person.IsZero() {
		return false
	}
	if ask.Team != "" {
		return ask.Role == "" && slices.Contains(x.teams[person], ask.Team)
	}
	x.each(person, EnvironmentResource(environment), func(b bound) {
		found = found || b.known && b.Role == ask.Role
	})
	return found
}

// whyNobody says that a team's members are not known.
func (p *Policy) whyNobody(ask Ask) string {
	if team := p.Teams[ask.Team].Forge; ask.Team != "" && team != nil && team.Unread != "" {
		return fmt.Sprintf(" (who is in %s at %s is not known: %s)", team.Name, team.Host, team.Unread)
	}
	return ""
}

// onePerPerson keeps the newest review of each person, in the forge's order.
func onePerPerson(reviews, order []forge.Review) []forge.Review {
	position := func(r forge.Review) int {
		return slices.IndexFunc(order, func(o forge.Review) bool { return o.ID == r.ID })
	}
	sorted := slices.Clone(reviews)
	slices.SortStableFunc(sorted, func(a, b forge.Review) int { return position(a) - position(b) })
	var kept []forge.Review
	for i, r := range sorted {
		if !slices.ContainsFunc(sorted[i+1:], func(o forge.Review) bool { return o.Author.Subject == r.Author.Subject }) {
			kept = append(kept, r)
		}
	}
	return kept
}
