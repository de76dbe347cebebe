package engine

import (
	"context"
	"time"
)

// beforeRestore reports whether a request is from before the server was restored from
// a backup, whatever brings it now: a delivery that is sent again as much as a list.
// What became of it is not known, so it is not followed.
func (e *Engine) beforeRestore(ctx context.Context, asked time.Time, url string) bool {
	if e.Gate.Restored.IsZero() || asked.After(e.Gate.Restored) {
		return false
	}
	e.Logger.InfoContext(ctx, "request not followed: it is from before the server was restored", "url", url, "asked", asked, "restored", e.Gate.Restored)
	return true
}
