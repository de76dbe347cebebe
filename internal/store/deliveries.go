package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
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

// deliveriesBytes bounds what one statement stores: bun writes values into it.
const deliveriesBytes = 1 << 20

// InsertDeliveries puts verified deliveries into the inbox, and reports of each whether it is new: of one whose id is
// known, a redelivery, nothing is stored.
func (t *Tx) InsertDeliveries(ctx context.Context, all []forge.Delivery) (fresh []bool, err error) {
	fresh = make([]bool, len(all))
	index := make(map[string]int, len(all)) // of the first of each id
	var rows []*deliveryRow
	bytes := 0
	for i, d := range all {
		row, err := t.deliveryRow(d)
		if err != nil {
			return nil, err
		}
		if _, twice := index[row.ID]; twice {
			continue
		}
		index[row.ID] = i
		if bytes += len(row.Headers) + len(row.Events); bytes > deliveriesBytes && len(rows) > 0 {
			if err := t.insertDeliveries(ctx, rows, index, fresh); err != nil {
				return nil, err
			}
			rows, bytes = nil, len(row.Headers)+len(row.Events)
		}
		rows = append(rows, row)
	}
	return fresh, t.insertDeliveries(ctx, rows, index, fresh)
}

func (t *Tx) deliveryRow(d forge.Delivery) (*deliveryRow, error) {
	if d.ID == "" {
		return nil, fmt.Errorf("insert a delivery of %s: it has no id", d.Event)
	}
	var e encoder
	row := &deliveryRow{
		ID: text(d.ID), Host: text(d.Host), Event: text(d.Event), Outcome: text(d.Outcome),
		Headers: encode(&e, "the headers", d.Headers), Events: encode(&e, "the events", d.Events),
		ReceivedAt: at(orTime(d.ReceivedAt, t.now())),
	}
	if e.err != nil {
		return nil, fmt.Errorf("insert delivery %s: %w", d.ID, e.err)
	}
	return row, nil
}

func (t *Tx) insertDeliveries(ctx context.Context, rows []*deliveryRow, index map[string]int, fresh []bool) error {
	if len(rows) == 0 {
		return nil
	}
	var inserted []string
	err := t.scan(ctx, t.tx.NewInsert().Model(&rows).ExcludeColumn("number").On("CONFLICT (id) DO NOTHING").Returning("id"), &inserted)
	if err != nil && !errors.Is(err, task.ErrNotFound) { // all were known
		return fmt.Errorf("insert %d deliveries: %w", len(rows), err)
	}
	for _, id := range inserted {
		fresh[index[id]] = true
	}
	return nil
}

// FinishDeliveries records what became of deliveries. The first outcome stays; a
// later one, of a job that ran twice, is no error. It fails with task.ErrNotFound if one is not there.
func (t *Tx) FinishDeliveries(ctx context.Context, ids []string, outcome string) error {
	if outcome == "" {
		return fmt.Errorf("finish deliveries %q: the outcome is empty", ids)
	}
	known := make([]string, len(ids))
	for i, id := range ids {
		known[i] = text(id)
	}
	slices.Sort(known)
	known = slices.Compact(known)
	n, err := t.exec(ctx, t.tx.NewUpdate().Model((*deliveryRow)(nil)).
		Set("outcome = CASE WHEN outcome = '' THEN ? ELSE outcome END", text(outcome)).
		Where("id IN (?)", bun.List(known)))
	if err == nil && n < int64(len(known)) {
		err = task.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("finish deliveries %q: %w", ids, err)
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
