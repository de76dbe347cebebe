package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/freeze"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/present"
	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/task"
)

// unlessFrozen takes a step of a task that is leased, unless its environment is
// frozen, and ends it when it is frozen meanwhile. The freeze took the step's epoch
// (see FreezeTx), so that whatever the end looks like to the step, for example a push
// that failed, is not what is stored. Nothing is lost by it: after the thaw the
// next missing thing is done.
func (e *Engine) unlessFrozen(ctx context.Context, w *work, f func(context.Context, *work) error) error {
	held, leave, err := e.Freezes.Hold(ctx, w.t.Environment)
	defer leave()
	if err == nil {
		err = f(held, w)
	}
	frozen := frozenBy(held, err)
	switch {
	case frozen == nil:
		return patient(err)
	case frozen.Cause != nil:
		return queue.Again(time.Second, frozen)
	}
	e.Logger.DebugContext(ctx, "a task is held up by a freeze", "task", w.t.ID, "state", w.t.State, "freeze", frozen.Freeze.ID, "by", frozen.Freeze.By)
	return nil // the thaw has it looked at
}

// unfrozen reports whether the environment is not frozen, and answers if it is. again
// says how to ask once more.
func (c *conversation) unfrozen(ctx context.Context, environment, again string) (bool, error) {
	err := c.e.Freezes.Unfrozen(ctx, environment)
	f, err := frozenOnly(err)
	if f.ID == "" {
		return err == nil, err
	}
	c.refused = true
	c.say(present.Frozen(f, again))
	c.write(c.e.refusedRequest(ctx, c.event, policy.Decision{Reason: policy.No(f.String())}))
	return false, nil
}

// noteFreeze adds to an answer about a task that it is frozen.
func (c *conversation) noteFreeze(ctx context.Context, t task.Task) error {
	f, err := frozenOnly(c.e.Freezes.Unfrozen(ctx, t.Environment))
	if f.ID != "" {
		c.say(present.FrozenNote(f))
	}
	return err
}

// frozenOnly takes the freeze out of an error that is nothing else.
func frozenOnly(err error) (freeze.Freeze, error) {
	frozen := (*freeze.Error)(nil)
	if errors.As(err, &frozen) && frozen.Cause == nil {
		return frozen.Freeze, nil
	}
	return freeze.Freeze{}, err
}

// refusedByFreeze is the refusal of a request to deploy where it is frozen; any other
// error is as it was.
func refusedByFreeze(err error) error {
	f, other := frozenOnly(err)
	if f.ID != "" {
		return refuse(deploy.Frozen, "%s; ask again once it was thawed", f)
	}
	return other
}

// frozenLabel answers whoever set a label where everything is frozen.
func (e *Engine) frozenLabel(ctx context.Context, event forge.Event, act forge.LabelEvent, err error) (func(Tx) error, error) {
	f, err := frozenOnly(err)
	if err != nil {
		return nil, err
	}
	if act.Actor.Kind == forge.Person {
		marker := "<!-- coderflow:reply=label-" + act.ID + " -->"
		body := marker + "\n" + present.Frozen(f, "remove the label and set it again")
		if _, err := e.Forge.UpsertComment(ctx, event.Repository, event.Issue.Topic(), marker, body); err != nil {
			return nil, fmt.Errorf("answer the label: %w", err)
		}
	}
	return e.refusedRequest(ctx, event, policy.Decision{Reason: policy.No(f.String())}), nil
}
