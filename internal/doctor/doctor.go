// Package doctor looks at everything that CoderFlow needs and says what is wrong, why it matters and what to do. It
// changes nothing and needs no server; every check is bounded in time, so that what does not answer is a finding too.
package doctor

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"
)

// Level is how bad a finding is.
type Level string

// The levels. A warning is a risk or an inconvenience, with a problem something does not work or is not safe.
const (
	OK      Level = "ok"
	Warning Level = "warning"
	Problem Level = "problem"
)

// Finding is what one check found. One that is not OK has a Why and a Fix.
type Finding struct {
	Check string         `json:"check"`
	Level Level          `json:"level"`
	Said  string         `json:"said"`           // what is, in one sentence
	Why   string         `json:"why,omitempty"`  // why it matters
	Fix   string         `json:"fix,omitempty"`  // what a person can do, in one sentence
	Data  map[string]any `json:"data,omitempty"` // for programs; the keys of a check stay
	Took  time.Duration  `json:"-"`
}

// Check looks at one thing.
type Check struct {
	Name string
	Run  func(ctx context.Context) Finding
	// Limit bounds it; 0 is checkTime.
	Limit time.Duration
}

// checkTime bounds one check, containerTime one that makes containers. Checks run side by side, so that these nearly
// bound the whole.
const (
	checkTime     = 10 * time.Second
	containerTime = 16 * time.Second
)

// Run runs all checks side by side and returns their findings in the order of the checks. done, if not nil, is
// called with each finding as it comes, by one goroutine at a time.
func Run(ctx context.Context, checks []Check, done func(Finding)) []Finding {
	findings := make([]Finding, len(checks))
	var group sync.WaitGroup
	var mu sync.Mutex
	for i, check := range checks {
		group.Go(func() {
			found := runOne(ctx, check, cmp.Or(check.Limit, checkTime))
			findings[i] = found
			if done != nil {
				mu.Lock()
				defer mu.Unlock()
				done(found)
			}
		})
	}
	group.Wait()
	return findings
}

// runOne gives a check its time. One that does not come back is left behind: its result is not waited for.
func runOne(ctx context.Context, check Check, limit time.Duration) Finding {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	began := time.Now()
	result := make(chan Finding, 1)
	go func() {
		defer func() {
			if broken := recover(); broken != nil {
				result <- problem(fmt.Sprintf("the check itself failed: %v", broken),
					"nothing is known about this", "report this as a bug of coderflow doctor")
			}
		}()
		result <- check.Run(ctx)
	}()
	var found Finding
	select {
	case found = <-result:
	case <-ctx.Done():
		// A check that ended at the same moment knows more.
		select {
		case found = <-result:
		case <-time.After(limit / 20):
			found = problem(fmt.Sprintf("no answer within %s", limit),
				"what does not answer here does not answer a task either", "look at the other findings first, then at the log of what hangs")
		}
	}
	found.Check, found.Took = check.Name, time.Since(began)
	return found
}

// Summary counts findings.
type Summary struct {
	OK       int `json:"ok"`
	Warnings int `json:"warnings"`
	Problems int `json:"problems"`
}

// Summarize counts.
func Summarize(findings []Finding) Summary {
	var s Summary
	for _, f := range findings {
		switch f.Level {
		case OK:
			s.OK++
		case Warning:
			s.Warnings++
		default:
			s.Problems++
		}
	}
	return s
}

func fine(format string, arguments ...any) Finding {
	return Finding{Level: OK, Said: fmt.Sprintf(format, arguments...)}
}

func warning(said, why, fix string) Finding {
	return Finding{Level: Warning, Said: said, Why: why, Fix: fix}
}

func problem(said, why, fix string) Finding {
	return Finding{Level: Problem, Said: said, Why: why, Fix: fix}
}

// with adds a value for programs.
func (f Finding) with(key string, value any) Finding {
	if f.Data == nil {
		f.Data = map[string]any{}
	}
	f.Data[key] = value
	return f
}
