package gateway

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// maxEntries is how many different entries of one session are told apart.
const maxEntries = 64

// journal writes audit entries of a session. A hostile agent can repeat itself
// without end: the same event is written when it is first seen, then at each power
// of ten, and at the end with its number.
type journal struct {
	journal Journal
	logger  *slog.Logger
	task    string

	mu    sync.Mutex
	seen  map[string]*entry
	order []*entry
}

// entry is one kind of event with its details, counted.
type entry struct {
	kind    string
	data    map[string]any
	n, told int64
	sums    map[string]int64
}

func newJournal(j Journal, l *slog.Logger, task string) *journal {
	return &journal{journal: j, logger: l, task: task, seen: map[string]*entry{}}
}

// note counts an event; key tells events of a kind apart, sums add up.
func (j *journal) note(kind, key string, data map[string]any, sums map[string]int64) {
	j.mu.Lock()
	e, known := j.seen[kind+"\x00"+key]
	if !known {
		if len(j.seen) >= maxEntries {
			key, data = "others", map[string]any{"others": true}
			e = j.seen[kind+"\x00"+key]
		}
		if e == nil {
			e = &entry{kind: kind, data: data, sums: map[string]int64{}}
			j.seen[kind+"\x00"+key] = e
			j.order = append(j.order, e)
		}
	}
	e.n++
	for name, n := range sums {
		e.sums[name] += n
	}
	write := isPowerOfTen(e.n)
	var full map[string]any
	if write {
		full = e.tell()
	}
	j.mu.Unlock()
	if write {
		j.write(kind, full)
	}
}

// once writes an event the first time only.
func (j *journal) once(kind, key string, data map[string]any) {
	j.mu.Lock()
	_, known := j.seen[kind+"\x00"+key]
	if !known {
		j.seen[kind+"\x00"+key] = &entry{}
	}
	j.mu.Unlock()
	if !known {
		j.write(kind, data)
	}
}

// tell is what is written of an entry now.
func (e *entry) tell() map[string]any {
	e.told = e.n
	full := map[string]any{"count": e.n}
	for name, value := range e.data {
		full[name] = value
	}
	for name, n := range e.sums {
		full[name] = n
	}
	return full
}

func isPowerOfTen(n int64) bool {
	for n%10 == 0 && n > 0 {
		n /= 10
	}
	return n == 1
}

// close writes the numbers that were not told yet.
func (j *journal) close() {
	j.mu.Lock()
	var last []*entry
	var full []map[string]any
	for _, e := range j.order {
		if e.n != e.told {
			last = append(last, e)
			full = append(full, e.tell())
		}
	}
	j.mu.Unlock()
	for i, e := range last {
		j.write(e.kind, full[i])
	}
}

// write hands an entry on. What it tells of has happened or was refused already:
// a log that cannot be written is reported, and changes neither.
func (j *journal) write(kind string, data map[string]any) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := j.journal.Audit(ctx, j.task, kind, data); err != nil {
		j.logger.ErrorContext(ctx, "an audit entry of the gateway was not written", "task", j.task, "kind", kind, "error", err)
	}
}
