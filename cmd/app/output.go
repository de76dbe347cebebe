package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode"
	"unicode/utf16"
)

// outputFlag chooses how a command prints.
type outputFlag struct {
	Output string `short:"o" enum:"table,json,yaml" default:"table" help:"How to print: table, json or yaml."`
	JSON   bool   `hidden:"" help:"The same as -o json."`
}

func (f outputFlag) format() string {
	if f.JSON {
		return "json"
	}
	return f.Output
}

// encoded prints a value for programs, if that is asked for.
func (f outputFlag) encoded(s streams, value any) (done bool, err error) {
	switch f.format() {
	case "json":
		return true, printJSON(s, value)
	case "yaml":
		return true, printYAML(s, value)
	}
	return false, nil
}

// print prints a value as JSON or YAML, or as show draws it. What it prints is
// what forges, agents and servers wrote, so nothing in it acts on a terminal.
func (f outputFlag) print(s streams, value any, show func(*table)) error {
	if done, err := f.encoded(s, value); done {
		return err
	}
	t := &table{tabwriter.NewWriter(s.out, 0, 8, 2, ' ', 0)}
	show(t)
	return t.columns.Flush()
}

// printEach prints one of many as a document of its own: of JSON on one line.
func (f outputFlag) printEach(s streams, value any, line string) error {
	var err error
	switch f.format() {
	case "json":
		err = writeJSON(s.out, value, "")
	case "yaml":
		if _, err = io.WriteString(s.out, "---\n"); err == nil {
			err = printYAML(s, value)
		}
	default:
		if line != "" {
			_, err = fmt.Fprintln(s.out, visible(line))
		}
	}
	return err
}

// table draws rows in columns.
type table struct{ columns *tabwriter.Writer }

// row writes one line; a cell of several lines becomes one.
func (t *table) row(cells ...any) {
	texts := make([]string, len(cells))
	for i, cell := range cells {
		texts[i] = oneLine(fmt.Sprint(cell))
	}
	fmt.Fprintln(t.columns, strings.Join(texts, "\t")) // its error is Flush's
}

// line writes text outside of the columns.
func (t *table) line(format string, args ...any) {
	_ = t.columns.Flush() // its error is the last one's too
	fmt.Fprintln(t.columns, visible(fmt.Sprintf(format, args...)))
}

// oneLine makes text inert for a cell: it begins no line or column.
func oneLine(text string) string {
	return strings.NewReplacer("\n", `\n`, "\t", `\t`).Replace(visible(text))
}

// dash stands for what is not there.
func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func printJSON(s streams, value any) error { return writeJSON(s.out, value, "  ") }

func writeJSON(w io.Writer, value any, indent string) error {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", indent)
	if err := encoder.Encode(value); err != nil {
		return err
	}
	_, err := w.Write(inertJSON(text.Bytes()))
	return err
}

// inertJSON escapes what the encoder leaves and a terminal or a reader would
// take for something else; outside of strings there is nothing of the kind.
func inertJSON(text []byte) []byte {
	out := make([]byte, 0, len(text))
	for _, r := range string(text) {
		if r == '\n' || unicode.IsPrint(r) {
			out = append(out, string(r)...)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			out = fmt.Appendf(out, `\u%04x`, unit)
		}
	}
	return out
}
