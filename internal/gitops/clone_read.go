package gitops

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// objectReader asks one git process for objects, by their full ids.
type objectReader struct {
	questions, answers *os.File
	buffer             *bufio.Reader
	done               chan error
	left               int64 // bytes that may still be read
}

// Bounds of what is read of a clone, in bytes.
const (
	maxCommitBytes = 1 << 20
	maxTreeBytes   = 64 << 20
	maxBlobBytes   = 128 << 20
	maxCloneBytes  = 1 << 30 // all of it together
)

// readerMemory bounds each piece of memory that git asks for: a small object may be
// stored as a difference to one of any size. It is more than the largest object.
const readerMemory = "200m"

// startReader talks to git through the system's pipes; see blobWriter.
func (c *Clone) startReader(ctx context.Context) (*objectReader, error) {
	questionsRead, questions, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("read the clone: %w", err)
	}
	answers, answersWrite, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read the clone: %w", err), questionsRead.Close(), questions.Close())
	}
	r := &objectReader{
		questions: questions, answers: answers, buffer: bufio.NewReader(answers), done: make(chan error, 1), left: maxCloneBytes,
	}
	go func() {
		_, err := c.g.run(ctx, invocation{
			args: []string{"cat-file", "--batch-command"}, gitDir: c.repository(),
			config: []string{"core.commitGraph=false", "protocol.https.allow=never"},
			env:    []string{"GIT_OBJECT_DIRECTORY=" + c.objectDir, "GIT_ALLOW_PROTOCOL=none", "GIT_ALLOC_LIMIT=" + readerMemory},
			stdin:  questionsRead, stdout: answersWrite,
		})
		r.done <- errors.Join(err, questionsRead.Close(), answersWrite.Close())
	}()
	return r, nil
}

// close ends the process. It is called once.
func (r *objectReader) close() error {
	err := errors.Join(r.questions.Close(), r.answers.Close())
	failed := (*CommandError)(nil)
	if ended := <-r.done; ended != nil && !errors.As(ended, &failed) { // how it ended was told where it was read
		err = errors.Join(err, ended)
	}
	return err
}

// complete finds the one object whose id begins so.
func (r *objectReader) complete(short string) (string, error) {
	id, _, _, err := r.ask("info", short)
	return id, err
}

// ask sends a command and reads the first line of its answer.
func (r *objectReader) ask(command, object string) (id, kind string, size int64, err error) {
	if _, err := io.WriteString(r.questions, command+" "+object+"\n"); err != nil {
		return "", "", 0, fmt.Errorf("read the clone: %w", err)
	}
	line, err := r.buffer.ReadString('\n')
	if err != nil {
		return "", "", 0, fmt.Errorf("read the clone: git cannot read object %s: %w", object, err)
	}
	fields := strings.Fields(line)
	if len(fields) != 3 {
		return "", "", 0, fmt.Errorf("%s: %w", object, ErrNotInClone)
	}
	if size, err = strconv.ParseInt(fields[2], 10, 64); err != nil || !objectID.MatchString(fields[0]) || size < 0 {
		return "", "", 0, fmt.Errorf("git cat-file wrote %.200q", line)
	}
	return fields[0], fields[1], size, nil
}

// read returns an object, whose content has that id.
func (r *objectReader) read(id string, limit int64) (kind string, content []byte, err error) {
	if err := checkID("object", id); err != nil {
		return "", nil, err
	}
	if _, _, size, err := r.ask("info", id); err != nil {
		return "", nil, err
	} else if size > limit || size > r.left {
		return "", nil, fmt.Errorf("object %s has %d bytes; at most %d are read", id, size, min(limit, r.left))
	}
	_, kind, size, err := r.ask("contents", id)
	if err != nil {
		return "", nil, err
	}
	if size > limit || size > r.left { // it said something else before
		return "", nil, fmt.Errorf("object %s: %w", id, ErrObjectLies)
	}
	r.left -= size
	content = make([]byte, size+1)
	if _, err := io.ReadFull(r.buffer, content); err != nil {
		return "", nil, fmt.Errorf("read the clone: git cannot read object %s: %w", id, err)
	}
	content = content[:size]
	if hashObject(kind, content) != id {
		return "", nil, fmt.Errorf("%s %s: %w", kind, id, ErrObjectLies)
	}
	return kind, content, nil
}

// readAs reads an object of a kind.
func (r *objectReader) readAs(kind, id string, limit int64) ([]byte, error) {
	found, content, err := r.read(id, limit)
	if err == nil && found != kind {
		err = fmt.Errorf("object %s is a %s and no %s", id, found, kind)
	}
	return content, err
}

// hashObject is the id that git gives an object.
func hashObject(kind string, content []byte) string {
	h := sha1.New()
	fmt.Fprintf(h, "%s %d\x00", kind, len(content))
	h.Write(content)
	return hex.EncodeToString(h.Sum(nil))
}

// CommitObject is a commit as it is, to the byte.
type CommitObject struct {
	ID      string
	Content []byte
	Tree    string
	Parents []string
	Message string
}

// Commit reads a commit by its full id.
func (c *Clone) Commit(id string) (CommitObject, error) {
	content, err := c.objects.readAs("commit", id, maxCommitBytes)
	if err != nil {
		return CommitObject{}, fmt.Errorf("read commit %s: %w", id, err)
	}
	commit := CommitObject{ID: id, Content: content}
	header, message, _ := strings.Cut(string(content), "\n\n")
	commit.Message = message
	lines := strings.Split(header, "\n")
	tree, is := strings.CutPrefix(lines[0], "tree ")
	if !is || !objectID.MatchString(tree) {
		return commit, fmt.Errorf("commit %s names no tree", id)
	}
	commit.Tree = tree
	for _, line := range lines[1:] {
		parent, is := strings.CutPrefix(line, "parent ")
		if !is {
			break
		}
		if !objectID.MatchString(parent) {
			return commit, fmt.Errorf("commit %s has a parent that is no object id", id)
		}
		commit.Parents = append(commit.Parents, parent)
	}
	return commit, nil
}
