// Package guestproto is what CoderFlow and its helper inside containers agree on: where things are mounted,
// what the helper is asked to do, and what it answers.
//
// Everything the helper answers has passed through a container, so every reader here is bounded, checks what it
// reads, and never touches the host's file system.
package guestproto

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"
)

// Places inside a container. All of them but the workspace are mounted read-only.
const (
	Dir         = "/coderflow"
	GuestPath   = Dir + "/guest"
	SpecPath    = Dir + "/spec.json"
	PromptPath  = Dir + "/prompt.md"
	ScriptPath  = Dir + "/script.sh"
	SetupPath   = Dir + "/setup.sh"
	CleanupPath = Dir + "/cleanup.sh"
	BundlePath  = Dir + "/bundle"

	Workspace = "/workspace"
	BeforeDir = "/base" // what the workspace was before, in a container that compares
	Home      = "/home/coder"
	Tmp       = "/tmp"
	Apart     = Tmp + "/apart" // an empty directory, in a container that does not begin in the workspace
	SocketDir = "/run/coderflow"
	// SecretsDir has a file for each secret of the container, if it has any.
	SecretsDir = "/run/secrets"

	// GatewaySocket is where the gateway listens for this one container, and
	// GatewayAddress where the helper forwards to it from.
	GatewaySocket  = SocketDir + "/gateway.sock"
	GatewayAddress = "127.0.0.1:8787"
)

// User and group that everything of a task runs as: "coder" in the sandbox image.
const (
	UID = 10001
	GID = 10001
)

// InitSpec tells `guest init` what to run. It lies at SpecPath.
type InitSpec struct {
	Argv        []string      `json:"argv"`
	Setup       bool          `json:"setup,omitempty"`   // run SetupPath first
	Cleanup     bool          `json:"cleanup,omitempty"` // run CleanupPath at the end, whatever happened before
	Wall        time.Duration `json:"wall"`              // for setup and command together
	Grace       time.Duration `json:"grace"`             // between TERM and KILL
	CleanupTime time.Duration `json:"cleanupTime"`       // for the cleanup script
	OutputBytes int64         `json:"outputBytes"`       // of all phases together, then cut
	Quota       *Quota        `json:"quota,omitempty"`   // of the workspace's disk; nil for none
	Gateway     bool          `json:"gateway,omitempty"` // forward GatewayAddress to GatewaySocket
	Apart       bool          `json:"apart,omitempty"`   // begin in Apart, not in the workspace
	// Home are files to write below Home first, by their path relative to it.
	Home map[string][]byte `json:"home,omitempty"`
}

// CheckoutSpec tells `guest checkout` which commit of the bundle at BundlePath to put into the workspace.
type CheckoutSpec struct {
	Commit string `json:"commit"`
}

// CollectSpec tells `guest collect` where to stop, whether ChangesDir shows it where to look, and whether to begin only
// when Begin comes on standard input.
type CollectSpec struct {
	Limits  Limits `json:"limits"`
	Changes bool   `json:"changes,omitempty"`
	Wait    bool   `json:"wait,omitempty"`
}

// Begin is the one byte that has a waiting collector look at the workspace.
const Begin = 'b'

// maxSpecBytes bounds a spec file: its argv is bounded by the kernel far below it, its files by MaxHome.
const maxSpecBytes = 2 << 20

// MaxHome bounds the files of InitSpec.Home together, names and contents, in bytes.
const MaxHome = 512 << 10

// ReadSpec reads the JSON file at path into spec. Unknown fields are errors, so that a helper never ignores a
// limit that it does not know.
func ReadSpec(path string, spec any) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("opening the spec: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("reading the spec: %w", err)
	}
	if info.Size() > maxSpecBytes {
		return errors.New("the spec is too large")
	}
	decoder := json.NewDecoder(file)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(spec); err != nil {
		return fmt.Errorf("decoding the spec: %w", err)
	}
	return nil
}
