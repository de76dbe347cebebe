package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// room prints what is free where this container's own files lie, for `coderflow doctor`.
func room() error {
	var about unix.Statfs_t
	if err := unix.Statfs("/", &about); err != nil {
		return fmt.Errorf("looking at the disk: %w", err)
	}
	_, err := fmt.Fprintf(os.Stdout, "disk %d %d\n", int64(about.Bavail)*about.Bsize, about.Ffree) //nolint:gosec // free blocks fit
	return err
}
