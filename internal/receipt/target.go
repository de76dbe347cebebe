package receipt

import (
	"context"
	"fmt"
	"slices"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/gitops"
)

// Fetch gets the receipt of a commit.
type Fetch func(ctx context.Context, commit string) (Evidence, error)

// Verify finds what there is to verify about a commit, and verifies it: the commit
// itself, or the parent of a merge that says of itself that CoderFlow made it.
// Without such a commit nothing is asked for; ifClaimed makes that good.
func Verify(ctx context.Context, clone Clone, id string, ifClaimed bool, fetch Fetch) Verdict {
	asked, err := clone.Commit(id)
	if err != nil {
		return failed(Verdict{Asked: id, Commit: id}, "commit", err)
	}
	target, err := claimed(clone, asked)
	if err != nil {
		return failed(Verdict{Asked: id, Commit: id}, "commit", err)
	}
	if target.ID == "" {
		v := Verdict{Asked: id, Commit: id, Valid: ifClaimed, Links: []Link{}}
		state := Fails
		if ifClaimed {
			state = Absent
		}
		v.put("commit", state, "%s does not say that CoderFlow made it, so there is nothing to verify", id)
		return v
	}
	evidence, err := fetch(ctx, target.ID)
	if err != nil {
		return failed(Verdict{Asked: id, Commit: target.ID, Claimed: true}, "receipt", err)
	}
	v := Check(ctx, clone, target, evidence)
	if v.Asked = id; id != target.ID {
		v.Links = append([]Link{merge(asked, target)}, v.Links...)
	}
	return v
}

func failed(v Verdict, name string, err error) Verdict {
	v.Links = []Link{}
	v.fails(name, err)
	return v
}

// claimed is the commit, or the parent of a merge, that has our trailers. A merge
// brings in its later parents, so they come first.
func claimed(clone Clone, asked gitops.CommitObject) (target gitops.CommitObject, err error) {
	if approval.Claims(asked.Message) {
		return asked, nil
	}
	if len(asked.Parents) < 2 {
		return target, nil
	}
	for i, parent := range slices.Backward(asked.Parents) {
		commit, err := clone.Commit(parent)
		switch {
		case err != nil:
			return target, fmt.Errorf("%s is a merge, and its parents are not all there: %w", asked.ID, err)
		case !approval.Claims(commit.Message), i == 0 && target.ID != "":
		case target.ID != "":
			return target, fmt.Errorf("%s merges several commits of CoderFlow, %s and %s: verify each of them", asked.ID, parent, target.ID)
		default:
			target = commit
		}
	}
	return target, nil
}

// merge tells what the receipt of a merge's parent says about the merge.
func merge(asked, target gitops.CommitObject) Link {
	l := Link{Name: "merge", State: Holds, Details: []string{}, Text: fmt.Sprintf(
		"%s is a merge; its parent %s is verified, and the merge has exactly its tree", asked.ID, target.ID)}
	if asked.Tree != target.Tree {
		l.State = Absent
		l.Text = fmt.Sprintf("%s is a merge; its parent %s is verified. The merge has another tree: what else came in with it, no receipt of this is about", asked.ID, target.ID)
	}
	return l
}
