package image

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
)

// dockerfile runs nothing. What it copies belongs to root; user, directory and the rest stay the base's.
const dockerfile = "ARG BASE\nFROM ${BASE}\nCOPY --chown=0:0 rootfs/ /\n"

// rootfs is where the files of the image lie in the build context.
const rootfs = "rootfs"

// writeContext writes the build context of an image: the Dockerfile and what the recipe takes of the packages below
// modules. Only files and directories are taken; a link in a package could lead anywhere on this machine.
func writeContext(to io.Writer, recipe Recipe, modules string) error {
	root, err := os.OpenRoot(modules)
	if err != nil {
		return fmt.Errorf("open the packages: %w", err)
	}
	defer root.Close() //nolint:errcheck // it was only read
	w := contextWriter{tar.NewWriter(to)}
	if err := w.file("Dockerfile", []byte(dockerfile), 0o644); err != nil {
		return err
	}
	for _, tree := range recipe.Trees {
		if err := w.tree(root.FS(), tree); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(recipe.Scripts)) {
		if err := w.file(rootfs+name, []byte(recipe.Scripts[name]), 0o755); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(recipe.Links)) {
		if err := w.header(&tar.Header{Typeflag: tar.TypeSymlink, Name: rootfs + name, Linkname: recipe.Links[name], Mode: 0o777}); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("end the build context: %w", err)
	}
	return nil
}

type contextWriter struct{ *tar.Writer }

// header writes one with neither owner nor time: the same packages give the same context.
func (w contextWriter) header(h *tar.Header) error {
	h.Format = tar.FormatPAX
	if err := w.WriteHeader(h); err != nil {
		return fmt.Errorf("write %s into the build context: %w", h.Name, err)
	}
	return nil
}

func (w contextWriter) file(name string, content []byte, mode int64) error {
	if err := w.header(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: int64(len(content))}); err != nil {
		return err
	}
	if _, err := w.Write(content); err != nil {
		return fmt.Errorf("write %s into the build context: %w", name, err)
	}
	return nil
}

// tree writes one tree of the packages.
func (w contextWriter) tree(modules fs.FS, tree Tree) error {
	walk := func(name string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && name == tree.From {
			return fmt.Errorf("npm brought no %s: the registry may not have the package for this platform", tree.From)
		}
		if err != nil {
			return fmt.Errorf("read package file %q: %w", name, err)
		}
		below := strings.TrimPrefix(strings.TrimPrefix(name, tree.From), "/")
		if slices.Contains(tree.Skip, below) {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		return w.entry(modules, name, rootfs+path.Join(tree.To, below), entry, slices.Contains(tree.Executable, below))
	}
	return fs.WalkDir(modules, tree.From, walk)
}

func (w contextWriter) entry(modules fs.FS, from, to string, entry fs.DirEntry, executable bool) error {
	switch {
	case entry.IsDir():
		return w.header(&tar.Header{Typeflag: tar.TypeDir, Name: to + "/", Mode: 0o755})
	case !entry.Type().IsRegular():
		return fmt.Errorf("package file %q is neither a file nor a directory", from)
	}
	file, err := modules.Open(from)
	if err != nil {
		return fmt.Errorf("open package file %q: %w", from, err)
	}
	defer file.Close() //nolint:errcheck // it was only read
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("look at package file %q: %w", from, err)
	}
	mode := int64(0o644)
	if executable || info.Mode()&0o111 != 0 {
		mode = 0o755
	}
	if err := w.header(&tar.Header{Typeflag: tar.TypeReg, Name: to, Mode: mode, Size: info.Size()}); err != nil {
		return err
	}
	if _, err := io.Copy(w, file); err != nil {
		return fmt.Errorf("copy package file %q: %w", from, err)
	}
	return nil
}
