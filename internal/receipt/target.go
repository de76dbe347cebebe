package receipt

import (
	"context"
	"fmt"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/gitops"
)

// Fetch gets the receipt of a commit.
type Fetch func(ctx context.Context, commit string) (Evidence, error)

// Verify finds what there is to verify about a commit, and verifies it: the commit
// itself, or what a merge brings in and says of itself that CoderFlow made it. Without
// such a commit nothing is asked for, and of a merge that has another tree only what it
// brings in is verified; ifClaimed makes both good.
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
		v.merged(asked, target, ifClaimed)
	}
	return v
}

func failed(v Verdict, name string, err error) Verdict {
	v.Links = []Link{}
	v.fails(name, err)
	return v
}

// claimed is the commit, or the one that a merge brings in, that has our trailers. The
// first parent of a merge is what it was made on, and not what it is about.
func claimed(clone Clone, asked gitops.CommitObject) (target gitops.CommitObject, err error) {
	if approval.Claims(asked.Message) {
		return asked, nil
	}
	if len(asked.Parents) < 2 {
		return target, nil
	}
	for _, parent := range asked.Parents[1:] {
		commit, err := clone.Commit(parent)
		switch {
		case err != nil:
			return target, fmt.Errorf("%s is a merge, and its parents are not all there: %w", asked.ID, err)
		case !approval.Claims(commit.Message):
		case target.ID != "":
			return target, fmt.Errorf("%s merges several commits of CoderFlow, %s and %s: verify each of them", asked.ID, target.ID, parent)
		default:
			target = commit
		}
	}
	return target, nil
}

// merged tells what the receipt of what a merge brings in says about the merge.
func (v *Verdict) merged(asked, target gitops.CommitObject, ifClaimed bool) {
	l := Link{Name: "merge", State: Holds, Details: []string{}, Text: fmt.Sprintf(
		"%s is a merge; its parent %s is held against its receipt, and the merge has exactly its tree", asked.ID, target.ID)}
	if asked.Tree != target.Tree {
		l.State, v.Partial = Fails, v.Valid
		l.Text = fmt.Sprintf("%s is a merge of %s and has another tree: what else is in it, no receipt is about", asked.ID, target.ID)
		if ifClaimed {
			l.State = Absent
		}
		v.Valid = v.Valid && ifClaimed
	}
	v.Links = append([]Link{l}, v.Links...)
}
