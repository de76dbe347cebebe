package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/store"
)

// lookTime bounds what one look at /metrics waits for one part.
const lookTime = 5 * time.Second

// show gives one figure a value.
type show func(d *prometheus.Desc, value float64, labels ...string)

// part is some figures that are read when somebody looks.
type part struct {
	name  string
	descs []*prometheus.Desc
	read  func(ctx context.Context, show show) error
}

// looked are all parts. Every process shows the same of what they share, the database.
type looked struct {
	parts []part
	log   *slog.Logger
}

// newLooked reads the database, and a node's engine; nil: none.
func newLooked(db *store.Store, node containerLister, log *slog.Logger) looked {
	l := looked{[]part{queueFigures(db), waitingFigures(db), auditFigures(db), sizeFigures(db), nodeFigures(db)}, log}
	if node != nil {
		l.parts = append(l.parts, containerFigures(node))
	}
	return l
}

var readableDesc = desc("coderflow_figures_readable", "1 if a part of these figures could be read just now, 0 if it is missing.", "part")

// Describe implements prometheus.Collector.
func (l looked) Describe(to chan<- *prometheus.Desc) {
	to <- readableDesc
	for _, p := range l.parts {
		for _, d := range p.descs {
			to <- d
		}
	}
}

// Collect implements prometheus.Collector. Parts are read side by side.
func (l looked) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), lookTime)
	defer cancel()
	var all sync.WaitGroup
	for _, p := range l.parts {
		all.Go(func() { l.collect(ctx, p, to) })
	}
	all.Wait()
}

func (l looked) collect(ctx context.Context, p part, to chan<- prometheus.Metric) {
	readable := 1.0
	err := p.read(ctx, func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	})
	if err != nil {
		readable = 0
		l.log.WarnContext(ctx, "a part of the figures could not be read", "part", p.name, "error", err)
	}
	to <- prometheus.MustNewConstMetric(readableDesc, prometheus.GaugeValue, readable, p.name)
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

func queueFigures(db *store.Store) part {
	jobs := desc("coderflow_jobs", "Jobs that are not done, and those that were given up, by queue and state.", "queue", "state")
	ready := desc("coderflow_jobs_ready", "Jobs whose time has come and that no worker has taken.", "queue")
	oldest := desc("coderflow_job_oldest_ready_seconds", "How long the oldest of them has waited.", "queue")
	return part{"queue", []*prometheus.Desc{jobs, ready, oldest}, func(ctx context.Context, show show) error {
		counts, err := queue.Counts(ctx, db.DB())
		if err != nil {
			return err
		}
		for _, c := range counts {
			show(jobs, float64(c.Jobs), c.Queue, c.State)
		}
		waits, err := queue.Waits(ctx, db.DB(), db.Dialect())
		if err != nil {
			return err
		}
		seen := map[string]bool{}
		for _, w := range waits {
			seen[w.Queue] = true
			show(ready, float64(w.Jobs), w.Queue)
			show(oldest, w.Oldest.Seconds(), w.Queue)
		}
		if !seen[queue.Shared] { // always there, so that an alert on it sees it fall
			show(ready, 0, queue.Shared)
			show(oldest, 0, queue.Shared)
		}
		return nil
	}}
}

func waitingFigures(db *store.Store) part {
	proposals := desc("coderflow_proposals_waiting", "Proposals that wait for an approval.", "environment")
	oldest := desc("coderflow_proposal_oldest_waiting_seconds", "How long the newest revision of the oldest of them has waited.", "environment")
	return part{"proposals", []*prometheus.Desc{proposals, oldest}, func(ctx context.Context, show show) error {
		waiting, err := db.WaitingProposals(ctx)
		for _, w := range waiting {
			show(proposals, float64(w.Proposals), w.Environment)
			show(oldest, seconds(w.Oldest, time.Now()), w.Environment)
		}
		return err
	}}
}

func auditFigures(db *store.Store) part {
	entries := desc("coderflow_audit_entries", "Entries of the audit log.")
	unsigned := desc("coderflow_audit_unsigned_entries", "Entries at its end that no signed checkpoint covers.")
	oldest := desc("coderflow_audit_oldest_unsigned_seconds", "Age of the oldest of them; 0 without any.")
	signed := desc("coderflow_audit_signed_timestamp_seconds", "When the newest checkpoint was signed; absent before the first.")
	unpublished := desc("coderflow_audit_unpublished_entries", "Entries that no published checkpoint covers, of whatever branch; all of them where none is published.")
	published := desc("coderflow_audit_published_timestamp_seconds", "When the newest published checkpoint was seen at the forge; absent before the first.")
	all := []*prometheus.Desc{entries, unsigned, oldest, signed, unpublished, published}
	return part{"audit", all, func(ctx context.Context, show show) error {
		a, err := db.AuditState(ctx)
		if err != nil {
			return err
		}
		show(entries, float64(a.Entries))
		show(unsigned, float64(a.Entries-a.Signed))
		show(unpublished, float64(a.Entries-a.Published))
		age := 0.0
		if !a.UnsignedFrom.IsZero() {
			age = seconds(a.UnsignedFrom, time.Now())
		}
		show(oldest, age)
		for d, at := range map[*prometheus.Desc]time.Time{signed: a.SignedAt, published: a.PublishedAt} {
			if !at.IsZero() {
				show(d, float64(at.Unix()))
			}
		}
		return nil
	}}
}

func sizeFigures(db *store.Store) part {
	size := desc("coderflow_database_bytes", "Size of the database.")
	return part{"database", []*prometheus.Desc{size}, func(ctx context.Context, show show) error {
		bytes, err := db.Size(ctx)
		if err == nil {
			show(size, float64(bytes))
		}
		return err
	}}
}

// containerLister is the engine of this node.
type containerLister interface {
	List(ctx context.Context) ([]sandbox.Status, error)
}

func containerFigures(node containerLister) part {
	running := desc("coderflow_containers_running", "Containers that run on this node, paused ones too, by what they are for.", "purpose")
	return part{"containers", []*prometheus.Desc{running}, func(ctx context.Context, show show) error {
		list, err := node.List(ctx)
		if err != nil {
			return err
		}
		counts := map[string]int{"task": 0, "check": 0, "judge": 0, "deploy": 0}
		for _, c := range list {
			if c.State == sandbox.StateRunning {
				counts[c.Labels.Purpose]++
			}
		}
		for purpose, n := range counts {
			show(running, float64(n), purpose)
		}
		return nil
	}}
}
