package gitops

import (
	"bytes"
	"cmp"
	"compress/zlib"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
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
	sum := sha1.Sum(looseObject("commit", c.String()))
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

// writeCommit stores the commit, whose id settles parents, tree, identities, dates and message at once. Nothing has
// checked it before it is sealed.
func (q *quarantine) writeCommit(c commitText) (string, error) {
	if !strings.HasSuffix(c.message, "\n") {
		c.message += "\n"
	}
	if err := c.check(); err != nil {
		return "", err
	}
	if err := q.writeLoose("commit", c.String()); err != nil {
		return "", fmt.Errorf("make the commit: %w", err)
	}
	return c.id(), nil
}

// writeLoose stores an object in a file of its own, compressed like all (gitformat-loose(5)).
func (q *quarantine) writeLoose(kind, content string) error {
	object := looseObject(kind, content)
	sum := sha1.Sum(object)
	id := hex.EncodeToString(sum[:])
	var file bytes.Buffer
	zip := zlib.NewWriter(&file)
	_, _ = zip.Write(object) // memory takes all of it
	_ = zip.Close()
	if err := os.MkdirAll(q.file("objects/"+id[:2]), 0o700); err != nil {
		return err
	}
	return os.WriteFile(q.file("objects/"+id[:2]+"/"+id[2:]), file.Bytes(), 0o600)
}

// looseObject is what an object's id is the hash of.
func looseObject(kind, content string) []byte {
	return fmt.Appendf(nil, "%s %d\x00%s", kind, len(content), content)
}
