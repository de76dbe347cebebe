package main

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/task"
)

// A forge that asks to wait is waited for: no call before the time is over, and
// then the task goes on.
func TestFault24RetryAfterIsKept(t *testing.T) {
	t.Parallel()
	const wait = 3 * time.Second
	w := newWorld(t)
	issue := w.issue(maria)
	var mu sync.Mutex
	var limited time.Time
	early := 0
	w.hub.Fail(func(r *http.Request) *emulator.Fault {
		mu.Lock()
		defer mu.Unlock()
		app := strings.Contains(r.UserAgent(), "coderflow") || strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ghs_") ||
			strings.HasPrefix(r.Header.Get("Authorization"), "token ghs_")
		switch {
		case !app || !strings.HasPrefix(r.URL.Path, "/api/v3/repos/"):
			return nil
		case limited.IsZero() && strings.HasSuffix(r.URL.Path, "/pulls") && r.Method == http.MethodPost:
			limited = time.Now()
			return emulator.SecondaryRateLimit("3")
		case !limited.IsZero() && time.Since(limited) < wait-time.Second:
			early++
		}
		return nil
	})
	w.say(maria, issue.Topic(), "/coderflow run")
	w.taskOf(issue.Number, task.Proposed)
	mu.Lock()
	defer mu.Unlock()
	if limited.IsZero() || time.Since(limited) < wait-time.Second {
		t.Errorf("the limit of %v was not kept", limited)
	}
	if early > 0 {
		t.Errorf("%d calls before the time was over", early)
	}
	if n := len(w.hub.PullRequests(sampleRepo)); n != 1 {
		t.Errorf("%d pull requests, want 1", n)
	}
}
