package policy

import "github.com/coderflow/coderflow/internal/forge"

// Replay is what an approval was decided by, kept with the decision so that it can
// be made again under another policy. The change is not in it, but for what judges said
// of it: it is the proposal's, which is stored.
type Replay struct {
	Facts QuorumFacts `json:"facts"`
	// Problems of the review's words, which stand against it under any policy.
	Problems []string `json:"problems,omitempty"`
}

// maxReplay bounds how many reviews are kept with a decision.
const maxReplay = 200

// NewReplay keeps of the facts what a decision reads; nil if that is too much.
func NewReplay(f QuorumFacts, problems []string) *Replay {
	if len(f.Others) > maxReplay || len(f.HeadChanges) > maxReplay {
		return nil
	}
	kept := f
	kept.Change = Change{Judges: f.Change.Judges}
	kept.Review = bare(f.Review)
	kept.PullRequest = forge.PullRequest{
		Number: f.PullRequest.Number, Open: f.PullRequest.Open, Merged: f.PullRequest.Merged,
		Head: f.PullRequest.Head, Base: f.PullRequest.Base,
	}
	kept.Others, kept.With = nil, nil
	for _, r := range f.Others {
		kept.Others = append(kept.Others, bare(r))
	}
	for _, a := range f.With {
		kept.With = append(kept.With, Approval{Review: bare(a.Review), Access: a.Access})
	}
	return &Replay{Facts: kept, Problems: problems}
}

// bare is a review without its words.
func bare(r forge.Review) forge.Review {
	r.Body = ""
	return r
}

// Decide is what another policy says, with the change of the same proposal. What
// it says about what the forge showed is as of then.
func (r Replay) Decide(p *Policy, change Change) Quorum {
	f := r.Facts
	change.Judges = f.Change.Judges // as they stood then
	f.Change = change
	q := p.DecideQuorum(f)
	for _, problem := range r.Problems {
		q.Reason.Because = append(q.Reason.Because, No(problem))
		q.Reason.OK, q.Allowed, q.Waiting = false, false, false
	}
	return q
}
