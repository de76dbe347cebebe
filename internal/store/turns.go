package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/uptrace/bun"

	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/task"
)

// A turn is the right of one run to be under way beside those that it does not
// exclude. It is taken before its container is made and ends with the run. Who takes
// one waits in the queue of the environment, oldest first.

// openRunStates are those of runs that have a place in a queue, or a turn.
var openRunStates = []deploy.RunState{deploy.Pending, deploy.Created, deploy.Running}

// ClaimTurn gives a pending run its turn, unless a run that it excludes has one or
// came before it in the queue; that run is returned then. A run that has its turn
// keeps it. Claims of one environment come one after the other, whichever process
// makes them.
func (t *Tx) ClaimTurn(ctx context.Context, id string) (deploy.Turn, error) {
	turn, err := t.claimTurn(ctx, id)
	if err != nil {
		return deploy.Turn{}, fmt.Errorf("take the turn of deployment %s: %w", id, err)
	}
	return turn, nil
}

func (t *Tx) claimTurn(ctx context.Context, id string) (deploy.Turn, error) {
	var me runRow
	if err := t.scan(ctx, t.tx.NewSelect().Model(&me).Column("environment").Where("id = ?", text(id))); err != nil {
		return deploy.Turn{}, err
	}
	if err := t.lockQueue(ctx, me.Environment); err != nil {
		return deploy.Turn{}, err
	}
	var rows []runRow
	err := t.scan(ctx, t.tx.NewSelect().Model(&rows).
		Column("number", "id", "task", "environment", "profile", "state", "concurrency", "queued_at", "claimed_at").
		Where("environment = ?", me.Environment).Where("state IN (?)", bun.List(openRunStates)))
	if err != nil {
		return deploy.Turn{}, err
	}
	i := slices.IndexFunc(rows, func(r runRow) bool { return r.ID == id })
	if i < 0 {
		return deploy.Turn{}, fmt.Errorf("it is neither waiting nor running: %w", task.ErrStale)
	}
	if me = rows[i]; !me.ClaimedAt.IsZero() {
		return deploy.Turn{Own: true}, nil
	}
	if other := before(me, rows); other != nil {
		turn := deploy.Turn{Behind: other.ID, Task: task.ID(other.Task), Queued: other.ClaimedAt.IsZero()}
		_, err := t.exec(ctx, t.tx.NewUpdate().Model((*runRow)(nil)).Set("detail = ?", turn.String()).Where("id = ?", text(id)))
		return turn, err
	}
	_, err = t.exec(ctx, t.tx.NewUpdate().Model((*runRow)(nil)).
		Set("claimed_at = ?", at(t.now())).Set("detail = ''").Where("id = ?", text(id)))
	return deploy.Turn{Own: true}, err
}

// before is the run for which another one waits: one that has its turn or else the
// first in the queue.
func before(me runRow, rows []runRow) *runRow {
	slices.SortFunc(rows, func(a, b runRow) int {
		return cmp.Or(a.QueuedAt.Compare(b.QueuedAt.Time), cmp.Compare(a.Number, b.Number))
	})
	var first *runRow
	ahead := true
	for i := range rows {
		other := &rows[i]
		switch {
		case other.ID == me.ID:
			ahead = false
		case !me.short().Excludes(other.short()):
		case !other.ClaimedAt.IsZero():
			return other
		case ahead && first == nil:
			first = other
		}
	}
	return first
}

func (r *runRow) short() deploy.Run {
	return deploy.Run{ID: r.ID, Environment: r.Environment, Profile: r.Profile, Concurrency: deploy.Concurrency(r.Concurrency)}
}

// lockQueue makes every other claim in the environment wait until the transaction
// ends. On SQLite there is only one writing transaction at a time.
func (t *Tx) lockQueue(ctx context.Context, environment string) error {
	if t.dialect != queue.Postgres {
		return nil
	}
	_, err := t.exec(ctx, t.tx.NewRaw("SELECT pg_advisory_xact_lock(hashtextextended(?, 0))", "coderflow.dev/deployments/"+environment))
	return err
}

// ReleaseTurn ends the turn of a run that could not go on, and says why. It goes to
// the end of the queue, and with it what the same review armed after it: the queue
// never has these in another order than the review, so that nobody waits for
// somebody who waits for them. A run whose container was made keeps its turn.
//
// When that happened first is kept where the start of the run comes later.
func (t *Tx) ReleaseTurn(ctx context.Context, id, why string) error {
	now := at(t.now())
	n, err := t.exec(ctx, t.tx.NewUpdate().Model((*runRow)(nil)).
		Set("claimed_at = NULL").Set("queued_at = ?", now).Set("detail = ?", text(why)).Set("started_at = COALESCE(started_at, ?)", now).
		Where("id = ?", text(id)).Where("state = ?", deploy.Pending).Where("claimed_at IS NOT NULL"))
	if err == nil && n > 0 {
		_, err = t.exec(ctx, t.tx.NewRaw(`UPDATE deploy_runs SET queued_at = ? WHERE state = ? AND claimed_at IS NULL AND EXISTS
			(SELECT 1 FROM deploy_runs AS f WHERE f.id = ? AND f.cause = ? AND deploy_runs.cause = f.cause
			AND deploy_runs.approval_id = f.approval_id AND deploy_runs.number > f.number)`,
			now, deploy.Pending, text(id), deploy.ByReview))
	}
	if err != nil {
		return fmt.Errorf("end the turn of deployment %s: %w", id, err)
	}
	return nil
}

// maxWaiting bounds how many are woken at once; the sweep finds the rest.
const maxWaiting = 200

// Waiting lists the tasks of runs that wait for their turn in the environment, the
// first in the queue first.
func (t *Tx) Waiting(ctx context.Context, environment string) ([]task.ID, error) {
	var rows []runRow
	err := t.scan(ctx, t.tx.NewSelect().Model(&rows).Column("task").
		Where("environment = ?", text(environment)).Where("state = ?", deploy.Pending).Where("claimed_at IS NULL").
		Order("queued_at", "number").Limit(maxWaiting))
	if err != nil {
		return nil, fmt.Errorf("list who waits in environment %s: %w", environment, err)
	}
	return distinctTasks(rows), nil
}

func distinctTasks(rows []runRow) []task.ID {
	var ids []task.ID
	for _, r := range rows {
		if id := task.ID(r.Task); !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}
