package store

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/coderflow/coderflow/internal/queue"
)

// address says who works the steps of tasks in this transaction: the node that the task is
// on or, while it is on none, on one that is lost or on one without a Docker engine, any worker. A node that never said that
// it is there runs a version from before there were nodes, which works everybody's queue
// alone. Whoever gets a step of a task that moved meanwhile sends it on.
func (t *Tx) address(ctx context.Context) error {
	var tasks []string
	for _, j := range t.jobs {
		if j.Kind == queue.Advance && j.Queue == "" {
			tasks = append(tasks, j.Key)
		}
	}
	if len(tasks) == 0 {
		return nil
	}
	var rows []struct{ ID, Node string }
	err := t.scan(ctx, t.tx.NewSelect().TableExpr("tasks").Column("id").ColumnExpr(nodeOfTask[t.dialect]+" AS node").
		Where("id IN (?)", bun.List(tasks)), &rows)
	if err != nil {
		return fmt.Errorf("read where the tasks are: %w", err)
	}
	nodes, err := t.nodeQueues(ctx)
	if err != nil {
		return err
	}
	queues := map[string]string{}
	for _, r := range rows {
		queues[r.ID] = nodes[r.Node]
	}
	for i, j := range t.jobs {
		if j.Kind == queue.Advance && j.Queue == "" {
			t.jobs[i].Queue = queues[j.Key]
		}
	}
	return nil
}

// nodeQueues are the queues of the nodes that are known, and of none.
func (t *Tx) nodeQueues(ctx context.Context) (map[string]string, error) {
	var rows []nodeRow
	if err := t.scan(ctx, t.tx.NewSelect().Model(&rows).Column("id", "slots", "lost_at")); err != nil {
		return nil, fmt.Errorf("read which nodes there are: %w", err)
	}
	queues := map[string]string{"": queue.Workers}
	for _, r := range rows {
		queues[r.ID] = queue.NodeQueue(r.ID)
		if r.Slots == 0 || !r.LostAt.IsZero() {
			queues[r.ID] = queue.Workers
		}
	}
	return queues, nil
}
