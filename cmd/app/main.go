// Command coderflow is CoderFlow: the server and the tools around it.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// cli is the whole command line.
type cli struct {
	Serve       serveCmd       `cmd:"" help:"Run the server: webhooks, the steps of tasks, and the search for lost deliveries."`
	Worker      workerCmd      `cmd:"" help:"Run containers for the servers that share the PostgreSQL."`
	Demo        demoCmd        `cmd:"" help:"Play the whole story on a local forge, then stay up for trying it."`
	Forge       forgeCmd       `cmd:"" help:"Run the local forge alone, for trying things and for test suites."`
	Init        initCmd        `cmd:"" help:"Set up CoderFlow at a forge."`
	Context     contextCmd     `cmd:"" help:"Name servers, and choose the one that commands work at."`
	Apply       applyCmd       `cmd:"" help:"Check manifests and put them in force."`
	Delete      deleteCmd      `cmd:"" help:"Remove manifests from what is in force."`
	Get         getCmd         `cmd:"" help:"Print the manifests that are in force, or earlier versions."`
	Access      accessCmd      `cmd:"" help:"Show who may do what, where, and why."`
	Policy      policyCmd      `cmd:"" help:"Try manifests on past decisions."`
	Images      imagesCmd      `cmd:"" help:"Build and list the images of agents."`
	Doctor      doctorCmd      `cmd:"" help:"Look at everything that CoderFlow needs, and say what is wrong and how to mend it."`
	Nodes       nodesCmd       `cmd:"" help:"Look at the processes of an installation, and take one out for maintenance."`
	Backup      backupCmd      `cmd:"" help:"Write a backup of the server while it runs, or verify one."`
	Restore     restoreCmd     `cmd:"" help:"Fill an empty database and data directory from a backup."`
	Migrate     migrateCmd     `cmd:"" help:"Bring the database to this version. (serve does it too.)"`
	Sandbox     sandboxCmd     `cmd:"" help:"Look at containers, workspaces and cached bases on this node."`
	Tasks       tasksCmd       `cmd:"" help:"Look at tasks, and stop them."`
	Checks      checksCmd      `cmd:"" help:"Look at the checks of tasks: what ran on exactly what is proposed."`
	Judges      judgesCmd      `cmd:"" help:"Look at what AI judges say of changes, and measure them."`
	Deploy      deployCmd      `cmd:"" help:"Deploy a commit that an approval covers."`
	Deployments deploymentsCmd `cmd:"" help:"Look at deployments, and at what can be deployed."`
	Freeze      freezeCmd      `cmd:"" help:"The emergency stop: nothing starts, goes on, is pushed or deployed any more."`
	Thaw        thawCmd        `cmd:"" help:"End a freeze, so that everything goes on where it was."`
	Freezes     freezesCmd     `cmd:"" help:"List what is frozen, by whom and why."`
	Receipt     receiptCmd     `cmd:"" help:"Get the receipt of an approval, for others to verify."`
	Verify      verifyCmd      `cmd:"" help:"Prove in a clone who approved exactly the bytes of a commit."`
	Audit       auditCmd       `cmd:"" help:"Look at the audit log."`
	Secrets     secretsCmd     `cmd:"" help:"Store, list and remove secrets; nothing prints one."`
	Tokens      tokensCmd      `cmd:"" help:"Make, list and revoke API tokens."`
	GitTokens   gitTokensCmd   `cmd:"" help:"List and forget the tokens of people who signed in, which git uses."`
	Login       loginCmd       `cmd:"" help:"Sign in at a server: prove who you are with GitHub or another provider."`
	Logout      logoutCmd      `cmd:"" help:"End the token of a sign-in and forget it."`
	Whoami      whoamiCmd      `cmd:"" help:"Tell whose the token is and what it reaches."`
	Completion  completionCmd  `cmd:"" help:"Print a script that completes commands in your shell."`
	Version     versionCmd     `cmd:"" help:"Print the version."`
}

// Help implements kong.HelpProvider.
func (cli) Help() string {
	return `Commands with a --context work on the database of this machine or at a server: docs/cli.md has the rule.

Exit status: 0 done, 1 failed, 2 wrong command line, 3 refused by the policy, 4 not found.`
}

// streams are where a command writes: results to out, progress and logs to err.
type streams struct {
	out, err io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the first signal asks, a second one ends the process as signals do
	code := run(ctx, os.Args[1:], streams{out: os.Stdout, err: os.Stderr})
	stop()
	os.Exit(code)
}

// exitError carries an exit status other than 1.
type exitError struct {
	code  int
	cause error
}

func (e *exitError) Error() string { return e.cause.Error() }
func (e *exitError) Unwrap() error { return e.cause }

// run is main without the process around it. statusOf has the exit statuses.
func run(ctx context.Context, args []string, s streams) (code int) {
	exited := -1
	parser, err := kong.New(&cli{},
		kong.Name("coderflow"),
		kong.Description("AI coding agents behind a human gate: issue → sandbox → draft pull request → approval → commit → deployment."),
		kong.UsageOnError(), kong.Writers(s.out, s.err),
		kong.Exit(func(c int) { exited = c }),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(s),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)
	if err != nil {
		fmt.Fprintln(s.err, "coderflow:", err)
		return 1
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	if args[0] == completeCommand {
		complete(parser.Model.Node, args[1:], s.out)
		return 0
	}
	command, err := parser.Parse(args)
	if exited >= 0 { // --help
		return exited
	}
	if err != nil {
		fmt.Fprintf(s.err, "coderflow: %v\nRun 'coderflow --help' for the commands.\n", err)
		return 2
	}
	if err := command.Run(); err != nil {
		fmt.Fprintln(s.err, "coderflow:", visible(err.Error())) // some of it is what a server wrote
		return statusOf(err)
	}
	return 0
}
