package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/task"
	"github.com/coderflow/coderflow/internal/token"
)

type policyCmd struct {
	Simulate policySimulateCmd `cmd:"" help:"Make past decisions about approvals again under other manifests, and list those that flip."`
}

type policySimulateCmd struct {
	configFlag
	outputFlag
	Since string   `default:"30d" help:"How far back: 30d, 12h."`
	Files []string `short:"f" name:"filename" required:"" help:"Manifest files or directories: everything that would be in force." type:"path"`
}

// Help implements kong.HelpProvider.
func (policySimulateCmd) Help() string {
	return `Works on the database of this machine, and changes nothing. What the forge showed is taken as it was then; who is in
a team at the forge, as it is known now. Requests for tasks are not made again, because what they were decided by is
not stored.

Example:

  coderflow policy simulate --since 30d -f new/`
}

// outcomes of a decision about an approval.
const (
	outcomeApproved = "approved"
	outcomeWaiting  = "waiting" // it counts, others are missing
	outcomeRefused  = "refused"
)

var pastOutcomes = map[audit.Action]string{
	audit.ApprovalReasons: outcomeApproved, audit.ApprovalCounted: outcomeWaiting, audit.ApprovalRefused: outcomeRefused,
}

// flip is a past decision that would be another one.
type flip struct {
	Entry  int64     `json:"entry"` // its number in the audit log
	At     time.Time `json:"at"`
	Task   string    `json:"task"`
	Actor  string    `json:"actor"`
	Review string    `json:"review,omitempty"`
	Was    string    `json:"was"`
	Would  string    `json:"would"`
	Why    []string  `json:"why"`
}

// simulation is what the manifests would have decided.
type simulation struct {
	Version  string    `json:"version"`
	Since    time.Time `json:"since"`
	Replayed int       `json:"replayed"`
	Flips    []flip    `json:"flips"`
	// NotReplayed are decisions that were made before what they depend on was kept,
	// or whose proposal is not stored as it was.
	NotReplayed []int64 `json:"notReplayed"`
	// Requests for tasks, which are never replayed.
	Requests int `json:"requests"`
}

// Run prints what would flip.
func (c policySimulateCmd) Run(ctx context.Context, s streams) error {
	back, err := token.ParseLifetime(c.Since)
	if err != nil {
		return usage("--since: %w", err)
	}
	files, err := readManifests(c.Files)
	if err != nil {
		return err
	}
	set, err := manifest.Parse(files)
	if err != nil {
		return err
	}
	cfg, err := c.load()
	if err != nil {
		return err
	}
	return c.with(ctx, func(db *store.Store) error {
		if set, err = withStoredMembers(ctx, db, set); err != nil {
			return err
		}
		m := simulation{Version: set.Version, Since: time.Now().Add(-back).UTC(), Flips: []flip{}, NotReplayed: []int64{}}
		if err := m.run(ctx, db, set.Policy(cfg.Admins...)); err != nil {
			return err
		}
		return c.print(s, m, m.show)
	})
}

func (m *simulation) run(ctx context.Context, db *store.Store, rules *policy.Policy) error {
	filter := store.AuditFilter{Limit: 500}
	for {
		entries, err := db.AuditEntries(ctx, filter)
		if err != nil || len(entries) == 0 {
			return err
		}
		for _, e := range entries {
			filter.AfterSeq = e.Seq
			if e.At.Before(m.Since) {
				continue
			}
			if err := m.replay(ctx, db, rules, e); err != nil {
				return err
			}
		}
	}
}

func (m *simulation) replay(ctx context.Context, db *store.Store, rules *policy.Policy, e audit.Entry) error {
	if e.Action == audit.TaskCreated || e.Action == audit.RequestRefused {
		m.Requests++
	}
	was, is := pastOutcomes[e.Action]
	if !is {
		return nil
	}
	var d struct {
		Review string         `json:"review"`
		Replay *policy.Replay `json:"replay"`
	}
	if err := json.Unmarshal(e.Detail, &d); err != nil || d.Replay == nil {
		m.NotReplayed = append(m.NotReplayed, e.Seq) // made before it was kept, or before the policy was asked
		return nil                                   //nolint:nilerr // it is counted
	}
	change, err := changeBehind(ctx, db, e.Task, d.Replay.Facts.ProposedHead)
	if errors.Is(err, task.ErrNotFound) || errors.Is(err, task.ErrDigest) {
		m.NotReplayed = append(m.NotReplayed, e.Seq)
		return nil
	}
	if err != nil {
		return err
	}
	m.Replayed++
	q := d.Replay.Decide(rules, change)
	if would := outcomeOf(q); would != was {
		m.Flips = append(m.Flips, flip{
			Entry: e.Seq, At: e.At.UTC(), Task: e.Task, Actor: e.Actor, Review: d.Review, Was: was, Would: would, Why: whyFlipped(q),
		})
	}
	return nil
}

// changeBehind is the change of the proposal whose inert commit was reviewed.
func changeBehind(ctx context.Context, db *store.Store, id, carrier string) (policy.Change, error) {
	all, err := db.Proposals(ctx, task.ID(id))
	if err != nil {
		return policy.Change{}, err
	}
	i := slices.IndexFunc(all, func(p task.Proposal) bool { return p.Carrier == carrier && carrier != "" })
	if i < 0 {
		return policy.Change{}, task.ErrNotFound
	}
	return policy.ChangeOf(all[i]), all[i].Verify()
}

func outcomeOf(q policy.Quorum) string {
	switch {
	case q.Allowed:
		return outcomeApproved
	case q.Waiting:
		return outcomeWaiting
	}
	return outcomeRefused
}

func whyFlipped(q policy.Quorum) []string {
	if q.Allowed {
		return []string{"everything that is asked for was there"}
	}
	return q.Reason.Refusals()
}

func (m simulation) show(t *table) {
	if len(m.Flips) > 0 {
		t.row("ENTRY", "TIME", "TASK", "REVIEWER", "WAS", "WOULD BE", "WHY")
	}
	for _, f := range m.Flips {
		t.row(f.Entry, f.At.Format(time.RFC3339), f.Task, f.Actor, f.Was, f.Would, strings.Join(f.Why, "; "))
	}
	t.line("%d of %d decisions about approvals since %s would be another one.", len(m.Flips), m.Replayed, m.Since.Format(time.RFC3339))
	if n := len(m.NotReplayed); n > 0 {
		t.line("%d more could not be made again: what they were decided by is not stored (audit entries %s).", n, someOf(m.NotReplayed))
	}
	t.line("%d requests for tasks were not looked at.", m.Requests)
}

func someOf(numbers []int64) string {
	const most = 20
	texts := make([]string, 0, most+1)
	for _, n := range numbers[:min(len(numbers), most)] {
		texts = append(texts, fmt.Sprint(n))
	}
	if len(numbers) > most {
		texts = append(texts, "…")
	}
	return strings.Join(texts, ", ")
}
