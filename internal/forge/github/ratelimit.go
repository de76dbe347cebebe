package github

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
)

const (
	// maxWait is GitHub's primary window; a longer wish is a mistake or malice.
	maxWait = time.Hour
	// defaultWait is what GitHub asks for when a secondary limit names no time.
	defaultWait = time.Minute
)

// limits remembers until when GitHub asked each installation to stay away.
// Calling on regardless prolongs the ban. appItself and anybody count like installations.
type limits struct {
	clock func() time.Time
	mu    sync.Mutex
	until map[int64]pause
}

type pause struct {
	end   time.Time
	cause error
}

func newLimits(clock func() time.Time) *limits {
	return &limits{clock: clock, until: map[int64]pause{}}
}

// check fails while the installation is asked to wait.
func (l *limits) check(installation int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	p, waiting := l.until[installation]
	if !waiting {
		return nil
	}
	wait := p.end.Sub(l.clock())
	if wait <= 0 || wait > maxWait { // over, or the clock was set back
		delete(l.until, installation)
		return nil
	}
	return &forge.RateLimitError{RetryAfter: wait, Cause: p.cause}
}

// observe turns an answer that asks to wait into a *forge.RateLimitError, closes
// it and remembers it. Any other answer is left alone.
func (l *limits) observe(installation int64, res *http.Response) error {
	words, limited := limitWords(res)
	if !limited {
		return nil
	}
	_ = res.Body.Close()
	cause := fmt.Errorf("GitHub answered %d: %s", res.StatusCode, words)
	now := l.clock()
	wait := waitOf(res.Header, now)
	l.mu.Lock()
	l.until[installation] = pause{end: now.Add(wait), cause: cause}
	l.mu.Unlock()
	return &forge.RateLimitError{RetryAfter: wait, Cause: cause}
}

// limitWords tells limits from plain refusals, see
// https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api#exceeding-the-rate-limit.
func limitWords(res *http.Response) (words string, limited bool) {
	if res.StatusCode != http.StatusForbidden && res.StatusCode != http.StatusTooManyRequests {
		return "", false
	}
	body, _ := io.ReadAll(io.LimitReader(res.Body, maxWords*4)) // a broken body fails again when it is read on
	res.Body = rewound{Reader: io.MultiReader(bytes.NewReader(body), res.Body), Closer: res.Body}
	var answer struct {
		Message       string `json:"message"`
		Documentation string `json:"documentation_url"`
	}
	_ = json.Unmarshal(body, &answer) // other bodies carry no words of use
	words = clip(answer.Message)
	if words == "" {
		words = http.StatusText(res.StatusCode)
	}
	said := strings.ToLower(answer.Message + " " + answer.Documentation)
	return words, res.StatusCode == http.StatusTooManyRequests ||
		res.Header.Get("Retry-After") != "" ||
		res.Header.Get("X-RateLimit-Remaining") == "0" ||
		strings.Contains(said, "secondary rate limit") || strings.Contains(said, "secondary-rate-limit") ||
		strings.Contains(said, "abuse detection") || strings.Contains(said, "abuse-rate-limit")
}

type rewound struct {
	io.Reader
	io.Closer
}

// waitOf reads Retry-After (seconds or a date), else the reset of an exhausted
// primary limit. Times of the forge are taken against the forge's own Date, so
// that our clock being wrong does not matter.
func waitOf(h http.Header, now time.Time) time.Duration {
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	wait := defaultWait
	if after := h.Get("Retry-After"); after != "" {
		if seconds, err := strconv.ParseInt(after, 10, 32); err == nil {
			wait = time.Duration(seconds) * time.Second
		} else if at, err := http.ParseTime(after); err == nil {
			wait = at.Sub(now)
		}
	} else if reset, err := strconv.ParseInt(h.Get("X-RateLimit-Reset"), 10, 64); err == nil &&
		h.Get("X-RateLimit-Remaining") == "0" {
		wait = time.Unix(reset, 0).Sub(now)
	}
	return min(max(wait, time.Second), maxWait)
}
