package gitops

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// crowded is how many packs a mirror may have. Each task adds some, and every git process looks through all of them.
const crowded = 40

// staleAfter is how old a file that git was writing is when nobody writes it any more.
const staleAfter = 24 * time.Hour

// Tidy makes few packs of many in each mirror that has too many. Nothing that a mirror has is dropped, whether a ref
// keeps it or not, and large packs are left as they are: it costs what was added since. Others may read meanwhile, and
// admit what they make; only a fetch waits. A failure in one mirror keeps it from none of the others.
func (g *Git) Tidy(ctx context.Context) error {
	names, err := g.mirrorNames()
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range names {
		if ctx.Err() != nil {
			break
		}
		errs = append(errs, g.tidy(ctx, mirror{dir: filepath.Join(g.place(mirrorsDir), name+".git"), key: name}))
	}
	return errors.Join(errs...)
}

func (g *Git) tidy(ctx context.Context, m mirror) error {
	many, err := m.crowded()
	if err != nil || !many {
		return err
	}
	unlock, err := g.lock(ctx, m.lockPath())
	if err != nil {
		return err
	}
	defer unlock()
	if present, err := m.check(); err != nil || !present {
		return err
	}
	if err := m.sweep(time.Now().Add(-staleAfter)); err != nil {
		return err
	}
	// Packs that are smaller than twice what the smaller ones have together become one, with all that is in them.
	_, err = g.run(ctx, invocation{gitDir: m.dir, args: []string{"repack", "--geometric=2", "-d", "-n", "--quiet"}})
	if err != nil {
		return fmt.Errorf("make few packs of many in the mirror of %s: %w", m.key, err)
	}
	return nil
}

func (m mirror) crowded() (bool, error) {
	packs, err := filepath.Glob(filepath.Join(m.objects(), "pack", "pack-*.pack"))
	return len(packs) > crowded, err
}

// sweep removes what killed processes left half written before that time.
func (m mirror) sweep(before time.Time) error {
	dir := filepath.Join(m.objects(), "pack")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("list the packs of the mirror of %s: %w", m.key, err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "tmp_") && !strings.HasPrefix(e.Name(), ".tmp-") {
			continue
		}
		if info, err := e.Info(); err != nil || info.ModTime().After(before) {
			continue // it is gone, or may be somebody's
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove a half of a pack: %w", err)
		}
	}
	return nil
}
