package approval

import "context"

// Freezes tells whether something is stopped in an emergency, read anew each time.
type Freezes interface {
	// Unfrozen fails with a *freeze.Error if one of the environments is frozen, or if
	// that cannot be read.
	Unfrozen(ctx context.Context, environments ...string) error
}

// unfrozen fails with a *freeze.Error while one of the environments is stopped.
func (g *Gate) unfrozen(ctx context.Context, environments ...string) error {
	if g.Freezes == nil {
		return nil
	}
	return g.Freezes.Unfrozen(ctx, environments...)
}
