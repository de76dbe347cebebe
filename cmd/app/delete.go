package main

import (
	"context"
	"strings"

	"github.com/coderflow/coderflow/internal/client"
	"github.com/coderflow/coderflow/internal/manifest"
)

type deleteCmd struct {
	changeFlags
	Objects     []string `arg:"" placeholder:"KIND/NAME" help:"What to remove: team/builders, profile/staging/publish."`
	Environment string   `placeholder:"NAME" help:"The environment of profiles that are given without it."`
}

// Help implements kong.HelpProvider.
func (deleteCmd) Help() string {
	return `What others refer to cannot go without them: name all of it at once.

Exit status: 0 removed (or, with --dry-run, it could be), 1 something is wrong, 3 refused.

Examples:

  coderflow delete binding/alice-develops --dry-run
  coderflow delete profile/publish --environment staging
  coderflow delete profile/staging/publish team/builders`
}

// Run removes manifests from what is in force.
func (c deleteCmd) Run(ctx context.Context, s streams) error {
	objects, err := c.objects()
	if err != nil {
		return err
	}
	p, err := c.place(s.err)
	if err != nil {
		return err
	}
	if p.server != nil {
		return c.atServer(ctx, p.server, client.Application{Mode: client.Merge, Delete: objects}, s)
	}
	keys := make([]manifest.Key, len(objects))
	for i, o := range objects {
		keys[i] = manifest.Key(o)
	}
	return c.change(ctx, p.local, func(was *manifest.Set) (*manifest.Set, error) {
		return manifest.Merge(ctx, nil, was, manifest.Edit{Delete: keys})
	}, s)
}

// objects are what the arguments name.
func (c deleteCmd) objects() ([]client.Object, error) {
	var list []client.Object
	for _, text := range c.Objects {
		kind, name, found := strings.Cut(text, "/")
		if !found || kind == "" || name == "" {
			return nil, usage("%q: want KIND/NAME, for example team/builders", text)
		}
		if _, err := manifest.Select(nil, kind, ""); err != nil {
			return nil, usage("%w", err)
		}
		o := client.ObjectNamed(kind, name)
		if profile := strings.HasSuffix(strings.TrimSuffix(strings.ToLower(kind), "s"), "profile"); profile && o.Environment == "" {
			if o.Environment = c.Environment; o.Environment == "" {
				return nil, usage("%q: say in which environment: profile/ENVIRONMENT/NAME", text)
			}
		}
		list = append(list, o)
	}
	return list, nil
}
