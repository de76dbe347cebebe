package gateway

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coderflow/coderflow/internal/gateway/wire"
)

// unknownOutput is reckoned for an answer whose request sets no limit, in tokens.
const unknownOutput = 128_000

// amount is tokens and micro-USD.
type amount struct{ tokens, cost int64 }

func (a amount) plus(b amount) amount { return amount{a.tokens + b.tokens, a.cost + b.cost} }

func (a amount) minus(b amount) amount { return amount{a.tokens - b.tokens, a.cost - b.cost} }

// budgets reckons what is under way on top of what the ledger says.
type budgets struct {
	ledger Ledger

	mu       sync.Mutex
	tasks    account
	environs account
	settled  chan struct{} // closed, and replaced, when something under way ends
}

// account is what counts beside the ledger, by task or by environment.
type account struct {
	underway map[string]amount
	lost     map[string]amount // spent, and the ledger could not record it
}

func newAccount() account { return account{underway: map[string]amount{}, lost: map[string]amount{}} }

func (a account) enter(key string, most amount) { a.underway[key] = a.underway[key].plus(most) }

func (a account) leave(key string, most, lost amount) {
	if rest := a.underway[key].minus(most); rest == (amount{}) {
		delete(a.underway, key)
	} else {
		a.underway[key] = rest
	}
	if lost != (amount{}) {
		a.lost[key] = a.lost[key].plus(lost)
	}
}

func newBudgets(l Ledger) *budgets {
	return &budgets{ledger: l, tasks: newAccount(), environs: newAccount(), settled: make(chan struct{})}
}

// reservation is a request's place in the budgets.
type reservation struct {
	b                 *budgets
	task, environment string
	most              amount
}

// bound is one limit with what counts against it.
type bound struct {
	name            string
	limit           int64
	spent, underway int64
}

// reserve waits until the request fits beside what is under way. It returns the
// bound that is spent, if one is.
func (b *budgets) reserve(ctx context.Context, t *terms, most amount, day time.Time) (*reservation, *bound, error) {
	for {
		b.mu.Lock()
		settled := b.settled
		b.mu.Unlock()
		byTask, byEnvironment, err := b.ledger.Spent(ctx, t.Task, t.Environment, day)
		if err != nil {
			return nil, nil, fmt.Errorf("read what was spent: %w", err)
		}
		spent, fits, current := b.enter(t, most, byTask, byEnvironment, settled)
		if spent != nil {
			return nil, spent, nil
		}
		if fits {
			return &reservation{b: b, task: t.Task, environment: t.Environment, most: most}, nil, nil
		}
		if !current {
			continue // something ended meanwhile, and may be in neither figure
		}
		select {
		case <-settled:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
}

// enter makes the reservation if it fits, on figures that are current as long as
// nothing has settled since.
func (b *budgets) enter(t *terms, most amount, byTask, byEnvironment Usage, since chan struct{}) (spent *bound, fits, current bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.settled != since {
		return nil, false, false
	}
	task, environ := b.tasks.underway[t.Task], b.environs.underway[t.Environment]
	lostTask, lostEnviron := b.tasks.lost[t.Task], b.environs.lost[t.Environment]
	wait := false
	for _, l := range []bound{
		{"task tokens", t.Budget.TaskTokens, byTask.Tokens() + lostTask.tokens, task.tokens},
		{"task cost", t.Budget.TaskCost, byTask.Cost + lostTask.cost, task.cost},
		{"environment tokens of the day", t.Budget.DayTokens, byEnvironment.Tokens() + lostEnviron.tokens, environ.tokens},
		{"environment cost of the day", t.Budget.DayCost, byEnvironment.Cost + lostEnviron.cost, environ.cost},
	} {
		if l.limit > 0 && l.spent >= l.limit {
			return &l, false, true
		}
		wait = wait || l.limit > 0 && l.underway > 0 && l.spent+l.underway >= l.limit
	}
	if wait {
		return nil, false, true
	}
	b.tasks.enter(t.Task, most)
	b.environs.enter(t.Environment, most)
	return nil, true, true
}

// learn replaces what the request may use by what it did use, which the provider
// may count otherwise, until the ledger has it.
func (r *reservation) learn(used amount) {
	r.b.mu.Lock()
	defer r.b.mu.Unlock()
	r.b.tasks.leave(r.task, r.most, amount{})
	r.b.tasks.enter(r.task, used)
	r.b.environs.leave(r.environment, r.most, amount{})
	r.b.environs.enter(r.environment, used)
	r.most = used
}

// settle ends a reservation. What the ledger could not record stays reckoned with.
func (r *reservation) settle(lost amount) {
	r.b.mu.Lock()
	defer r.b.mu.Unlock()
	r.b.tasks.leave(r.task, r.most, lost)
	r.b.environs.leave(r.environment, r.most, lost)
	close(r.b.settled)
	r.b.settled = make(chan struct{})
}

// refusal is what the agent is told of a spent budget.
func (l *bound) refusal() *wire.Refusal {
	limit, spent := fmt.Sprint(l.limit), fmt.Sprint(l.spent)
	if strings.Contains(l.name, "cost") {
		limit, spent = usd(l.limit), usd(l.spent)
	}
	return wire.Forbidden("budget", "budget spent: %s, %s of %s. Stop here; a person can raise the budget", l.name, spent, limit)
}

func usd(micro int64) string { return fmt.Sprintf("%.4f USD", float64(micro)/1e6) }

// price finds the price of a model: by its name, or by the longest beginning.
func (p Provider) price(model string) (Price, bool) {
	if price, ok := p.Prices[model]; ok {
		return price, true
	}
	found, best := Price{}, -1
	for name, price := range p.Prices {
		beginning, ok := strings.CutSuffix(name, "*")
		if ok && strings.HasPrefix(model, beginning) && len(beginning) > best {
			found, best = price, len(beginning)
		}
	}
	return found, best >= 0
}

// cost is micro-USD, rounded up: a USD for a million tokens is a micro-USD each.
func (p Price) cost(u Usage) int64 {
	return int64(math.Ceil(float64(u.InputTokens)*p.Input + float64(u.OutputTokens)*p.Output +
		float64(u.CacheReadTokens)*p.CacheRead + float64(u.CacheWriteTokens)*p.CacheWrite))
}

// most is what a request may use: two bytes for each token in, and out what it
// asks for.
func (t *terms) most(model string, sent int, output int64) (amount, *wire.Refusal) {
	price, known := t.Provider.price(model)
	if !known && (t.Budget.TaskCost > 0 || t.Budget.DayCost > 0) {
		return amount{}, &wire.Refusal{Status: http.StatusForbidden, Reason: "price",
			Message: fmt.Sprintf("the model %q has no price, so the budget in money cannot be kept; an administrator can set one", model)}
	}
	if output == 0 {
		output = unknownOutput
	}
	in := int64(sent/2) + 1
	dearest := max(price.Input, price.CacheWrite)
	return amount{in + output, int64(math.Ceil(float64(in)*dearest + float64(output)*price.Output))}, nil
}
