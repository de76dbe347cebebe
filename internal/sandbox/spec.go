// Package sandbox says what a container of CoderFlow is: what goes in, what bounds it, what can be seen of it, and
// which errors a runner gives. How containers are made is a runner's matter (sandbox/docker).
package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/coderflow/coderflow/internal/guestproto"
	"github.com/coderflow/coderflow/internal/secret"
)

// Spec describes one container completely. Two specs with the same Digest are the same container.
type Spec struct {
	Name  string   // deterministic, unique within the installation: the key for adopting
	Image string   // a reference; the runner resolves it to an image id and records that
	Argv  []string // what is run, in /workspace
	// Apart has it run in an empty directory: an agent that reads what another one made must not find in the directory
	// where it begins what it takes for its own instructions, settings and hooks.
	Apart     bool              `json:",omitempty"`
	Env       map[string]string // no secrets: the agent and the engine can read it
	Workspace Workspace
	// Base is a second workspace volume, at /base, always read-only; empty for none.
	Base   string `json:",omitempty"`
	Inputs Inputs
	// Secrets are files below /run/secrets by their names, in memory, for the container's user to read. Only their names
	// are part of the digest: a value has no other form than its name.
	Secrets   []secret.Value `json:",omitempty"`
	SocketDir string         // host directory for the gateway's socket, at /run/coderflow, read-only; empty for none
	Network   Network
	Runtime   string `json:",omitempty"` // OCI runtime, as the engine names it, such as runsc; empty for its default
	Limits    Limits
	Labels    Labels
}

// Inputs are files that are mounted read-only at /coderflow. An empty one is not mounted.
type Inputs struct {
	Prompt  []byte // prompt.md
	Script  []byte // script.sh: what a deployment runs
	Setup   []byte // setup.sh: run before the command
	Cleanup []byte // cleanup.sh: run after it, whatever happened
	// Home are files that the container finds in its HOME, by path relative to it. They are its own to change.
	Home map[string][]byte
}

// ScriptPath is where a container finds its script.
const ScriptPath = guestproto.ScriptPath

// Network is what a container can reach.
type Network string

// NetworkNone is the only network there is: a loopback interface.
const NetworkNone Network = "none"

// Labels say what a container or volume is for.
type Labels struct {
	Task    string // id of the task or of the deployment run
	Purpose string // "task", "deploy", "check", …
}

// RuntimeRule is what the name of an OCI runtime looks like.
var RuntimeRule = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

var (
	nameRule   = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,99}$`)
	envRule    = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	secretRule = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,63}$`)
	commitRule = regexp.MustCompile(`^(?:[0-9a-f]{40}|[0-9a-f]{64})$`)
)

// What the kernel passes to execve in one argument (MAX_ARG_STRLEN), and a bound for files that lie in memory.
const (
	maxArgument = 128 << 10
	maxInput    = 4 << 20
)

// Validate reports every field that cannot be used, by name.
func (s Spec) Validate() error {
	var problems fieldErrors
	problems.check(nameRule.MatchString(s.Name), "name", "%q must match %s", s.Name, nameRule)
	problems.check(s.Image != "", "image", "must be set")
	problems.check(len(s.Argv) > 0 && s.Argv[0] != "", "argv", "must name a program")
	for i, argument := range s.Argv {
		problems.check(passable(argument), fmt.Sprintf("argv[%d]", i), "holds NUL or is longer than %d bytes", maxArgument)
	}
	for key, value := range s.Env {
		problems.check(envRule.MatchString(key), "env", "%q is not a variable name", key)
		problems.check(passable(value), "env."+key, "holds NUL or is longer than %d bytes", maxArgument)
	}
	problems.check(nameRule.MatchString(s.Workspace.Volume), "workspace.volume", "%q must match %s", s.Workspace.Volume, nameRule)
	problems.check(s.Base == "" || nameRule.MatchString(s.Base) && s.Base != s.Workspace.Volume, "base",
		"%q must match %s and be another volume than the workspace", s.Base, nameRule)
	problems.check(s.Network == NetworkNone, "network", "%q is not supported, only %q", s.Network, NetworkNone)
	problems.check(s.Runtime == "" || RuntimeRule.MatchString(s.Runtime), "runtime", "%q must match %s", s.Runtime, RuntimeRule)
	problems.check(s.SocketDir == "" || strings.HasPrefix(s.SocketDir, "/"), "socketDir", "must be absolute")
	for name, input := range map[string][]byte{
		"prompt": s.Inputs.Prompt, "script": s.Inputs.Script, "setup": s.Inputs.Setup, "cleanup": s.Inputs.Cleanup,
	} {
		problems.check(len(input) <= maxInput, "inputs."+name, "is longer than %d bytes", maxInput)
	}
	problems.add(s.secretProblems()...)
	problems.add(s.Inputs.homeProblems()...)
	problems.add(s.Limits.problems("limits.")...)
	return problems.err("container spec")
}

func (s Spec) secretProblems() []error {
	var problems fieldErrors
	seen := map[string]bool{}
	for _, value := range s.Secrets {
		name := value.Name()
		problems.check(secretRule.MatchString(name) && !seen[name], "secrets", "%q is not the name of a file, or is there twice", name)
		seen[name] = true
	}
	return problems
}

func (i Inputs) homeProblems() []error {
	var problems fieldErrors
	total := 0
	for path, content := range i.Home {
		problems.check(path != "." && filepath.IsLocal(path) && filepath.Clean(path) == path, "inputs.home",
			"%q is not a path below HOME", path)
		total += len(path) + len(content)
	}
	problems.check(total <= guestproto.MaxHome, "inputs.home", "is longer than %d bytes", guestproto.MaxHome)
	return problems
}

func passable(argument string) bool {
	return len(argument) < maxArgument && !strings.Contains(argument, "\x00")
}

// Digest identifies everything that the spec says, with the image as the resolved id.
func (s Spec) Digest(imageID string) string {
	s.Image = imageID
	text, err := json.Marshal(s)
	if err != nil {
		// Strings, numbers, byte slices and a map of strings always encode.
		panic(fmt.Sprintf("encoding a container spec: %v", err))
	}
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:])
}
