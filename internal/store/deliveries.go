package store

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/task"
)

type deliveryRow struct {
	bun.BaseModel `bun:"table:deliveries,alias:d"`

	Number     int64 `bun:",pk,autoincrement"`
	ID         string
	Host       string
	Event      string
	Headers    string
	Events     string
	ReceivedAt instant
	Outcome    string
}

// InsertDelivery puts a verified delivery into the inbox. It reports false, and
// stores nothing, if the id is known: a redelivery.
func (t *Tx) InsertDelivery(ctx context.Context, d forge.Delivery) (fresh bool, err error) {
	if d.ID == "" {
		return false, fmt.Errorf("insert a delivery of %s: it has no id", d.Event)
	}
	var e encoder
	row := &deliveryRow{
		ID: text(d.ID), Host: text(d.Host), Event: text(d.Event), Outcome: text(d.Outcome),
		Headers: encode(&e, "the headers", d.Headers), Events: encode(&e, "the events", d.Events),
		ReceivedAt: at(orTime(d.ReceivedAt, t.now())),
	}
	if e.err != nil {
		return false, fmt.Errorf("insert delivery %s: %w", d.ID, e.err)
	}
	n, err := t.exec(ctx, t.tx.NewInsert().Model(row).ExcludeColumn("number").
		On("CONFLICT (id) DO NOTHING").Returning("NULL"))
	if err != nil {
		return false, fmt.Errorf("insert delivery %s: %w", d.ID, err)
	}
	return n > 0, nil
}

// FinishDelivery records what became of a delivery. The first outcome stays; a
// later one, of a job that ran twice, is no error.
func (t *Tx) FinishDelivery(ctx context.Context, id, outcome string) error {
	if outcome == "" {
		return fmt.Errorf("finish delivery %s: the outcome is empty", id)
	}
	n, err := t.exec(ctx, t.tx.NewUpdate().Model((*deliveryRow)(nil)).
		Set("outcome = CASE WHEN outcome = '' THEN ? ELSE outcome END", text(outcome)).
		Where("id = ?", text(id)))
	if err == nil && n == 0 {
		err = task.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("finish delivery %s: %w", id, err)
	}
	return nil
}

// Delivery returns a delivery, or task.ErrNotFound.
func (s *Store) Delivery(ctx context.Context, id string) (forge.Delivery, error) {
	var row deliveryRow
	if err := s.fetch(ctx, s.read.NewSelect().Model(&row).Where("id = ?", text(id))); err != nil {
		return forge.Delivery{}, fmt.Errorf("read delivery %s: %w", id, err)
	}
	d := forge.Delivery{
		ID: row.ID, Host: row.Host, Event: row.Event, ReceivedAt: row.ReceivedAt.Time, Outcome: row.Outcome,
	}
	var dec decoder
	decode(&dec, "headers", row.Headers, &d.Headers)
	decode(&dec, "events", row.Events, &d.Events)
	if dec.err != nil {
		return forge.Delivery{}, fmt.Errorf("read delivery %s: %w", id, dec.err)
	}
	return d, nil
}

// maxUnhandled bounds one sweep; the next one finds the rest.
const maxUnhandled = 1000

// UnhandledDeliveries lists deliveries older than age without an outcome, oldest
// first.
func (s *Store) UnhandledDeliveries(ctx context.Context, age time.Duration) ([]string, error) {
	var ids []string
	err := s.fetch(ctx, s.read.NewSelect().Model((*deliveryRow)(nil)).Column("id").
		Where("outcome = ''").Where("received_at <= ?", at(s.now().Add(-age))).
		Order("number").Limit(maxUnhandled), &ids)
	if err != nil {
		return nil, fmt.Errorf("list unhandled deliveries: %w", err)
	}
	return ids, nil
}
