package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/coderflow/coderflow/internal/command"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/present"
	"github.com/coderflow/coderflow/internal/task"
)

// examineAgain has ended examinations of the proposal made once more: all of the kind, or
// those that are named. It takes the permission to create tasks: it costs as much.
func (c *conversation) examineAgain(ctx context.Context, cmd command.Command) error {
	kind, names := task.Check, cmd.Checks
	if cmd.Name == command.Judge {
		kind, names = task.Judge, cmd.Judges
	}
	t, found, err := c.latest(ctx)
	if err != nil || !found {
		return err
	}
	if d := c.rules.Decide(c.event.Actor, policy.TasksCreate, t.Environment); !d.Allowed {
		c.refuse(ctx, d)
		return nil
	}
	if t.State != task.Proposed {
		c.say(present.CommandProblem(fmt.Sprintf("task %s is %s; /coderflow %s works while a proposal waits for its approval", t.ID, t.State, cmd.Name)))
		return nil
	}
	if free, err := c.unfrozen(ctx, t.Environment, "comment again"); err != nil || !free {
		return err
	}
	return c.askAgain(ctx, t, kind, names)
}

func (c *conversation) askAgain(ctx context.Context, t task.Task, kind task.ExaminationKind, names []string) error {
	o, err := c.e.toExamine(ctx, &t)
	if errors.Is(err, errNoEnvironment) {
		c.say(present.CommandProblem(fmt.Sprintf("environment %s was removed", t.Environment)))
		return nil
	}
	if err != nil {
		return err
	}
	by := c.e.examinerOf(kind)
	wanted := by.wanted(o.env)
	var known []string
	for _, d := range wanted {
		known = append(known, d.name)
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			c.say(present.CommandProblem(fmt.Sprintf("environment %s has no %s %q; it has: %s", t.Environment, kind, name, strings.Join(known, ", "))))
			return nil
		}
	}
	if tooMany(o, kind) {
		c.say(present.CommandProblem(tooManyOf(kind)))
		return nil
	}
	latest := task.LatestExaminations(o.all, o.p.Revision)
	var asked, open []string
	for _, d := range wanted {
		if len(names) > 0 && !slices.Contains(names, d.name) {
			continue
		}
		id := task.ExaminationIDOf(string(t.ID)+" "+c.meaning(), kind, d.name)
		if slices.ContainsFunc(o.all, func(x task.Examination) bool { return x.ID == id }) {
			asked = append(asked, d.name) // before the server died that was to follow this comment
			continue
		}
		i := slices.IndexFunc(latest, func(x task.Examination) bool { return x.Kind == kind && x.Name == d.name })
		if i < 0 || !latest[i].State.Ended() {
			open = append(open, d.name)
			continue
		}
		x := c.e.newExamination(by, o, d, latest[i].Attempt+1, c.event.Actor.Subject.String())
		x.ID = id
		c.writeApart(func(tx Tx) error { return c.e.askExamination(ctx, tx, by, &t, x) })
		asked = append(asked, d.name)
	}
	c.say(present.ExaminedAgain(kind, asked, open))
	return nil
}

// examinerOf is the examiner of a kind; every kind has one.
func (e *Engine) examinerOf(kind task.ExaminationKind) examiner {
	all := e.examiners()
	return all[slices.IndexFunc(all, func(x examiner) bool { return x.kind() == kind })]
}
