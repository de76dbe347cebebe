package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/client"
	"github.com/coderflow/coderflow/internal/config"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/store"
)

// application is one change on its way into force, on the database itself.
type application struct {
	changeFlags
	cfg   config.Config
	actor policy.Authority
	// edit makes the new set of what was; it is never given nil.
	edit func(was *manifest.Set) (*manifest.Set, error)
	was  inForce
	set  *manifest.Set
	// changes are what show found to differ.
	changes []manifest.Change
	streams
}

func (a *application) run(ctx context.Context) func(*store.Store) error {
	return func(db *store.Store) error {
		var err error
		if a.was, err = readInForce(ctx, db); err != nil {
			return err
		}
		refusal := a.show()
		if a.DryRun {
			return status(refusal)
		}
		return a.put(ctx, db, refusal)
	}
}

// put makes the change unless something stands against it.
func (a *application) put(ctx context.Context, db *store.Store, refusal error) error {
	by, detail := operator(), map[string]any{"changes": objectsOf(a.changes)}
	if a.As != "" {
		by, detail["as"] = by+" as "+a.As, a.As
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
	if a.format() != "table" {
		return a.report(policy.Decision{Allowed: true, Reason: policy.Yes("it is in force"), PolicyVersion: a.set.Version}, true)
	}
	_, err := fmt.Fprintln(a.out, "in force: version", a.set.Version)
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
func (a *application) show() error {
	if wanted := a.IfVersion; wanted != "" && wanted != a.was.version && (wanted != "none" || a.was.version != "") {
		return fmt.Errorf("version %q is wanted in force and %q is; look at the differences and name that one", wanted, a.was.version)
	}
	if err := a.compare(); err != nil {
		return err
	}
	if a.format() == "table" {
		err := a.print(a.streams, nil, func(t *table) { drawChanges(t, changesOf(a.changes), 0) })
		if err != nil {
			return err
		}
	}
	before, err := a.was.policy(a.cfg.Admins)
	if err != nil {
		return err
	}
	if actor := a.actor.User; !actor.Subject.IsZero() { // the login is for the reader of a refusal
		if a.actor.User, err = subjectNamed(before, actor.Subject.String()); err != nil {
			return err
		}
	}
	d := policy.CheckChange(a.actor, before, a.set.Policy(a.cfg.Admins...))
	if a.DryRun || !d.Allowed {
		err = a.would(d)
	}
	if !d.Allowed {
		return errors.Join(&refusedError{d}, err)
	}
	return err
}

// would tells what is not done.
func (a *application) would(d policy.Decision) error {
	if a.format() != "table" {
		return a.report(d, false)
	}
	if !d.Allowed {
		return nil
	}
	_, err := fmt.Fprintln(a.out, "the manifests are in order: version", a.set.Version)
	return err
}

// report prints the change as the API gives it.
func (a *application) report(d policy.Decision, applied bool) error {
	done := client.Applied{Version: a.set.Version, Applied: applied, Changes: changesOf(a.changes), Decision: d}
	return a.print(a.streams, done, nil)
}

// compare makes the new set and finds what differs.
func (a *application) compare() error {
	was := a.was.set
	if was == nil {
		empty, err := manifest.Parse(nil)
		if err != nil {
			return err
		}
		was = empty
	}
	var err error
	if a.set, err = a.edit(was); err != nil {
		return err
	}
	if err := checkProviders(a.set, a.cfg.Models); err != nil {
		return err
	}
	a.changes, err = manifest.Diff(a.was.set, a.set)
	return err
}
