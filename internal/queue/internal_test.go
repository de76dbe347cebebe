package queue

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestBackOffGrowsIsBoundedAndJittered(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(-1, 1000).Draw(t, "failures")
		random := rapid.Float64Range(0, 0.999).Draw(t, "random")
		pause := backOff(n, random)
		if pause < 800*time.Millisecond || pause > maxBackOff+maxBackOff/5 {
			t.Fatalf("after failure %d: %s", n, pause)
		}
		if middle := backOff(n, 0.5); backOff(n+1, 0.5) < middle {
			t.Fatalf("the pause after failure %d is shorter than before", n+1)
		}
	})
	if backOff(1, 0.5) != time.Second || backOff(4, 0.5) != 8*time.Second || backOff(20, 0.5) != maxBackOff {
		t.Error("the pauses are not 1 s, 2 s, 4 s … 5 min")
	}
}

func TestRiversLogIsWarningsOnlyAndDoesNotRepeatItself(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	now := time.Now()
	log := slog.New(newQuiet(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}), func() time.Time { return now }))
	for range 3 {
		log.InfoContext(t.Context(), "worked a job")
		log.With("a", 1).ErrorContext(t.Context(), "cannot fetch")
		log.WithGroup("g").WarnContext(t.Context(), "slow")
	}
	now = now.Add(quietFor)
	log.ErrorContext(t.Context(), "cannot fetch")
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 3 || strings.Contains(out.String(), "worked") {
		t.Errorf("logged:\n%s", out.String())
	}
}
