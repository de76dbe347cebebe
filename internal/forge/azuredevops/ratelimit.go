package azuredevops

import (
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
)

const (
	// maxWait is as long as the service's window is at its longest; a longer wish is a
	// mistake or malice.
	maxWait = time.Hour
	// defaultWait is for a limit that names no time.
	defaultWait = time.Minute
)

// limits remembers until when the service asked to stay away. All requests are one
// account's, which is what the service counts by.
// https://learn.microsoft.com/azure/devops/integrate/concepts/rate-limits
type limits struct {
	clock func() time.Time
	mu    sync.Mutex
	end   time.Time
	cause error
}

func newLimits(clock func() time.Time) *limits { return &limits{clock: clock} }

// check fails while the service asked to wait.
func (l *limits) check() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cause == nil {
		return nil
	}
	wait := l.end.Sub(l.clock())
	if wait <= 0 || wait > maxWait { // over, or the clock was set back
		l.cause = nil
		return nil
	}
	return &forge.RateLimitError{RetryAfter: wait, Cause: l.cause}
}

// observe turns an answer that asks to wait into a *forge.RateLimitError, closes it and
// remembers it. The service may ask so with an answer that succeeded, which then stands:
// only the next request waits.
func (l *limits) observe(res *http.Response) error {
	after := res.Header.Get("Retry-After")
	refused := res.StatusCode == http.StatusTooManyRequests || res.StatusCode == http.StatusServiceUnavailable && after != ""
	exhausted := res.Header.Get("X-RateLimit-Remaining") == "0"
	if !refused && after == "" && !exhausted {
		return nil
	}
	now := l.clock()
	wait := waitOf(res.Header, now)
	if !refused && after == "" { // the service slows requests down by itself and does not ask to stay away
		wait = delayOf(res.Header)
	}
	cause := fmt.Errorf("the service answered %d and asks to come back later%s", res.StatusCode, delayed(res.Header))
	l.mu.Lock()
	l.end, l.cause = now.Add(wait), cause
	l.mu.Unlock()
	if !refused {
		return nil
	}
	_ = res.Body.Close()
	return &forge.RateLimitError{RetryAfter: wait, Cause: cause}
}

// maxDelay is the longest that the service delays one request.
const maxDelay = 30 * time.Second

// delayOf is how long the request was held back, which the next one need not be.
func delayOf(h http.Header) time.Duration {
	seconds, err := strconv.ParseFloat(h.Get("X-RateLimit-Delay"), 64)
	if err != nil || !(seconds > 0) {
		return time.Second
	}
	return min(max(time.Duration(min(seconds, maxDelay.Seconds())*float64(time.Second)), time.Second), maxDelay)
}

// delayed tells which resource is over its limit.
func delayed(h http.Header) string {
	if resource := clip(h.Get("X-RateLimit-Resource")); resource != "" {
		return " (" + resource + ")"
	}
	return ""
}

// waitOf reads Retry-After (seconds or a date), else the reset of an exhausted limit.
// Times of the forge are taken against the forge's own Date, so that our clock being wrong
// does not matter.
func waitOf(h http.Header, now time.Time) time.Duration {
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	wait := defaultWait
	if after := h.Get("Retry-After"); after != "" {
		if seconds, err := strconv.ParseFloat(after, 64); err == nil && seconds >= 0 { // not NaN
			wait = time.Duration(min(seconds, maxWait.Seconds()) * float64(time.Second))
		} else if at, err := http.ParseTime(after); err == nil {
			wait = at.Sub(now)
		}
	} else if reset, err := strconv.ParseInt(h.Get("X-RateLimit-Reset"), 10, 64); err == nil {
		wait = time.Unix(reset, 0).Sub(now)
	}
	return min(max(wait, time.Second), maxWait)
}
