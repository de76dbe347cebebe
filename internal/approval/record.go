package approval

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
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
	ReviewID    string
	ReviewURL   string
	Approver    forge.User
	Requester   forge.User
	// Message is the whole commit message that will land, trailers included.
	Message string
	Armed   []Arming
	// Decision is the tree of reasons under which the approval was recorded.
	Decision policy.Decision
	// At becomes both dates of the landed commit, so it has whole seconds and
	// never changes: a retry makes the same commit id.
	At time.Time
}

// recordID derives the approval's id from what was approved and by which
// review, so that the same review recorded twice is the same approval.
func recordID(p task.Proposal, reviewID string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "coderflow.dev/approval/v1\n%s\n%d\n%s\n%s", p.Task, p.Revision, p.Digest, reviewID))
	return hex.EncodeToString(sum[:12])
}
