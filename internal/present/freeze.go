package present

import (
	"github.com/coderflow/coderflow/internal/freeze"
)

// Frozen answers a request that came while its environment, or the whole server, was
// stopped in an emergency. again says how to ask once more.
func Frozen(f freeze.Freeze, again string) string {
	return "**CoderFlow is frozen here, and nothing was started or changed.** " + FrozenNote(f) +
		"\n\nThe request is not kept: " + again + " once it was thawed."
}

// FrozenNote says in a paragraph what is frozen, by whom and why.
func FrozenNote(f freeze.Freeze) string {
	return Say("%s has been frozen by %s since %s. The reason given: %s", f.What(), f.Who(),
		f.At.UTC().Format("2006-01-02 15:04:05 MST"), f.Reason).markdown +
		"\n\nUntil it is thawed (`coderflow thaw`), no task starts or goes on, and nothing is committed, pushed or deployed. " +
		"What was approved stays approved and goes on then."
}
