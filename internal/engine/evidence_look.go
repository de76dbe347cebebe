package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/gitops"
	"github.com/coderflow/coderflow/internal/task"
)

// look is one look at one repository.
type look struct {
	e      *Engine
	bounds EvidenceBounds
	ref    forge.RepositoryRef
	remote gitops.Remote
	page   string // of the repository, for people
	main   string // the default branch
	heads  map[string]string
	// read are the branches whose commits are in the mirror.
	read   map[string]bool
	landed []task.Task
	chains map[task.ID]*evidenceOf
	pulls  map[int]forge.PullRequest

	out   audit.Look
	found []audit.Difference
	// scopes were looked at as a whole: what is known of one and was not found is gone.
	scopes map[string]bool
	all    bool // everything was
	// full: there are more differences than are kept, so that none is known to be gone.
	full bool
}

// Bounds of what somebody can make CoderFlow look at by pushing.
const (
	maxFound       = 1000 // differences of one repository
	maxOwnBranches = 1000 // branches with a name of ours
)

// evidenceOf is a task with its chain.
type evidenceOf struct {
	task  task.Task
	chain audit.Chain
}

func branchScope(branch string) string { return "branch:" + branch }
func ownScope(branch string) string    { return "own:" + branch }
func taskScope(id task.ID) string      { return "task:" + string(id) }
func runScope(id string) string        { return "deployment:" + id }

const runsScope = "deployments"

// covers reports whether this look would have found the difference again. What was
// about a branch that is no more is gone with it.
func (l *look) covers(d audit.Difference) bool {
	kind, name, _ := strings.Cut(d.Scope, ":")
	_, there := l.heads[name]
	ofBranch := kind == "branch" || kind == "own"
	return l.all || !l.full && (l.scopes[d.Scope] || ofBranch && !there || kind == "deployment" && l.scopes[runsScope])
}

// differ notes a difference, once.
func (l *look) differ(d audit.Difference) {
	d.Repository, d.Name, d.Next = l.out.Repository, l.out.Name, d.Kind.Next()
	switch {
	case slices.ContainsFunc(l.found, same(d)) || l.full:
	case len(l.found) == maxFound:
		l.full = true
		l.skip("more than %d differences", maxFound)
	default:
		l.found = append(l.found, d)
	}
}

func (l *look) skip(format string, args ...any) {
	l.out.NotLooked = append(l.out.NotLooked, fmt.Sprintf(format, args...))
}

// observe reads the repository at the forge and what the log has of it.
func (e *Engine) observe(ctx context.Context, b EvidenceBounds, ref forge.RepositoryRef, after string) (*look, error) {
	l := &look{
		e: e, bounds: b, ref: ref, read: map[string]bool{}, chains: map[task.ID]*evidenceOf{}, pulls: map[int]forge.PullRequest{},
		scopes: map[string]bool{}, out: audit.Look{Repository: ref.Key(), Name: ref.FullName(), At: e.Now().UTC(), NotLooked: []string{}},
	}
	repository, err := e.Forge.Repository(ctx, ref)
	if err != nil {
		return nil, fmt.Errorf("read the repository: %w", err)
	}
	l.page, l.main = repository.URL, repository.DefaultBranch
	token, err := source{e: e}.ReadToken(ctx, ref)
	if err != nil {
		return nil, fmt.Errorf("get a token to read %s: %w", ref.FullName(), err)
	}
	l.remote = gitops.Remote{Repository: ref, URL: e.Forge.GitURL(ref), Token: token}
	if l.heads, err = e.Git.Heads(ctx, l.remote); err != nil {
		return nil, err
	}
	if err := l.chooseTasks(ctx, task.ID(after)); err != nil {
		return nil, err
	}
	if err := l.fetch(ctx); err != nil {
		return nil, err
	}
	for _, step := range []func(context.Context) error{l.claims, l.ownBranches, l.tasks, l.deployments} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// chooseTasks takes the tasks that landed last, and some of the older ones in turns.
func (l *look) chooseTasks(ctx context.Context, after task.ID) error {
	key := l.ref.Key()
	recent, err := l.e.Store.LandedTasks(ctx, key, "", l.bounds.Recent)
	if err != nil {
		return err
	}
	l.landed = slices.Clone(recent)
	if len(recent) == l.bounds.Recent && len(recent) > 0 {
		if after == "" {
			after = recent[len(recent)-1].ID
		}
		older, err := l.e.Store.LandedTasks(ctx, key, after, l.bounds.Older)
		if err != nil {
			return err
		}
		if len(older) == l.bounds.Older && len(older) > 0 {
			l.out.After = string(older[len(older)-1].ID)
		}
		for _, t := range older {
			if !slices.ContainsFunc(l.landed, func(o task.Task) bool { return o.ID == t.ID }) {
				l.landed = append(l.landed, t)
			}
		}
	}
	total, err := l.e.Store.CountLandedTasks(ctx, key)
	if err == nil && total > len(l.landed) {
		l.skip("approvals, commits and deployments of %d older tasks: they are looked at in turns, later", total-len(l.landed))
	}
	return err
}

// fetch brings the branches that are read: the default one, those that tasks were
// made for or pushed to, and of the others as many as there is room for.
func (l *look) fetch(ctx context.Context) error {
	wanted := []string{l.main}
	for _, t := range l.landed {
		wanted = append(wanted, t.BaseBranch, t.ID.Branch())
		record, err := l.e.Store.Approval(ctx, t.ApprovalID)
		if err != nil && !errors.Is(err, task.ErrNotFound) {
			return fmt.Errorf("read approval %s: %w", t.ApprovalID, err)
		}
		wanted = append(wanted, record.Target)
	}
	var names []string
	for _, branch := range append(wanted, slices.Sorted(maps.Keys(l.heads))...) {
		if _, there := l.heads[branch]; there && !slices.Contains(names, branch) {
			names = append(names, branch)
		}
	}
	if surplus := len(names) - l.bounds.Branches; surplus > 0 {
		l.skip("commits on %d of %d branches", surplus, len(names))
		names = names[:l.bounds.Branches]
	}
	memory := l.e.memoryOf(l.ref.Key())
	moved := slices.DeleteFunc(slices.Clone(names), func(branch string) bool { return memory.tips[branch] == l.heads[branch] })
	if err := l.e.Git.FetchHeads(ctx, l.remote, moved); err != nil {
		return fmt.Errorf("fetch the branches: %w", err)
	}
	for _, branch := range names {
		l.read[branch] = true
	}
	l.out.Branches = len(names)
	return nil
}

// of is a task with its chain; nil if the log and the database know none.
func (l *look) of(ctx context.Context, id task.ID) (*evidenceOf, error) {
	if known, read := l.chains[id]; read {
		return known, nil
	}
	chain, err := Chain(ctx, l.e.Store, id)
	if errors.Is(err, task.ErrNotFound) {
		l.chains[id] = nil
		return nil, nil //nolint:nilnil // it is an answer
	}
	if err != nil {
		return nil, err
	}
	t, err := l.e.Store.Task(ctx, id)
	if err != nil {
		return nil, err
	}
	l.chains[id] = &evidenceOf{t, chain}
	return l.chains[id], nil
}

// pull reads a pull request once.
func (l *look) pull(ctx context.Context, number int) (forge.PullRequest, error) {
	if pr, read := l.pulls[number]; read {
		return pr, nil
	}
	pr, err := l.e.Forge.PullRequest(ctx, l.ref, number)
	if err != nil {
		return pr, fmt.Errorf("read pull request %d: %w", number, err)
	}
	l.pulls[number] = pr
	return pr, nil
}

func (l *look) commitURL(commit string) string { return l.page + "/commit/" + commit }

// on reports whether a branch that was read has the commit.
func (l *look) on(ctx context.Context, branch, commit string) (bool, error) {
	tip, there := l.heads[branch]
	switch {
	case !there:
		return false, nil
	case tip == commit:
		return true, nil
	case !l.read[branch]:
		return false, nil
	}
	has, err := l.e.Git.IsAncestor(ctx, l.ref, commit, tip)
	if errors.Is(err, gitops.ErrObjectMissing) { // all that the branch has was fetched
		return false, nil
	}
	return has, err
}
