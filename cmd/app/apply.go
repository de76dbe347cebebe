package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/config"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/github"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/store"
)

type applyCmd struct {
	configFlag
	Files     []string `short:"f" name:"filename" required:"" help:"Manifest files or directories." type:"path"`
	DryRun    bool     `help:"Show the differences; put nothing in force."`
	As        string   `placeholder:"HOST:ID" help:"Apply in the name of this person: refuse what they could not do."`
	IfVersion string   `placeholder:"VERSION" help:"Fail if another version is in force; \"none\": if any is."`
}

// Help implements kong.HelpProvider.
func (applyCmd) Help() string {
	return `What is applied together replaces everything that was in force, as one new version. Without --as the command acts
for whoever runs the server.

Exit status: 0 in force (or, with --dry-run, it could be), 1 something is wrong, 3 refused.

Examples:

  coderflow apply -f manifests/ --dry-run          show what would change
  coderflow apply -f manifests/                    put it in force
  coderflow apply -f manifests/ --as github:1003   only what that person may change
  coderflow apply -f manifests/ --if-version sha256:…   only in the place of this version`
}

// refusedStatus is the exit status of a refusal by the policy.
const refusedStatus = 3

// Run checks all manifests first; nothing is put in force if one is wrong.
func (c applyCmd) Run(ctx context.Context, s streams) error {
	actor, err := c.actor()
	if err != nil {
		return err
	}
	set, err := manifest.LoadWith(ctx, manifest.ResolverFunc(c.whoIs), c.Files...)
	if err != nil {
		return err
	}
	cfg, err := c.load()
	if c.DryRun && c.Config == "" && err != nil {
		fmt.Fprintf(s.err, "without a configuration nothing can be compared with what is in force: %v\n", err)
		_, err := fmt.Fprintln(s.out, "the manifests are in order:", summary(set))
		return err
	}
	if err != nil {
		return err
	}
	if err := checkProviders(set, cfg.Models); err != nil {
		return err
	}
	a := application{cfg: cfg, set: set, actor: actor, streams: s}
	if _, err := os.Stat(cfg.SQLitePath()); c.DryRun && !cfg.Database.Postgres && errors.Is(err, os.ErrNotExist) {
		return status(a.show(c)) // a dry run does not make the database
	}
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	return c.with(ctx, func(db *store.Store) error { return a.run(ctx, db, c) })
}

func (c applyCmd) actor() (policy.Authority, error) {
	if c.As == "" {
		return policy.Authority{Local: true}, nil
	}
	subject, err := forge.ParseSubject(c.As)
	if err != nil {
		return policy.Authority{}, fmt.Errorf("--as: %w", err)
	}
	return policy.Authority{User: forge.User{Subject: subject, Kind: subject.Kind()}}, nil
}

// whoIs asks the configured forge for the number of a login.
func (c applyCmd) whoIs(ctx context.Context, host, login string) (forge.User, error) {
	cfg, err := c.load()
	if err != nil {
		return forge.User{}, err
	}
	if cfg.GitHub == nil {
		return forge.User{}, errors.New("no forge is configured: the section github is missing")
	}
	hub, err := github.New(github.Config{
		APIURL: cfg.GitHub.APIURL, GraphQLURL: cfg.GitHub.GraphQLURL, GitURL: cfg.GitHub.GitURL,
		AppID: cfg.GitHub.AppID, PrivateKey: []byte(cfg.GitHub.PrivateKey.Reveal()), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return forge.User{}, err
	}
	return hub.UserByLogin(ctx, host, login)
}

func summary(set *manifest.Set) string {
	return fmt.Sprintf("%d environments, %d bindings, version %s", len(set.Environments), len(set.Bindings), set.Version)
}

// application is one set on its way into force.
type application struct {
	cfg   config.Config
	set   *manifest.Set
	actor policy.Authority
	was   inForce
	// changes are what show found to differ.
	changes []manifest.Change
	streams
}

func (a *application) run(ctx context.Context, db *store.Store, c applyCmd) error {
	var err error
	if a.was, err = readInForce(ctx, db); err != nil {
		return err
	}
	refusal := a.show(c)
	if c.DryRun {
		return status(refusal)
	}
	by, detail := operator(), map[string]any{"changes": objectsOf(a.changes)}
	if c.As != "" {
		by, detail["as"] = by+" as "+c.As, c.As
	}
	if refused := (*refusedError)(nil); errors.As(refusal, &refused) {
		detail["decision"] = refused.decision
		err := db.InTx(ctx, func(tx *store.Tx) error {
			return auditManifests(ctx, tx, audit.ManifestsRefused, by, a.was, a.set, detail)
		})
		return errors.Join(status(refusal), err)
	}
	if refusal != nil {
		return refusal
	}
	if err := replace(ctx, db, a.was, a.set, by, detail); err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.out, "in force:", summary(a.set))
	return err
}

// refusedError is a change that the policy does not let somebody make.
type refusedError struct{ decision policy.Decision }

// Error implements error.
func (e *refusedError) Error() string {
	return "refused, nothing was put in force:\n" + failing(e.decision.Reason).String()
}

// status gives a refusal its exit status.
func status(err error) error {
	if refused := (*refusedError)(nil); errors.As(err, &refused) {
		return &exitError{refusedStatus, err}
	}
	return err
}

// show prints the differences. The error says why they may not be made.
func (a *application) show(c applyCmd) error {
	if wanted := c.IfVersion; wanted != "" && wanted != a.was.version && (wanted != "none" || a.was.version != "") {
		return fmt.Errorf("version %q is wanted in force and %q is; look at the differences and name that one", wanted, a.was.version)
	}
	var err error
	if a.changes, err = manifest.Diff(a.was.set, a.set); err != nil {
		return err
	}
	printChanges(a.out, a.changes)
	before, err := a.was.policy(a.cfg.Admins)
	if err != nil {
		return err
	}
	if actor := a.actor.User; !actor.Subject.IsZero() { // the login is for the reader of a refusal
		if a.actor.User, err = subjectNamed(before, actor.Subject.String()); err != nil {
			return err
		}
	}
	if d := policy.CheckChange(a.actor, before, a.set.Policy(a.cfg.Admins...)); !d.Allowed {
		return &refusedError{d}
	}
	if c.DryRun {
		_, err = fmt.Fprintln(a.out, "the manifests are in order:", summary(a.set))
	}
	return err
}
