package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/coderflow/coderflow/internal/guestproto"
)

// collect writes the differences between the base tree and the workspace to standard output. It only reads, and
// runs nothing of the workspace: no git, no hook, no filter.
func collect() error {
	var spec guestproto.CollectSpec
	if err := guestproto.ReadSpec(guestproto.SpecPath, &spec); err != nil {
		return err
	}
	if err := spec.Limits.Validate(); err != nil {
		return err
	}
	if spec.Wait {
		if err := begin(os.Stdin); err != nil {
			return err
		}
	}
	out, err := guestproto.NewWriter(os.Stdout, spec.Limits)
	if err != nil {
		return err
	}
	if err := difference(spec, out); err != nil {
		var limit *guestproto.LimitError
		if errors.As(err, &limit) {
			// A limit is an answer like any other.
			return out.Fail(limit)
		}
		return err
	}
	if err := out.End(); err != nil {
		return err
	}
	if spec.Wait {
		// Its end is work for the engine, which whoever reads this has yet to want something of.
		_, _ = io.Copy(io.Discard, os.Stdin)
	}
	return nil
}

// begin waits until it is time to look at anything.
func begin(told io.Reader) error {
	word := make([]byte, 1)
	if _, err := io.ReadFull(told, word); err != nil || word[0] != guestproto.Begin {
		return fmt.Errorf("waiting to be told to begin: %q, %w", word, err)
	}
	return nil
}

// difference compares /workspace with the base, in the directories that have changed where these are known.
func difference(spec guestproto.CollectSpec, out *guestproto.Writer) error {
	work, err := openRoot(guestproto.Workspace)
	if err != nil {
		return err
	}
	base, err := openRoot(guestproto.BaseDir)
	if err != nil {
		return err
	}
	at := layers{work: work, base: base}
	if spec.Changes {
		if at.changes, err = openRoot(guestproto.ChangesDir); err != nil {
			return err
		}
	}
	w := &walk{limits: spec.Limits, out: out}
	return w.directory(at, "", 0)
}

func openRoot(path string) (*os.File, error) {
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	return os.NewFile(uintptr(fd), path), nil
}
