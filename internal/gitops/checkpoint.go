package gitops

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/coderflow/coderflow/internal/forge"
)

// CheckpointPrefix begins the name of every branch that checkpoints of the audit log
// may be pushed to.
const CheckpointPrefix = "coderflow-audit"

const (
	checkpointFile = "checkpoint"
	maxCheckpoint  = 4 << 10 // bytes
)

// ErrNotCheckpoints is a branch that has something else than checkpoints.
var ErrNotCheckpoints = errors.New("the branch has something else than checkpoints of an audit log")

// ErrSetBack is a branch of checkpoints whose history is not on top of what it was.
var ErrSetBack = errors.New("the branch does not lead on from where it was")

// Checkpoint reads the newest checkpoint of a branch and the commit that it is in. It
// fails with ErrNoBranch, with ErrNotCheckpoints if the branch is not one that
// [Git.PublishCheckpoint] made, and with ErrSetBack if one of the commits where it was
// before is not in its history.
func (g *Git) Checkpoint(ctx context.Context, remote Remote, branch string, before ...string) (head string, note []byte, err error) {
	if err := checkCheckpointBranch(branch); err != nil {
		return "", nil, err
	}
	if head, err = g.Fetch(ctx, remote, branch); err != nil {
		return "", nil, err
	}
	if err := g.leadsOn(ctx, remote.Repository, branch, head, before); err != nil {
		return "", nil, err
	}
	m, err := g.openMirror(ctx, remote.Repository)
	if err != nil {
		return "", nil, err
	}
	names, err := g.run(ctx, invocation{gitDir: m.dir, args: []string{"ls-tree", "-z", "--name-only", "--full-tree", "--end-of-options", head}})
	if err != nil {
		return "", nil, fmt.Errorf("look at branch %s of %s: %w", branch, remote.Repository.Key(), err)
	}
	note, err = g.File(ctx, remote.Repository, head, checkpointFile, maxCheckpoint)
	if errors.Is(err, ErrNoFile) || err == nil && string(names) != checkpointFile+"\x00" {
		return "", nil, fmt.Errorf("branch %s of %s: %w", branch, remote.Repository.Key(), ErrNotCheckpoints)
	}
	return head, note, err
}

// leadsOn fails with ErrSetBack if a commit is not in the history of head. All of that
// history was fetched: a commit that is not there is none of it.
func (g *Git) leadsOn(ctx context.Context, repo forge.RepositoryRef, branch, head string, commits []string) error {
	for _, commit := range commits {
		is, err := g.IsAncestor(ctx, repo, commit, head)
		if err != nil && !errors.Is(err, ErrObjectMissing) {
			return err
		}
		if !is {
			return fmt.Errorf("branch %s of %s is at commit %s and was at %s: %w", branch, repo.Key(), head, commit, ErrSetBack)
		}
	}
	return nil
}

// CheckpointRequest is what [Git.PublishCheckpoint] pushes.
type CheckpointRequest struct {
	Remote Remote
	Branch string
	// Parent is the branch's commit as [Git.Checkpoint] read it; empty: there is no
	// such branch, and it begins with this commit.
	Parent string
	Note   []byte
	Size   int64 // of the log
	Date   time.Time
}

// PublishCheckpoint adds a commit to a branch of checkpoints: one text file and
// nothing else, on nothing but what the branch had. No other ref can be pushed to,
// and none is moved but forward. It fails with *MovedError if the branch is not where
// it was read, *PushRefusedError or *RemoteError.
func (g *Git) PublishCheckpoint(ctx context.Context, r CheckpointRequest) (commit string, err error) {
	if err := checkCheckpointBranch(r.Branch); err != nil {
		return "", err
	}
	if len(r.Note) > maxCheckpoint || !isNote(r.Note) {
		return "", errors.New("what should be published is no checkpoint")
	}
	m, err := g.openMirror(ctx, r.Remote.Repository)
	if err != nil {
		return "", err
	}
	if r.Parent != "" {
		if err := g.require(ctx, m, object{"commit", r.Parent}); err != nil {
			return "", err
		}
	}
	if commit, err = g.checkpointCommit(ctx, m, r); err != nil {
		return "", fmt.Errorf("make the commit of a checkpoint: %w", err)
	}
	_, err = g.push(ctx, m, pushRequest{remote: r.Remote, commit: commit, ref: branchPrefix + r.Branch, expectedOld: r.Parent})
	return commit, err
}

func (g *Git) checkpointCommit(ctx context.Context, m mirror, r CheckpointRequest) (string, error) {
	q, err := g.newQuarantine(ctx, m)
	if err != nil {
		return "", err
	}
	defer q.drop(ctx)
	blob, err := q.writeBlob(ctx, bytes.NewReader(r.Note))
	if err != nil {
		return "", err
	}
	out, err := q.run(ctx, invocation{
		args: []string{"mktree", "-z"}, stdin: strings.NewReader(fmt.Sprintf("%s blob %s\t%s\x00", modeRegular, blob, checkpointFile)),
	})
	if err != nil {
		return "", fmt.Errorf("store a tree: %w", err)
	}
	commit, err := q.writeCommit(commitText{
		tree: strings.TrimSpace(string(out)), parent: r.Parent, root: r.Parent == "", author: g.opts.Committer, committer: g.opts.Committer,
		unix: r.Date.Unix(), message: fmt.Sprintf("Audit log: %d entries %s\n", r.Size, skipCI),
	})
	if err != nil {
		return "", err
	}
	return commit, q.admit(ctx, r.Parent, commit, checkpointRefs+r.Branch)
}

// checkCheckpointBranch keeps checkpoints away from every branch that somebody works on.
func checkCheckpointBranch(branch string) error {
	if err := checkBranch(branch); err != nil {
		return err
	}
	if !strings.HasPrefix(branch, CheckpointPrefix) {
		return fmt.Errorf("branch %q is not one for checkpoints: its name must begin with %q", branch, CheckpointPrefix)
	}
	return nil
}

// isNote reports whether it is text with a signature, as a note has it.
func isNote(note []byte) bool {
	inert := !bytes.ContainsFunc(note, func(r rune) bool { return r != '\n' && printable(r) != r })
	return utf8.Valid(note) && inert && bytes.Contains(note, []byte("\n\n— ")) && bytes.HasSuffix(note, []byte("\n"))
}
