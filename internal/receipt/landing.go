package receipt

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/gitops"
)

// Landing is what the entry of an approval says of the commit that it makes, besides
// the tree, the parent and the author, which other parts of the entries say.
type Landing struct {
	At        time.Time `json:"at"` // both dates, UTC, whole seconds
	Committer Identity  `json:"committer"`
	Message   string    `json:"message"` // "sha256:…" of the whole message
}

// LandingOf is that of an approval.
func LandingOf(r approval.Record, committer gitops.Identity) Landing {
	return Commit{At: r.At.UTC().Truncate(time.Second), Committer: Identity(committer), Message: r.Message}.landing()
}

func (c Commit) landing() Landing {
	sum := sha256.Sum256([]byte(c.Message))
	return Landing{At: c.At, Committer: c.Committer, Message: "sha256:" + hex.EncodeToString(sum[:])}
}

// makes fails unless the commit is the one that the entry of the approval tells of.
func (l Landing) makes(c Commit) error {
	told := c.landing()
	if !l.At.Equal(told.At) || l.Committer != told.Committer || l.Message != told.Message {
		return errors.New("the log's approval has another date, committer or message")
	}
	return nil
}
