package gitops

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
)

// readSmall reads a regular file of a stranger's: it neither waits for a FIFO nor
// reads without end.
func readSmall(path string, limit int64) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", path)
	}
	content, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(content)) > limit {
		err = fmt.Errorf("%s is longer than %d bytes", path, limit)
	}
	return content, err
}

var (
	// refName is stricter than git-check-ref-format(1), which is enough for names
	// that people give.
	refName     = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_./@+=,#-]{0,254}$`)
	headName    = regexp.MustCompile(`^[A-Z]+(_[A-Z]+)*$`)
	shortID     = regexp.MustCompile(`^[0-9a-f]{7,39}$`)
	commitSteps = regexp.MustCompile(`^(?:[~^][0-9]{0,4})*$`)
	commitStep  = regexp.MustCompile(`[~^][0-9]*`)
)

// Resolve finds the commit that a name means: a full id or a unique beginning of
// one, HEAD, a branch, a tag, a remote's branch, and from there ~N and ^N. A name is
// only a name: what a clone says that it means is no claim about the commit.
func (c *Clone) Resolve(name string) (id string, err error) {
	base, steps := name, ""
	if at := strings.IndexAny(name, "~^"); at >= 0 {
		base, steps = name[:at], name[at:]
	}
	if !commitSteps.MatchString(steps) {
		return "", fmt.Errorf("%.200q: %w", name, ErrNoCommit)
	}
	if id, err = c.named(base); err != nil {
		return "", err
	}
	if id, err = c.peel(id); err != nil {
		return "", err
	}
	for _, step := range commitStep.FindAllString(steps, -1) {
		if id, err = c.step(id, step); err != nil {
			return "", fmt.Errorf("%.200q: %w", name, err)
		}
	}
	return id, nil
}

func (c *Clone) named(name string) (string, error) {
	if len(name) == 64 && isHex(name) {
		return "", ErrSHA256
	}
	if objectID.MatchString(name) {
		return name, nil
	}
	if id, err := c.ref(name); err != nil || id != "" {
		return id, err
	}
	if shortID.MatchString(name) {
		if id, err := c.objects.complete(name); err == nil {
			return id, nil
		}
	}
	return "", fmt.Errorf("%.200q: %w", name, ErrNoCommit)
}

func isHex(s string) bool { return strings.Trim(s, "0123456789abcdef") == "" }

// ref looks where git looks (gitrevisions(7)); "" if there is none.
func (c *Clone) ref(name string) (string, error) {
	if !refName.MatchString(name) || strings.Contains(name, "..") || strings.Contains(name, "//") {
		return "", nil
	}
	var places []string
	if headName.MatchString(name) || strings.HasPrefix(name, "refs/") {
		places = append(places, name)
	}
	for _, in := range []string{"refs/", "refs/tags/", "refs/heads/", "refs/remotes/"} {
		places = append(places, in+name)
	}
	for _, place := range append(places, "refs/remotes/"+name+"/HEAD") {
		if id, err := c.follow(place, 0); err != nil || id != "" {
			return id, err
		}
	}
	return "", nil
}

const maxSymbolic = 5

// follow reads a ref, and those that it names in its turn.
func (c *Clone) follow(ref string, depth int) (string, error) {
	if depth > maxSymbolic {
		return "", fmt.Errorf("the clone's refs lead in a circle at %.200q", ref)
	}
	dir := c.commonDir
	if headName.MatchString(ref) {
		dir = c.gitDir
	}
	text, err := readInside(dir, ref)
	if err != nil {
		return c.packed(ref)
	}
	text = bytes.TrimSpace(text)
	if next, is := bytes.CutPrefix(text, []byte("ref: ")); is {
		if next := string(next); strings.HasPrefix(next, "refs/") && refName.MatchString(next) {
			return c.follow(next, depth+1)
		}
		return "", fmt.Errorf("the clone's ref %.200q names no ref", ref)
	}
	if id, _, _ := strings.Cut(string(text), "\t"); objectID.MatchString(id) { // FETCH_HEAD says more
		return id, nil
	}
	return "", fmt.Errorf("the clone's ref %.200q is no object id; give the full id of the commit", ref)
}

// readInside reads a file below the directory; no link leads out of it.
func readInside(dir, name string) ([]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close() //nolint:errcheck // it was only read
	info, err := root.Stat(filepath.FromSlash(name))
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxSmallFile {
		return nil, fmt.Errorf("%s is no ref", name)
	}
	return root.ReadFile(filepath.FromSlash(name))
}

// packed looks into the file in which git keeps refs that seldom change.
func (c *Clone) packed(ref string) (string, error) {
	text, err := readSmall(filepath.Join(c.commonDir, "packed-refs"), maxPackedRefs)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the clone's refs: %w", err)
	}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if id, name, found := strings.Cut(lines.Text(), " "); found && name == ref && objectID.MatchString(id) {
			return id, nil
		}
	}
	return "", nil
}

// peel follows tags to their commit.
func (c *Clone) peel(id string) (string, error) {
	for range maxSymbolic {
		kind, content, err := c.objects.read(id, maxSmallFile)
		switch {
		case err != nil:
			return "", fmt.Errorf("commit %s: %w", id, err)
		case kind == "commit":
			return id, nil
		case kind != "tag":
			return "", fmt.Errorf("%s is a %s: %w", id, kind, ErrNoCommit)
		}
		line, _, _ := strings.Cut(string(content), "\n")
		target, is := strings.CutPrefix(line, "object ")
		if !is || !objectID.MatchString(target) {
			return "", fmt.Errorf("tag %s names no object: %w", id, ErrNoCommit)
		}
		id = target
	}
	return "", fmt.Errorf("tag %s: %w", id, ErrNoCommit)
}

// step goes to a parent: ~N is N times the first, ^N is the N-th.
func (c *Clone) step(id, step string) (string, error) {
	n := 1
	if step[1:] != "" {
		n, _ = strconv.Atoi(step[1:]) // at most four digits
	}
	times, which := n, 1
	if step[0] == '^' {
		times, which = min(n, 1), n
	}
	for range times {
		commit, err := c.Commit(id)
		if err != nil {
			return "", err
		}
		if which > len(commit.Parents) {
			return "", fmt.Errorf("commit %s has %d parents: %w", id, len(commit.Parents), ErrNoCommit)
		}
		id = commit.Parents[which-1]
	}
	return id, nil
}
