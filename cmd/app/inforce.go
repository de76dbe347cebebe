package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/task"
)

// inForce are the manifests in force at one moment. The zero value is none.
type inForce struct {
	seq     int64
	version string
	set     *manifest.Set // nil: none
}

// readInForce reads them for a command. None is no error.
func readInForce(ctx context.Context, db *store.Store) (inForce, error) {
	active, err := db.ActiveManifest(ctx)
	if errors.Is(err, task.ErrNotFound) {
		return inForce{}, nil
	}
	if err != nil {
		return inForce{}, err
	}
	set, err := parseStored(active)
	if err != nil {
		return inForce{}, err
	}
	if set, err = withStoredMembers(ctx, db, set); err != nil {
		return inForce{}, err
	}
	return inForce{active.Seq, active.Version, set}, nil
}

// policy is what they decide by, together with the server's admins.
func (f inForce) policy(admins []forge.Subject) (*policy.Policy, error) {
	if f.set != nil {
		return f.set.Policy(admins...), nil
	}
	empty, err := manifest.Parse(nil)
	if err != nil {
		return nil, err
	}
	return empty.Policy(admins...), nil
}

// replace puts a set in force in the place of what was, or fails with a
// *store.ManifestStaleError if that is in force no more.
func replace(ctx context.Context, db *store.Store, was inForce, set *manifest.Set, by string, detail map[string]any) error {
	err := db.InTx(ctx, func(tx *store.Tx) error {
		fresh, err := tx.ReplaceManifest(ctx, was.seq, store.Manifest{Version: set.Version, Content: set.Canonical(), AppliedBy: by})
		if err != nil || !fresh {
			return err
		}
		return auditManifests(ctx, tx, audit.ManifestsApplied, by, was, set, detail)
	})
	if stale := (*store.ManifestStaleError)(nil); errors.As(err, &stale) || errors.Is(err, task.ErrStale) {
		return fmt.Errorf("somebody else put manifests in force meanwhile, so nothing was changed; run the command again and look at the new differences: %w", err)
	}
	return err
}

func auditManifests(ctx context.Context, tx *store.Tx, action audit.Action, by string, was inForce, set *manifest.Set, detail map[string]any) error {
	all := map[string]any{"version": set.Version}
	if was.version != "" {
		all["replaces"] = was.version
	}
	for key, value := range detail {
		all[key] = value
	}
	entry, err := audit.New(time.Now(), by, action, all)
	if err != nil {
		return err
	}
	return tx.Audit(ctx, entry)
}
