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
	// look by being busy. (One that can gains time here. A task's container has the
	// server's own bound from outside besides; a deployment's has this one alone.)
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

// deadline is a moment that moves by what is lost after it was set.
type deadline struct {
	at   time.Time
	lost time.Duration // when it was set
}

// until sets a deadline.
func (p *pauses) until(at time.Time) deadline {
	_, lost := p.look()
	return deadline{at, lost}
}

// left is how long it is until a deadline.
func (p *pauses) left(d deadline) time.Duration {
	now, lost := p.look()
	return d.at.Add(lost - d.lost).Sub(now)
}
