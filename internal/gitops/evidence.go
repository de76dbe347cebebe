package gitops

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/coderflow/coderflow/internal/forge"
)

// evidenceRefs hold the heads as they were last looked at, by a hash of their name.
const evidenceRefs = "refs/coderflow/evidence/"

func evidenceRef(branch string) string {
	sum := sha256.Sum256([]byte(branch))
	return evidenceRefs + hex.EncodeToString(sum[:16])
}

// Heads are the branches of the repository at its forge, each with its commit. It
// fetches nothing. Names that are none of a branch are left out.
func (g *Git) Heads(ctx context.Context, remote Remote) (map[string]string, error) {
	m, err := g.openMirror(ctx, remote.Repository)
	if err != nil {
		return nil, err
	}
	out, err := g.run(ctx, invocation{
		gitDir: m.dir, remote: &remote, args: []string{"ls-remote", "--quiet", "--heads", "--end-of-options", remote.URL},
	})
	if err != nil {
		return nil, remoteError("list the branches of "+remote.Repository.Key(), err)
	}
	heads := map[string]string{}
	for line := range strings.Lines(string(out)) {
		id, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		branch, isBranch := strings.CutPrefix(name, branchPrefix)
		if isBranch && checkBranch(branch) == nil && checkID("head", id) == nil {
			heads[branch] = id
		}
	}
	return heads, nil
}

// headsAtOnce bounds a command line.
const headsAtOnce = 50

// FetchHeads brings the branches into the mirror, so that their commits can be read.
// One that is gone fails with ErrNoBranch, and none of its group is brought.
func (g *Git) FetchHeads(ctx context.Context, remote Remote, branches []string) error {
	m, err := g.openMirror(ctx, remote.Repository)
	if err != nil {
		return err
	}
	unlock, err := g.lock(ctx, m.lockPath())
	if err != nil {
		return err
	}
	defer unlock()
	for group := range slices.Chunk(branches, headsAtOnce) {
		args := []string{
			"fetch", "--quiet", "--force", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance",
			"--no-recurse-submodules", "--end-of-options", remote.URL,
		}
		for _, branch := range group {
			if err := checkBranch(branch); err != nil {
				return err
			}
			args = append(args, "+"+branchPrefix+branch+":"+evidenceRef(branch))
		}
		if _, err := g.run(ctx, invocation{gitDir: m.dir, remote: &remote, args: args}); err != nil {
			return fetchError(remote, group[0], err)
		}
	}
	return nil
}

// Claim is a commit whose message has trailers of CoderFlow: it says that an
// approval made it.
type Claim struct {
	Commit, Tree string
	Parents      []string
	// Task, Proposal and Review are the last trailers of their kind. Their text is
	// whatever the commit's author wrote.
	Task, Proposal, Review string
	// Author and Committer are the lines of the commit, without its dates.
	Author, Committer string
}

// Bounds of one search for claims.
const (
	maxClaims     = 2000
	maxClaimBytes = 16 << 20
	maxTrailer    = 300 // bytes that are kept of one
)

// Claims are the commits with trailers of CoderFlow that the tip has and since have
// not, newest first; all must be in the mirror. complete is false where there are
// more than are listed.
func (g *Git) Claims(ctx context.Context, repo forge.RepositoryRef, tip string, since []string) (claims []Claim, complete bool, err error) {
	m, err := g.openMirror(ctx, repo)
	if err != nil {
		return nil, false, err
	}
	if err := g.require(ctx, m, object{"commit", tip}); err != nil {
		return nil, false, err
	}
	revisions := tip + "\n"
	for _, known := range since {
		if g.require(ctx, m, object{"commit", known}) == nil {
			revisions += "^" + known + "\n"
		}
	}
	var out bytes.Buffer
	capped := &cappedWriter{limitedWriter: limitedWriter{w: &out, left: maxClaimBytes, limit: maxClaimBytes}}
	_, err = g.run(ctx, invocation{
		gitDir: m.dir, stdin: strings.NewReader(revisions), stdout: capped,
		args: []string{
			"rev-list", "--header", "--extended-regexp", "--regexp-ignore-case", "--grep=^[[:space:]]*Coderflow-[a-z-]+[[:space:]]*:",
			fmt.Sprintf("--max-count=%d", maxClaims+1), "--stdin",
		},
	})
	if err != nil && !capped.over {
		return nil, false, fmt.Errorf("look for commits with trailers in %s: %w", tip, err)
	}
	complete = !capped.over
	for record := range bytes.SplitSeq(out.Bytes(), []byte{0}) {
		claim, is := parseClaim(string(record))
		switch {
		case !is:
		case len(claims) == maxClaims:
			complete = false
		default:
			claims = append(claims, claim)
		}
	}
	return claims, complete, nil
}

// cappedWriter remembers that it refused something: of a process that was stopped so,
// the error tells only that its pipe broke.
type cappedWriter struct {
	limitedWriter
	over bool
}

// Write implements io.Writer.
func (c *cappedWriter) Write(p []byte) (int, error) {
	n, err := c.limitedWriter.Write(p)
	c.over = c.over || err != nil
	return n, err
}

// parseClaim reads a record of git rev-list --header: the id, the commit's headers,
// and its message, indented.
func parseClaim(record string) (Claim, bool) {
	id, rest, found := strings.Cut(strings.TrimLeft(record, "\n"), "\n")
	headers, message, _ := strings.Cut(rest, "\n\n")
	c := Claim{Commit: strings.TrimPrefix(id, "commit ")}
	if !found || checkID("commit", c.Commit) != nil {
		return c, false
	}
	for line := range strings.SplitSeq(headers, "\n") {
		key, value, _ := strings.Cut(line, " ")
		switch key {
		case "tree":
			c.Tree = value
		case "parent":
			c.Parents = append(c.Parents, value)
		case "author":
			c.Author = withoutDate(value)
		case "committer":
			c.Committer = withoutDate(value)
		}
	}
	for line := range strings.SplitSeq(message, "\n") {
		key, value, _ := strings.Cut(line, ":")
		value = sanitize(strings.ToValidUTF8(value[:min(len(value), maxTrailer)], ""))
		switch strings.ToLower(strings.TrimSpace(key)) {
		case "coderflow-task":
			c.Task = value
		case "coderflow-proposal":
			c.Proposal = value
		case "coderflow-review":
			c.Review = value
		}
	}
	return c, true
}

// withoutDate is who a header of a commit names.
func withoutDate(line string) string {
	who := line[:strings.LastIndexByte(line, '>')+1]
	return sanitize(who[:min(len(who), maxTrailer)])
}
