package guestproto

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestPiecesJoinToWhatWasWritten(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOf(rapid.Custom(func(t *rapid.T) []byte {
			text := rapid.SliceOfN(rapid.SampledFrom([]byte("a\n\r\x00|+")), 0, 40).Draw(t, "text")
			return append(text, bytes.Repeat([]byte{'x'}, rapid.IntRange(0, 3*MaxPiece).Draw(t, "run"))...)
		})).Draw(t, "parts")
		var log []byte
		total := 0
		for _, part := range parts {
			var pieces int
			log, pieces = AppendPieces(log, part)
			total += pieces
		}
		if lines := bytes.Count(log, []byte{'\n'}); lines != total {
			t.Fatalf("%d lines in %d pieces", lines, total)
		}
		var joiner Joiner
		var got []byte
		for len(log) > 0 {
			n := rapid.IntRange(1, len(log)).Draw(t, "portion")
			got = joiner.Join(got, log[:n])
			log = log[n:]
		}
		if want := bytes.Join(parts, nil); !bytes.Equal(got, want) {
			t.Fatalf("got %d bytes, want %d", len(got), len(want))
		}
	})
}

func TestNoPieceIsLongerThanTheEnginesLine(t *testing.T) {
	t.Parallel()
	log, pieces := AppendPieces(nil, []byte(strings.Repeat("a", 100_000)+"\n"))
	if pieces != 13 {
		t.Errorf("%d pieces", pieces)
	}
	for line := range bytes.Lines(log) {
		if len(line) > MaxPiece+2 {
			t.Errorf("a line of %d bytes", len(line))
		}
	}
}
