// Package audit measures the audit log in its databases, at a million entries.
package audit

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

// entries is how long the log gets: a million, or AUDIT_ENTRIES.
func entries() int {
	if n, err := strconv.Atoi(os.Getenv("AUDIT_ENTRIES")); err == nil && n > 10*probes {
		return n
	}
	return 1_000_000
}

// Run it with -benchtime 1x: filling takes minutes.
func BenchmarkMillion(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) { measure(b, storetest.SQLite(b)) })
	b.Run("postgres", func(b *testing.B) {
		o := storetest.PostgresOptions(b)
		s, err := store.Open(b.Context(), o)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = s.Close() })
		measure(b, s)
	})
}

func measure(b *testing.B, s *store.Store) {
	for b.Loop() {
		l := &filled{b: b, s: s}
		l.add(1000, 100)
		start := l.appends()
		l.add(entries()-int(l.n)-probes, 100)
		end := l.appends()
		b.ReportMetric(float64(start.Microseconds()), "µs/append-at-start")
		b.ReportMetric(float64(end.Microseconds()), "µs/append-at-end")
		began := time.Now()
		size := l.verify()
		b.ReportMetric(time.Since(began).Seconds(), "s/verify")
		b.ReportMetric(float64(size), "entries")
		l.proofs()
		l.lists()
	}
}

type filled struct {
	b *testing.B
	s *store.Store
	n int64
}

// entry is like one of an approval, with the reasons of its decision.
func (l *filled) entry() audit.Entry {
	l.n++
	detail := json.RawMessage(fmt.Sprintf(`{"decision":{"allowed":true,"reason":{"ok":true,"text":"github:%d may approve","because":[{"ok":true,"text":"has role developer on environment/staging"},{"ok":true,"text":"is not who requested it"}]}},"policy":"sha256:%064d","repository":"github:%d"}`,
		l.n%977, l.n, l.n%31))
	return audit.Entry{
		At: time.Unix(1_700_000_000+l.n, 0), Actor: fmt.Sprintf("github:%d", l.n%977), Action: audit.TaskMoved, Task: fmt.Sprintf("task%08d", l.n/40),
		Environment: fmt.Sprintf("environment%d", l.n%7), Detail: detail,
	}
}

// add writes n entries, so many in a transaction.
func (l *filled) add(n, together int) {
	l.b.Helper()
	for n > 0 {
		err := l.s.InTx(l.b.Context(), func(tx *store.Tx) error {
			for range min(n, together) {
				if err := tx.Audit(l.b.Context(), l.entry()); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			l.b.Fatal(err)
		}
		n -= together
	}
}

const probes = 500

// appends is the median of transactions of one entry.
func (l *filled) appends() time.Duration {
	l.b.Helper()
	took := make([]time.Duration, probes)
	for i := range took {
		began := time.Now()
		l.add(1, 1)
		took[i] = time.Since(began)
	}
	slices.Sort(took)
	return took[probes/2]
}

func (l *filled) verify() int64 {
	l.b.Helper()
	ctx := l.b.Context()
	size, root, err := l.s.AuditHead(ctx)
	if err != nil {
		l.b.Fatal(err)
	}
	r, err := audit.Verify(audit.Stored{
		Entries: l.s.AuditLog(ctx, size), Hashes: l.s.AuditHashes(ctx, size), Checkpoints: []audit.Checkpoint{{Origin: "log", Size: size, Root: root}},
	})
	if err != nil || len(r.Findings) > 0 || r.Checkpoints != 1 || r.Entries != size {
		l.b.Fatalf("%+v %v", r, err)
	}
	return size
}

// proofs are of entries all over the log.
func (l *filled) proofs() {
	l.b.Helper()
	most, began := 0, time.Now()
	const proven = 200
	for i := range int64(proven) {
		p, err := audit.ProveInclusion(l.s.AuditTree(l.b.Context()), 1+i*(l.n/proven), l.n)
		if err != nil {
			l.b.Fatal(err)
		}
		most = max(most, len(p.Hashes))
	}
	l.b.ReportMetric(float64(time.Since(began).Microseconds())/proven, "µs/proof")
	l.b.ReportMetric(float64(most*tlog.HashSize), "B/proof")
}

// lists are pages of a hundred, by what finds few and what finds many.
func (l *filled) lists() {
	l.b.Helper()
	for name, f := range map[string]store.AuditFilter{
		"newest":      {Newest: true},
		"actor":       {Actor: "github:5", Newest: true},
		"nobody":      {Actor: "github:99999"},
		"environment": {Environments: []string{"environment1", "environment2"}, Newest: true},
		"since":       {Since: time.Unix(1_700_000_000+l.n-1000, 0)},
		"task":        {Task: "task00000007"},
	} {
		began := time.Now()
		if _, err := l.s.AuditEntries(l.b.Context(), f); err != nil {
			l.b.Fatal(err)
		}
		l.b.ReportMetric(float64(time.Since(began).Milliseconds()), "ms/list-"+name)
	}
}
