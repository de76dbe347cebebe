package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/alecthomas/kong"

	"github.com/coderflow/coderflow/internal/client"
	"github.com/coderflow/coderflow/internal/config"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/task"
)

// whereFlags say where a command works: on the database of this machine, or at a
// server. docs/cli.md has the rule.
type whereFlags struct {
	Config    string `short:"c" type:"path" group:"Where:" help:"Work on this machine, on the database of this configuration file ($CODERFLOW_CONFIG)."`
	Context   string `placeholder:"NAME" predictor:"context" group:"Where:" help:"Work at the server of this context ($CODERFLOW_CONTEXT). See 'coderflow context'."`
	Server    string `placeholder:"URL" group:"Where:" help:"Work at the server at this address, with --token-file."`
	TokenFile string `type:"path" group:"Where:" help:"File with an API token, for --server."`
}

// place is where a command works: one of the two.
type place struct {
	local  configFlag
	server *client.Client // nil: on this machine
}

// place decides. What was named is taken or fails: nothing else is tried.
func (f whereFlags) place(warnings io.Writer) (place, error) {
	named := f.Context != "" || f.Server != "" || f.TokenFile != ""
	switch {
	case f.Config != "" && named:
		return place{}, usage("--config is this machine's database, --context and --server are a server: give one of them")
	case f.Context != "" && (f.Server != "" || f.TokenFile != ""):
		return place{}, usage("--context names a server with its token: give it, or --server and --token-file")
	case (f.Server != "") != (f.TokenFile != ""):
		return place{}, usage("--server and --token-file go together")
	case f.Config != "":
		return place{local: configFlag{f.Config}}, nil
	case f.Server != "":
		return f.atServer(warnings)
	case f.Context != "":
		return inContext(f.Context)
	}
	return placeFromEnvironment()
}

func (f whereFlags) atServer(warnings io.Writer) (place, error) {
	value, exposed, err := client.ReadToken(f.TokenFile)
	if exposed {
		fmt.Fprintf(warnings, "coderflow: others on this machine can read %s: chmod 600 it\n", visible(f.TokenFile))
	}
	if err != nil {
		return place{}, fmt.Errorf("--token-file: %w", err)
	}
	server, err := client.New(f.Server, value)
	if err != nil {
		return place{}, usage("--server: %w", err)
	}
	return place{server: server}, nil
}

// placeFromEnvironment is for a command line that says nothing.
func placeFromEnvironment() (place, error) {
	file, name := os.Getenv("CODERFLOW_CONFIG"), os.Getenv("CODERFLOW_CONTEXT")
	switch {
	case file != "" && name != "":
		return place{}, usage("CODERFLOW_CONFIG and CODERFLOW_CONTEXT are both set: unset one, or give --config or --context")
	case file != "":
		return place{local: configFlag{kong.ExpandPath(file)}}, nil
	case name != "":
		return inContext(name)
	case os.Getenv("HOME") == "" && os.Getenv("XDG_CONFIG_HOME") == "":
		return place{}, nil // a service: nobody who could have contexts
	}
	all, err := loadContexts()
	if err != nil {
		return place{}, err
	}
	now, chosen, err := all.Current()
	if err != nil {
		return place{}, fmt.Errorf("the current context: %w", err)
	}
	if !chosen {
		return place{}, nil
	}
	return atContext(now)
}

func loadContexts() (*client.Contexts, error) {
	path, err := client.DefaultPath()
	if err != nil {
		return nil, err
	}
	return client.Load(path)
}

func inContext(name string) (place, error) {
	all, err := loadContexts()
	if err != nil {
		return place{}, err
	}
	c, err := all.Get(name)
	if err != nil {
		return place{}, err
	}
	return atContext(c)
}

func atContext(c client.Context) (place, error) {
	server, err := client.New(c.Server, c.Token)
	return place{server: server}, err
}

// local is the database of this machine, for a command beside the server.
type local struct {
	*store.Store
	config configFlag
}

// cfg is the configuration again.
func (l local) cfg() (config.Config, error) { return l.config.load() }

// rules are what is decided by now, with the server's admins.
func (l local) rules(ctx context.Context) (*policy.Policy, error) {
	cfg, err := l.cfg()
	if err != nil {
		return nil, err
	}
	now, err := readInForce(ctx, l.Store)
	if err != nil {
		return nil, err
	}
	return now.policy(cfg.Admins)
}

// ask gets an answer from where the flags say. Both ways give the same type, so
// that both print the same.
func ask[T any](ctx context.Context, f whereFlags, s streams,
	here func(local) (T, error), there func(*client.Client) (T, error),
) (answer T, err error) {
	p, err := f.place(s.err)
	if err != nil {
		return answer, err
	}
	if p.server != nil {
		return there(p.server)
	}
	err = p.local.with(ctx, func(db *store.Store) error {
		answer, err = here(local{db, p.local})
		return err
	})
	return answer, err
}

// Exit statuses. The help of the command line and docs/cli.md list them.
const (
	failedStatus   = 1
	usageStatus    = 2
	refusedStatus  = 3 // by the policy
	notFoundStatus = 4
)

// usage is a wrong command line that the parser could not see.
func usage(format string, args ...any) error {
	return &exitError{usageStatus, fmt.Errorf(format, args...)}
}

// notFound is said of what a command is about.
func notFound(format string, args ...any) error {
	return &exitError{notFoundStatus, fmt.Errorf(format, args...)}
}

// statusOf is a failed command's exit status.
func statusOf(err error) int {
	exit := (*exitError)(nil)
	switch {
	case errors.As(err, &exit):
		return cmp.Or(exit.code, failedStatus)
	case client.IsStatus(err, http.StatusForbidden):
		return refusedStatus
	case client.IsStatus(err, http.StatusNotFound), errors.Is(err, client.ErrNoContext), errors.Is(err, task.ErrNotFound):
		return notFoundStatus
	}
	return failedStatus
}
