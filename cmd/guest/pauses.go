package main

import (
	"sync"
	"time"
)

// How a pause of the container is noticed: the clock goes on while every process
// stands still, so that the next look comes late.
const (
	pauseLook = 250 * time.Millisecond
	// pauseGap is longer than any process of the container can keep pid 1 from its
	// look by being busy. (One that can gains time here; the server's own bound from
	// outside does not move.)
	pauseGap = 5 * time.Second
)

// pauses adds up for how long the container was paused, which counts for no deadline.
type pauses struct {
	now func() time.Time

	mu   sync.Mutex
	last time.Time
	lost time.Duration
}

func watchPauses() *pauses {
	p := &pauses{now: time.Now, last: time.Now()}
	go func() {
		for range time.Tick(pauseLook) {
			p.look()
		}
	}()
	return p
}

// look returns the time and how much of it was lost so far.
func (p *pauses) look() (now time.Time, lost time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now = p.now()
	if gap := now.Sub(p.last); gap > pauseGap {
		p.lost += gap - pauseLook
	}
	p.last = now
	return now, p.lost
}

// left is how long it is until a deadline that was set when nothing was lost.
func (p *pauses) left(deadline time.Time) time.Duration {
	now, lost := p.look()
	return deadline.Add(lost).Sub(now)
}
