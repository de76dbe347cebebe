package gitops

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// commitText is everything that a commit of ours says. Its id follows from it.
type commitText struct {
	tree, parent      string
	merges            string // a second parent; only proposal commits of a rebase have one
	root              bool   // it has no parent
	author, committer Identity
	unix              int64 // both dates, in UTC
	message           string
}

// String is the commit object's content as git stores it.
func (c commitText) String() string {
	parent := "parent " + c.parent + "\n"
	if c.root {
		parent = ""
	}
	if c.merges != "" {
		parent += "parent " + c.merges + "\n"
	}
	return fmt.Sprintf("tree %s\n%sauthor %s <%s> %d +0000\ncommitter %s <%s> %d +0000\n\n%s",
		c.tree, parent, c.author.Name, c.author.Email, c.unix, c.committer.Name, c.committer.Email, c.unix, c.message)
}

// id is the object id that git gives the commit.
func (c commitText) id() string {
	content := c.String()
	sum := sha1.Sum(fmt.Appendf(nil, "commit %d\x00%s", len(content), content))
	return hex.EncodeToString(sum[:])
}

func (c commitText) check() error {
	switch {
	case c.root && c.parent+c.merges != "":
		return errors.New("the first commit of a branch has a parent")
	case c.merges != "" && (checkID("second parent", c.merges) != nil || c.merges == c.parent):
		return fmt.Errorf("the second parent %.80q is no other commit", c.merges)
	case checkID("tree", c.tree) != nil || !c.root && checkID("parent", c.parent) != nil:
		return errors.Join(checkID("tree", c.tree), checkID("parent", c.parent))
	case c.author != cleanIdentity(c.author) || c.author.Name == "" || c.author.Email == "":
		return fmt.Errorf("commit author %q <%s> is not of plain characters", c.author.Name, c.author.Email)
	case !utf8.ValidString(c.message) || strings.ContainsRune(c.message, 0):
		return errors.New("the commit message contains a NUL byte or is not valid UTF-8")
	case strings.TrimSpace(c.message) == "":
		return errors.New("the commit message is empty")
	case c.unix < 0:
		return errors.New("the commit's date is before 1970")
	}
	return nil
}

// keepCommit makes the commit of objects that the mirror has, and ref keeps it there. It fails with ErrObjectMissing if
// it has them not.
func (g *Git) keepCommit(ctx context.Context, m mirror, c commitText, ref string) (string, error) {
	if err := c.check(); err != nil {
		return "", err
	}
	q, err := g.newQuarantine(ctx, m)
	if err != nil {
		return "", err
	}
	defer q.drop(ctx)
	id := c.id()
	pack, err := q.index(ctx, id, bytes.NewReader(singlePack("commit", []byte(c.String()))))
	if err != nil {
		return "", cmp.Or(g.require(ctx, m, object{"commit", c.parent}, object{"tree", c.tree}), err)
	}
	return id, q.release(ctx, pack, id, ref)
}

// writeCommit stores the commit: exactly the text that was meant, whose id it must have,
// which settles parents, tree, identities, dates, further headers and message at once.
func (q *quarantine) writeCommit(ctx context.Context, c commitText) (string, error) {
	if !strings.HasSuffix(c.message, "\n") {
		c.message += "\n"
	}
	if err := c.check(); err != nil {
		return "", err
	}
	out, err := q.run(ctx, invocation{
		args: []string{"hash-object", "-w", "-t", "commit", "--no-filters", "--stdin"}, stdin: strings.NewReader(c.String()),
	})
	if err != nil {
		return "", fmt.Errorf("make the commit: %w", err)
	}
	if id := strings.TrimSpace(string(out)); id != c.id() {
		return "", fmt.Errorf("git made commit %.80q, which does not say what was meant", id)
	}
	return c.id(), nil
}
