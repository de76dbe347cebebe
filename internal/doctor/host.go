package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Least free space. Below the first there is a warning, below the second a problem.
const (
	fewBytes, tooFewBytes   = 10 << 30, 2 << 30
	fewInodes, tooFewInodes = 200_000, 20_000
)

// room looks at the file system of a directory, or of its nearest parent that is there.
func room(what, directory string) Finding {
	if directory == "" {
		return warning("the directory of "+what+" is not known", "a full disk ends tasks", seeEngine)
	}
	var stat syscall.Statfs_t
	at := directory
	err := syscall.Statfs(at, &stat)
	for errors.Is(err, os.ErrNotExist) && at != filepath.Dir(at) {
		at = filepath.Dir(at)
		err = syscall.Statfs(at, &stat)
	}
	if err != nil {
		return warning(fmt.Sprintf("the disk of %s (%s) cannot be looked at: %v", what, directory, err), "a full disk ends tasks", "run coderflow doctor on the engine's machine, as the server's user")
	}
	return judgeRoom(what, directory, int64(stat.Bavail)*stat.Bsize, int64(stat.Ffree), stat.Files > 0) //nolint:gosec // free blocks fit
}

func judgeRoom(what, directory string, bytes, inodes int64, hasInodes bool) Finding {
	said := fmt.Sprintf("%s has %.1f GiB free", directory, float64(bytes)/(1<<30))
	if hasInodes { // btrfs and others make them as they go
		said += fmt.Sprintf(" and %d free inodes", inodes)
	}
	found := fine("%s", said)
	switch {
	case bytes < tooFewBytes || hasInodes && inodes < tooFewInodes:
		found = problem(said, "tasks fail for want of room, and the database may, too", "make room: docker system prune, or a larger disk for "+what)
	case bytes < fewBytes || hasInodes && inodes < fewInodes:
		found = warning(said, "a few large tasks fill it", "make room: docker system prune, or a larger disk for "+what)
	}
	return found.with("bytes", bytes).with("inodes", inodes)
}

// dataDirectory checks that nobody else reads what the server keeps, and that this user can.
func dataDirectory(directory string) Finding {
	info, err := os.Stat(directory)
	switch {
	case errors.Is(err, os.ErrNotExist):
		parent := filepath.Dir(directory)
		for _, err := os.Stat(parent); errors.Is(err, os.ErrNotExist) && parent != "/"; _, err = os.Stat(parent) {
			parent = filepath.Dir(parent)
		}
		if unwritable(parent) {
			return problem(directory+" is not there and cannot be made", "everything that the server keeps is in it",
				fmt.Sprintf("make it: install -d -m 700 -o %s %s", userName(), directory))
		}
		return fine("%s is not there yet; the server makes it", directory)
	case err != nil:
		return problem("the data directory cannot be looked at: "+err.Error(), "everything that the server keeps is in it", "run as the server's user, or set dataDir")
	case !info.IsDir():
		return problem(directory+" is not a directory", "everything that the server keeps is in it", "move the file away, or set dataDir")
	case info.Mode().Perm()&0o077 != 0 && !onlySearch(info.Mode()):
		return problem(fmt.Sprintf("others than its owner can read or change %s (mode %04o)", directory, info.Mode().Perm()),
			"it holds the database, mirrors of repositories and sockets", "chmod 700 "+directory)
	case unwritable(directory):
		return problem("this user cannot write to "+directory, "everything that the server keeps is in it",
			"run as the server's user, or: chown -R "+userName()+" "+directory)
	}
	return openFiles(directory)
}

// onlySearch: others may go through the directory and see nothing of it, which remapped engines need.
func onlySearch(mode fs.FileMode) bool { return mode.Perm()&0o066 == 0 }

func unwritable(directory string) bool {
	const writeAndSearch = 3 // W_OK|X_OK of access(2)
	return syscall.Access(directory, writeAndSearch) != nil
}

// openFiles looks at the files that hold secrets or the database.
func openFiles(directory string) Finding {
	entries, err := os.ReadDir(directory)
	if err != nil {
		return problem("the data directory cannot be read: "+err.Error(), "everything that the server keeps is in it", "run as the server's user")
	}
	var open []string
	for _, entry := range entries {
		info, err := entry.Info()
		if err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o066 != 0 {
			open = append(open, filepath.Join(directory, entry.Name()))
		}
	}
	if len(open) > 0 {
		return problem("others than the owner can read or change "+strings.Join(open, ", "), "the database and keys are the server's alone",
			"chmod 600 "+strings.Join(open, " "))
	}
	return fine("%s is the server's alone", directory)
}

// gitLeast is the oldest git that is tested: object quarantine, push options and fsck as CoderFlow uses them.
const gitLeast = "2.39.0"

// gitVersion judges the git program.
func gitVersion(ctx context.Context, run func(context.Context) (string, error), packages Packages) Finding {
	text, err := run(ctx)
	if err != nil {
		return problem("git does not run: "+err.Error(), "every repository is read and written with it", "apt-get install git")
	}
	version := strings.TrimPrefix(strings.TrimSpace(text), "git version ")
	if v := parseVersion(version); !v.known || v.compare(parseVersion(gitLeast)) < 0 {
		return problem("git is "+version, gitLeast+" is the oldest that CoderFlow is tested with", "apt-get install --only-upgrade git")
	}
	return component{name: "git", version: version, update: "apt-get update && apt-get install --only-upgrade git"}.judge(ctx, packages)
}
