package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coderflow/coderflow/internal/gateway/modeltest"
)

func TestThreat24ALoopIsStoppedByTheBudget(t *testing.T) {
	t.Parallel()
	m := model(t, modeltest.Script{InputTokens: 900, OutputTokens: 100})
	w := newWorld(t, Anthropic, m.URL(), func(s *Session, _ *Options) { s.Budget.TaskTokens = 2500 })
	c := calls["anthropic document"]
	var got reply
	for range 10 {
		got = w.do(http.MethodPost, c.path, c.body, nil)
	}
	if got.status != http.StatusForbidden || !strings.Contains(got.body, "budget spent: task tokens, 3000 of 2500") {
		t.Errorf("%d %s", got.status, got.body)
	}
	if n := len(m.Requests()); n != 3 {
		t.Errorf("%d requests went on", n)
	}
	w.close()
	list := w.journal.of(AuditBudget)
	if len(list) != 1 || list[0].data["limit"] != int64(2500) || list[0].data["spent"] != int64(3000) {
		t.Errorf("audited: %v", list)
	}
}

// TestThreat24ParallelRequestsOverrunByOneAnswerAtMost: each may use 100 tokens
// for its answer, and does; a few more for its few bytes of input.
func TestThreat24ParallelRequestsOverrunByOneAnswerAtMost(t *testing.T) {
	t.Parallel()
	for _, limit := range []Budget{{TaskTokens: 1000}, {DayTokens: 1000}, {TaskCost: 1000}, {DayCost: 1000}} {
		t.Run(fmt.Sprintf("%+v", limit), func(t *testing.T) {
			t.Parallel()
			m := model(t, modeltest.Script{InputTokens: 20, OutputTokens: 100})
			w := newWorld(t, Anthropic, m.URL(), func(s *Session, _ *Options) {
				s.Budget, s.Provider.Prices = limit, map[string]Price{"m": {Input: 1, Output: 1}}
			})
			other := w.session
			other.Task = "task-2" // of the same environment
			dir, err := w.gateway.Open(t.Context(), other)
			if err != nil {
				t.Fatal(err)
			}
			second := *w
			second.dir = dir
			var wait sync.WaitGroup
			var mu sync.Mutex
			statuses := map[int]int{}
			for i := range 50 {
				from := w
				if i%2 == 1 && (limit.DayTokens > 0 || limit.DayCost > 0) {
					from = &second
				}
				wait.Go(func() {
					c := calls["anthropic"]
					for {
						got := from.do(http.MethodPost, c.path, c.body, nil)
						if got.status == http.StatusServiceUnavailable { // as an agent does
							time.Sleep(5 * time.Millisecond)
							continue
						}
						mu.Lock()
						defer mu.Unlock()
						statuses[got.status]++
						return
					}
				})
			}
			wait.Wait()
			spent := int64(0)
			for _, e := range w.ledger.all(t, 1) {
				spent += e.Usage.Tokens()
			}
			const one = 100 + 20
			if spent < 1000 || spent >= 1000+one || statuses[200] != 9 || statuses[403] != 41 {
				t.Errorf("spent %d, %v", spent, statuses)
			}
		})
	}
}

func TestABudgetOfADayEndsWithTheDay(t *testing.T) {
	t.Parallel()
	m := model(t, modeltest.Script{InputTokens: 900, OutputTokens: 100})
	var mu sync.Mutex
	now := time.Date(2026, 3, 1, 23, 59, 0, 0, time.UTC)
	w := newWorld(t, Anthropic, m.URL(), func(s *Session, o *Options) {
		s.Budget.DayTokens = 1000
		o.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	})
	c := calls["anthropic document"]
	ask := func() int { return w.do(http.MethodPost, c.path, c.body, nil).status }
	if first, second := ask(), ask(); first != 200 || second != 403 {
		t.Errorf("on the day: %d, then %d", first, second)
	}
	mu.Lock()
	now = now.Add(2 * time.Minute)
	mu.Unlock()
	if got := ask(); got != 200 {
		t.Errorf("on the next day: %d", got)
	}
	w.session.Budget.DayTokens = 5000 // a person raises it
	if _, err := w.gateway.Open(t.Context(), w.session); err != nil {
		t.Fatal(err)
	}
	if got := ask(); got != 200 {
		t.Errorf("after raising it: %d", got)
	}
}

func TestWithoutFiguresNothingIsSpent(t *testing.T) {
	t.Parallel()
	m := model(t, modeltest.Script{})
	w := newWorld(t, Anthropic, m.URL(), func(s *Session, _ *Options) { s.Budget.TaskTokens = 1 << 40 })
	w.ledger.broken = errors.New("database is gone")
	c := calls["anthropic document"]
	if got := w.do(http.MethodPost, c.path, c.body, nil); got.status != http.StatusServiceUnavailable || strings.Contains(got.body, "database") {
		t.Errorf("%d %s", got.status, got.body)
	}
	if n := len(m.Requests()); n != 0 {
		t.Errorf("%d requests went on", n)
	}
}

// TestThreat24WhatCannotBeRecordedStillCounts: a ledger that fails to write must
// not make the budget endless.
func TestThreat24WhatCannotBeRecordedStillCounts(t *testing.T) {
	t.Parallel()
	m := model(t, modeltest.Script{InputTokens: 900, OutputTokens: 100})
	w := newWorld(t, Anthropic, m.URL(), func(s *Session, _ *Options) { s.Budget.TaskTokens = 2500 })
	w.ledger.lost = errors.New("disk full")
	c := calls["anthropic document"]
	for range 6 {
		w.do(http.MethodPost, c.path, c.body, nil)
	}
	if n := len(m.Requests()); n != 3 {
		t.Errorf("%d requests went on", n)
	}
}

func TestABudgetInMoneyNeedsAPrice(t *testing.T) {
	t.Parallel()
	m := model(t, modeltest.Script{})
	w := newWorld(t, OpenAI, m.URL(), func(s *Session, _ *Options) {
		s.Budget.TaskCost, s.Provider.Prices = 1000, map[string]Price{"m": {Input: 1}}
	})
	got := w.do(http.MethodPost, "/v1/responses", calls["responses"].body, nil) // model n-1
	if got.status != http.StatusForbidden || !strings.Contains(got.body, "no price") {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// TestLimitsOfTheProviderArePassedOn, with how long to wait: they are not ours.
func TestLimitsOfTheProviderArePassedOn(t *testing.T) {
	t.Parallel()
	for _, status := range []int{429, 500, 529} {
		m := model(t, modeltest.Script{Turns: []modeltest.Turn{{Status: status, Header: http.Header{"Retry-After": {"7"}}, Error: "later"}}})
		w := newWorld(t, Anthropic, m.URL(), nil)
		got := w.do(http.MethodPost, "/v1/messages", `{"model":"m","max_tokens":9,"tools":[{"name":"Bash","input_schema":{}}],"messages":[{"role":"user","content":"go"}]}`, nil)
		if got.status != status || got.header.Get("Retry-After") != "7" || !strings.Contains(got.body, "later") {
			t.Errorf("%d %v %s", got.status, got.header, got.body)
		}
		if e := w.ledger.all(t, 1)[0]; e.Usage.Tokens() != 0 || e.Status != status {
			t.Errorf("recorded %+v", e)
		}
	}
}

func TestTheLongestPriceFits(t *testing.T) {
	t.Parallel()
	p := Provider{Prices: map[string]Price{"*": {Input: 1}, "m-*": {Input: 2}, "m-1*": {Input: 3}, "m-1": {Input: 4}}}
	for name, want := range map[string]float64{"x": 1, "m-2": 2, "m-10": 3, "m-1": 4} {
		if got, ok := p.price(name); !ok || got.Input != want {
			t.Errorf("%s: %v %v", name, got, ok)
		}
	}
	usage := Usage{InputTokens: 1, OutputTokens: 2, CacheReadTokens: 3, CacheWriteTokens: 4}
	if got := (Price{Input: 3, Output: 15, CacheRead: 0.3, CacheWrite: 3.75}).cost(usage); got != 49 { // 3+30+0.9+15
		t.Errorf("%d micro-USD", got)
	}
}

// TestWaitingEndsWithTheRequest: a request that waits for another's end does not
// outlive its agent.
func TestWaitingEndsWithTheRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudgets(newLedger())
		one := &terms{Session: Session{Task: "t", Environment: "e", Budget: Budget{TaskTokens: 10}}}
		first, _, err := b.reserve(t.Context(), one, amount{tokens: 10}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 2)
		for range 2 {
			go func() {
				_, _, err := b.reserve(ctx, one, amount{tokens: 10}, time.Now())
				done <- err
			}()
		}
		synctest.Wait()
		if len(done) > 0 {
			t.Fatal("nothing waited")
		}
		first.settle(amount{})
		synctest.Wait()
		if len(done) != 1 {
			t.Fatalf("%d went on after one place was free", len(done))
		}
		cancel()
		synctest.Wait()
		if len(done) != 2 {
			t.Fatal("the other one still waits")
		}
	})
}

// slow is a ledger whose figures are old when they arrive: meanwhile another
// request ends, and is recorded.
type slow struct {
	*ledger
	meanwhile func()
}

func (s *slow) Spent(ctx context.Context, task, environment string, day time.Time) (Usage, Usage, error) {
	byTask, byEnvironment, err := s.ledger.Spent(ctx, task, environment, day)
	s.meanwhile()
	return byTask, byEnvironment, err
}

// TestThreat24OldFiguresAreNotUsed: what ended between the look into the ledger and
// the decision would be in neither.
func TestThreat24OldFiguresAreNotUsed(t *testing.T) {
	t.Parallel()
	s := &slow{ledger: newLedger(), meanwhile: func() {}}
	b := newBudgets(s)
	one := &terms{Session: Session{Task: "t", Environment: "e", Budget: Budget{TaskTokens: 10}}}
	first, _, err := b.reserve(t.Context(), one, amount{tokens: 10}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s.meanwhile = sync.OnceFunc(func() {
		_ = s.Record(t.Context(), Exchange{Task: "t", Environment: "e", At: time.Now(), Usage: Usage{OutputTokens: 10}})
		first.settle(amount{})
	})
	if got, spent, err := b.reserve(t.Context(), one, amount{tokens: 10}, time.Now()); err != nil || spent == nil {
		t.Errorf("went on: %+v %v", got, err)
	}
}

// counted are metrics that count.
type counted struct {
	mu      sync.Mutex
	reasons map[string]int
}

func (c *counted) Exchange(e Exchange) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reasons[e.Refused]++
}

func (c *counted) Tunnel(string, int64, int64) {}

func TestMetricsHearOfEveryRequest(t *testing.T) {
	t.Parallel()
	m := model(t, modeltest.Script{})
	c := &counted{reasons: map[string]int{}}
	w := newWorld(t, Anthropic, m.URL(), func(_ *Session, o *Options) { o.Metrics = c })
	w.do(http.MethodPost, "/v1/messages", calls["anthropic"].body, nil)
	w.do(http.MethodPost, "/v1/files", "{}", nil)
	w.do(http.MethodPost, "/v1/messages", `{"model":"other"}`, nil)
	w.raw("CONNECT evil.com:443 HTTP/1.1\r\nHost: evil.com:443\r\n\r\n")
	w.close()
	if got := fmt.Sprint(c.reasons); got != "map[:1 host:1 model:1 path:1]" {
		t.Error(got)
	}
}
