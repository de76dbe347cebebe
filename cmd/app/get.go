package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/store"
)

type getCmd struct {
	configFlag
	Kind    string `arg:"" optional:"" help:"environment, profile, role, team or binding. Default: all."`
	Name    string `arg:"" optional:"" help:"Name of one object; of a profile NAME or ENVIRONMENT/NAME."`
	Output  string `short:"o" enum:"table,yaml,json" default:"table" help:"table, yaml or json."`
	History bool   `help:"List the versions that were put in force, newest first, with author and time."`
	Limit   int    `default:"50" help:"With --history: how many at the most."`
}

// Help implements kong.HelpProvider.
func (getCmd) Help() string {
	return `What -o yaml prints of everything applies again to the same version.

Examples:

  coderflow get                              everything, one line each
  coderflow get -o yaml > all.yaml           manifests that can be applied
  coderflow get environment staging -o yaml  one object
  coderflow get bindings                     objects of one kind
  coderflow get --history                    who put what in force, when`
}

// Run prints what is in force.
func (c getCmd) Run(ctx context.Context, s streams) error {
	return c.with(ctx, func(db *store.Store) error {
		if c.History {
			return c.history(ctx, db, s)
		}
		now, err := readInForce(ctx, db)
		if err != nil {
			return err
		}
		if now.set == nil {
			return errors.New("no manifests are in force; put some in force with coderflow apply -f DIR")
		}
		objects, err := now.set.Objects()
		if err != nil {
			return err
		}
		if err := readsBack(now.set, objects); err != nil {
			return err
		}
		if objects, err = manifest.Select(objects, c.Kind, c.Name); err != nil {
			return err
		}
		return c.print(s, now, objects)
	})
}

// readsBack makes sure that what is shown is what is in force.
func readsBack(set *manifest.Set, objects []manifest.Object) error {
	files := map[string][]byte{}
	for _, o := range objects {
		files[o.Kind+" "+o.Name] = manifest.YAML([]manifest.Object{o})
	}
	again, err := manifest.Parse(files)
	if err != nil {
		return fmt.Errorf("what is in force cannot be written as manifests: %w", err)
	}
	changes, err := manifest.Diff(set, again)
	if err == nil && len(changes) > 0 {
		err = fmt.Errorf("what is in force cannot be written as manifests: %s %s would differ", changes[0].Kind, changes[0].Name)
	}
	return err
}

func (c getCmd) print(s streams, now inForce, objects []manifest.Object) error {
	switch c.Output {
	case "yaml":
		_, err := s.out.Write(manifest.YAML(objects))
		return err
	case "json":
		return printJSON(s, struct {
			Version string            `json:"version"`
			Items   []manifest.Object `json:"items"`
		}{now.version, objects})
	}
	table := tabwriter.NewWriter(s.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "KIND\tNAME")
	for _, o := range objects {
		fmt.Fprintf(table, "%s\t%s\n", o.Kind, o.Name)
	}
	fmt.Fprintf(table, "\nversion %s\n", now.version)
	return table.Flush()
}

// appliedVersion is one line of the history.
type appliedVersion struct {
	Seq     int64     `json:"seq"`
	Version string    `json:"version"`
	At      time.Time `json:"at"`
	By      string    `json:"by"`
}

func (c getCmd) history(ctx context.Context, db *store.Store, s streams) error {
	all, err := db.ManifestHistory(ctx, c.Limit)
	if err != nil {
		return err
	}
	list := []appliedVersion{}
	for _, m := range all {
		list = append(list, appliedVersion{m.Seq, m.Version, m.AppliedAt.UTC(), m.AppliedBy})
	}
	if c.Output == "json" {
		return printJSON(s, list)
	}
	table := tabwriter.NewWriter(s.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "NUMBER\tAPPLIED\tBY\tVERSION")
	for _, v := range list {
		fmt.Fprintf(table, "%d\t%s\t%s\t%s\n", v.Seq, v.At.Format(time.RFC3339), visible(v.By), v.Version)
	}
	return table.Flush()
}
