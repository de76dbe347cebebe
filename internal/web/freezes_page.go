package web

import (
	"context"
	"fmt"
	"time"

	"github.com/coderflow/coderflow/internal/freeze"
)

// viewerKey is where a page's context holds who looks, as a *call.
const viewerKey = "coderflow.viewer"

// frozenTime bounds what a page, or /readyz, waits to learn what is frozen.
const frozenTime = time.Second

// frozen says for everybody what is frozen, without names and reasons, which are not
// for strangers; empty: nothing is.
func (s *server) frozen(ctx context.Context) (string, freeze.Set) {
	if s.API == nil || s.API.Freezes == nil {
		return "", nil
	}
	ctx, cancel := context.WithTimeout(ctx, frozenTime)
	defer cancel()
	set, err := s.API.Freezes.Freezes(ctx)
	if err != nil {
		return "it cannot be read what is frozen, so nothing is pushed or deployed", nil
	}
	f, whole := set.Over()
	switch {
	case whole:
		return "frozen: " + f.What(), set
	case len(set) == 1:
		return "frozen: one environment", set
	case len(set) > 1:
		return fmt.Sprintf("frozen: %d environments", len(set)), set
	}
	return "", nil
}
