package main

import (
	"context"
	"time"

	"github.com/coderflow/coderflow/internal/client"
	"github.com/coderflow/coderflow/internal/freeze"
	"github.com/coderflow/coderflow/internal/task"
	"github.com/coderflow/coderflow/internal/web"
)

type freezeCmd struct {
	whereFlags
	outputFlag
	Environment string `arg:"" optional:"" help:"The environment to stop; without one the whole server."`
	Reason      string `required:"" placeholder:"TEXT" help:"Why, for everybody who is held up and for the audit log: one line."`
}

// Help implements kong.HelpProvider.
func (freezeCmd) Help() string {
	return `The emergency stop. Within a second, on every node: no task starts, running containers are paused and cut off, and
nothing is committed, pushed or deployed. What was approved stays approved. It needs environments:freeze there. A freeze
lasts, over restarts too, until 'coderflow thaw'. Freezing what is frozen changes nothing and says who did it.

Examples:

  coderflow freeze --reason "a runner's key leaked"
  coderflow freeze production --reason "wrong release is going out"`
}

// Run freezes.
func (c freezeCmd) Run(ctx context.Context, s streams) error {
	if problem := freeze.CheckReason(c.Reason); problem != "" {
		return usage("--reason: %s", problem)
	}
	f, err := ask(ctx, c.whereFlags, s,
		func(l local) (client.Freeze, error) { return l.freeze(ctx, c.Environment, c.Reason) },
		func(server *client.Client) (client.Freeze, error) { return server.Freeze(ctx, c.Environment, c.Reason) })
	if err != nil {
		return err
	}
	return c.print(s, f, func(out *table) {
		if f.Already {
			out.line("%s was frozen already, by %s since %s: %s", frozenWhat(f), frozenBy(f), f.At.UTC().Format(time.RFC3339), f.Reason)
			return
		}
		out.line("%s is frozen; `coderflow thaw%s` lets it go on", frozenWhat(f), spaced(f.Environment))
	})
}

type thawCmd struct {
	whereFlags
	outputFlag
	Environment string `arg:"" optional:"" help:"The environment to let go on; without one the whole server."`
}

// Help implements kong.HelpProvider.
func (thawCmd) Help() string {
	return `Ends a freeze. It needs the same permission as freezing. Containers go on where they were paused, and what was approved
is carried out, once. An environment of a frozen server stays frozen, and so does one that is frozen by itself.

Exit status 4: it is not frozen.

Examples:

  coderflow thaw
  coderflow thaw production`
}

// Run thaws.
func (c thawCmd) Run(ctx context.Context, s streams) error {
	f, err := ask(ctx, c.whereFlags, s,
		func(l local) (client.Freeze, error) { return l.thaw(ctx, c.Environment) },
		func(server *client.Client) (client.Freeze, error) { return server.Thaw(ctx, c.Environment) })
	if err != nil {
		return err
	}
	return c.print(s, f, func(out *table) {
		out.line("%s is thawed; it had been frozen by %s since %s: %s", frozenWhat(f), frozenBy(f), f.At.UTC().Format(time.RFC3339), f.Reason)
	})
}

type freezesCmd struct {
	whereFlags
	outputFlag
}

// Help implements kong.HelpProvider.
func (freezesCmd) Help() string {
	return `Everybody sees that the whole server is frozen, and of environments those that they may see.

Example:

  coderflow freezes`
}

// Run lists what is frozen.
func (c freezesCmd) Run(ctx context.Context, s streams) error {
	list, err := ask(ctx, c.whereFlags, s,
		func(l local) ([]client.Freeze, error) { return l.freezes(ctx) },
		func(server *client.Client) ([]client.Freeze, error) { return server.Freezes(ctx) })
	if err != nil {
		return err
	}
	return c.print(s, list, func(out *table) {
		out.row("FROZEN", "SINCE", "BY", "REASON")
		for _, f := range list {
			out.row(f.Resource, f.At.UTC().Format(minutes), frozenBy(f), f.Reason)
		}
	})
}

func frozenWhat(f client.Freeze) string { return freeze.Freeze{Resource: f.Resource}.What() }

func frozenBy(f client.Freeze) string {
	return freeze.Freeze{By: f.By.Subject, Login: f.By.Login}.Who()
}

func spaced(name string) string {
	if name == "" {
		return ""
	}
	return " " + name
}

// freeze is done by whoever is at the server's machine.
func (l local) freeze(ctx context.Context, environment, reason string) (client.Freeze, error) {
	change := web.FreezeChange{Resource: freeze.Server, Reason: reason, When: time.Now()}
	if environment != "" {
		rules, err := l.rules(ctx)
		if err != nil {
			return client.Freeze{}, err
		}
		if _, known := rules.Environments[environment]; !known {
			return client.Freeze{}, notFound("there is no environment %q", environment)
		}
		change.Resource = freeze.Environment(environment)
	}
	f, fresh, err := freezeDesk{l.Store}.Freeze(ctx, change)
	shown := reportFreeze(f)
	shown.Already = !fresh
	return shown, err
}

// thaw does not ask whether there still is such an environment.
func (l local) thaw(ctx context.Context, environment string) (client.Freeze, error) {
	change := web.FreezeChange{Resource: freeze.Server, When: time.Now()}
	if environment != "" {
		change.Resource = freeze.Environment(environment)
	}
	f, was, err := freezeDesk{l.Store}.Thaw(ctx, change)
	if err == nil && !was {
		err = notFound("%s is not frozen", freeze.Freeze{Resource: change.Resource}.What())
	}
	return reportFreeze(f), err
}

func (l local) freezes(ctx context.Context) ([]client.Freeze, error) {
	set, err := l.Freezes(ctx)
	list := make([]client.Freeze, len(set))
	for i, f := range set {
		list[i] = reportFreeze(f)
	}
	return list, err
}

// withFreeze is a task with the freeze that holds it up, and where it waits.
func (l local) withFreeze(ctx context.Context, t task.Task) (client.Task, error) {
	shown := reportTask(t)
	set, err := l.Freezes(ctx)
	if err != nil {
		return shown, err
	}
	if f, frozen := set.Over(t.Environment); frozen && !t.State.Ended() {
		held := reportFreeze(f)
		shown.Frozen = &held
	}
	if t.State == task.Queued {
		in, err := l.desk().Line(ctx, t.ID)
		if err != nil {
			return shown, err
		}
		if in.Place > 0 {
			shown.Line = &client.Line{Place: in.Place, Waiting: in.Waiting, Why: in.Why}
		}
	}
	return shown, nil
}

func reportFreeze(f freeze.Freeze) client.Freeze {
	return client.Freeze{
		ID: f.ID, Resource: f.Resource, Environment: f.Name(), Reason: f.Reason,
		By: client.User{Subject: f.By, Login: f.Login}, At: f.At.UTC(),
	}
}
