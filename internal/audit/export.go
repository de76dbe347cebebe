package audit

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"
)

// WriteLines writes entries as they are hashed, each leaf on a line of its own.
func WriteLines(w io.Writer, entries ...Entry) error {
	for _, e := range entries {
		leaf, err := e.Leaf()
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "%s\n", leaf); err != nil {
			return err
		}
	}
	return nil
}

// WriteTable writes entries as CSV (RFC 4180), for spreadsheets; with a line of
// headings where the table begins.
func WriteTable(w io.Writer, headings bool, entries ...Entry) error {
	table := csv.NewWriter(w)
	if headings {
		_ = table.Write([]string{"number", "at", "actor", "action", "task", "environment", "detail"}) // Flush tells the error
	}
	for _, e := range entries {
		_ = table.Write(e.cells())
	}
	table.Flush()
	return table.Error()
}

// cells are the entry for a spreadsheet, which must not take a text for a formula.
func (e Entry) cells() []string {
	row := []string{
		strconv.FormatInt(e.Seq, 10), e.At.UTC().Format(time.RFC3339Nano), e.Actor, string(e.Action), e.Task, e.Environment, string(e.Detail),
	}
	for i, cell := range row {
		if cell != "" && slices.Contains([]byte("=+-@\t\r"), cell[0]) {
			row[i] = "'" + cell
		}
	}
	return row
}
