package main

import (
	"testing"
	"time"
)

func TestADeadlineStandsStillWhilePaused(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	now := start
	p := &pauses{now: func() time.Time { return now }, last: start}
	deadline := p.until(start.Add(time.Minute))
	pass := func(d time.Duration) { now = now.Add(d); p.look() }
	for range 40 { // ten seconds at work
		pass(pauseLook)
	}
	pass(pauseGap) // busy, not paused
	if left := p.left(deadline); left != 45*time.Second {
		t.Errorf("at work: %s left, want 45s", left)
	}
	now = now.Add(time.Hour) // whoever looks first after the pause sees it
	if left := p.left(deadline); left != 45*time.Second-pauseLook {
		t.Errorf("after an hour's pause: %s left", left)
	}
	pass(time.Second)
	pass(time.Hour)
	if left := p.left(deadline); left != 44*time.Second-2*pauseLook {
		t.Errorf("after another: %s left", left)
	}
}

// A cleanup after an hour's pause of the command has the time of any other.
func TestADeadlineThatIsSetAfterAPauseIsNoLater(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	now := start
	p := &pauses{now: func() time.Time { return now }, last: start}
	before := p.until(start.Add(time.Minute))
	now = now.Add(time.Hour)
	after := p.until(now.Add(time.Minute))
	if left := p.left(after); left != time.Minute {
		t.Errorf("set after the pause: %s left", left)
	}
	if left := p.left(before); left != time.Minute-pauseLook {
		t.Errorf("set before it: %s left", left)
	}
	now = now.Add(time.Hour)
	if left := p.left(after); left != time.Minute-pauseLook {
		t.Errorf("set between two: %s left", left)
	}
}
