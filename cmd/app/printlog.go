package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"unicode"

	"github.com/coderflow/coderflow/internal/store"
)

// printLog prints output of a container. It is hostile: everything that a
// terminal would act on is shown as an escape instead.
func printLog(ctx context.Context, db *store.Store, stream string, out io.Writer) error {
	w := bufio.NewWriter(out)
	var offset int64
	for {
		chunk, err := db.ReadLog(ctx, stream, offset, 64<<10)
		if err != nil {
			return fmt.Errorf("read the output: %w", err)
		}
		if len(chunk) == 0 {
			return w.Flush()
		}
		offset += int64(len(chunk))
		if _, err := w.WriteString(visible(string(chunk))); err != nil {
			return err
		}
	}
}

func visible(text string) string {
	var out []rune
	for _, r := range text {
		switch {
		case r == '\n' || r == '\t' || unicode.IsPrint(r):
			out = append(out, r)
		default:
			out = append(out, []rune(fmt.Sprintf("\\u%04x", r))...)
		}
	}
	return string(out)
}
