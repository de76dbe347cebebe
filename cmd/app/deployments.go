package main

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"

	"github.com/coderflow/coderflow/internal/client"
	"github.com/coderflow/coderflow/internal/web"
)

type deploymentsCmd struct {
	List     deploymentsListCmd     `cmd:"" default:"withargs" help:"List deployments, newest first: who, what, when, by whose approval, how it ended."`
	Show     deploymentsShowCmd     `cmd:"" help:"Show one deployment."`
	Logs     deploymentsLogsCmd     `cmd:"" help:"Print the output of a deployment."`
	Profiles deploymentsProfilesCmd `cmd:"" help:"List what can be deployed, with its parameters."`
}

// deploymentID is wider than the ids that there are, and nothing that a path or
// a terminal gives a meaning.
var deploymentID = regexp.MustCompile(`^[A-Za-z0-9]{1,64}$`)

// noDeployment says in one way that there is no such deployment, here or at a server.
func noDeployment(id string, err error) error {
	if statusOf(err) == notFoundStatus {
		if client.IsStatus(err, http.StatusNotFound) {
			return fmt.Errorf("deployment %s: %w\n`coderflow deployments` lists those that you see", id, err)
		}
		return notFound("there is no deployment %s; `coderflow deployments` lists them", id)
	}
	return err
}

type deploymentsListCmd struct {
	whereFlags
	outputFlag
	Environment string `placeholder:"NAME" help:"Only in this environment."`
	Profile     string `placeholder:"NAME" help:"Only of this profile."`
	Commit      string `placeholder:"SHA" help:"Only of this commit: its full id."`
	Task        string `placeholder:"ID" help:"Only of what this task made."`
	State       string `placeholder:"STATE" predictor:"runstate" help:"Only in this state."`
	Before      string `placeholder:"DEPLOYMENT" help:"Only those before this one: the rest of a list."`
	Limit       int    `default:"50" help:"How many at the most, up to 1000."`
}

// Help implements kong.HelpProvider.
func (deploymentsListCmd) Help() string {
	return `Examples:

  coderflow deployments
  coderflow deployments list --environment production --state failed
  coderflow deployments list --profile publish --limit 5 -o json`
}

// Run lists deployments.
func (c deploymentsListCmd) Run(ctx context.Context, s streams) error {
	if err := c.check(); err != nil {
		return err
	}
	filter := client.DeploymentFilter{
		Environment: c.Environment, Profile: c.Profile, Commit: c.Commit, Task: c.Task, State: c.State, Before: c.Before, Limit: c.Limit,
	}
	list, err := ask(ctx, c.whereFlags, s,
		func(l local) ([]client.Deployment, error) { return l.deployments(ctx, filter) },
		func(server *client.Client) ([]client.Deployment, error) { return server.Deployments(ctx, filter) })
	if err != nil {
		return err
	}
	return c.print(s, list, func(t *table) { drawDeployments(t, list) })
}

func (c deploymentsListCmd) check() error {
	switch {
	case c.Limit < 1 || c.Limit > maxTasks:
		return usage("--limit: want 1 to %d", maxTasks)
	case c.Commit != "" && !fullCommit.MatchString(c.Commit):
		return usage("--commit: want the full id, 40 or 64 hexadecimal digits")
	case c.State != "" && !slices.Contains(runStates(), c.State):
		return usage("there is no state %q; there are %s", c.State, joined(runStates()))
	case c.Before != "" && !deploymentID.MatchString(c.Before):
		return usage("--before: want the id of a deployment")
	}
	return nil
}

// runStates are the states of a deployment, in their order.
func runStates() []string {
	var names []string
	for _, state := range web.RunStates() {
		names = append(names, string(state))
	}
	return names
}

// deploymentFlags are of commands about one deployment.
type deploymentFlags struct {
	whereFlags
	Deployment string `arg:"" help:"Deployment id."`
}

// askDeployment is ask about one deployment.
func askDeployment[T any](ctx context.Context, f deploymentFlags, s streams,
	here func(local) (T, error), there func(*client.Client) (T, error),
) (T, error) {
	if !deploymentID.MatchString(f.Deployment) {
		var none T
		return none, notFound("there is no deployment %q", f.Deployment)
	}
	answer, err := ask(ctx, f.whereFlags, s, here, there)
	return answer, noDeployment(f.Deployment, err)
}

type deploymentsShowCmd struct {
	deploymentFlags
	outputFlag
}

// Help implements kong.HelpProvider.
func (deploymentsShowCmd) Help() string {
	return `Exit status 4: there is no such deployment, or you may not see it.

Example:

  coderflow deployments show 9f86d081884c7d65`
}

// Run shows a deployment.
func (c deploymentsShowCmd) Run(ctx context.Context, s streams) error {
	d, err := askDeployment(ctx, c.deploymentFlags, s,
		func(l local) (client.Deployment, error) { return l.deployment(ctx, c.Deployment) },
		func(server *client.Client) (client.Deployment, error) { return server.Deployment(ctx, c.Deployment) })
	if err != nil {
		return err
	}
	return c.print(s, d, func(t *table) { drawDeployment(t, d) })
}

type deploymentsLogsCmd struct {
	deploymentFlags
	Follow bool `short:"f" help:"Go on until the deployment has ended."`
}

// Help implements kong.HelpProvider.
func (deploymentsLogsCmd) Help() string {
	return `Secrets in it are replaced, and what a terminal would act on is shown as escapes. With -f a broken connection is taken
up again where it broke; at the end of the output the exit status is 0, however the deployment ended.

Examples:

  coderflow deployments logs 9f86d081884c7d65
  coderflow deployments logs -f 9f86d081884c7d65`
}

// Run prints the output of a deployment.
func (c deploymentsLogsCmd) Run(ctx context.Context, s streams) error {
	reader := logReader{
		follow: c.Follow, out: s.out, sleep: sleep,
		warn: func(text string) { fmt.Fprintln(s.err, "coderflow:", visible(text)) },
	}
	_, err := askDeployment(ctx, c.deploymentFlags, s,
		func(l local) (done struct{}, err error) {
			return done, reader.run(ctx, func(from int64) (client.LogPiece, error) { return l.deploymentLog(ctx, c.Deployment, from) })
		},
		func(server *client.Client) (done struct{}, err error) {
			return done, reader.run(ctx, func(from int64) (client.LogPiece, error) {
				return server.DeploymentLog(ctx, c.Deployment, from, c.Follow)
			})
		})
	return err
}

type deploymentsProfilesCmd struct {
	whereFlags
	outputFlag
	Environment string `arg:"" optional:"" help:"Only of this environment."`
}

// Help implements kong.HelpProvider.
func (deploymentsProfilesCmd) Help() string {
	return `Examples:

  coderflow deployments profiles
  coderflow deployments profiles production -o yaml`
}

// Run lists profiles.
func (c deploymentsProfilesCmd) Run(ctx context.Context, s streams) error {
	list, err := ask(ctx, c.whereFlags, s,
		func(l local) ([]client.Profile, error) { return l.profiles(ctx, c.Environment) },
		func(server *client.Client) ([]client.Profile, error) { return server.Profiles(ctx, c.Environment) })
	if err != nil {
		return err
	}
	return c.print(s, list, func(t *table) { drawProfiles(t, list) })
}
