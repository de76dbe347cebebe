// Package bound records what was measured, holds it against its floor, and fails the benchmark where a stated bound is
// not met. A floor is the same work without CoderFlow, measured in the same run, so that the ratio of the two says
// little about the machine.
package bound

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"
)

// RowsFile names the file to which rows are added, a line of JSON each; without it they are only in the output.
const RowsFile = "BENCH_ROWS"

// Row is one line of the table.
type Row struct {
	Name     string  `json:"name"`
	Unit     string  `json:"unit"`
	Measured float64 `json:"measured"`
	Floor    float64 `json:"floor,omitempty"` // in the same unit; 0: there is none
	// Bound is "≤ 1.5", of the ratio where there is a floor and of the measured value where there is none; empty: the
	// number is for information.
	Bound string `json:"bound,omitempty"`
	Met   bool   `json:"met"`
}

// Ratio is measured over floor; 0 without a floor.
func (r Row) Ratio() float64 {
	if r.Floor == 0 {
		return 0
	}
	return r.Measured / r.Floor
}

// AtMost holds measured/floor to at most.
func AtMost(b testing.TB, name, unit string, measured, floor, most float64) {
	b.Helper()
	report(b, Row{name, unit, measured, floor, fmt.Sprintf("≤ %g", most), measured <= most*floor && floor > 0})
}

// AtLeast holds measured/floor to at least.
func AtLeast(b testing.TB, name, unit string, measured, floor, least float64) {
	b.Helper()
	report(b, Row{name, unit, measured, floor, fmt.Sprintf("≥ %g", least), measured >= least*floor && floor > 0})
}

// Below holds a value that has no floor to a limit in its own unit.
func Below(b testing.TB, name, unit string, measured, limit float64) {
	b.Helper()
	report(b, Row{name, unit, measured, 0, fmt.Sprintf("< %g", limit), measured < limit})
}

// None holds a count to zero.
func None(b testing.TB, name, unit string, measured float64) {
	b.Helper()
	report(b, Row{name, unit, measured, 0, "= 0", measured == 0})
}

// Tell records a number that nothing is claimed about, beside a floor if it has one.
func Tell(b testing.TB, name, unit string, measured, floor float64) {
	b.Helper()
	report(b, Row{name, unit, measured, floor, "", true})
}

func report(b testing.TB, r Row) {
	b.Helper()
	b.Logf("%s: %.4g %s, floor %.4g, ratio %.3g, bound %s, met %v", r.Name, r.Measured, r.Unit, r.Floor, r.Ratio(), r.Bound, r.Met)
	if err := keep(r); err != nil {
		b.Fatal(err)
	}
	if !r.Met {
		b.Errorf("%s: the bound %s is not met", r.Name, r.Bound)
	}
}

func keep(r Row) error {
	path := os.Getenv(RowsFile)
	if path == "" {
		return nil
	}
	line, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("keep row %s: %w", r.Name, err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("keep row %s: %w", r.Name, err)
	}
	_, err = f.Write(append(line, '\n'))
	return cmp.Or(err, f.Close())
}

// Times are durations of the same thing.
type Times []time.Duration

// Median is the middle one, in milliseconds.
func (t Times) Median() float64 { return t.Quantile(0.5) }

// Quantile is the time that this part of all does not exceed, in milliseconds; 0 of none.
func (t Times) Quantile(q float64) float64 {
	if len(t) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(t))
	at := min(int(q*float64(len(sorted))), len(sorted)-1)
	return float64(sorted[at].Microseconds()) / 1000
}
