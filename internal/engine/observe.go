package engine

import (
	"context"

	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/task"
)

// Observer is told what happens, for figures and traces. It neither blocks nor fails, and
// nothing depends on it.
type Observer interface {
	DeliveryObserver
	TaskObserver
	OutcomeObserver
}

// DeliveryObserver is told of deliveries.
type DeliveryObserver interface {
	// Accepted is told of a delivery that is stored: now, or fresh is false and it was before.
	Accepted(ctx context.Context, d Delivery, fresh bool)
	// Delivering is told that a delivery is handled; what it returns is called at the end.
	Delivering(ctx context.Context, d Delivery) (context.Context, func(error))
	// Reached is told of a task that what is handled made, or is about.
	Reached(ctx context.Context, id task.ID)
}

// TaskObserver is told of tasks.
type TaskObserver interface {
	// Stepping is told that a step begins; what it returns is called at its end, with the
	// task as it is then.
	Stepping(ctx context.Context, t task.Task) (context.Context, func(now task.Task, err error))
	// Moved is told of a change of state that is stored.
	Moved(ctx context.Context, from task.State, t task.Task)
	// LeaseLost is told of a task that somebody else may work on now.
	LeaseLost(ctx context.Context, id task.ID)
}

// OutcomeObserver is told of what ended beside a task's own way.
type OutcomeObserver interface {
	DeploymentEnded(ctx context.Context, run deploy.Run)
	ExaminationEnded(ctx context.Context, x task.Examination)
}

// unobserved is an engine that nobody watches.
type unobserved struct{}

func (unobserved) Accepted(context.Context, Delivery, bool) {}

func (unobserved) Delivering(ctx context.Context, _ Delivery) (context.Context, func(error)) {
	return ctx, func(error) {}
}

func (unobserved) Reached(context.Context, task.ID) {}

func (unobserved) Stepping(ctx context.Context, _ task.Task) (context.Context, func(task.Task, error)) {
	return ctx, func(task.Task, error) {}
}

func (unobserved) Moved(context.Context, task.State, task.Task) {}

func (unobserved) LeaseLost(context.Context, task.ID) {}

func (unobserved) DeploymentEnded(context.Context, deploy.Run) {}

func (unobserved) ExaminationEnded(context.Context, task.Examination) {}
