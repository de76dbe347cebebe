// Command table prints the rows that benchmarks left as one table, and ends with status 1 if a stated bound is not met.
//
//	go run ./bench/table ROWS.jsonl DIRECTORY
//
// DIRECTORY gets the table as table.txt and the rows as results.json.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/coderflow/coderflow/bench/bound"
)

// results is what is kept of a run.
type results struct {
	At      time.Time   `json:"at"`
	Machine string      `json:"machine"`
	Rows    []bound.Row `json:"rows"`
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: table ROWS.jsonl DIRECTORY")
		os.Exit(2)
	}
	missed, err := run(os.Args[1], os.Args[2], os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "table:", err)
		os.Exit(1)
	}
	if missed > 0 {
		fmt.Fprintf(os.Stderr, "%d bounds are not met\n", missed)
		os.Exit(1)
	}
}

func run(path, dir string, out io.Writer) (missed int, err error) {
	rows, err := read(path)
	if err != nil {
		return 0, err
	}
	r := results{At: time.Now().UTC().Truncate(time.Second), Machine: machine(), Rows: rows}
	var text bytes.Buffer
	fmt.Fprintf(&text, "%s, %s\n\n", r.At.Format(time.RFC3339), r.Machine)
	lines := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(lines, "what\tmeasured\tfloor\tratio\tbound\tmet")
	for _, row := range rows {
		fmt.Fprintln(lines, line(row))
		if !row.Met {
			missed++
		}
	}
	if err := lines.Flush(); err != nil {
		return 0, err
	}
	asJSON, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return 0, err
	}
	return missed, errors.Join(
		os.MkdirAll(dir, 0o755),
		os.WriteFile(filepath.Join(dir, "table.txt"), text.Bytes(), 0o644),
		os.WriteFile(filepath.Join(dir, "results.json"), append(asJSON, '\n'), 0o644),
		write(out, text.Bytes()))
}

func write(out io.Writer, text []byte) error {
	_, err := out.Write(text)
	return err
}

func read(path string) (rows []bound.Row, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("no benchmark left a row: %w", err)
	}
	for one := range bytes.Lines(text) {
		var row bound.Row
		if err := json.Unmarshal(one, &row); err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func line(r bound.Row) string {
	cells := []string{r.Name, number(r.Measured) + " " + r.Unit, "", "", r.Bound, ""}
	if r.Floor != 0 {
		cells[2], cells[3] = number(r.Floor)+" "+r.Unit, fmt.Sprintf("%.2f", r.Ratio())
	}
	if r.Bound != "" {
		cells[5] = map[bool]string{true: "yes", false: "NO"}[r.Met]
	}
	return strings.Join(cells, "\t")
}

// number has three digits that say something.
func number(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

// machine says what the numbers were measured on.
func machine() string {
	model, kernel := "unknown processor", "unknown kernel"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for l := range strings.Lines(string(text)) {
			if name, value, _ := strings.Cut(l, ":"); strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	if text, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		kernel = "Linux " + strings.TrimSpace(string(text))
	}
	load := ""
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		load, _, _ = strings.Cut(string(text), " ")
		load = ", load " + load + " at the end"
	}
	return fmt.Sprintf("%d cores of %s, %s, %s%s", runtime.NumCPU(), model, kernel, runtime.Version(), load)
}
