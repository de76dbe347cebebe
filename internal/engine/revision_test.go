package engine

import (
	"context"
	"testing"

	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/task"
)

// wholeVolume is storage in which the task's first workspace is as it was.
type wholeVolume struct{ Storage }

func (wholeVolume) Volumes(context.Context) ([]sandbox.VolumeInfo, error) {
	return []sandbox.VolumeInfo{{Name: "coderflow-task-aaaaaaaaaaaa", Whole: true}}, nil
}

// strictBox refuses, as a Docker engine does, a volume that begins with another commit.
type strictBox struct{ *lab }

func (b strictBox) EnsureWorkspace(_ context.Context, s sandbox.WorkspaceSpec) error {
	if have, known := b.filled[s.Volume]; known && have != s.Commit {
		return sandbox.ErrSpecMismatch
	}
	b.filled[s.Volume] = s.Commit
	return nil
}

// A rebase can give the tree of before, where the new base has a part of the change. What
// was collected then differs from another commit than the workspace began with.
func TestARevisionAfterARebaseBeginsAFreshWorkspaceEvenWithTheSameTree(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		second string // base of the second round
		volume string
	}{
		"the same base": {"base1", "coderflow-task-aaaaaaaaaaaa"},
		"a newer base":  {"base2", "coderflow-task-aaaaaaaaaaaa-r3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab()
			l.e.Sandbox, l.e.Storage = strictBox{l}, wholeVolume{}
			env := l.e.Manifests.(fixedManifests).set.Environments["staging"]
			l.w.t.BaseCommit = "base1"
			if err := l.e.fillWorkspace(t.Context(), l.w, env); err != nil {
				t.Fatal(err)
			}
			former := task.Proposal{Task: l.w.t.ID, Revision: 1, BaseCommit: "base1", Tree: "T"}
			p := task.Proposal{Task: l.w.t.ID, Revision: 2, BaseCommit: tt.second, Tree: "T"}
			l.w.t.Revision, l.w.t.BaseCommit, l.w.t.Run.Tree = 2, p.BaseCommit, keptTree(p, former)
			if err := l.e.chooseWorkspace(t.Context(), l.w, p); err != nil {
				t.Fatal(err)
			}
			l.w.t.Revision = 3
			if err := l.e.fillWorkspace(t.Context(), l.w, env); err != nil || VolumeOf(&l.w.t) != tt.volume {
				t.Errorf("workspace %s: %v", VolumeOf(&l.w.t), err)
			}
		})
	}
}
