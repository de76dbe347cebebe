package main

import (
	"errors"
	"os"
	"path/filepath"
)

// writeDurably writes a file of mode 0600 that is whole after a loss of power.
func writeDurably(path string, content []byte, flag int) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|flag, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// replaceDurably puts a file of mode 0600 in the place of what is there, in a directory
// that is this process's own. After a loss of power there is the one or the other.
func replaceDurably(path string, content []byte) error {
	next := path + ".next"
	return errors.Join(writeDurably(next, content, os.O_TRUNC), os.Rename(next, path), syncDir(filepath.Dir(path)))
}

// syncDir makes the names in a directory last.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
