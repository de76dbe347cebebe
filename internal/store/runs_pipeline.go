package store

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/coderflow/coderflow/internal/deploy"
)

// underWayStates are those of runs that may be doing something.
var underWayStates = []deploy.RunState{deploy.Created, deploy.Running}

// RunsUnderWay lists the runs of all environments that were created and have not ended.
func (s *Store) RunsUnderWay(ctx context.Context) ([]deploy.Run, error) {
	var rows []runRow
	err := s.fetch(ctx, s.read.NewSelect().Model(&rows).Where("state IN (?)", bun.List(underWayStates)).Order("number"))
	if err != nil {
		return nil, fmt.Errorf("list the deployments under way: %w", err)
	}
	return runs(rows)
}

// BeginRun writes a pending run that has its turn as created. Of several that try, only
// the first is told true: whoever is may have the one effect that cannot be found again
// by a name of ours.
func (t *Tx) BeginRun(ctx context.Context, r deploy.Run) (first bool, err error) {
	r.State = deploy.Created
	row, err := toRunRow(r)
	if err != nil {
		return false, fmt.Errorf("begin deployment %s: %w", r.ID, err)
	}
	n, err := t.exec(ctx, t.tx.NewUpdate().Model(row).Column(savedRunColumns...).
		Where("id = ?", row.ID).Where("state = ?", deploy.Pending).Where("claimed_at IS NOT NULL"))
	if err != nil {
		return false, fmt.Errorf("begin deployment %s: %w", r.ID, err)
	}
	return n > 0, nil
}

// StopRun records the order to stop a run that is under way. The first order stands.
func (t *Tx) StopRun(ctx context.Context, id string, s deploy.Stop) (first bool, err error) {
	var e encoder
	order := encode(&e, "why it is stopped", s)
	if e.err != nil {
		return false, fmt.Errorf("stop deployment %s: %w", id, e.err)
	}
	n, err := t.exec(ctx, t.tx.NewUpdate().Model((*runRow)(nil)).Set("stopped = ?", order).
		Where("id = ?", text(id)).Where("stopped = '{}'").Where("state IN (?)", bun.List(underWayStates)))
	if err != nil {
		return false, fmt.Errorf("stop deployment %s: %w", id, err)
	}
	return n > 0, nil
}
