package store

import (
	"fmt"

	"github.com/coderflow/coderflow/internal/audit"
)

// AdviceError is an advisory entry in a transaction that also writes a task or an
// approval. Nothing of it is written.
type AdviceError struct{ Action audit.Action }

// Error implements error.
func (e *AdviceError) Error() string {
	return fmt.Sprintf("audit entry %s is advice, and the transaction writes a task or an approval: advice changes nothing", e.Action)
}

// adviceAlone holds advice apart: what a judge says is never part of a transaction in
// which a task moves or an approval is recorded.
func (t *Tx) adviceAlone() error {
	if !t.moves {
		return nil
	}
	for _, e := range t.entries {
		if e.Action.Class() == audit.Advisory {
			return &AdviceError{e.Action}
		}
	}
	return nil
}
