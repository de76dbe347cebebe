package image

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/coderflow/coderflow/images/agents"
	"github.com/coderflow/coderflow/internal/agent"
)

// Recipe says what of the npm packages of a preset goes where in its image, as data. {cpu} stands for the processor
// as npm packages name it (x64), {machine} as compilers do (x86_64).
type Recipe struct {
	Architectures []string // as Go names them
	Trees         []Tree
	Links         map[string]string // path in the image to its target
	Scripts       map[string]string // path in the image to the text of a program
}

// Tree is a file or directory of the packages.
type Tree struct {
	From       string   // below node_modules
	To         string   // absolute, in the image
	Skip       []string // below From: what a task has no use for
	Executable []string // below From: programs that the package does not mark as such
}

// home is where an agent lies in its image. Everything there belongs to root and cannot be written by the agent.
const home = "/opt/coderflow/agent"

// bin is on the PATH of every sandbox image, before the base's own programs.
const bin = "/usr/local/bin/"

var both = []string{"amd64", "arm64"}

// recipes by preset. A native program of a package for one platform is taken as it is: the packages around them only
// choose between platforms. Node comes with an agent that needs it and is not put on the PATH, so that it does not
// hide a project's own.
func recipes() map[string]Recipe {
	return map[string]Recipe{
		"claude": {
			Architectures: both,
			Trees:         []Tree{{From: "@anthropic-ai/claude-code-linux-{cpu}", To: home}},
			Links:         map[string]string{bin + "claude": home + "/claude"},
		},
		"codex": {
			Architectures: both,
			Trees: []Tree{{
				From: "codex-linux-{cpu}/vendor/{machine}-unknown-linux-musl", To: home,
				Skip: []string{"codex-resources"}, // its own sandbox and its voice
			}},
			Links: map[string]string{bin + "codex": home + "/bin/codex", bin + "rg": home + "/codex-path/rg"},
		},
		"gemini": {
			Architectures: both,
			Trees: []Tree{node, ripgrep, {
				From: "@google/gemini-cli", To: home + "/app",
				Skip: []string{"bundle/bundled", "bundle/docs", "bundle/examples"},
			}},
			Scripts: map[string]string{bin + "gemini": nodeScript("bundle/gemini.js")},
		},
		"opencode": {
			Architectures: []string{"amd64"}, // the lock has no package of this version for others
			Trees: []Tree{
				{From: "opencode-linux-{cpu}-baseline/bin/opencode", To: home + "/opencode"},
				ripgrep,
			},
			Links: map[string]string{bin + "opencode": home + "/opencode"},
		},
		"qwen": {
			Architectures: both,
			Trees: []Tree{node, {
				From: "@qwen-code/qwen-code", To: home + "/app",
				Skip: []string{
					"web-shell", "examples", "bundled/browser-use", "bundled/computer-use",
					"vendor/ripgrep/arm64-darwin", "vendor/ripgrep/x64-darwin", "vendor/ripgrep/x64-win32",
				},
				Executable: []string{"vendor/ripgrep/x64-linux/rg", "vendor/ripgrep/arm64-linux/rg"},
			}},
			Scripts: map[string]string{bin + "qwen": nodeScript("cli.js")},
		},
	}
}

var (
	node = Tree{From: "node-linux-{cpu}/bin/node", To: home + "/node"}
	// ripgrep is no link: gemini takes it only from where a system's programs are.
	ripgrep = Tree{From: "@vscode/ripgrep-linux-{cpu}/bin/rg", To: bin + "rg"}
)

// nodeScript starts a program of the package with V8's baseline compiler for WebAssembly only: the optimising one
// takes more than a gigabyte for the parsers that agents bring.
func nodeScript(program string) string {
	return "#!/bin/sh\nexec " + home + "/node --liftoff-only " + home + "/app/" + program + " \"$@\"\n"
}

// forMachine fills in the architecture; false if the recipe has nothing for it.
func (r Recipe) forMachine(architecture string) (Recipe, bool) {
	cpu, machine := names(architecture)
	if cpu == "" || !slices.Contains(r.Architectures, architecture) {
		return Recipe{}, false
	}
	in := strings.NewReplacer("{cpu}", cpu, "{machine}", machine)
	r.Trees = slices.Clone(r.Trees)
	for i := range r.Trees {
		r.Trees[i].From = in.Replace(r.Trees[i].From)
	}
	return r, true
}

// names returns what npm and compilers call an architecture.
func names(architecture string) (cpu, machine string) {
	switch architecture {
	case "amd64":
		return "x64", "x86_64"
	case "arm64":
		return "arm64", "aarch64"
	}
	return "", ""
}

// plan is everything that an image is made from, except the bytes of the packages, which the lock's hashes stand for.
type plan struct {
	preset         agent.Preset
	recipe         Recipe
	cpu            string
	manifest, lock []byte
	digest         string // of all of it and of the base
}

func newPlan(preset agent.Preset, base baseImage) (plan, error) {
	recipe, ok := recipes()[preset.Name]
	if !ok {
		return plan{}, fmt.Errorf("preset %q has no image of its own: it runs in the one that its environment names", preset.Name)
	}
	here, ok := recipe.forMachine(base.architecture)
	if !ok {
		return plan{}, fmt.Errorf("preset %q has no package for %s, only for: %s",
			preset.Name, base.architecture, strings.Join(recipe.Architectures, ", "))
	}
	manifest, lock, err := agents.Packages(preset.Name)
	if err != nil {
		return plan{}, err
	}
	cpu, _ := names(base.architecture)
	p := plan{preset: preset, recipe: here, cpu: cpu, manifest: manifest, lock: lock}
	text, err := json.Marshal(map[string]any{
		"version": preset.Version, "recipe": here, "manifest": manifest, "lock": lock, "base": base.id, "dockerfile": dockerfile,
	})
	if err != nil {
		return plan{}, fmt.Errorf("encode the recipe of %s: %w", preset.Name, err)
	}
	sum := sha256.Sum256(text)
	p.digest = "sha256:" + hex.EncodeToString(sum[:])
	return p, nil
}
