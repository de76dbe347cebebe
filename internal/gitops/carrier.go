package gitops

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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
	// Previous is the carrier of the revision before, PreviousBase what that one was
	// based on; empty for the first. The new carrier follows it, so that the branch
	// only ever goes forward: nobody's force-push is CoderFlow's own.
	Previous, PreviousBase string
	Patch                  []byte // the proposal's diff
	Subject                string // one line
	Date                   time.Time
}

// parents are the commits that the carrier follows. One on another base than the
// carrier before has that as its second parent, so that a forge compares with it.
func (r CarrierRequest) parents() (first, second string) {
	switch {
	case r.Previous == "":
		return r.Base, ""
	case r.PreviousBase == r.Base:
		return r.Previous, ""
	}
	return r.Previous, r.Base
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
	if err := checkID("commit", req.Base); err != nil {
		return "", err
	}
	if req.Previous != "" {
		if _, err := g.inertBase(ctx, m, req.Task, req.Previous, maxCarriers); err != nil {
			return "", fmt.Errorf("follow the carrier before: %w", err)
		}
	}
	q, err := g.newQuarantine(ctx, m)
	if err != nil {
		return "", err
	}
	defer q.drop(ctx)
	first, second := req.parents()
	commit, err = q.carrierCommit(ctx, req, commitText{
		parent: first, merges: second, author: g.opts.Committer, committer: g.opts.Committer,
		unix: req.Date.Unix(), message: oneLine(req.Subject) + " " + skipCI + "\n",
	})
	if err != nil {
		return "", fmt.Errorf("make the proposal commit: %w", err)
	}
	pack, err := q.sealImported(ctx, req.Base, commit)
	if err != nil {
		return "", err
	}
	return commit, q.release(ctx, pack, commit, carrierRef(req.Task, req.Revision))
}

// carrierCommit stores the commit c of the base's tree and the patch, by one git
// fast-import: no name in it is anybody else's. PublishProposal proves what its tree has.
func (q *quarantine) carrierCommit(ctx context.Context, req CarrierRequest, c commitText) (string, error) {
	var begin string
	if c.merges != "" { // the commit that it follows lies on another base
		base, err := q.treeOf(ctx, req.Base)
		if err != nil {
			return "", err
		}
		begin = fmt.Sprintf("M 040000 %s \"\"\n", base)
	}
	c.tree = emptyTree
	if err := c.check(); err != nil {
		return "", err
	}
	var script bytes.Buffer
	fmt.Fprintf(&script, "blob\nmark :1\ndata %d\n%s\ncommit refs/heads/carrier\n", len(req.Patch), req.Patch)
	fmt.Fprintf(&script, "author %s <%s> %d +0000\ncommitter %[1]s <%[2]s> %[3]d +0000\n", c.author.Name, c.author.Email, c.unix)
	fmt.Fprintf(&script, "data %d\n%sfrom %s\n", len(c.message), c.message, c.parent)
	if c.merges != "" {
		fmt.Fprintf(&script, "merge %s\n", c.merges)
	}
	fmt.Fprintf(&script, "%sM %s :1 %s\nls \"\"\n\ndone\n", begin, modeRegular, task.ProposalPath(req.Task))
	out, err := q.run(ctx, invocation{
		args: []string{"fast-import", "--quiet", "--done"}, stdin: &script, config: []string{"fastimport.unpackLimit=0"},
	})
	if err != nil {
		return "", cmp.Or(q.g.require(ctx, q.mirror, object{"commit", req.Base}), err)
	}
	head, _, _ := strings.Cut(string(out), "\t") // "040000 tree ID\t"
	tree, found := strings.CutPrefix(head, "040000 tree ")
	if !found || checkID("tree", tree) != nil {
		return "", fmt.Errorf("git fast-import wrote %.200q", out)
	}
	c.tree = tree
	return c.id(), nil // or there is no such commit to admit
}

// sealImported seals the pack that fast-import wrote. What the mirror has already is not in it, and if that is all there
// is none.
func (q *quarantine) sealImported(ctx context.Context, base, tip string) (pack string, err error) {
	found, err := filepath.Glob(q.file("objects/pack/*.pack"))
	if err != nil || len(found) > 1 {
		return "", errors.Join(fmt.Errorf("git fast-import wrote %d packs", len(found)), err)
	}
	if len(found) == 0 {
		return q.seal(ctx, base, tip)
	}
	imported, err := os.Open(found[0])
	if err != nil {
		return "", fmt.Errorf("check %s: %w", tip, err)
	}
	defer imported.Close()
	return q.index(ctx, tip, imported)
}

// treeOf is the tree of a commit of the mirror, or ErrObjectMissing.
func (q *quarantine) treeOf(ctx context.Context, commit string) (string, error) {
	out, err := q.run(ctx, invocation{
		args: []string{"cat-file", "--batch-check=%(objectname) %(objecttype)"}, stdin: strings.NewReader(commit + "^{commit}^{tree}\n"),
	})
	if err != nil {
		return "", fmt.Errorf("read the tree of %s: %w", commit, err)
	}
	tree, found := strings.CutSuffix(strings.TrimSpace(string(out)), " tree")
	if !found || checkID("tree", tree) != nil {
		return "", fmt.Errorf("commit %s of %s: %w", commit, q.mirror.key, ErrObjectMissing)
	}
	return tree, nil
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
// other place that it can push to, and nothing but inert commits that it can
// push: each is on a base that was fetched from the forge, differs from that by the
// patch file alone, and follows nothing but such commits of the same task.
// expectedOld is where the branch must be; empty
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
	if _, err := g.inertBase(ctx, m, id, carrier, maxCarriers); err != nil {
		return fmt.Errorf("publish the proposal of %s: %w", id, err)
	}
	_, err = g.push(ctx, m, pushRequest{
		remote: remote, commit: carrier, ref: branchPrefix + id.Branch(), expectedOld: expectedOld,
	})
	return err
}

// isPlainChange reports whether a raw line says that a regular file was added or changed.
func isPlainChange(raw string) bool {
	fields := strings.Fields(raw)
	return len(fields) == 5 && fields[1] == modeRegular && (fields[4] == "A" || fields[4] == "M")
}
