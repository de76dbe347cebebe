package gitops

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Clone reads commits of a repository that somebody else made and may have
// tampered with. git never runs in it: a bare repository of our own, in a temporary
// directory, sees the clone's object directory and nothing else of it, so that no
// configuration, hook, attribute, filter, graft, replacement, commit graph, shallow
// list or promised remote of the clone has any effect. Each object that is used is
// hashed here: it has the content that its id says, or reading it fails. Nothing is
// written to the clone, and there is no network.
type Clone struct {
	g         *Git
	dir       string // ours
	gitDir    string // the clone's: HEAD
	commonDir string // the clone's: the other refs
	objectDir string // the clone's
	objects   *objectReader
}

// Errors of a Clone.
var (
	// ErrNoClone is a directory that is in no clone.
	ErrNoClone = errors.New("no git repository")
	// ErrNoCommit is a name that the clone does not know.
	ErrNoCommit = errors.New("the clone has no such commit")
	// ErrNotInClone is an object that the clone lacks, as shallow and partial ones do.
	ErrNotInClone = errors.New("the clone does not have the object")
	// ErrObjectLies is an object whose content is not what its id says.
	ErrObjectLies = errors.New("the clone has another content under the object's id")
)

// OpenClone opens the clone that the directory is in, or is. What may be read, and how
// long, is bounded for each Clone: one is opened for each commit that is verified.
func OpenClone(ctx context.Context, dir string) (c *Clone, err error) {
	c = &Clone{}
	if c.gitDir, c.commonDir, err = findClone(dir); err != nil {
		return nil, err
	}
	c.objectDir = filepath.Join(c.commonDir, "objects")
	if err := requireSHA1(c.commonDir); err != nil {
		return nil, err
	}
	program, err := exec.LookPath("git")
	if err != nil {
		return nil, fmt.Errorf("git is not installed (Debian and Ubuntu: apt-get install git): %w", err)
	}
	if c.dir, err = os.MkdirTemp("", "coderflow-clone-"); err != nil {
		return nil, fmt.Errorf("make a repository to read the clone: %w", err)
	}
	c.g = &Git{program: program, opts: Options{Dir: c.dir, LocalTimeout: cloneTimeout, Logger: slog.New(slog.DiscardHandler)}}
	err = errors.Join(os.Mkdir(c.g.place(emptyDir), 0o700), layOutRepository(c.repository()))
	if err == nil {
		err = c.g.checkVersion()
	}
	if err == nil {
		c.objects, err = c.startReader(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make a repository to read the clone: %w", err), os.RemoveAll(c.dir))
	}
	return c, nil
}

// cloneTimeout bounds each git process, the reader of all objects included.
const cloneTimeout = 5 * time.Minute

// Close removes what was read.
func (c *Clone) Close() error { return errors.Join(c.objects.close(), os.RemoveAll(c.dir)) }

func (c *Clone) repository() string { return filepath.Join(c.dir, "own.git") }

// maxSmallFile bounds what is read of a clone's own files, in bytes; packedRefs has
// a bound of its own.
const (
	maxSmallFile  = 64 << 10
	maxPackedRefs = 64 << 20
)

// findClone goes up until it finds a repository. gitDir is the work tree's,
// commonDir what all work trees of the clone share.
func findClone(dir string) (gitDir, commonDir string, err error) {
	start, err := filepath.Abs(dir)
	if err != nil {
		return "", "", fmt.Errorf("find the clone: %w", err)
	}
	for at := start; ; at = filepath.Dir(at) {
		if gitDir, err = gitDirOf(at); err != nil {
			return "", "", err
		}
		if gitDir != "" {
			break
		}
		if at == filepath.Dir(at) {
			return "", "", fmt.Errorf("%s: %w, nor in any directory above it", start, ErrNoClone)
		}
	}
	common, err := readSmall(filepath.Join(gitDir, "commondir"), maxSmallFile)
	if errors.Is(err, os.ErrNotExist) {
		return gitDir, gitDir, nil
	}
	if err != nil {
		return "", "", fmt.Errorf("find the clone: %w", err)
	}
	return gitDir, below(gitDir, strings.TrimRight(string(common), "\n")), nil
}

// gitDirOf is the git directory of a work tree or of a bare repository; empty: the
// directory is neither.
func gitDirOf(dir string) (string, error) {
	place := filepath.Join(dir, ".git")
	info, err := os.Stat(place)
	switch {
	case err == nil && info.IsDir():
		return place, nil
	case err == nil:
		text, err := readSmall(place, maxSmallFile)
		target, is := strings.CutPrefix(strings.TrimRight(string(text), "\n"), "gitdir: ")
		if err != nil || !is {
			return "", fmt.Errorf("%s is no git directory: %w", place, errors.Join(err, ErrNoClone))
		}
		return below(dir, target), nil
	case isDir(filepath.Join(dir, "objects")) && isDir(filepath.Join(dir, "refs")):
		if _, err := os.Stat(filepath.Join(dir, "HEAD")); err == nil {
			return dir, nil
		}
	}
	return "", nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// below is a path as a file of the directory names it.
func below(dir, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(dir, path)
}

var sha256Format = regexp.MustCompile(`(?im)^\s*objectformat\s*=\s*"?sha256`)

// requireSHA1 looks at the one thing that the clone's configuration says about its
// objects, for a clear answer. Whatever it says, ids of another length are refused.
func requireSHA1(commonDir string) error {
	config, err := readSmall(filepath.Join(commonDir, "config"), maxSmallFile)
	if err == nil && sha256Format.Match(config) {
		return ErrSHA256
	}
	return nil
}
