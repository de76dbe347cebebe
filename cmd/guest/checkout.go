package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/coderflow/coderflow/internal/guestproto"
)

var commitID = regexp.MustCompile(`^(?:[0-9a-f]{40}|[0-9a-f]{64})$`)

// rawAttributes wins over every .gitattributes of the tree: what is checked out are the blobs' own bytes, no
// filter is run, and the agent's own git sees the files the same way.
const rawAttributes = "* -text -eol -filter -ident -working-tree-encoding\n"

// checkout fills the empty workspace from the bundle. It runs as the task's user and without capabilities.
func checkout() error {
	var spec guestproto.CheckoutSpec
	if err := guestproto.ReadSpec(guestproto.SpecPath, &spec); err != nil {
		return err
	}
	if !commitID.MatchString(spec.Commit) {
		return fmt.Errorf("%q is not a commit id", spec.Commit)
	}
	format := "sha1"
	if len(spec.Commit) == 64 {
		format = "sha256"
	}
	if err := git("init", "--quiet", "--template=", "--initial-branch=coderflow", "--object-format="+format, "."); err != nil {
		return err
	}
	info := filepath.Join(guestproto.Workspace, ".git", "info")
	if err := os.MkdirAll(info, 0o755); err != nil {
		return fmt.Errorf("writing attributes: %w", err)
	}
	if err := os.WriteFile(filepath.Join(info, "attributes"), []byte(rawAttributes), 0o644); err != nil {
		return fmt.Errorf("writing attributes: %w", err)
	}
	steps := [][]string{
		{"bundle", "unbundle", guestproto.BundlePath},
		{"update-ref", "refs/heads/coderflow", spec.Commit},
		{"reset", "--quiet", "--hard", spec.Commit},
		// Tasks commit as this, unless they say otherwise; what lands is made outside, from the tree.
		{"config", "user.name", "CoderFlow task"},
		{"config", "user.email", "task@coderflow.invalid"},
	}
	for _, step := range steps {
		if err := git(step...); err != nil {
			return err
		}
	}
	return printUsage()
}

// printUsage writes what the workspace takes on the disk to standard output.
func printUsage() error {
	m, err := measure(guestproto.Workspace, guestproto.Usage{Bytes: math.MaxInt64, Files: math.MaxInt64})
	if err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(m.usage); err != nil {
		return fmt.Errorf("printing the size of the workspace: %w", err)
	}
	return nil
}

func git(arguments ...string) error {
	safe := []string{
		"-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "core.attributesFile=/dev/null",
		"-c", "core.protectNTFS=true", "-c", "core.protectHFS=true", "-c", "submodule.recurse=false",
		"-c", "core.symlinks=true", "-c", "core.autocrlf=false", "-c", "gc.auto=0", "-c", "advice.detachedHead=false",
	}
	command := exec.Command("git", append(safe, arguments...)...) //nolint:noctx // endSometime ends it with the container
	command.Dir = guestproto.Workspace
	command.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_ATTR_NOSYSTEM=1",
		"GIT_TERMINAL_PROMPT=0", "GIT_NO_REPLACE_OBJECTS=1")
	var output bytes.Buffer
	command.Stdout, command.Stderr = nil, &output
	if err := command.Run(); err != nil {
		return fmt.Errorf("git %s: %w: %s", arguments[0], err, strings.TrimSpace(output.String()))
	}
	return nil
}
