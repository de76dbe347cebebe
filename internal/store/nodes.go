package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/coderflow/coderflow/internal/node"
	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/task"
)

type nodeRow struct {
	bun.BaseModel `bun:"table:nodes,alias:n"`

	ID        string `bun:",pk"`
	Name      string
	Labels    string
	Slots     int
	Version   string
	Serves    bool
	StartedAt instant
	SeenAt    instant
	DrainedAt instant
	LostAt    instant
}

func (r nodeRow) node() (node.Node, error) {
	n := node.Node{
		ID: r.ID, Name: r.Name, Slots: r.Slots, Version: r.Version, Serves: r.Serves, StartedAt: r.StartedAt.Time,
		SeenAt: r.SeenAt.Time, DrainedAt: r.DrainedAt.Time, LostAt: r.LostAt.Time,
	}
	var d decoder
	decode(&d, "labels", r.Labels, &n.Labels)
	if d.err != nil {
		return n, fmt.Errorf("node %s: %w", r.ID, d.err)
	}
	return n, nil
}

// Beat is a sign of life of a node, with what it is now. It returns what stood of it
// before, or task.ErrNotFound for a new one. A node that was lost is not any more.
func (s *Store) Beat(ctx context.Context, n node.Node) (before node.Node, err error) {
	var e encoder
	row := &nodeRow{
		ID: text(n.ID), Name: text(n.Name), Labels: encode(&e, "the labels", append([]string{}, n.Labels...)), Slots: n.Slots,
		Version: text(n.Version), Serves: n.Serves, StartedAt: at(n.StartedAt), SeenAt: at(s.now()),
	}
	if e.err != nil {
		return before, e.err
	}
	fresh := false
	err = s.InTx(ctx, func(t *Tx) error {
		var stored nodeRow
		err := t.scan(ctx, t.tx.NewSelect().Model(&stored).Where("id = ?", row.ID))
		if fresh = errors.Is(err, task.ErrNotFound); err == nil {
			before, err = stored.node()
		}
		if err != nil && !fresh {
			return err
		}
		_, err = t.exec(ctx, t.tx.NewInsert().Model(row).On("CONFLICT (id) DO UPDATE").
			Set("name = EXCLUDED.name").Set("labels = EXCLUDED.labels").Set("slots = EXCLUDED.slots").Set("version = EXCLUDED.version").Set("serves = EXCLUDED.serves").
			Set("started_at = EXCLUDED.started_at").Set("seen_at = EXCLUDED.seen_at").Set("lost_at = NULL").Returning("NULL"))
		return err
	})
	if err == nil && fresh {
		err = task.ErrNotFound
	}
	if err != nil {
		return before, fmt.Errorf("give a sign of life of node %s: %w", n.ID, err)
	}
	return before, nil
}

// Nodes lists the processes that share the database, by name.
func (s *Store) Nodes(ctx context.Context) ([]node.Node, error) {
	var rows []nodeRow
	if err := s.fetch(ctx, s.read.NewSelect().Model(&rows).Order("name", "id")); err != nil {
		return nil, fmt.Errorf("list the nodes: %w", err)
	}
	return nodesOf(rows)
}

func nodesOf(rows []nodeRow) ([]node.Node, error) {
	list := make([]node.Node, len(rows))
	for i, r := range rows {
		var err error
		if list[i], err = r.node(); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// Drain has a node take no tasks any more, from then on; the zero time has it take them
// again. It reports false if nothing changed, and fails with task.ErrNotFound for a node
// that is not there.
func (t *Tx) Drain(ctx context.Context, id string, since time.Time) (changed bool, err error) {
	var row nodeRow
	if err := t.scan(ctx, t.tx.NewSelect().Model(&row).Column("id").Where("id = ?", text(id))); err != nil {
		return false, fmt.Errorf("read node %s: %w", id, err)
	}
	query := t.tx.NewUpdate().Model((*nodeRow)(nil)).Set("drained_at = ?", at(since)).Where("id = ?", text(id))
	if since.IsZero() {
		query.Where("drained_at IS NOT NULL")
	} else {
		query.Where("drained_at IS NULL")
	}
	n, err := t.exec(ctx, query)
	if err != nil {
		return false, fmt.Errorf("drain node %s: %w", id, err)
	}
	return n > 0, nil
}

// LoseNode takes a node for dead whose last sign of life was that one: its leases end, and
// the jobs that it had are everybody's. It reports false, and does nothing, if the node
// gave another sign of life, or is lost already.
func (t *Tx) LoseNode(ctx context.Context, id string, seen time.Time) (lost bool, err error) {
	n, err := t.exec(ctx, t.tx.NewUpdate().Model((*nodeRow)(nil)).Set("lost_at = ?", at(t.now())).
		Where("id = ?", text(id)).Where("seen_at = ?", at(seen)).Where("lost_at IS NULL"))
	if err != nil || n == 0 {
		return false, err
	}
	if _, err := t.exec(ctx, leasesOf(t.tx, id)); err != nil {
		return false, fmt.Errorf("end the leases of node %s: %w", id, err)
	}
	if err := queue.Rehome(ctx, t.tx.Tx, t.dialect, id); err != nil {
		return false, err
	}
	return true, nil
}

// ForgetNode removes a node that is lost, or that never comes back, and takes the tasks that
// it had from it, those that ended too: what is still to do for them, a deployment that
// somebody asks for later, is anybody's. It fails with task.ErrNotFound for one that is not
// there or gave a sign of life since.
func (t *Tx) ForgetNode(ctx context.Context, id string) error {
	n, err := t.exec(ctx, t.tx.NewDelete().Model((*nodeRow)(nil)).Where("id = ?", text(id)).Where("lost_at IS NOT NULL"))
	if err == nil && n == 0 {
		err = task.ErrNotFound
	}
	if err == nil { // a new epoch: whoever works on one of them reads it again
		_, err = t.exec(ctx, t.tx.NewUpdate().Model((*taskRow)(nil)).Set("run = "+nodelessRun[t.dialect]).Set("epoch = epoch + 1").
			Where(nodeOfTask[t.dialect]+" = ?", text(id)))
	}
	if err != nil {
		return fmt.Errorf("forget node %s: %w", id, err)
	}
	return nil
}

// LockLine is who waits for a place and who has one, for the decision who is next.
// Decisions of all processes come one after the other: whoever reads the line in a
// transaction is alone with it until the transaction ends.
func (t *Tx) LockLine(ctx context.Context) ([]task.Place, error) {
	if t.dialect == queue.Postgres {
		if _, err := t.exec(ctx, t.tx.NewRaw("SELECT pg_advisory_xact_lock(hashtextextended(?, 0))", "coderflow.dev/line")); err != nil {
			return nil, fmt.Errorf("wait for the line: %w", err)
		}
	}
	var rows []placeRow
	if err := t.scan(ctx, lineQuery(t.tx.NewSelect(), t.dialect), &rows); err != nil {
		return nil, fmt.Errorf("read who waits for a place: %w", err)
	}
	return placesOf(rows), nil
}

// Line is [Tx.LockLine] as it was a moment ago, for showing it.
func (s *Store) Line(ctx context.Context) ([]task.Place, error) {
	var rows []placeRow
	if err := s.fetch(ctx, lineQuery(s.read.NewSelect(), s.dialect), &rows); err != nil {
		return nil, fmt.Errorf("read who waits for a place: %w", err)
	}
	return placesOf(rows), nil
}

type placeRow struct {
	ID, Environment, State, Node string
	CancelRequested              bool
	ReplacedBy                   string
}

// nodeOfTask is the node in the JSON of a task's run.
var nodeOfTask = map[queue.Dialect]string{
	queue.SQLite:   "COALESCE(json_extract(run, '$.node'), '')",
	queue.Postgres: "COALESCE(run::jsonb ->> 'node', '')",
}

// nodelessRun is a task's run in JSON without what only its node has.
var nodelessRun = map[queue.Dialect]string{
	queue.SQLite:   "json_remove(run, '$.node', '$.volume', '$.start', '$.tree')",
	queue.Postgres: "(run::jsonb - '{node,volume,start,tree}'::text[])::text",
}

func lineQuery(q *bun.SelectQuery, dialect queue.Dialect) *bun.SelectQuery {
	return q.TableExpr("tasks").Column("id", "environment", "state", "cancel_requested", "replaced_by").
		ColumnExpr(nodeOfTask[dialect]+" AS node").
		Where("state IN (?)", bun.List([]task.State{task.Queued, task.Preparing, task.Running})).Order("number")
}

func placesOf(rows []placeRow) []task.Place {
	list := make([]task.Place, len(rows))
	for i, r := range rows {
		list[i] = task.Place{
			Task: task.ID(r.ID), Environment: r.Environment, State: task.State(r.State), Node: r.Node,
			Unwanted: r.CancelRequested || r.ReplacedBy != "",
		}
	}
	return list
}
