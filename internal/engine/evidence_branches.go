package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/gitops"
	"github.com/coderflow/coderflow/internal/task"
)

// claimMemory is what is known of the commits of a repository: those with our
// trailers, each with the branch on which it was found first, up to the tips.
type claimMemory struct {
	tips   map[string]string // by branch
	claims map[string]branchClaim
}

type branchClaim struct {
	gitops.Claim
	branch string
	// settled: an approval made it, and the log has its push; or the forge says that it
	// is the merge of that. The log only grows, so that it is not looked up again.
	settled bool
}

// maxRemembered bounds the memory of one repository; beyond it, it begins anew.
const maxRemembered = 20_000

func (e *Engine) memoryOf(key string) *claimMemory {
	if e.evidence.claims == nil {
		e.evidence.claims = map[string]*claimMemory{}
	}
	m := e.evidence.claims[key]
	if m == nil || len(m.claims) > maxRemembered {
		m = &claimMemory{tips: map[string]string{}, claims: map[string]branchClaim{}}
		e.evidence.claims[key] = m
	}
	return m
}

// claims looks at every commit with our trailers on the branches that are read.
// Only what came since the last look is searched.
func (l *look) claims(ctx context.Context) error {
	memory := l.e.memoryOf(l.ref.Key())
	for branch := range memory.tips {
		if _, there := l.heads[branch]; !there {
			delete(memory.tips, branch)
		}
	}
	for _, branch := range l.inOrder() {
		l.scopes[branchScope(branch)] = true
		if memory.tips[branch] == l.heads[branch] {
			continue
		}
		var since []string
		for _, tip := range memory.tips {
			since = append(since, tip)
		}
		found, complete, err := l.e.Git.Claims(ctx, l.ref, l.heads[branch], since)
		if errors.Is(err, gitops.ErrObjectMissing) { // it moved between two readings
			l.scopes[branchScope(branch)] = false
			l.skip("branch %s: it moved meanwhile", branch)
			continue
		}
		if err != nil {
			return err
		}
		for _, c := range found {
			if _, known := memory.claims[c.Commit]; !known {
				memory.claims[c.Commit] = branchClaim{Claim: c, branch: branch}
			}
		}
		if !complete {
			l.skip("branch %s: it has more commits with trailers than are read at once", branch)
			continue
		}
		memory.tips[branch] = l.heads[branch]
	}
	l.out.Commits = len(memory.claims)
	for id, c := range memory.claims {
		if c.settled {
			continue
		}
		var err error
		if c.settled, err = l.claim(ctx, c); err != nil {
			return err
		}
		memory.claims[id] = c
	}
	return nil
}

// inOrder are the branches that are read, the default one first.
func (l *look) inOrder() []string {
	var names []string
	for branch := range l.read {
		names = append(names, branch)
	}
	slices.SortFunc(names, func(a, b string) int {
		if (a == l.main) != (b == l.main) {
			return map[bool]int{true: -1, false: 1}[a == l.main]
		}
		return strings.Compare(a, b)
	})
	return names
}

// claim judges one commit with our trailers, and reports whether that is for good.
func (l *look) claim(ctx context.Context, c branchClaim) (settled bool, err error) {
	if l.full {
		return false, nil
	}
	d := audit.Difference{Subject: c.Commit, Task: c.Task, URL: l.commitURL(c.Commit), Scope: branchScope(c.branch)}
	of, err := l.claimed(ctx, c)
	if err != nil {
		return false, err
	}
	made := madeBy(of, c.Commit)
	switch {
	case made != nil && !names(of, c.Proposal):
		d.Kind, d.Entry = audit.TrailersLie, made.Entry
		d.What = fmt.Sprintf("commit %.12s on %s names proposal %q, which no approval of task %s has", c.Commit, c.branch, c.Proposal, c.Task)
	case made != nil && made.Ref == "":
		d.Kind, d.Entry = audit.PushUnapproved, made.Entry
		d.What = fmt.Sprintf("commit %.12s is on %s: the approval of task %s made it and pushed nothing (entry %d); somebody else pushed it", c.Commit, c.branch, c.Task, made.Entry)
	case made != nil && made.Pushed:
		return true, nil
	case made != nil && underWay(of.task):
		return false, nil
	case made != nil:
		d.Kind, d.Entry = audit.PushUnapproved, made.Entry
		d.What = fmt.Sprintf("commit %.12s is on %s: the log only says that it was made (entry %d), not that it was pushed", c.Commit, c.branch, made.Entry)
	default:
		merged, err := l.isMerge(ctx, of, c)
		if err != nil || merged {
			return merged, err
		}
		if err := l.unknownClaim(ctx, of, c, &d); err != nil {
			return false, err
		}
	}
	return false, l.differOn(ctx, c, d)
}

// differOn notes the difference if a branch still has the commit.
func (l *look) differOn(ctx context.Context, c branchClaim, d audit.Difference) error {
	for _, branch := range append([]string{c.branch}, l.inOrder()...) {
		there, err := l.on(ctx, branch, c.Commit)
		if err != nil {
			return err
		}
		if there {
			d.Scope = branchScope(branch)
			l.differ(d)
			return nil
		}
	}
	return nil
}

// unknownClaim words a commit that no approval made.
func (l *look) unknownClaim(ctx context.Context, of *evidenceOf, c branchClaim, d *audit.Difference) error {
	who := ""
	if c.Committer != "" {
		who = ", committed as " + c.Committer
	}
	landed, _, err := l.e.Store.Covering(ctx, c.Commit)
	if err != nil {
		return err
	}
	d.Kind = audit.CommitUnknown
	switch {
	case len(landed) > 0:
		d.Kind = audit.TrailersLie
		d.What = fmt.Sprintf("commit %.12s on %s names task %q, and the log has it of task %s", c.Commit, c.branch, c.Task, landed[0].ID)
	case of == nil:
		d.What = fmt.Sprintf("commit %.12s on %s%s has CoderFlow's trailers and names task %q, which the log does not know in this repository", c.Commit, c.branch, who, c.Task)
	case !names(of, c.Proposal):
		d.Kind = audit.TrailersLie
		d.What = fmt.Sprintf("commit %.12s on %s%s names task %s and proposal %q, which no approval of that task has", c.Commit, c.branch, who, c.Task, c.Proposal)
	default:
		d.What = fmt.Sprintf("commit %.12s on %s%s has the trailers of task %s, whose approval made another commit: it is a copy, or pretends to be one", c.Commit, c.branch, who, c.Task)
	}
	if approvals := chainApprovals(of); len(approvals) > 0 {
		d.Entry = approvals[len(approvals)-1].Entry
	}
	return nil
}

// claimed is the task that the commit names, in this repository; nil if there is none.
func (l *look) claimed(ctx context.Context, c branchClaim) (*evidenceOf, error) {
	id, err := task.ParseID(c.Task)
	if err != nil {
		return nil, nil //nolint:nilerr,nilnil // whatever stands there is no task
	}
	of, err := l.of(ctx, id)
	if err != nil || of == nil || of.task.Repository.Key() != l.ref.Key() {
		return nil, err
	}
	return of, nil
}

// madeBy is the commit in the task's log; nil if no approval made it.
func madeBy(of *evidenceOf, commit string) *audit.Commit {
	if of == nil {
		return nil
	}
	for _, c := range of.chain.Commits() {
		if c.ID == commit {
			return &c
		}
	}
	return nil
}

func chainApprovals(of *evidenceOf) []audit.Approval {
	if of == nil {
		return nil
	}
	return of.chain.Approvals()
}

// names reports whether an approval of the task is of the proposal.
func names(of *evidenceOf, digest string) bool {
	return slices.ContainsFunc(chainApprovals(of), func(a audit.Approval) bool { return a.Digest == digest })
}

// isMerge reports whether the forge says that the commit is the merge of the task's
// pull request: squashing keeps the trailers.
func (l *look) isMerge(ctx context.Context, of *evidenceOf, c branchClaim) (bool, error) {
	if of == nil || of.task.PullRequest == 0 || !of.task.State.HasLanded() || !names(of, c.Proposal) {
		return false, nil
	}
	pr, err := l.pull(ctx, of.task.PullRequest)
	if errors.Is(err, forge.ErrNotFound) {
		return false, nil
	}
	return pr.Merged && pr.MergedAs == c.Commit && pr.Head.Commit == of.task.LandedCommit, err
}
