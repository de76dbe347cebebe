package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// seedHome writes the files that an agent expects in its HOME: its settings, mostly. They lie on a tmpfs and belong
// to the agent.
func seedHome(home string, files map[string][]byte) error {
	if len(files) == 0 {
		return nil
	}
	root, err := os.OpenRoot(home)
	if err != nil {
		return fmt.Errorf("opening HOME: %w", err)
	}
	defer root.Close()
	for path, content := range files {
		if err := root.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return fmt.Errorf("making the directory of %q in HOME: %w", path, err)
		}
		file, err := root.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return fmt.Errorf("writing %q in HOME: %w", path, err)
		}
		_, err = file.Write(content)
		if err := errors.Join(err, file.Close()); err != nil {
			return fmt.Errorf("writing %q in HOME: %w", path, err)
		}
	}
	return nil
}
