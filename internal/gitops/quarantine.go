package gitops

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/coderflow/coderflow/internal/atonce"
)

// quarantine is a private bare repository in which objects are made. It sees
// the mirror's objects and writes only its own; [quarantine.admit] is the only
// way from here into the mirror.
type quarantine struct {
	g      *Git
	mirror mirror
	dir    string
}

func (g *Git) newQuarantine(ctx context.Context, m mirror) (*quarantine, error) {
	dir, err := os.MkdirTemp(g.place(quarantineDir), "q-")
	if err != nil {
		return nil, fmt.Errorf("make a quarantine: %w", err)
	}
	if err := layOutRepository(dir); err != nil {
		g.removeAll(ctx, dir)
		return nil, fmt.Errorf("make a quarantine: %w", err)
	}
	return &quarantine{g: g, mirror: m, dir: dir}, nil
}

// drop removes the quarantine and all that was not admitted.
func (q *quarantine) drop(ctx context.Context) { q.g.removeAll(ctx, q.dir) }

func (q *quarantine) file(name string) string { return filepath.Join(q.dir, name) }

// run runs git in the quarantine.
func (q *quarantine) run(ctx context.Context, inv invocation) ([]byte, error) {
	inv.gitDir = q.dir
	inv.env = append([]string{
		"GIT_OBJECT_DIRECTORY=" + q.file("objects"),
		"GIT_ALTERNATE_OBJECT_DIRECTORIES=" + q.mirror.objects(),
	}, inv.env...)
	inv.config = append([]string{"core.fsync=none"}, inv.config...) // what stays is written by admit
	return q.g.run(ctx, inv)
}

// admit moves into the mirror what tip reaches and base, if there is one, does not, and ref
// keeps it from then on. It fails with *RefusedError.
func (q *quarantine) admit(ctx context.Context, base, tip, ref string) error {
	pack, err := q.seal(ctx, base, tip)
	if err != nil {
		return err
	}
	return q.release(ctx, pack, tip, ref)
}

// seal packs what tip reaches and base does not, here, and returns the pack's name. It is
// checked by index-pack --strict, which is fsck --strict on exactly these objects: it hashes
// each of them anew, checks form and links, and what trees and .gitmodules say. It fails
// with *RefusedError.
func (q *quarantine) seal(ctx context.Context, base, tip string) (pack string, err error) {
	read, write, err := os.Pipe()
	if err != nil {
		return "", fmt.Errorf("pack %s: %w", tip, err)
	}
	packed := make(chan error, 1)
	go func() {
		defer write.Close()
		packed <- q.writePack(ctx, base, tip, write)
	}()
	pack, err = q.index(ctx, tip, read)
	read.Close() // frees a writer that waits
	if failed := <-packed; failed != nil && !isRefused(err) {
		return "", errors.Join(failed, err)
	}
	return pack, err
}

func (q *quarantine) index(ctx context.Context, tip string, pack io.Reader) (name string, err error) {
	out, err := q.run(ctx, invocation{args: []string{"index-pack", "--stdin", "--strict", "--fsck-objects"}, stdin: pack})
	if err != nil {
		return "", strictError(tip, err)
	}
	name, found := strings.CutPrefix(strings.TrimSpace(string(out)), "pack\t")
	if !found || checkID("pack", name) != nil {
		return "", fmt.Errorf("check %s: git index-pack wrote %.200q", tip, out)
	}
	return name, nil
}

// release moves a sealed pack into the mirror, which has it whole or not at all: git knows
// a pack by its index, which comes last. ref then keeps tip.
//
// No lock: both steps are atomic, and nothing ever prunes a mirror (gc.auto=0), so a slow
// fetch does not hold up a landing.
func (q *quarantine) release(ctx context.Context, pack, tip, ref string) error {
	from, to := q.file("objects/pack"), filepath.Join(q.mirror.objects(), "pack")
	name := "pack-" + pack
	err := atonce.Do(
		func() error { return makeLast(filepath.Join(from, name+".pack")) },
		func() error { return makeLast(filepath.Join(from, name+".idx")) },
	)
	for _, ending := range []string{".pack", ".idx"} {
		if err == nil {
			err = os.Rename(filepath.Join(from, name+ending), filepath.Join(to, name+ending)) // over the same bytes, if they are there
		}
	}
	if err != nil {
		return fmt.Errorf("admit %s: %w", tip, err)
	}
	if err := makeLast(to); err != nil {
		return fmt.Errorf("admit %s: %w", tip, err)
	}
	made, err := q.linkRef(ref, tip)
	switch {
	case made && err != nil:
		return fmt.Errorf("keep %s: %w", tip, err)
	case made:
		return nil
	}
	return q.g.keep(ctx, q.mirror, ref, tip) // it is there already, or something is in its way
}

// linkRef makes a ref that is not there yet, whole or not at all: a file like those of git, which is written here.
func (q *quarantine) linkRef(ref, id string) (made bool, err error) {
	if !q.mirror.allLoose() {
		return false, nil
	}
	from, to := q.file("ref"), filepath.Join(q.mirror.dir, ref)
	err = os.WriteFile(from, []byte(id+"\n"), 0o600)
	if err == nil {
		err = makeLast(from)
	}
	if err == nil {
		err = os.MkdirAll(filepath.Dir(to), 0o700)
	}
	if err == nil {
		err = os.Link(from, to) // not over one that is there
	}
	if err != nil {
		return false, err
	}
	return true, makeLast(filepath.Dir(to))
}

// strictError tells objects that git finds dangerous from a check that could not be made.
func strictError(tip string, err error) error {
	failed := (*CommandError)(nil)
	if errors.As(err, &failed) && strings.Contains(failed.Words, "fsck error") {
		return &RefusedError{Problems: []Problem{{Rule: "26", Why: "git's own check finds: " + failed.Words}}}
	}
	return fmt.Errorf("check %s: %w", tip, err)
}

func isRefused(err error) bool {
	refused := (*RefusedError)(nil)
	return errors.As(err, &refused)
}

func (q *quarantine) writePack(ctx context.Context, base, tip string, to *os.File) error {
	wanted := tip + "\n"
	if base != "" {
		wanted += "^" + base + "\n"
	}
	_, err := q.run(ctx, invocation{
		args: []string{"pack-objects", "--quiet", "--revs", "--stdout"}, stdin: strings.NewReader(wanted), stdout: to,
	})
	if err != nil {
		return fmt.Errorf("pack %s: %w", tip, err)
	}
	return nil
}

// writeBlob stores content as it is: no filter, no conversion.
func (q *quarantine) writeBlob(ctx context.Context, content io.Reader) (string, error) {
	out, err := q.run(ctx, invocation{
		args: []string{"hash-object", "-w", "--stdin", "--no-filters", "-t", "blob"}, stdin: content,
	})
	if err != nil {
		return "", fmt.Errorf("store a blob: %w", err)
	}
	id := string(bytes.TrimSpace(out))
	return id, checkID("stored blob", id)
}

// emptyQuarantine removes what a killed process left in quarantine.
func (g *Git) emptyQuarantine() error {
	entries, err := os.ReadDir(g.place(quarantineDir))
	if err != nil {
		return fmt.Errorf("empty the quarantine: %w", err)
	}
	for _, entry := range entries {
		if err := os.RemoveAll(filepath.Join(g.place(quarantineDir), entry.Name())); err != nil {
			return fmt.Errorf("empty the quarantine: %w", err)
		}
	}
	return nil
}
