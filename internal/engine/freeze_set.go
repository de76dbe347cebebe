package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/freeze"
)

// FreezeTx writes freezes.
type FreezeTx interface {
	// Freeze puts a freeze in force, or returns the one that is and false. Steps that
	// are under way in its scope write nothing any more.
	Freeze(ctx context.Context, f freeze.Freeze) (stands freeze.Freeze, fresh bool, err error)
	// Thaw ends the freeze of a resource; false: it is not frozen.
	Thaw(ctx context.Context, resource string) (freeze.Freeze, bool, error)
	Audit(ctx context.Context, e audit.Entry) error
}

// SetFreeze freezes, audited. Whoever asks is permitted already. detail says by which
// way it was asked; it may be nil. What is frozen already stays as it is, whoever
// asks: fresh is false then.
func SetFreeze(ctx context.Context, tx FreezeTx, now time.Time, f freeze.Freeze, detail map[string]any) (freeze.Freeze, bool, error) {
	if problem := freeze.CheckReason(f.Reason); problem != "" {
		return freeze.Freeze{}, false, fmt.Errorf("freeze %s: %s", f.What(), problem)
	}
	f.At = now.UTC()
	stands, fresh, err := tx.Freeze(ctx, f)
	if err != nil || !fresh {
		return stands, false, err
	}
	return stands, true, auditFreeze(ctx, tx, now, f.By, audit.FreezeSet, stands, detail)
}

// LiftFreeze thaws, audited, under the same conditions. was is false if the resource
// is not frozen.
func LiftFreeze(ctx context.Context, tx FreezeTx, now time.Time, resource, by string, detail map[string]any) (f freeze.Freeze, was bool, err error) {
	f, was, err = tx.Thaw(ctx, resource)
	if err != nil || !was {
		return f, false, err
	}
	return f, true, auditFreeze(ctx, tx, now, by, audit.FreezeLifted, f, detail)
}

func auditFreeze(ctx context.Context, tx FreezeTx, now time.Time, by string, action audit.Action, f freeze.Freeze, detail map[string]any) error {
	all := map[string]any{"freeze": f.ID, "resource": f.Resource, "reason": f.Reason, "frozenBy": f.By, "frozenAt": f.At.UTC()}
	for key, value := range detail {
		all[key] = value
	}
	entry, err := audit.New(now, by, action, all)
	if err != nil {
		return err
	}
	entry.Environment = f.Name()
	return tx.Audit(ctx, entry)
}
