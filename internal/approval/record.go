package approval

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/task"
)

// Arming is one deployment that an approving review asked for.
type Arming struct {
	Environment string `json:"environment"`
	Profile     string `json:"profile"`
	// Version is the profile's content as of the approval. A profile that was
	// changed since is not run under it.
	Version    string            `json:"version"`
	Parameters map[string]string `json:"parameters,omitempty"`
	// Trigger is what armed it; empty: the review's own words.
	Trigger Trigger `json:"trigger,omitempty"`
	// Why says why it is not armed; only in [Record.NotArmed].
	Why string `json:"why,omitempty"`
}

// Record is an approval as it is kept. It is evidence, not authority: nothing
// acts on a Record; [Gate.Redeem] re-checks it and mints a [Grant].
type Record struct {
	ID          string
	Task        task.ID
	Revision    int
	Digest      string // of the proposal
	Environment string
	Repository  forge.RepositoryRef
	PullRequest int
	// ReviewID is the review that completed the quorum: its author is the commit's,
	// and its words are the ones that count.
	ReviewID  string
	ReviewURL string
	Approver  forge.User
	// Reviews are all reviews of the quorum, one of each person, in the forge's
	// order, that one among them. Empty in records that were made when one approval
	// was always enough.
	Reviews   []Reviewed
	Requester forge.User
	// Message is the whole commit message that will land, trailers included.
	Message string
	Armed   []Arming
	// NotArmed is what the environment would have armed, each with the reason.
	NotArmed []Arming
	// Target is the branch on which it lands; empty: the proposal's own. NewTarget
	// tells that the landing makes it.
	Target    string
	NewTarget bool
	// NoPush asks for the commit alone, which CoderFlow keeps.
	NoPush bool
	// Decision is the tree of reasons under which the approval was recorded.
	Decision policy.Decision
	// Replay is what it was decided by, for the audit log. It is not stored with the record.
	Replay *policy.Replay
	// Examined are the last examinations of exactly what is approved, as the gate read them
	// for this decision; for the audit log too.
	Examined []task.Examination
	// At becomes both dates of the landed commit, so it has whole seconds and
	// never changes: a retry makes the same commit id.
	At time.Time
}

// Reviewed is one review of a quorum.
type Reviewed struct {
	ID     string     `json:"id"`
	URL    string     `json:"url,omitempty"`
	Author forge.User `json:"author"`
}

// Approvers are everybody whose approval it is, the commit's author first.
func (r Record) Approvers() []forge.User {
	all := []forge.User{r.Approver}
	for _, review := range r.others() {
		all = append(all, review.Author)
	}
	return all
}

// others are the reviews of the quorum besides the one that completed it.
func (r Record) others() []Reviewed {
	return slices.DeleteFunc(slices.Clone(r.Reviews), func(o Reviewed) bool { return o.ID == r.ReviewID })
}

// OnOtherBranch reports whether it lands on a branch other than the proposal's,
// so that the pull request never shows the commit and is never merged with it.
func (r Record) OnOtherBranch() bool { return r.Target != "" }

// Ref is the full name of the ref on which it lands.
func (r Record) Ref() string {
	if r.OnOtherBranch() {
		return branchRefs + r.Target
	}
	return branchRefs + r.Task.Branch()
}

const branchRefs = "refs/heads/"

// recordID derives the approval's id from what was approved, by which reviews and
// where to, so that the same ones recorded twice are the same approval.
func recordID(p task.Proposal, r Record) string {
	text := fmt.Appendf(nil, "coderflow.dev/approval/v1\n%s\n%d\n%s\n%s", p.Task, p.Revision, p.Digest, r.ReviewID)
	for _, other := range r.others() {
		text = fmt.Appendf(text, "\n%s", other.ID)
	}
	if r.OnOtherBranch() { // no review's id has a blank
		text = fmt.Appendf(text, "\ntarget new=%t %s", r.NewTarget, r.Target)
	}
	if r.NoPush {
		text = fmt.Appendf(text, "\npush nothing")
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:12])
}
