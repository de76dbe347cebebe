package store

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/coderflow/coderflow/internal/judge"
)

type measureRow struct {
	bun.BaseModel `bun:"table:judge_measures,alias:m"`

	Environment string `bun:",pk"`
	Judge       string `bun:",pk"`
	Definition  string `bun:",pk"`
	MeasuredAt  instant
	Result      string
}

// SetMeasured stores what calibration found of a judge, in the place of what it found before of
// the same definition.
func (t *Tx) SetMeasured(ctx context.Context, m judge.Measured) error {
	result, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode what was measured of judge %q: %w", m.Judge, err)
	}
	row := &measureRow{
		Environment: text(m.Environment), Judge: text(m.Judge), Definition: text(m.Definition), MeasuredAt: at(m.At), Result: text(string(result)),
	}
	_, err = t.exec(ctx, t.tx.NewInsert().Model(row).On("CONFLICT (environment, judge, definition) DO UPDATE").
		Set("measured_at = EXCLUDED.measured_at, result = EXCLUDED.result").Returning("NULL"))
	if err != nil {
		return fmt.Errorf("store what was measured of judge %q: %w", m.Judge, err)
	}
	return nil
}

// Measured is what calibration found of a judge as it is defined, or task.ErrNotFound.
func (s *Store) Measured(ctx context.Context, environment, name, definition string) (m judge.Measured, err error) {
	var row measureRow
	err = s.fetch(ctx, s.read.NewSelect().Model(&row).
		Where("environment = ?", text(environment)).Where("judge = ?", text(name)).Where("definition = ?", text(definition)))
	if err != nil {
		return m, fmt.Errorf("read what was measured of judge %q: %w", name, err)
	}
	if err := json.Unmarshal([]byte(row.Result), &m); err != nil {
		return m, fmt.Errorf("read what was measured of judge %q: %w", name, err)
	}
	return m, nil
}
