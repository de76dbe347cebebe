package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	"github.com/coderflow/coderflow/internal/client"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/policy"
)

// changeFlags are of the commands that change the manifests in force.
type changeFlags struct {
	whereFlags
	outputFlag
	DryRun    bool   `help:"Show the differences; put nothing in force."`
	As        string `placeholder:"HOST:ID" help:"On the server's machine: act in the name of this person, refuse what they could not do."`
	IfVersion string `placeholder:"VERSION" help:"Fail if another version is in force; \"none\": if any is."`
}

type applyCmd struct {
	changeFlags
	Files []string `short:"f" name:"filename" required:"" help:"Manifest files or directories." type:"path"`
	Merge bool     `help:"Put what is given in the place of its likes, and leave the rest as it is."`
}

// Help implements kong.HelpProvider.
func (applyCmd) Help() string {
	return `What is applied together replaces everything that was in force, as one new version; with --merge only the objects
of the same kind and name. At a server it is held to what the token's owner may change. On the server's machine it
acts for whoever runs the server, or with --as for a person.

Exit status: 0 in force (or, with --dry-run, it could be), 1 something is wrong, 3 refused.

Examples:

  coderflow apply -f manifests/ --dry-run          show what would change
  coderflow apply -f manifests/                    put it in force
  coderflow apply -f staging.yaml --merge          change one environment
  coderflow apply -f manifests/ --as github:1003   only what that person may change
  coderflow apply -f manifests/ --if-version sha256:…   only in the place of this version`
}

// Run checks all manifests first; nothing is put in force if one is wrong.
func (c applyCmd) Run(ctx context.Context, s streams) error {
	p, err := c.place(s.err)
	if err != nil {
		return err
	}
	if p.server == nil {
		return c.here(ctx, p.local, s)
	}
	files, err := readManifests(c.Files)
	if err != nil {
		return err
	}
	mode := map[bool]string{true: client.Merge, false: client.Replace}[c.Merge]
	return c.atServer(ctx, p.server, client.Application{Files: texts(files), Mode: mode}, s)
}

func (c applyCmd) here(ctx context.Context, at configFlag, s streams) error {
	resolver := logins{at}
	edit := func(was *manifest.Set) (*manifest.Set, error) {
		files, err := readManifests(c.Files)
		if err != nil {
			return nil, err
		}
		return manifest.Merge(ctx, resolver, was, manifest.Edit{Files: files})
	}
	if !c.Merge {
		set, err := manifest.LoadWith(ctx, resolver, c.Files...)
		if err != nil {
			return err
		}
		if _, err := at.load(); c.DryRun && at.Config == "" && err != nil {
			fmt.Fprintf(s.err, "without a configuration nothing can be compared with what is in force: %v\n", err)
			_, err := fmt.Fprintln(s.out, "the manifests are in order:", summary(set))
			return err
		}
		edit = func(*manifest.Set) (*manifest.Set, error) { return set, nil }
	}
	return c.change(ctx, at, edit, s)
}

// atServer asks the server for the change.
func (c changeFlags) atServer(ctx context.Context, server *client.Client, a client.Application, s streams) error {
	if c.As != "" {
		return usage("--as is for the server's machine; a server goes by the token's owner")
	}
	a.DryRun, a.IfVersion = c.DryRun, c.IfVersion
	done, err := server.Apply(ctx, a)
	if err != nil {
		return err
	}
	return c.print(s, done, func(t *table) {
		drawChanges(t, done.Changes, done.Hidden)
		if done.Applied {
			t.line("in force: version %s", done.Version)
		} else {
			t.line("the manifests are in order: version %s", done.Version)
		}
	})
}

// change makes the change on the database of this machine.
func (c changeFlags) change(ctx context.Context, at configFlag, edit func(*manifest.Set) (*manifest.Set, error), s streams) error {
	actor, err := c.actor()
	if err != nil {
		return err
	}
	cfg, err := at.load()
	if err != nil {
		return err
	}
	a := application{changeFlags: c, cfg: cfg, actor: actor, edit: edit, streams: s}
	if _, err := os.Stat(cfg.SQLitePath()); c.DryRun && !cfg.Database.Postgres && errors.Is(err, fs.ErrNotExist) {
		return status(a.show()) // a dry run does not make the database
	}
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	return at.with(ctx, a.run(ctx))
}

func (c changeFlags) actor() (policy.Authority, error) {
	if c.As == "" {
		return policy.Authority{Local: true}, nil
	}
	subject, err := forge.ParseSubject(c.As)
	if err != nil {
		return policy.Authority{}, usage("--as: %w", err)
	}
	return policy.Authority{User: forge.User{Subject: subject, Kind: subject.Kind()}}, nil
}

// logins asks the configured forges for the ids of logins and teams.
type logins struct{ config configFlag }

// UserByLogin implements manifest.Resolver.
func (l logins) UserByLogin(ctx context.Context, host, login string) (forge.User, error) {
	hub, err := l.forge()
	if err != nil {
		return forge.User{}, err
	}
	return hub.UserByLogin(ctx, host, login)
}

func (l logins) forge() (forges, error) {
	cfg, err := l.config.load()
	if err != nil {
		return forges{}, err
	}
	return newForges(cfg, slog.New(slog.DiscardHandler))
}

func summary(set *manifest.Set) string {
	return fmt.Sprintf("%d environments, %d bindings, version %s", len(set.Environments), len(set.Bindings), set.Version)
}
