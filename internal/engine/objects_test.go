package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/gitops"
	"github.com/coderflow/coderflow/internal/task"
)

// depot is a database and a mirror that remember what was done to them.
type depot struct {
	Store
	Git
	Tx
	proposals []task.Proposal
	packs     map[int]string // by revision
	done      []string
	based     bool
	held      map[int]bool   // results, by revision
	carriers  map[int]string // by revision
	away      error          // of the forge
	node      string         // of the task
}

func (d *depot) HoldsBase(context.Context, forge.RepositoryRef, string) (bool, error) {
	return d.based, nil
}
func (d *depot) HoldsResult(_ context.Context, r gitops.ResultRequest) (bool, error) {
	return d.held[r.Revision], nil
}
func (d *depot) HoldsCarrier(_ context.Context, _ forge.RepositoryRef, _ task.ID, revision int, commit string) (bool, error) {
	return d.carriers[revision] == commit, nil
}
func (d *depot) FetchBase(_ context.Context, _ gitops.Remote, commit, branch string, id task.ID) error {
	d.done = append(d.done, fmt.Sprintf("fetch %s of %s for %s", commit, branch, id))
	d.based = d.away == nil
	return d.away
}
func (d *depot) Import(_ context.Context, r gitops.ResultRequest, pack io.Reader) error {
	text, err := io.ReadAll(pack)
	d.done = append(d.done, fmt.Sprintf("import %s as %d", text, r.Revision))
	d.held[r.Revision] = true
	return err
}
func (d *depot) Export(_ context.Context, r gitops.ResultRequest) ([]byte, error) {
	return fmt.Appendf(nil, "pack %d", r.Revision), nil
}
func (d *depot) Carrier(_ context.Context, r gitops.CarrierRequest) (string, error) {
	d.done = append(d.done, fmt.Sprintf("carrier %d after %q", r.Revision, r.Previous))
	return fmt.Sprintf("carrier%d", r.Revision), nil
}
func (d *depot) CommitAgain(_ context.Context, _ forge.RepositoryRef, approval string, l gitops.Landing, want string) error {
	d.done = append(d.done, fmt.Sprintf("commit %s of %s on %s under %s", want, l.Tree, l.Parent, approval))
	return nil
}
func (d *depot) Pack(_ context.Context, _ task.ID, revision int) (io.Reader, error) {
	if pack, is := d.packs[revision]; is {
		return bytes.NewReader([]byte(pack)), nil
	}
	return nil, task.ErrNotFound
}
func (d *depot) InsertPack(_ context.Context, _ task.ID, revision int, pack []byte) error {
	d.packs[revision] = string(pack)
	return nil
}
func (d *depot) ProposalsWithoutPack(context.Context) (map[task.ID][]int, error) {
	d.done = append(d.done, "list")
	var left []int
	for _, p := range d.proposals {
		if _, is := d.packs[p.Revision]; !is {
			left = append(left, p.Revision)
		}
	}
	return map[task.ID][]int{"aaaaaaaaaaaa": left}, nil
}
func (d *depot) Task(_ context.Context, id task.ID) (task.Task, error) {
	return task.Task{ID: id, Run: task.Run{Node: d.node}}, nil
}
func (d *depot) ProposalBefore(_ context.Context, _ task.ID, number int) (task.Proposal, error) {
	for _, p := range slices.Backward(d.proposals) {
		if p.Revision < number {
			return p, nil
		}
	}
	return task.Proposal{}, task.ErrNotFound
}
func (d *depot) KeptUnder(_ context.Context, commit string) ([]approval.Record, error) {
	return []approval.Record{{ID: "of " + commit, Task: "aaaaaaaaaaaa", Revision: 1}, {ID: "another", Task: "aaaaaaaaaaaa", Revision: 2}}, nil
}
func (d *depot) InTx(_ context.Context, f func(Tx) error) error { return f(d) }
func (d *depot) Audit(_ context.Context, entry audit.Entry) error {
	d.done = append(d.done, string(entry.Action))
	return nil
}

// newDepot has a task with two proposals and this node's engine; nothing is in the mirror.
func newDepot() (*Engine, *depot) {
	d := &depot{packs: map[int]string{1: "one", 2: "two"}, held: map[int]bool{}, carriers: map[int]string{}, node: "node"}
	for n := 1; n <= 2; n++ {
		p := task.Proposal{
			Task: "aaaaaaaaaaaa", Revision: n, BaseBranch: "main", BaseCommit: "base", Tree: fmt.Sprintf("tree%d", n), Carrier: fmt.Sprintf("carrier%d", n),
		}
		p.Digest = p.ComputeDigest()
		d.proposals = append(d.proposals, p)
	}
	return New(Options{
		Store: d, Git: d, Forge: &pullForge{}, Manifests: noManifests{}, Logger: slog.New(slog.DiscardHandler), Now: time.Now, Node: "node",
	}), d
}

func (d *depot) did(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(d.done, want) {
		t.Errorf("done: %q\nwant %q", d.done, want)
	}
	d.done = nil
}

func TestAProposalIsBroughtOnceAndOnlyWhatIsMissing(t *testing.T) {
	t.Parallel()
	e, d := newDepot()
	w := &work{t: task.Task{ID: "aaaaaaaaaaaa", Judged: []task.Judgement{{}, {Kept: "k"}}}}
	for range 2 {
		if err := e.bring(t.Context(), &w.t, w.t.Requester, d.proposals[0]); err != nil {
			t.Fatal(err)
		}
	}
	d.did(t, "fetch base of main for aaaaaaaaaaaa", "import one as 1", "commit k of tree1 on base under of k", "proposal.brought")
	if err := e.bring(t.Context(), &w.t, w.t.Requester, d.proposals[1]); err != nil {
		t.Fatal(err)
	}
	d.did(t, "import two as 2", "commit k of tree2 on base under another", "proposal.brought")
}

func TestAProposalThatCannotBeBroughtIsAnError(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(*depot)
		want  error
	}{
		"the forge is away":    {func(d *depot) { d.away = io.ErrUnexpectedEOF }, io.ErrUnexpectedEOF},
		"nothing was kept":     {func(d *depot) { clear(d.packs) }, gitops.ErrObjectMissing},
		"it was tampered with": {func(d *depot) { d.proposals[0].Tree = "another" }, task.ErrDigest},
	} {
		e, d := newDepot()
		c.spoil(d)
		if err := e.bring(t.Context(), &task.Task{}, forge.User{}, d.proposals[0]); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if slices.Contains(d.done, "proposal.brought") || d.held[1] {
			t.Errorf("%s: done all the same: %q", name, d.done)
		}
	}
}

func TestFormerCarriersAreMadeAgainInTheirOrder(t *testing.T) {
	t.Parallel()
	e, d := newDepot()
	d.based, d.held = true, map[int]bool{1: true, 2: true}
	w := &work{t: task.Task{ID: "aaaaaaaaaaaa"}}
	if err := e.bringCarriers(t.Context(), w, d.proposals[1]); err != nil {
		t.Fatal(err)
	}
	d.did(t, `carrier 1 after ""`, `carrier 2 after "carrier1"`)
	d.carriers[1] = "carrier1"
	if err := e.bringCarriers(t.Context(), w, d.proposals[1]); err != nil {
		t.Fatal(err)
	}
	d.did(t, `carrier 2 after "carrier1"`)
	d.proposals[1].Carrier = "what another version made"
	if err := e.bringCarriers(t.Context(), w, d.proposals[1]); err == nil {
		t.Error("a carrier that became another commit is taken for the former one")
	}
}

// What was proposed by an earlier version is kept by the node that has it, once.
func TestWhatOnlyAMirrorHasIsKept(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		node string
		held map[int]bool
		want map[int]string
	}{
		"here":             {"node", map[int]bool{1: true, 2: true}, map[int]string{1: "pack 1", 2: "pack 2"}},
		"nobody's":         {"", map[int]bool{1: true, 2: true}, map[int]string{1: "pack 1", 2: "pack 2"}},
		"another node's":   {"other", map[int]bool{1: true, 2: true}, map[int]string{}},
		"nothing is there": {"node", map[int]bool{}, map[int]string{}},
	} {
		e, d := newDepot()
		clear(d.packs)
		d.node, d.held = c.node, c.held
		for range 3 {
			if err := e.keepObjects(t.Context()); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		d.did(t, "list")
		if fmt.Sprint(d.packs) != fmt.Sprint(c.want) {
			t.Errorf("%s: kept %v", name, d.packs)
		}
	}
}
