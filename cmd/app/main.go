// Command coderflow is CoderFlow: the server and the tools around it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// version is set by the linker.
var version = "dev"

// cli is the whole command line.
type cli struct {
	Serve   serveCmd   `cmd:"" help:"Run the server: webhooks, the steps of tasks, and the search for lost deliveries."`
	Demo    demoCmd    `cmd:"" help:"Play the whole story on a local forge, then stay up for trying it."`
	Forge   forgeCmd   `cmd:"" help:"Run the local forge alone, for trying things and for test suites."`
	Init    initCmd    `cmd:"" help:"Set up CoderFlow at a forge."`
	Apply   applyCmd   `cmd:"" help:"Check manifests and put them in force."`
	Get     getCmd     `cmd:"" help:"Print the manifests that are in force, or earlier versions."`
	Access  accessCmd  `cmd:"" help:"Show who may do what, where, and why."`
	Images  imagesCmd  `cmd:"" help:"Build and list the images of agents."`
	Doctor  doctorCmd  `cmd:"" help:"Look at everything that CoderFlow needs, and say what is wrong and how to mend it."`
	Migrate migrateCmd `cmd:"" help:"Bring the database to this version. (serve does it too.)"`
	Sandbox sandboxCmd `cmd:"" help:"Look at containers, workspaces and cached bases on this node."`
	Tasks   tasksCmd   `cmd:"" help:"Look at tasks."`
	Audit   auditCmd   `cmd:"" help:"Look at the audit log."`
	Secrets secretsCmd `cmd:"" help:"Store, list and remove secrets; nothing prints one."`
	Tokens  tokensCmd  `cmd:"" help:"Make, list and revoke API tokens."`
	Whoami  whoamiCmd  `cmd:"" help:"Ask a server whose an API token is, and what it reaches."`
	Version versionCmd `cmd:"" help:"Print the version."`
}

// streams are where a command writes: results to out, progress and logs to err.
type streams struct {
	out, err io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
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

// run is main without the process around it. Exit status 2 is a wrong command
// line, 1 is anything else that failed.
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
	command, err := parser.Parse(args)
	if exited >= 0 { // --help
		return exited
	}
	if err != nil {
		fmt.Fprintf(s.err, "coderflow: %v\nRun 'coderflow --help' for the commands.\n", err)
		return 2
	}
	if err := command.Run(); err != nil {
		fmt.Fprintln(s.err, "coderflow:", err)
		if exit := (*exitError)(nil); errors.As(err, &exit) {
			return exit.code
		}
		return 1
	}
	return 0
}

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run(s streams) error {
	_, err := fmt.Fprintln(s.out, "coderflow", version)
	return err
}
