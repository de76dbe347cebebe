// Command scan tries the rules of the proposal scan on directories: every file in
// them is treated as one that a change adds. It prints how often each rule hits,
// for each 1,000 files and 100,000 lines, so that rules can be judged by how often
// they are wrong.
//
//	go run ./bench/scan [-each] DIR…
package main

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/coderflow/coderflow/internal/risk"
)

// maxFile is the largest file that is read, in bytes; an environment's default cap
// of one file of a proposal is smaller.
const maxFile = 4 << 20

type totals struct {
	files, lines, skipped int
	bytes                 int64
	hits, in              map[string]int // by "NAME RULE": places, files
	took                  time.Duration
}

func main() {
	each := flag.Bool("each", false, "print each place too")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: scan [-each] DIR…")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() == 0 {
		flag.Usage()
		os.Exit(2)
	}
	t := &totals{hits: map[string]int{}, in: map[string]int{}}
	for _, dir := range flag.Args() {
		if err := t.walk(dir, *each); err != nil {
			fmt.Fprintln(os.Stderr, "scan:", err)
			os.Exit(1)
		}
	}
	t.print()
}

func (t *totals) walk(dir string, each bool) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil // what cannot be read, and links, are no part of the corpus
		}
		info, err := d.Info()
		if err != nil || info.Size() > maxFile {
			t.skipped++
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.skipped++
			return nil
		}
		if bytes.IndexByte(text[:min(len(text), 8000)], 0) >= 0 {
			t.skipped++ // binary
			return nil
		}
		t.file(path, text, each)
		return nil
	})
}

func (t *totals) file(path string, text []byte, each bool) {
	lines := bytes.Count(text, []byte("\n")) + 1
	start := time.Now()
	in := risk.Input{Path: path, New: text, Added: risk.Lines{{From: 1, To: lines}}}
	found := risk.Settle(append(risk.Statements(context.Background(), in), risk.Secrets(context.Background(), in)...))
	t.took += time.Since(start)
	t.files++
	t.lines += lines
	t.bytes += int64(len(text))
	seen := map[string]bool{}
	for _, f := range found {
		key := fmt.Sprintf("%-27s %s", f.Name, f.Rule)
		t.hits[key] += 1 + f.More
		if !seen[key] {
			t.in[key]++
		}
		seen[key] = true
		if each {
			fmt.Printf("%s\t%s:%d\t%s\n", f.Rule, path, f.Line, f.Excerpt)
		}
	}
}

func (t *totals) print() {
	fmt.Printf("%d files, %d lines, %.1f MB read in %s (%.1f MB/s); %d files were binary, too large or unreadable\n",
		t.files, t.lines, float64(t.bytes)/1e6, t.took.Round(time.Millisecond), float64(t.bytes)/1e6/t.took.Seconds(), t.skipped)
	fmt.Printf("%8s %8s %14s %16s  %-27s %s\n", "places", "files", "/1000 files", "/100,000 lines", "risk", "rule")
	keys := slices.SortedFunc(maps.Keys(t.hits), func(a, b string) int { return cmp.Or(cmp.Compare(t.hits[b], t.hits[a]), cmp.Compare(a, b)) })
	all, files := 0, 0
	for _, key := range keys {
		t.row(t.hits[key], t.in[key], key)
		all, files = all+t.hits[key], files+t.in[key]
	}
	t.row(all, files, "all")
}

func (t *totals) row(hits, files int, what string) {
	fmt.Printf("%8d %8d %14.2f %16.2f  %s\n", hits, files, 1000*float64(hits)/float64(t.files), 1e5*float64(hits)/float64(t.lines), what)
}
