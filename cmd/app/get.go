package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/coderflow/coderflow/internal/client"
	"github.com/coderflow/coderflow/internal/manifest"
)

type getCmd struct {
	whereFlags
	outputFlag
	Kind    string `arg:"" optional:"" predictor:"kind" help:"environment, profile, role, team, binding … Default: all."`
	Name    string `arg:"" optional:"" help:"Name of one object; of a profile NAME or ENVIRONMENT/NAME."`
	History bool   `help:"List the versions that were put in force, newest first, with author and time."`
	Limit   int    `default:"50" help:"With --history: how many at the most."`
}

// Help implements kong.HelpProvider.
func (getCmd) Help() string {
	return `On the server's machine, what -o yaml prints of everything applies again to the same version. A server gives
what you may see, and says if that is not everything: apply it with --merge.

Examples:

  coderflow get                              everything, one line each
  coderflow get -o yaml > all.yaml           manifests that can be applied
  coderflow get environment staging -o yaml  one object
  coderflow get bindings                     objects of one kind
  coderflow get --history                    who put what in force, when`
}

// Run prints what is in force.
func (c getCmd) Run(ctx context.Context, s streams) error {
	if c.History {
		return c.history(ctx, s)
	}
	m, err := ask(ctx, c.whereFlags, s,
		func(l local) (client.Manifests, error) { return l.manifests(ctx, c.Kind, c.Name) },
		func(server *client.Client) (client.Manifests, error) {
			return server.Manifests(ctx, client.Object{Kind: c.Kind, Name: c.Name})
		})
	if err != nil {
		return err
	}
	if !m.Complete {
		fmt.Fprintln(s.err, "coderflow: there is more in force than you may see")
	}
	return c.show(s, m)
}

func (c getCmd) show(s streams, m client.Manifests) error {
	if c.format() == "yaml" {
		_, err := io.WriteString(s.out, visible(m.YAML))
		return err
	}
	documents := []json.RawMessage{}
	for _, item := range m.Items {
		documents = append(documents, item.Manifest)
	}
	return c.print(s, struct {
		Version string            `json:"version"`
		Items   []json.RawMessage `json:"items"`
	}{m.Version, documents}, func(t *table) {
		t.row("KIND", "NAME")
		for _, item := range m.Items {
			t.row(item.Kind, item.FullName())
		}
		t.line("\nversion %s", m.Version)
	})
}

// manifests are what is in force here.
func (l local) manifests(ctx context.Context, kind, name string) (client.Manifests, error) {
	now, err := readInForce(ctx, l.Store)
	if err != nil {
		return client.Manifests{}, err
	}
	if now.set == nil {
		return client.Manifests{}, notFound("no manifests are in force; put some in force with coderflow apply -f DIR")
	}
	objects, err := now.set.Objects()
	if err != nil {
		return client.Manifests{}, err
	}
	if err := readsBack(now.set, objects); err != nil {
		return client.Manifests{}, err
	}
	if _, err := manifest.Select(nil, kind, ""); err != nil {
		return client.Manifests{}, usage("%w", err)
	}
	if objects, err = manifest.Select(objects, kind, name); err != nil {
		return client.Manifests{}, notFound("%w", err)
	}
	m := client.Manifests{Version: now.version, Complete: true, YAML: string(manifest.YAML(objects))}
	for _, o := range objects {
		document, err := json.Marshal(o)
		if err != nil {
			return m, fmt.Errorf("write %s %s: %w", o.Kind, o.Name, err)
		}
		m.Items = append(m.Items, client.Manifest{Object: client.ObjectNamed(o.Kind, o.Name), Manifest: document})
	}
	return m, nil
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

func (c getCmd) history(ctx context.Context, s streams) error {
	list, err := ask(ctx, c.whereFlags, s,
		func(l local) ([]client.AppliedVersion, error) { return l.history(ctx, c.Limit) },
		func(server *client.Client) ([]client.AppliedVersion, error) {
			return server.ManifestHistory(ctx, c.Limit)
		})
	if err != nil {
		return err
	}
	return c.print(s, list, func(t *table) {
		t.row("APPLIED", "BY", "VERSION")
		for _, v := range list {
			t.row(v.AppliedAt.UTC().Format(time.RFC3339), v.AppliedBy, v.Version)
		}
	})
}

func (l local) history(ctx context.Context, limit int) ([]client.AppliedVersion, error) {
	all, err := l.ManifestHistory(ctx, limit)
	list := []client.AppliedVersion{}
	for _, m := range all {
		list = append(list, client.AppliedVersion{Version: m.Version, AppliedAt: m.AppliedAt.UTC(), AppliedBy: m.AppliedBy})
	}
	return list, err
}
