// Command fsops does to the directories of a workspace what the file named by its argument says: a JSON list of
// operations for each of them. An operation that the file system refuses is left out.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// operation is one step. Paths are bytes, relative to the directory.
type operation struct {
	Do   string
	Path []byte
	To   []byte // another path, or the target of a symbolic link
	Data []byte
	Mode uint32
}

func main() {
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		fail(err)
	}
	var all map[string][]operation
	if err := json.Unmarshal(text, &all); err != nil {
		fail(err)
	}
	done, refused := 0, 0
	for directory, operations := range all {
		for _, o := range operations {
			if o.run(directory) != nil {
				refused++
				continue
			}
			done++
		}
	}
	fmt.Printf("%d done, %d refused\n", done, refused)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func (o operation) run(directory string) error {
	path, to := directory+"/"+string(o.Path), directory+"/"+string(o.To)
	switch o.Do {
	case "write":
		return os.WriteFile(path, o.Data, 0o644)
	case "append":
		file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			return err
		}
		defer file.Close()
		_, err = file.Write(o.Data)
		return err
	case "truncate":
		return os.Truncate(path, int64(len(o.Data)))
	case "remove":
		return os.Remove(path)
	case "removeAll":
		return os.RemoveAll(path)
	case "mkdir":
		return os.MkdirAll(path, 0o755)
	case "rename":
		return move(path, to)
	case "chmod":
		return os.Chmod(path, os.FileMode(o.Mode))
	case "link":
		return os.Link(path, to)
	case "symlink":
		return os.Symlink(string(o.To), path)
	case "touch":
		return os.Chtimes(path, time.Unix(1e9, 0), time.Unix(1e9, 0))
	case "replace": // a directory by a file by a directory with other content
		if err := os.RemoveAll(path); err != nil {
			return err
		}
		if err := os.WriteFile(path, o.Data, 0o644); err != nil {
			return err
		}
		if err := os.Remove(path); err != nil {
			return err
		}
		if err := os.Mkdir(path, 0o755); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(path, "a"), o.Data, 0o644)
	case "changeBack":
		before, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := os.WriteFile(path, append(before, o.Data...), 0o644); err != nil {
			return err
		}
		return os.WriteFile(path, before, 0o644)
	}
	fail(fmt.Errorf("unknown operation %q", o.Do))
	return nil
}

// move renames as mv does: an overlay refuses to rename a directory of its lower layer, and it is copied.
func move(from, to string) error {
	if err := os.Rename(from, to); err == nil {
		return nil
	}
	info, err := os.Lstat(from)
	if err != nil || !info.IsDir() {
		return os.ErrInvalid
	}
	if strings.HasPrefix(to+"/", from+"/") {
		return os.ErrInvalid
	}
	if err := os.Mkdir(to, 0o755); err != nil {
		return err
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if err := move(filepath.Join(from, entry.Name()), filepath.Join(to, entry.Name())); err != nil {
			return err
		}
	}
	return os.Remove(from)
}
