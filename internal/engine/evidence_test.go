package engine

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/gitops"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/task"
)

// evidenceWorld is a repository in which one task landed, and its log, in memory.
type evidenceWorld struct {
	landed  []task.Task // newest first
	log     map[task.ID][]audit.Entry
	known   []audit.Difference
	lastly  audit.Look
	entries []audit.Entry

	heads   []map[string]string // of each look; the last one stays
	looks   int
	on      map[string][]string // commits on a tip
	claimed map[string][]gitops.Claim
	pr      forge.PullRequest
	reviews []forge.Review
	shown   []forge.Deployment
	runs    []deploy.Run
	fails   error
}

var (
	evidenceShop = forge.RepositoryRef{Host: forge.GitHub, ID: "1", Owner: "acme", Name: "shop"}
	evidenceBot  = forge.User{Subject: forge.Subject{Host: forge.GitHub, ID: "99"}, Login: "coderflow[bot]"}
)

const evidenceTask = task.ID("aaaaaaaaaaaa")

func newEvidenceWorld() *evidenceWorld {
	person := forge.User{Subject: forge.Subject{Host: forge.GitHub, ID: "5"}}
	w := &evidenceWorld{
		log: map[task.ID][]audit.Entry{}, on: map[string][]string{"main1": {"base"}, "landed": {"base"}},
		heads:   []map[string]string{{"main": "main1", evidenceTask.Branch(): "landed"}},
		claimed: map[string][]gitops.Claim{"landed": {{Commit: "landed", Task: string(evidenceTask), Proposal: "d"}}},
		pr:      forge.PullRequest{Number: 3, Open: true, Head: forge.Tip{Commit: "landed"}},
		reviews: []forge.Review{{ID: "r1", State: forge.ReviewApproved, Commit: "carrier"}},
	}
	for i, e := range []struct {
		action audit.Action
		detail string
	}{
		{audit.TaskCreated, `{"issue":1}`},
		{audit.ProposalRecorded, `{"digest":"d","tree":"t","base":"base"}`},
		{audit.ProposalIntent, `{"carrier":"carrier","digest":"d"}`},
		{audit.ProposalPublished, `{"carrier":"carrier","digest":"d"}`},
		{audit.ApprovalRecorded, `{"approval":"a1","digest":"d","reviews":[{"id":"r1"}]}`},
		{audit.PushIntent, `{"approval":"a1","commit":"landed","ref":"refs/heads/coderflow/aaaaaaaaaaaa"}`},
		{audit.PushDone, `{"approval":"a1","commit":"landed","ref":"refs/heads/coderflow/aaaaaaaaaaaa"}`},
		{audit.TaskMoved, `{"from":"landed","to":"done"}`},
	} {
		w.log[evidenceTask] = append(w.log[evidenceTask], audit.Entry{
			Seq: int64(i + 1), Actor: person.Subject.String(), Action: e.action, Task: string(evidenceTask), Environment: "staging", Detail: json.RawMessage(e.detail),
		})
	}
	w.landed = []task.Task{{
		ID: evidenceTask, State: task.Done, Environment: "staging", Repository: evidenceShop, BaseBranch: "main", Requester: person,
		PullRequest: 3, ApprovalID: "a1", LandedCommit: "landed",
	}}
	return w
}

// The world as the engine's ports.
type (
	evidenceStore struct {
		Store
		Tx
		*evidenceWorld
	}
	evidenceForge struct {
		Forge
		*evidenceWorld
	}
	evidenceGit struct {
		Git
		*evidenceWorld
	}
)

func (w *evidenceWorld) engine() *Engine {
	return New(Options{Store: evidenceStore{evidenceWorld: w}, Forge: evidenceForge{evidenceWorld: w}, Git: evidenceGit{evidenceWorld: w}, Manifests: w, Logger: slog.New(slog.DiscardHandler), Now: time.Now})
}

func (w *evidenceWorld) Manifests(context.Context) (*manifest.Set, error) {
	return &manifest.Set{Environments: map[string]manifest.Environment{
		"staging": {Name: "staging", Repositories: []manifest.Repository{{Host: forge.GitHub, ID: "1", Name: "acme/shop"}}},
	}}, nil
}

func (w evidenceStore) InTx(_ context.Context, f func(Tx) error) error { return f(w) }

func (w evidenceStore) SaveLook(_ context.Context, l audit.Look, found, gone []audit.Difference) error {
	w.lastly = l
	w.known = slices.DeleteFunc(w.known, func(d audit.Difference) bool { return slices.ContainsFunc(append(gone, found...), same(d)) })
	w.known = append(w.known, found...)
	return nil
}

func (w evidenceStore) Audit(_ context.Context, e audit.Entry) error {
	w.entries = append(w.entries, e)
	return nil
}

func (w evidenceStore) LandedTasks(_ context.Context, _ string, before task.ID, most int) ([]task.Task, error) {
	list := w.landed
	if i := slices.IndexFunc(list, func(t task.Task) bool { return t.ID == before }); before != "" {
		list = list[i+1:]
	}
	return list[:min(most, len(list))], nil
}

func (w evidenceStore) CountLandedTasks(context.Context, string) (int, error) {
	return len(w.landed), nil
}
func (w evidenceStore) LandedRepositories(context.Context) ([]string, error) {
	return []string{"github:1", "github:2"}, nil
}
func (w evidenceStore) TasksWithoutRecord(context.Context, int) ([]audit.Entry, error) {
	return nil, nil
}
func (w evidenceStore) EvidenceLook(_ context.Context, key string) (audit.Look, error) {
	if key != "github:1" {
		return audit.Look{}, nil
	}
	return w.lastly, nil
}
func (w evidenceStore) EvidenceDifferences(context.Context, string) ([]audit.Difference, error) {
	return w.known, nil
}

func (w evidenceStore) Task(_ context.Context, id task.ID) (task.Task, error) {
	for _, t := range w.landed {
		if t.ID == id {
			return t, nil
		}
	}
	return task.Task{}, task.ErrNotFound
}
func (w evidenceStore) Proposal(_ context.Context, id task.ID) (task.Proposal, error) {
	return task.Proposal{Digest: "d", Carrier: "carrier"}, nil
}
func (w evidenceStore) Approval(context.Context, string) (approval.Record, error) {
	return approval.Record{ReviewID: "r1"}, nil
}
func (w evidenceStore) DeployRuns(context.Context, task.ID) ([]deploy.Run, error) {
	return w.runs, nil
}
func (w evidenceStore) TaskLog(_ context.Context, id task.ID) ([]audit.Entry, error) {
	return w.log[id], nil
}
func (w evidenceStore) Owner(context.Context, string) (task.Task, error) {
	return task.Task{}, task.ErrNotFound
}
func (w evidenceStore) Covering(context.Context, string) (landed, merged []task.Task, err error) {
	return nil, nil, nil
}

func (w evidenceForge) Repository(context.Context, forge.RepositoryRef) (forge.Repository, error) {
	return forge.Repository{RepositoryRef: evidenceShop, DefaultBranch: "main", URL: "https://forge.test/acme/shop"}, w.fails
}
func (w evidenceForge) ReadToken(context.Context, forge.RepositoryRef) (forge.Token, error) {
	return forge.Token{}, nil
}
func (w evidenceForge) GitURL(forge.RepositoryRef) string                { return "https://forge.test/acme/shop.git" }
func (w evidenceForge) Self(context.Context, string) (forge.User, error) { return evidenceBot, nil }
func (w evidenceForge) PullRequest(context.Context, forge.RepositoryRef, int) (forge.PullRequest, error) {
	return w.pr, nil
}
func (w evidenceForge) Reviews(context.Context, forge.RepositoryRef, int) ([]forge.Review, error) {
	return w.reviews, nil
}
func (w evidenceForge) RecentDeployments(context.Context, forge.RepositoryRef, int) ([]forge.Deployment, bool, error) {
	return w.shown, true, nil
}

func (w evidenceGit) Heads(context.Context, gitops.Remote) (map[string]string, error) {
	heads := w.heads[min(w.looks, len(w.heads)-1)]
	w.looks++
	return heads, nil
}
func (w evidenceGit) FetchHeads(context.Context, gitops.Remote, []string) error { return nil }
func (w evidenceGit) Claims(_ context.Context, _ forge.RepositoryRef, tip string, _ []string) ([]gitops.Claim, bool, error) {
	return w.claimed[tip], true, nil
}
func (w evidenceGit) IsAncestor(_ context.Context, _ forge.RepositoryRef, commit, of string) (bool, error) {
	return commit == of || slices.Contains(w.on[of], commit), nil
}

func (evidenceForge) Deployment(context.Context, forge.RepositoryRef, string) (forge.Deployment, error) {
	return forge.Deployment{}, forge.ErrNotFound
}

func (w *evidenceWorld) look(t *testing.T, b EvidenceBounds) audit.Reconciliation {
	t.Helper()
	r, err := w.engine().ReconcileEvidence(t.Context(), EvidenceQuery{By: audit.System, Bounds: b})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// What people do every day is no difference; what nobody approved is one.
func TestWhatIsADifferenceAndWhatIsNot(t *testing.T) {
	t.Parallel()
	squashed := gitops.Claim{Commit: "squashed", Task: string(evidenceTask), Proposal: "d"}
	for name, c := range map[string]struct {
		change func(w *evidenceWorld)
		want   audit.DifferenceKind // empty: none
	}{
		"nothing happened": {func(*evidenceWorld) {}, ""},
		"merged by squashing, branch deleted": {func(w *evidenceWorld) {
			w.heads = []map[string]string{{"main": "main2"}}
			w.claimed["main2"], w.on["main2"] = []gitops.Claim{squashed}, []string{"squashed"}
			w.pr = forge.PullRequest{Merged: true, MergedAs: "squashed", Head: forge.Tip{Commit: "landed"}}
		}, ""},
		"the same, and the forge does not say that it is the merge": {func(w *evidenceWorld) {
			w.heads = []map[string]string{{"main": "main2"}}
			w.claimed["main2"], w.on["main2"] = []gitops.Claim{squashed}, []string{"squashed"}
			w.pr = forge.PullRequest{Merged: true, MergedAs: "another", Head: forge.Tip{Commit: "landed"}}
		}, audit.CommitUnknown},
		"closed without a merge, branch deleted": {func(w *evidenceWorld) {
			w.heads = []map[string]string{{"main": "main1"}}
			w.pr = forge.PullRequest{Head: forge.Tip{Commit: "landed"}}
		}, ""},
		"branch deleted, pull request at another head": {func(w *evidenceWorld) {
			w.heads = []map[string]string{{"main": "main1"}}
			w.pr = forge.PullRequest{Head: forge.Tip{Commit: "other"}}
		}, audit.CommitGone},
		"dismissed by our own push": {func(w *evidenceWorld) {
			w.reviews[0].State, w.reviews[0].DismissedByCommit = forge.ReviewDismissed, "landed"
		}, ""},
		"dismissed by another push": {func(w *evidenceWorld) {
			w.reviews[0].State, w.reviews[0].DismissedByCommit = forge.ReviewDismissed, "other"
		}, audit.ApprovalGone},
		"review deleted": {func(w *evidenceWorld) { w.reviews = nil }, audit.ApprovalGone},
		"moved between two readings": {func(w *evidenceWorld) {
			w.heads = append([]map[string]string{{"main": "main1", evidenceTask.Branch(): "early"}}, w.heads...)
		}, ""},
		"moved for good": {func(w *evidenceWorld) {
			w.heads = []map[string]string{{"main": "main1", evidenceTask.Branch(): "late"}}
			w.on["late"] = []string{"landed"}
		}, audit.BranchMoved},
		"a deployment of another tool": {func(w *evidenceWorld) {
			w.shown = []forge.Deployment{{ID: "7", Task: "deploy", Creator: forge.User{Login: "ci"}}}
		}, ""},
		"a deployment of ours that the log does not know": {func(w *evidenceWorld) {
			w.shown = []forge.Deployment{{ID: "7", Creator: evidenceBot}}
		}, audit.DeploymentUnrecorded},
		"a deployment in our form": {func(w *evidenceWorld) {
			w.shown = []forge.Deployment{{ID: "7", Task: "0123456789abcdef", Creator: forge.User{Login: "mallory"}}}
		}, audit.DeploymentUnrecorded},
		"pushed without an approval": {func(w *evidenceWorld) {
			w.log[evidenceTask] = slices.DeleteFunc(w.log[evidenceTask], func(e audit.Entry) bool { return e.Action == audit.ApprovalRecorded })
			w.landed[0].ApprovalID = ""
		}, audit.RecordDiffers},
		"an intent without an outcome": {func(w *evidenceWorld) {
			w.log[evidenceTask] = slices.DeleteFunc(w.log[evidenceTask], func(e audit.Entry) bool { return e.Action == audit.PushDone })
		}, audit.PushUnapproved},
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			w := newEvidenceWorld()
			c.change(w)
			r := w.look(t, DefaultEvidenceBounds())
			var found []audit.DifferenceKind
			for _, d := range r.Differences {
				found = append(found, d.Kind)
			}
			if c.want == "" && len(found) > 0 || c.want != "" && !slices.Contains(found, c.want) || r.Failed > 0 {
				t.Errorf("want %q, found %+v, not looked at %q", c.want, r.Differences, r.NotLooked)
			}
			if logged := len(w.entries); logged != min(len(found), 1) {
				t.Errorf("%d entries for %d differences", logged, len(found))
			}
		})
	}
}

// What could not be looked at is told, and what is known of it stays known.
func TestWhatWasNotLookedAtIsNoDifferenceGone(t *testing.T) {
	t.Parallel()
	known := audit.Difference{Kind: audit.CommitGone, Repository: "github:1", Subject: "x", Scope: taskScope("bbbbbbbbbbbb")} // an older task
	for name, c := range map[string]struct {
		change func(w *evidenceWorld, b *EvidenceBounds)
		says   string
		failed int
	}{
		"the forge asks to wait":    {func(w *evidenceWorld, _ *EvidenceBounds) { w.fails = &forge.RateLimitError{RetryAfter: time.Hour} }, "asks to wait", 1},
		"the forge does not show":   {func(w *evidenceWorld, _ *EvidenceBounds) { w.fails = forge.ErrNotFound }, "does not show the repository", 1},
		"no time":                   {func(w *evidenceWorld, b *EvidenceBounds) { b.Time, w.fails = 0, context.DeadlineExceeded }, "no time left", 1},
		"more branches than looked": {func(_ *evidenceWorld, b *EvidenceBounds) { b.Branches = 1 }, "commits on 1 of 2 branches", 0},
		"a repository not listed":   {func(*evidenceWorld, *EvidenceBounds) {}, "github:2: no environment lists it any more", 0},
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			w := newEvidenceWorld()
			w.known = []audit.Difference{known}
			b := DefaultEvidenceBounds()
			c.change(w, &b)
			r := w.look(t, b)
			told := slices.Clone(r.NotLooked)
			for _, l := range r.Looks {
				told = append(told, l.NotLooked...)
			}
			if !strings.Contains(strings.Join(told, "\n"), c.says) || r.Failed != c.failed {
				t.Errorf("%q is not told: %q, failed %d", c.says, told, r.Failed)
			}
			if len(w.known) != 1 || r.Gone != 0 {
				t.Errorf("what is known is now %+v", w.known)
			}
		})
	}
}

// Older tasks are looked at in turns, and each run goes on where the last one ended.
func TestOlderTasksAreLookedAtInTurns(t *testing.T) {
	t.Parallel()
	w := newEvidenceWorld()
	first := w.landed[0]
	for _, id := range []task.ID{"bbbbbbbbbbbb", "cccccccccccc", "dddddddddddd"} {
		older := first
		older.ID = id
		w.landed = append(w.landed, older)
	}
	b := DefaultEvidenceBounds()
	b.Recent, b.Older = 1, 1
	var turns []string
	for range 4 {
		l := w.look(t, b).Looks[0]
		turns = append(turns, l.After)
		if !strings.Contains(strings.Join(l.NotLooked, ""), "older tasks") {
			t.Errorf("%q", l.NotLooked)
		}
	}
	if want := []string{"bbbbbbbbbbbb", "cccccccccccc", "dddddddddddd", ""}; !slices.Equal(turns, want) {
		t.Errorf("turns %q, want %q", turns, want)
	}
}
