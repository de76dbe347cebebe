package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"unicode"
	"unicode/utf8"

	"github.com/coderflow/coderflow/internal/store"
)

// printLog prints output of a container. It is hostile: everything that a
// terminal would act on is shown as an escape instead.
func printLog(ctx context.Context, db *store.Store, stream string, out io.Writer) error {
	w := bufio.NewWriter(out)
	var offset int64
	for {
		chunk, err := db.ReadLog(ctx, stream, offset, logPiece)
		if err != nil {
			return fmt.Errorf("read the output: %w", err)
		}
		if len(chunk) == 0 {
			return w.Flush()
		}
		if len(chunk) == logPiece {
			chunk = whole(chunk)
		}
		offset += int64(len(chunk))
		if _, err := w.WriteString(visible(string(chunk))); err != nil {
			return err
		}
	}
}

// whole leaves out the bytes of a character that is not complete.
func whole(text []byte) []byte {
	for back := 1; back < utf8.UTFMax && back <= len(text); back++ {
		start := len(text) - back
		if utf8.RuneStart(text[start]) {
			if utf8.FullRune(text[start:]) {
				return text
			}
			return text[:start]
		}
	}
	return text
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
