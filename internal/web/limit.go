package web

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Limits bound what one caller gets. Zero fields take the defaults.
type Limits struct {
	Calls      Rate          // of one subject
	Failures   Rate          // of authentication, from one address
	Follow     time.Duration // longest wait of a long poll; less than the server's write timeout
	FollowPoll time.Duration // how often it looks
	Followers  int           // long polls of one subject at a time
}

// Rate is a bucket: so many at once, and then one every so often.
type Rate struct {
	Burst int
	Every time.Duration
}

func (l Limits) withDefaults() Limits {
	set(&l.Calls, Rate{Burst: 60, Every: 100 * time.Millisecond})
	set(&l.Failures, Rate{Burst: 20, Every: 6 * time.Second})
	set(&l.Follow, 25*time.Second)
	set(&l.FollowPoll, 500*time.Millisecond)
	set(&l.Followers, 8)
	return l
}

func set[T comparable](field *T, fallback T) {
	if *field == *new(T) {
		*field = fallback
	}
}

// maxBuckets bounds the memory of a limiter: an attacker has many addresses.
const maxBuckets = 10_000

// limiter has a bucket for each key. A bucket is the time at which it is full
// again, so that a forgotten one and a full one are the same.
type limiter struct {
	rate Rate
	now  func() time.Time

	mu   sync.Mutex
	full map[string]time.Time
}

func newLimiter(rate Rate, now func() time.Time) *limiter {
	return &limiter{rate: rate, now: now, full: map[string]time.Time{}}
}

// take takes one out of the key's bucket, or returns how long to wait for it.
func (l *limiter) take(key string) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	full := l.full[key]
	if full.Before(now) {
		full = now
	}
	full = full.Add(l.rate.Every)
	if over := full.Sub(now) - time.Duration(l.rate.Burst)*l.rate.Every; over > 0 {
		return over
	}
	l.makeRoom(now)
	l.full[key] = full
	return 0
}

// makeRoom forgets full buckets; if all are in use it forgets some that are not,
// which favours somebody, and not an attacker in particular.
func (l *limiter) makeRoom(now time.Time) {
	if len(l.full) < maxBuckets {
		return
	}
	for key, full := range l.full {
		if !full.After(now) {
			delete(l.full, key)
		}
	}
	for key := range l.full {
		if len(l.full) < maxBuckets*9/10 {
			return
		}
		delete(l.full, key)
	}
}

// seats are places for a number of requests of each key at a time.
type seats struct {
	each int

	mu    sync.Mutex
	taken map[string]int
}

func newSeats(each int) *seats { return &seats{each: each, taken: map[string]int{}} }

// take returns a function that frees the place, or false if there is none.
func (s *seats) take(key string) (free func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken[key] >= s.each {
		return nil, false
	}
	s.taken[key]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.taken[key]--; s.taken[key] == 0 {
			delete(s.taken, key)
		}
	}, true
}

// Comparisons of revisions, each of which runs git several times: so many of everybody at
// once, so many of one subject that run or wait, and how long one waits.
const (
	comparisonsAtOnce  = 2
	comparisonsWaiting = 4
	comparisonWait     = 10 * time.Second
)

// turns are places for costly work: who comes waits for a free one.
type turns struct {
	waiting *seats
	places  chan struct{}
}

func newTurns(atOnce, each int) *turns {
	return &turns{waiting: newSeats(each), places: make(chan struct{}, atOnce)}
}

// enter waits for a place, and returns a function that frees it.
func (t *turns) enter(ctx context.Context, key string) (leave func(), err error) {
	free, ok := t.waiting.take(key)
	if !ok {
		return nil, tooMany(comparisonWait, "too many comparisons at the same time")
	}
	timer := time.NewTimer(comparisonWait)
	defer timer.Stop()
	select {
	case t.places <- struct{}{}:
		return func() { <-t.places; free() }, nil
	case <-timer.C:
		free()
		return nil, tooMany(comparisonWait, "others compare revisions now")
	case <-ctx.Done():
		free()
		return nil, fmt.Errorf("wait for a free place: %w", ctx.Err())
	}
}
