package gitops

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/task"
)

// skipCI asks every usual CI not to run for a commit.
const skipCI = "[skip ci]"

// CarrierRequest is what [Git.Carrier] needs.
type CarrierRequest struct {
	Repository forge.RepositoryRef
	Base       string // commit
	Task       task.ID
	Revision   int
	Patch      []byte // the proposal's diff
	Subject    string // one line
	Date       time.Time
}

// Carrier makes the inert commit of a proposal: the base tree and one text file
// with the patch. No line of the agent's is in it as code. The same request
// gives the same commit.
func (g *Git) Carrier(ctx context.Context, req CarrierRequest) (commit string, err error) {
	if _, err := task.ParseID(string(req.Task)); err != nil {
		return "", err
	}
	if len(req.Patch) == 0 {
		return "", errors.New("a proposal without a patch")
	}
	m, err := g.openMirror(ctx, req.Repository)
	if err != nil {
		return "", err
	}
	if err := g.requireObject(ctx, m, "commit", req.Base); err != nil {
		return "", err
	}
	q, err := g.newQuarantine(ctx, m)
	if err != nil {
		return "", err
	}
	defer q.drop(ctx)
	tree, err := q.carrierTree(ctx, req)
	if err != nil {
		return "", fmt.Errorf("make the proposal commit: %w", err)
	}
	commit, err = q.writeCommit(ctx, commitText{
		tree: tree, parent: req.Base, author: g.opts.Committer, committer: g.opts.Committer,
		unix: req.Date.Unix(), message: oneLine(req.Subject) + " " + skipCI + "\n",
	})
	if err != nil {
		return "", fmt.Errorf("make the proposal commit: %w", err)
	}
	return commit, q.admit(ctx, req.Base, commit, fmt.Sprintf("%s%s/%d", carrierRefs, req.Task, req.Revision))
}

func (q *quarantine) carrierTree(ctx context.Context, req CarrierRequest) (string, error) {
	base, err := q.g.listTree(ctx, q.mirror, req.Base)
	if err != nil {
		return "", err
	}
	blob, err := q.writeBlob(ctx, bytes.NewReader(req.Patch))
	if err != nil {
		return "", err
	}
	path := task.ProposalPath(req.Task)
	wanted := make(map[string]BaseEntry, len(base)+1)
	for _, e := range base {
		wanted[e.Path] = e
	}
	wanted[path] = BaseEntry{Path: path, Mode: modeRegular, Blob: blob}
	change := task.PathChange{Path: path, Kind: task.Added, NewMode: modeRegular, NewBlob: blob}
	return q.writeTree(ctx, req.Base, []task.PathChange{change}, wanted)
}

// oneLine makes a subject of text: one printable line of at most 200 bytes.
func oneLine(text string) string {
	text = strings.Join(strings.Fields(sanitize(text)), " ")
	if len(text) > 200 {
		text = strings.ToValidUTF8(text[:200], "") + "…"
	}
	if text == "" {
		return "CoderFlow proposal"
	}
	return text
}

// PublishProposal pushes a carrier commit to its task's own branch. There is no
// other place that it can push to, and nothing but an inert commit that it can
// push: one commit on a base that was fetched from the forge, which differs from
// it by the patch file alone. expectedOld is where the branch must be; empty
// means that it must not exist. A branch that is there already is success. It
// fails with *MovedError, *PushRefusedError or *RemoteError.
func (g *Git) PublishProposal(ctx context.Context, remote Remote, id task.ID, carrier, expectedOld string) error {
	if _, err := task.ParseID(string(id)); err != nil {
		return err
	}
	m, err := g.openMirror(ctx, remote.Repository)
	if err != nil {
		return err
	}
	if err := g.requireInert(ctx, m, id, carrier); err != nil {
		return fmt.Errorf("publish the proposal of %s: %w", id, err)
	}
	_, err = g.push(ctx, m, pushRequest{
		remote: remote, commit: carrier, ref: branchPrefix + id.Branch(), expectedOld: expectedOld,
	})
	return err
}

// ErrNotInert is a commit that is not an inert proposal commit.
var ErrNotInert = errors.New("not an inert proposal commit")

func (g *Git) requireInert(ctx context.Context, m mirror, id task.ID, carrier string) error {
	if err := g.requireObject(ctx, m, "commit", carrier); err != nil {
		return err
	}
	line, err := g.output(ctx, invocation{
		gitDir: m.dir, args: []string{"rev-list", "--parents", "--max-count=1", "--end-of-options", carrier},
	})
	if err != nil {
		return fmt.Errorf("read the commit's parents: %w", err)
	}
	ids := strings.Fields(line)
	if len(ids) != 2 || ids[0] != carrier {
		return fmt.Errorf("commit %s has not exactly one parent: %w", carrier, ErrNotInert)
	}
	// Only Fetch makes such a ref. A commit on another one of ours, which holds
	// the agent's tree, would take that along.
	base, err := g.output(ctx, invocation{gitDir: m.dir, args: []string{"rev-parse", "--verify", "--quiet", "--end-of-options", baseRefs + ids[1]}})
	if err != nil || base != ids[1] {
		return fmt.Errorf("the parent of commit %s did not come from the forge: %w", carrier, ErrNotInert)
	}
	args := append([]string{"diff-tree", "--raw", "-z"}, diffFlags...)
	out, err := g.run(ctx, invocation{gitDir: m.dir, args: append(args, "--end-of-options", base+"^{tree}", carrier+"^{tree}")})
	if err != nil {
		return fmt.Errorf("compare the commit with its base: %w", err)
	}
	fields := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	if len(fields) != 2 || fields[1] != task.ProposalPath(id) || !isPlainChange(fields[0]) {
		return fmt.Errorf("commit %s does not change %s alone: %w", carrier, task.ProposalPath(id), ErrNotInert)
	}
	return nil
}

// isPlainChange reports whether a raw line says that a regular file was added or changed.
func isPlainChange(raw string) bool {
	fields := strings.Fields(raw)
	return len(fields) == 5 && fields[1] == modeRegular && (fields[4] == "A" || fields[4] == "M")
}
