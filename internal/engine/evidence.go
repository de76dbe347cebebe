package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/gitops"
	"github.com/coderflow/coderflow/internal/task"
)

// EvidenceReader is what the log is held against the forge by.
type EvidenceReader interface {
	// LandedTasks lists, newest first, tasks of a repository whose approval was carried
	// out, from the one before a task on; empty: from the newest.
	LandedTasks(ctx context.Context, repositoryKey string, before task.ID, most int) ([]task.Task, error)
	CountLandedTasks(ctx context.Context, repositoryKey string) (int, error)
	// LandedRepositories are the keys of the repositories in which something landed.
	LandedRepositories(ctx context.Context) ([]string, error)
	// TasksWithoutRecord are pushes in the log whose task the database does not have.
	TasksWithoutRecord(ctx context.Context, most int) ([]audit.Entry, error)
	EvidenceLook(ctx context.Context, repositoryKey string) (audit.Look, error)
	EvidenceDifferences(ctx context.Context, repositoryKey string) ([]audit.Difference, error)
}

// EvidenceTx writes what a look found.
type EvidenceTx interface {
	// SaveLook replaces the last look at a repository; gone are forgotten, found are
	// kept with the time when they were found first.
	SaveLook(ctx context.Context, look audit.Look, found, gone []audit.Difference) error
}

// EvidenceGit reads branches and commits for the same.
type EvidenceGit interface {
	// Heads are the branches at the forge; nothing is fetched.
	Heads(ctx context.Context, remote gitops.Remote) (map[string]string, error)
	FetchHeads(ctx context.Context, remote gitops.Remote, branches []string) error
	// Claims are the commits with our trailers that the tip has and since have not.
	Claims(ctx context.Context, repo forge.RepositoryRef, tip string, since []string) (claims []gitops.Claim, complete bool, err error)
}

// EvidenceBounds bound one run. What is beyond them is told, and looked at by a
// later one.
type EvidenceBounds struct {
	Time        time.Duration // of all
	Branches    int           // of a repository, whose commits are read
	Recent      int           // tasks of a repository that landed last, each time
	Older       int           // tasks before those, in turns
	Deployments int           // of a repository at the forge, the newest
}

// DefaultEvidenceBounds are those of a periodic run: up to about three calls of the
// forge's API for each task.
func DefaultEvidenceBounds() EvidenceBounds {
	return EvidenceBounds{Time: 10 * time.Minute, Branches: 100, Recent: 50, Older: 50, Deployments: 300}
}

// EvidenceQuery is one run.
type EvidenceQuery struct {
	Repository string // HOST:ID or owner/name; empty: every one that an environment lists
	By         string // who asked, for the log
	Bounds     EvidenceBounds
}

// ErrEvidenceBusy is a run while another one is under way.
var ErrEvidenceBusy = errors.New("the log is being held against the forge just now; try again in a moment")

// evidenceMemory is what runs know of commits that they read before. Losing it
// costs reading them again.
type evidenceMemory struct {
	running sync.Mutex
	claims  map[string]*claimMemory // by repository key
}

// ReconcileEvidence holds the log against the forge, both ways, and remembers what
// differs. It mends nothing. A repository that cannot be looked at is told in the
// answer; an error is one of this installation's own.
func (e *Engine) ReconcileEvidence(ctx context.Context, q EvidenceQuery) (audit.Reconciliation, error) {
	r := audit.Reconciliation{At: e.Now().UTC(), Looks: []audit.Look{}, Differences: []audit.Difference{}, NotLooked: []string{}}
	if !e.evidence.running.TryLock() {
		return r, ErrEvidenceBusy
	}
	defer e.evidence.running.Unlock()
	refs, err := e.evidenceRepositories(ctx, q.Repository, &r)
	if err != nil {
		return r, err
	}
	bounded, cancel := context.WithTimeout(ctx, q.Bounds.Time)
	defer cancel()
	for _, ref := range refs {
		if err := e.lookAt(bounded, q, ref, &r); err != nil {
			if ctx.Err() != nil {
				return r, ctx.Err()
			}
			r.Failed++
			r.NotLooked = append(r.NotLooked, ref.FullName()+": "+whyNotLooked(bounded, err))
			e.Logger.WarnContext(ctx, "a repository could not be held against the log", "repository", ref.Key(), "error", err)
		}
	}
	if q.Repository == "" {
		err = e.lookAtRecords(ctx, q, &r)
	}
	return r, err
}

// whyNotLooked is the reason in words for people.
func whyNotLooked(ctx context.Context, err error) string {
	limited := (*forge.RateLimitError)(nil)
	switch {
	case ctx.Err() != nil:
		return "there was no time left"
	case errors.As(err, &limited):
		return "the forge asks to wait"
	case errors.Is(err, forge.ErrNotFound):
		return "the forge does not show the repository, or not under this id"
	case errors.Is(err, forge.ErrForbidden):
		return "the forge does not let CoderFlow look"
	}
	return err.Error()
}

// evidenceRepositories are those to look at. What the log has of others is told.
func (e *Engine) evidenceRepositories(ctx context.Context, wanted string, r *audit.Reconciliation) ([]forge.RepositoryRef, error) {
	set, err := e.Manifests.Manifests(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the manifests: %w", err)
	}
	listed := map[string]forge.RepositoryRef{}
	for _, environment := range set.Environments {
		for _, repository := range environment.Repositories {
			ref := repository.Ref()
			if wanted == "" || wanted == ref.Key() || strings.EqualFold(wanted, ref.FullName()) {
				listed[ref.Key()] = ref
			}
		}
	}
	keys, err := e.Store.LandedRepositories(ctx)
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		if _, known := listed[key]; !known && (wanted == "" || wanted == key) {
			r.NotLooked = append(r.NotLooked, key+": no environment lists it any more")
		}
	}
	if wanted != "" && len(listed) == 0 && len(r.NotLooked) == 0 {
		return nil, fmt.Errorf("no environment lists the repository %q: %w", wanted, task.ErrNotFound)
	}
	var refs []forge.RepositoryRef
	for _, key := range slices.Sorted(maps.Keys(listed)) {
		refs = append(refs, listed[key])
	}
	return refs, nil
}

// lookAt looks at one repository. Log and forge are not read in one moment, so what
// differs is looked at a second time: what was only under way does not differ twice.
func (e *Engine) lookAt(ctx context.Context, q EvidenceQuery, ref forge.RepositoryRef, r *audit.Reconciliation) error {
	before, err := e.Store.EvidenceLook(ctx, ref.Key())
	if err != nil {
		return err
	}
	l, err := e.observe(ctx, q.Bounds, ref, before.After)
	if err != nil {
		return err
	}
	if first := l.found; len(first) > 0 {
		if l, err = e.observe(ctx, q.Bounds, ref, before.After); err != nil {
			return err
		}
		l.found = slices.DeleteFunc(l.found, func(d audit.Difference) bool { return !slices.ContainsFunc(first, same(d)) })
	}
	return e.saveLook(ctx, q, l, r)
}

// same reports whether a difference is the same as d.
func same(d audit.Difference) func(audit.Difference) bool {
	return func(o audit.Difference) bool { return o.Kind == d.Kind && o.Subject == d.Subject }
}

// maxEvidenceLogged bounds how many differences one entry of the log names.
const maxEvidenceLogged = 50

// saveLook keeps what differs, and writes to the log what is new and what is gone.
// What was not looked at this time stays as it is known.
func (e *Engine) saveLook(ctx context.Context, q EvidenceQuery, l *look, r *audit.Reconciliation) error {
	known, err := e.Store.EvidenceDifferences(ctx, l.out.Repository)
	if err != nil {
		return err
	}
	var fresh, gone, open []audit.Difference
	for i := range l.found {
		d := &l.found[i]
		d.FoundAt, d.SeenAt = l.out.At, l.out.At
		if at := slices.IndexFunc(known, same(*d)); at >= 0 {
			d.FoundAt = known[at].FoundAt
			continue
		}
		fresh = append(fresh, *d)
	}
	for _, d := range known {
		switch {
		case slices.ContainsFunc(l.found, same(d)):
		case l.covers(d):
			gone = append(gone, d)
		default:
			open = append(open, d)
		}
	}
	open = append(open, l.found...)
	err = e.Store.InTx(ctx, func(tx Tx) error {
		if err := tx.SaveLook(ctx, l.out, l.found, gone); err != nil {
			return err
		}
		if len(fresh)+len(gone) == 0 && (q.By == audit.System || len(open) == 0) {
			return nil
		}
		entry, err := audit.New(e.Now(), q.By, audit.EvidenceDiffers, map[string]any{
			"repository": l.out.Repository, "new": briefly(fresh), "gone": briefly(gone), "open": len(open), "notLookedAt": l.out.NotLooked,
		})
		if err != nil {
			return err
		}
		return tx.Audit(ctx, entry)
	})
	if err != nil {
		return fmt.Errorf("keep what differs in %s: %w", l.out.Repository, err)
	}
	for _, d := range fresh {
		e.Logger.WarnContext(ctx, "the audit log and the forge differ", "kind", d.Kind, "repository", d.Repository, "subject", d.Subject, "task", d.Task, "what", d.What)
	}
	r.Looks, r.Differences = append(r.Looks, l.out), append(r.Differences, open...)
	r.New, r.Gone = r.New+len(fresh), r.Gone+len(gone)
	return nil
}

// briefly is what the log says of differences.
func briefly(list []audit.Difference) []map[string]any {
	brief := []map[string]any{}
	for _, d := range list[:min(len(list), maxEvidenceLogged)] {
		brief = append(brief, map[string]any{"kind": d.Kind, "subject": d.Subject, "task": d.Task, "entry": d.Entry, "what": d.What})
	}
	return brief
}

// noRepository is where differences are kept that belong to none.
const noRepository = "database"

// lookAtRecords finds what belongs to no repository: pushes in the log whose task
// the database does not have.
func (e *Engine) lookAtRecords(ctx context.Context, q EvidenceQuery, r *audit.Reconciliation) error {
	const most = 100
	entries, err := e.Store.TasksWithoutRecord(ctx, most)
	if err != nil {
		return err
	}
	l := &look{out: audit.Look{Repository: noRepository, Name: "the database", At: e.Now().UTC(), NotLooked: []string{}}, all: true}
	for _, entry := range entries {
		l.differ(audit.Difference{Kind: audit.RecordDiffers, Subject: entry.Task, Task: entry.Task, Entry: entry.Seq,
			What: fmt.Sprintf("entry %d has a push of task %s, of which the database has no record", entry.Seq, entry.Task)})
	}
	if len(entries) == 0 {
		known, err := e.Store.EvidenceLook(ctx, noRepository)
		if err != nil || known.At.IsZero() {
			return err
		}
	}
	return e.saveLook(ctx, q, l, r)
}
