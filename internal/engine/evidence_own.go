package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/task"
)

// underWay reports whether the task is just being published or landed.
func underWay(t task.Task) bool {
	return slices.Contains([]task.State{task.Collecting, task.Approved, task.Landing}, t.State)
}

// ownBranches looks at each branch that has a name of ours: its commit is the patch
// that was put up, or what an approval made of it.
func (l *look) ownBranches(ctx context.Context) error {
	var own []string
	for branch := range l.heads {
		if strings.HasPrefix(branch, task.BranchPrefix) {
			own = append(own, branch)
		}
	}
	slices.Sort(own)
	if len(own) > maxOwnBranches {
		l.skip("%d of %d branches that begin with %s", len(own)-maxOwnBranches, len(own), task.BranchPrefix)
		own = own[:maxOwnBranches]
	}
	for _, branch := range own {
		if err := l.ownBranch(ctx, branch, l.heads[branch]); err != nil {
			return err
		}
	}
	return nil
}

func (l *look) ownBranch(ctx context.Context, branch, tip string) error {
	l.scopes[ownScope(branch)] = true
	d := audit.Difference{Subject: branch, URL: l.page + "/branches", Scope: ownScope(branch), Kind: audit.PushUnapproved}
	id, isTask := task.FromBranch(branch)
	var of *evidenceOf
	if isTask {
		var err error
		if of, err = l.of(ctx, id); err != nil {
			return err
		}
	}
	if of == nil || of.task.Repository.Key() != l.ref.Key() {
		d.What = fmt.Sprintf("branch %s has a name of CoderFlow's own and is at %.12s; the log knows no such task in this repository", branch, tip)
		l.differ(d)
		return nil
	}
	d.Task = string(id)
	made := madeBy(of, tip)
	switch {
	case slices.Contains(of.chain.Carriers(), tip), made != nil && made.Pushed, underWay(of.task):
		return nil
	case of.chain.State() == string(task.Superseded) && of.task.ReplacedBy == "": // the log says that somebody pushed
		return nil
	case made != nil && made.Ref != "":
		d.Entry = made.Entry
		d.What = fmt.Sprintf("branch %s is at %.12s: the log only says that it was made (entry %d), not that it was pushed", branch, tip, made.Entry)
	case made != nil:
		d.Entry = made.Entry
		d.What = fmt.Sprintf("branch %s is at %.12s, which was made to be kept and not pushed (entry %d)", branch, tip, made.Entry)
	default:
		d.Kind = audit.BranchMoved
		d.What = fmt.Sprintf("branch %s is at %.12s, which CoderFlow did not push", branch, tip)
		if has, err := l.on(ctx, branch, of.task.LandedCommit); err != nil {
			return err
		} else if has && of.task.LandedCommit != "" {
			d.What += "; it is on top of the approved commit"
		}
	}
	l.differ(d)
	return nil
}
