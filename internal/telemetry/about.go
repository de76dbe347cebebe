package telemetry

import (
	"cmp"
	"context"
)

// About is what a piece of work is about. Empty fields are not known.
type About struct {
	Task       string // its id
	Delivery   string // of a webhook, as the forge calls it
	Deployment string // id of a run
}

type aboutKey struct{}

// With returns a context of work that is about what is given, and about whatever ctx was
// about before where nothing is given.
func With(ctx context.Context, a About) context.Context {
	before := Of(ctx)
	return context.WithValue(ctx, aboutKey{}, About{
		Task: cmp.Or(a.Task, before.Task), Delivery: cmp.Or(a.Delivery, before.Delivery), Deployment: cmp.Or(a.Deployment, before.Deployment),
	})
}

// Of is what the work of the context is about.
func Of(ctx context.Context) About {
	a, _ := ctx.Value(aboutKey{}).(About)
	return a
}
