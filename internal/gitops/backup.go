package gitops

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/backup"
)

// backupTimeout bounds one git process of a backup: a mirror is the whole history of a
// repository.
const backupTimeout = 6 * time.Hour

// Kept reads and writes what mirrors keep that no forge has: result trees, carriers and
// the commits of approvals, each with its whole history. It never touches what is in
// quarantine, so that a backup can run beside the server whose directory it is.
type Kept struct{ g *Git }

// OpenKept opens the directory of a server that may be running.
func OpenKept(opts Options) (*Kept, error) {
	opts.LocalTimeout = backupTimeout
	g, err := open(opts)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(g.place(emptyDir)); errors.Is(err, os.ErrNotExist) { // no server ran here: there is nothing
		return &Kept{g}, nil
	}
	return &Kept{g}, g.checkVersion()
}

// NewKept makes a directory for mirrors that are restored.
func NewKept(opts Options) (*Kept, error) {
	opts.LocalTimeout = backupTimeout
	g, err := New(opts)
	if err != nil {
		return nil, err
	}
	return &Kept{g}, nil
}

// keptRefs are the refs of a mirror that go into a backup. Bases are among them, because
// a carrier is published only on a base that was fetched.
var keptRefs = regexp.MustCompile(`^refs/coderflow/(bases|trees|carriers|landings)/[0-9a-z]{1,64}(/[0-9]{1,9})?$`)

// Names lists the mirrors, sorted.
func (k *Kept) Names() ([]string, error) {
	return k.g.mirrorNames()
}

func (k *Kept) mirror(name string) (mirror, error) {
	host, id, _ := strings.Cut(name, "-")
	if !hostPattern.MatchString(host) || !idPattern.MatchString(id) {
		return mirror{}, fmt.Errorf("%.100q is no name of a mirror", name)
	}
	return mirror{dir: filepath.Join(k.g.place(mirrorsDir), name+".git"), key: host + ":" + id}, nil
}

// Refs are what a mirror keeps beside what was fetched; none if that is all there is.
func (k *Kept) Refs(ctx context.Context, name string) ([]backup.Ref, error) {
	m, err := k.mirror(name)
	if err != nil {
		return nil, err
	}
	if present, err := m.check(); err != nil || !present {
		return nil, err
	}
	out, err := k.g.run(ctx, invocation{gitDir: m.dir, args: []string{"for-each-ref", "--format=%(objectname) %(objecttype) %(refname)", "refs/coderflow/"}})
	if err != nil {
		return nil, fmt.Errorf("list what the mirror of %s keeps: %w", m.key, err)
	}
	refs, own := []backup.Ref{}, false
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if len(fields) != 3 || fields[1] != "commit" || !keptRefs.MatchString(fields[2]) {
			continue
		}
		refs = append(refs, backup.Ref{Name: fields[2], ID: fields[0]})
		own = own || !strings.HasPrefix(fields[2], baseRefs)
	}
	if !own {
		return nil, nil
	}
	return refs, nil
}

// Pack writes all that the refs reach as one pack.
func (k *Kept) Pack(ctx context.Context, name string, refs []backup.Ref, to io.Writer) error {
	m, err := k.mirror(name)
	if err != nil {
		return err
	}
	var tips bytes.Buffer
	for _, r := range refs {
		fmt.Fprintln(&tips, r.ID)
	}
	_, err = k.g.run(ctx, invocation{
		gitDir: m.dir, stdin: &tips, stdout: to, args: []string{"pack-objects", "--quiet", "--revs", "--stdout"},
	})
	if err != nil {
		return fmt.Errorf("pack what the mirror of %s keeps: %w", m.key, err)
	}
	return nil
}

// Unpack makes a mirror of a pack, whole or not at all. Every object is hashed and
// checked as one that was fetched is, and every ref must name a commit whose history
// and trees are all there.
func (k *Kept) Unpack(ctx context.Context, name string, refs []backup.Ref, pack io.Reader) error {
	m, err := k.mirror(name)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(m.dir); !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("the mirror %s is there already", name)
	}
	fresh, err := os.MkdirTemp(k.g.place(quarantineDir), "restore-")
	if err != nil {
		return fmt.Errorf("restore the mirror of %s: %w", m.key, err)
	}
	defer k.g.removeAll(ctx, fresh)
	if err := layOutRepository(fresh); err != nil {
		return fmt.Errorf("restore the mirror of %s: %w", m.key, err)
	}
	steps := []invocation{
		{args: []string{"index-pack", "--strict", "--fsck-objects", "--stdin"}, stdin: pack},
	}
	var updates, tips bytes.Buffer
	for _, r := range refs {
		if !keptRefs.MatchString(r.Name) || checkID("commit", r.ID) != nil {
			return fmt.Errorf("%w: the mirror %s has the ref %.100q, which CoderFlow does not make", backup.ErrDamaged, name, r.Name)
		}
		fmt.Fprintf(&updates, "create %s %s\n", r.Name, r.ID)
		fmt.Fprintln(&tips, r.ID+"^{commit}")
	}
	steps = append(steps,
		invocation{args: []string{"rev-list", "--objects", "--quiet", "--stdin"}, stdin: &tips},
		invocation{args: []string{"update-ref", "--stdin"}, stdin: &updates})
	for _, step := range steps {
		step.gitDir = fresh
		if _, err := k.g.run(ctx, step); err != nil {
			return fmt.Errorf("%w: git does not take the objects of %s: %w", backup.ErrDamaged, m.key, err)
		}
	}
	if err := os.Rename(fresh, m.dir); err != nil {
		return fmt.Errorf("restore the mirror of %s: %w", m.key, err)
	}
	return nil
}
