package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/task"
)

// covering finds the task whose approval covers the commit, among the repositories
// of the environment.
func (q *deployRequest) covering(ctx context.Context) (task.Task, string, error) {
	env := q.set.Environments[q.Environment]
	var keys []string
	for _, repository := range env.Repositories {
		if q.Repository == "" || strings.EqualFold(repository.Name, q.Repository) {
			keys = append(keys, repository.Ref().Key())
		}
	}
	if len(keys) == 0 {
		return task.Task{}, "", refuse(deploy.NotFound, "environment %s does not list the repository %q", q.Environment, cutShort(q.Repository))
	}
	landed, merged, err := q.e.Store.Covering(ctx, q.Commit)
	if err != nil {
		return task.Task{}, "", err
	}
	elsewhere := func(t task.Task) bool { return !slices.Contains(keys, t.Repository.Key()) }
	landed, merged = slices.DeleteFunc(landed, elsewhere), slices.DeleteFunc(merged, elsewhere)
	if len(landed)+len(merged) == 0 {
		for _, key := range keys {
			found, err := q.e.findMerge(ctx, key, q.Commit)
			if err != nil {
				return task.Task{}, "", err
			}
			merged = append(merged, found...)
		}
	}
	all := slices.Concat(landed, merged)
	if len(all) == 0 {
		return task.Task{}, "", refuse(deploy.NotFound, "no approval covers commit %s in a repository of environment %s: "+
			"only a commit that an approval made, or the merge of one, can be deployed", q.Commit, q.Environment)
	}
	if slices.ContainsFunc(all, func(t task.Task) bool { return t.Repository.Key() != all[0].Repository.Key() }) {
		return task.Task{}, "", refuse(deploy.Invalid, "commit %s is in several repositories of environment %s; name one", q.Commit, q.Environment)
	}
	if len(landed) > 0 {
		return landed[0], deploy.CoversLanded, nil
	}
	return merged[0], deploy.CoversMerge, nil
}

// mergesToLookFor bounds how many pull requests are read to find a merge that no
// delivery told.
const mergesToLookFor = 20

// findMerge looks for the task of a merge among those of a repository whose merge
// was not seen yet.
func (e *Engine) findMerge(ctx context.Context, repositoryKey, commit string) ([]task.Task, error) {
	unmerged, err := e.Store.Unmerged(ctx, repositoryKey, mergesToLookFor)
	if err != nil {
		return nil, err
	}
	for _, t := range unmerged {
		pr, err := e.Forge.PullRequest(ctx, t.Repository, t.PullRequest)
		if errors.Is(err, forge.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read pull request %d: %w", t.PullRequest, err)
		}
		if pr.Merged && pr.MergedAs == commit && pr.Head.Commit == t.LandedCommit {
			if err := e.Store.InTx(ctx, func(tx Tx) error { return tx.SaveMerge(ctx, t, commit) }); err != nil {
				return nil, err
			}
			return []task.Task{t}, nil
		}
	}
	return nil, nil
}
