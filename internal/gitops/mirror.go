package gitops

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/task"
)

// mirror is a bare repository with the objects of one repository at a forge.
type mirror struct {
	dir string
	key string // RepositoryRef.Key, for messages
}

// Refs in a mirror. They keep objects from being collected; none of them is
// ever pushed under its own name.
const (
	fetchRefs   = "refs/coderflow/fetched/"  // + hash of the branch name: its last fetched commit
	baseRefs    = "refs/coderflow/bases/"    // + commit: every base that a task was given
	treeRefs    = "refs/coderflow/trees/"    // + task/revision: a result tree, in a commit of its own
	carrierRefs = "refs/coderflow/carriers/" // + task/revision: an inert proposal commit
	landingRefs = "refs/coderflow/landings/" // + approval: the commit that it made

	checkpointRefs = "refs/coderflow/checkpoints/" // + branch: the checkpoint of the audit log that was made last
)

// treeRef keeps the result tree of a proposal.
func treeRef(id task.ID, revision int) string { return fmt.Sprintf("%s%s/%d", treeRefs, id, revision) }

// carrierRef keeps its carrier.
func carrierRef(id task.ID, revision int) string {
	return fmt.Sprintf("%s%s/%d", carrierRefs, id, revision)
}

// mirrorConfig is the whole configuration of a mirror. Everything else is said
// on each command line.
const mirrorConfig = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n"

var (
	hostPattern = regexp.MustCompile(`^[a-z][a-z0-9]{0,31}$`)
	idPattern   = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)
)

// openMirror returns the mirror of a repository and makes an empty one if there
// is none. Its directory is named by the repository's id: a name can pass to
// another repository.
func (g *Git) openMirror(ctx context.Context, ref forge.RepositoryRef) (mirror, error) {
	if !hostPattern.MatchString(ref.Host) || !idPattern.MatchString(ref.ID) {
		return mirror{}, fmt.Errorf("repository %.100q: malformed host or id", ref.Key())
	}
	m := mirror{dir: filepath.Join(g.place(mirrorsDir), ref.Host+"-"+ref.ID+".git"), key: ref.Key()}
	present, err := m.check()
	if err != nil || present {
		return m, err
	}
	unlock, err := g.lock(ctx, m.lockPath())
	if err != nil {
		return mirror{}, err
	}
	defer unlock()
	if present, err = m.check(); err != nil || present {
		return m, err
	}
	return m, g.createMirror(ctx, m)
}

// mirrorNames lists the mirrors' directories without their ending, sorted.
func (g *Git) mirrorNames() ([]string, error) {
	entries, err := os.ReadDir(g.place(mirrorsDir))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the mirrors: %w", err)
	}
	var names []string
	for _, e := range entries {
		if name, is := strings.CutSuffix(e.Name(), ".git"); is && e.IsDir() {
			names = append(names, name)
		}
	}
	return names, nil
}

func (m mirror) lockPath() string { return strings.TrimSuffix(m.dir, ".git") + ".lock" }
func (m mirror) objects() string  { return filepath.Join(m.dir, "objects") }

// check reports whether the mirror is there, and fails if anything in it could
// change what git does: nobody but createMirror configures a mirror.
func (m mirror) check() (present bool, err error) {
	config, err := os.ReadFile(filepath.Join(m.dir, "config"))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("open the mirror of %s: %w", m.key, err)
	}
	if string(config) != mirrorConfig {
		return false, fmt.Errorf("the configuration of %s was changed by somebody else; remove the directory, it is fetched anew", m.dir)
	}
	for _, name := range []string{"hooks", "info/attributes", "info/exclude", "info/grafts", "objects/info/alternates", "shallow", "config.worktree", "commondir"} {
		if _, err := os.Lstat(filepath.Join(m.dir, name)); !errors.Is(err, os.ErrNotExist) {
			return false, fmt.Errorf("%s has a %q that CoderFlow did not make; remove the directory, it is fetched anew", m.dir, name)
		}
	}
	return true, nil
}

// createMirror makes the repository beside its place and moves it there, so
// that a mirror is there whole or not at all.
func (g *Git) createMirror(ctx context.Context, m mirror) error {
	fresh, err := os.MkdirTemp(g.place(quarantineDir), "mirror-")
	if err != nil {
		return fmt.Errorf("make the mirror of %s: %w", m.key, err)
	}
	defer g.removeAll(ctx, fresh)
	if err := layOutRepository(fresh); err != nil {
		return fmt.Errorf("make the mirror of %s: %w", m.key, err)
	}
	// After a loss of power it is whole or not there: half of one would be refused for ever.
	err = makeLast(filepath.Join(fresh, "config"), filepath.Join(fresh, "HEAD"), filepath.Join(fresh, "objects"), filepath.Join(fresh, "refs"), fresh)
	if err == nil {
		err = os.Rename(fresh, m.dir)
	}
	if err == nil {
		err = makeLast(filepath.Dir(m.dir))
	}
	if err != nil {
		return fmt.Errorf("make the mirror of %s: %w", m.key, err)
	}
	return nil
}

// makeLast has files, and the names in directories, survive a loss of power.
func makeLast(paths ...string) error {
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// layOutRepository writes the few files of an empty bare repository; git init
// would add templates.
func layOutRepository(dir string) error {
	for _, sub := range []string{"objects/info", "objects/pack", "refs/heads"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "HEAD"), []byte("ref: refs/heads/none\n"), 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "config"), []byte(mirrorConfig), 0o600)
}

// Fetch brings the branch as it is at the forge now into the repository's
// mirror and returns its commit. The commit is kept from then on, whatever
// happens to the branch. It fails with ErrNoBranch, ErrSHA256 or a *RemoteError.
func (g *Git) Fetch(ctx context.Context, remote Remote, branch string) (commit string, err error) {
	if err := checkBranch(branch); err != nil {
		return "", err
	}
	m, err := g.openMirror(ctx, remote.Repository)
	if err != nil {
		return "", err
	}
	if known := m.lastFetched(branch); known != "" {
		if tip, err := g.askTip(ctx, remote, branch); err == nil && tip == known {
			return known, nil
		}
	}
	unlock, err := g.lock(ctx, m.lockPath())
	if err != nil {
		return "", err
	}
	defer unlock()
	local := fetchedRef(branch)
	_, err = g.run(ctx, invocation{
		gitDir: m.dir, remote: &remote,
		args: []string{
			"fetch", "--quiet", "--force", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance",
			"--no-recurse-submodules", "--end-of-options", remote.URL, "+" + branchPrefix + branch + ":" + local,
		},
	})
	if err != nil {
		return "", fetchError(remote, branch, err)
	}
	if known := m.lastFetched(branch); known != "" {
		return known, nil
	}
	// Not by its file: a remote can call anything a branch, and only a commit is a base.
	commit, err = g.output(ctx, invocation{gitDir: m.dir, args: []string{"rev-parse", "--verify", "--quiet", "--end-of-options", local + "^{commit}"}})
	if err != nil {
		return "", fmt.Errorf("read the fetched commit of %s: %w", branch, err)
	}
	return commit, g.keep(ctx, m, baseRefs+commit, commit)
}

// fetchedRef is named by a hash, because branches "a" and "a/b" can exist one after the other.
func fetchedRef(branch string) string {
	sum := sha256.Sum256([]byte(branch))
	return fetchRefs + hex.EncodeToString(sum[:16])
}

// lastFetched is the commit that was fetched last of the branch, if it is kept as a base, which only a commit ever is.
func (m mirror) lastFetched(branch string) string {
	if known := m.looseRef(fetchedRef(branch)); known != "" && m.looseRef(baseRefs+known) == known {
		return known
	}
	return ""
}

// allLoose reports whether every ref has a file of its own: nothing ever packed any.
func (m mirror) allLoose() bool {
	_, err := os.Lstat(filepath.Join(m.dir, "packed-refs"))
	return errors.Is(err, os.ErrNotExist)
}

// looseRef is what the ref's own file says, which is what git goes by; empty where it has none, and git has to be asked.
func (m mirror) looseRef(ref string) string {
	if strings.Contains(ref, "..") { // git allows it in no ref
		return ""
	}
	text, err := os.ReadFile(filepath.Join(m.dir, ref))
	id := strings.TrimSuffix(string(text), "\n")
	if err != nil || checkID("ref", id) != nil {
		return ""
	}
	return id
}

func fetchError(remote Remote, branch string, err error) error {
	err = remoteError(fmt.Sprintf("fetch %s of %s", branch, remote.Repository.Key()), err)
	var failed *RemoteError
	if !errors.As(err, &failed) {
		return err
	}
	switch {
	case strings.Contains(failed.Words, "couldn't find remote ref"):
		return fmt.Errorf("fetch %s of %s: %w", branch, remote.Repository.Key(), ErrNoBranch)
	case strings.Contains(failed.Words, "mismatched algorithms"):
		return fmt.Errorf("fetch %s of %s: %w", branch, remote.Repository.Key(), ErrSHA256)
	}
	return err
}

// keep points a ref of ours at an object, so that it stays.
func (g *Git) keep(ctx context.Context, m mirror, ref, id string) error {
	if m.looseRef(ref) == id {
		return nil
	}
	_, err := g.run(ctx, invocation{gitDir: m.dir, args: []string{"update-ref", "--no-deref", "--end-of-options", ref, id}})
	if err != nil {
		return fmt.Errorf("keep %s: %w", id, err)
	}
	return nil
}

// object is an object that is needed.
type object struct{ kind, id string }

// require fails with ErrObjectMissing unless the mirror has each of the objects, as that type.
func (g *Git) require(ctx context.Context, m mirror, needed ...object) error {
	var questions strings.Builder
	for _, o := range needed {
		if err := checkID(o.kind, o.id); err != nil {
			return err
		}
		questions.WriteString(o.id + "\n")
	}
	out, err := g.output(ctx, invocation{
		gitDir: m.dir, args: []string{"cat-file", "--batch-check=%(objectname) %(objecttype)"}, stdin: strings.NewReader(questions.String()),
	})
	if err != nil {
		return fmt.Errorf("look for objects of %s: %w", m.key, err)
	}
	answers := strings.Split(out, "\n")
	for i, o := range needed {
		if i >= len(answers) || answers[i] != o.id+" "+o.kind {
			return fmt.Errorf("%s %s of %s: %w", o.kind, o.id, m.key, ErrObjectMissing)
		}
	}
	return nil
}
