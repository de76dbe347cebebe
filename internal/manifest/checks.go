package manifest

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	sy "github.com/coderflow/coderflow/internal/strictyaml"
)

// Check is a command that is run on exactly what is proposed, in a container that the
// agent never touched.
type Check struct {
	Name string `json:"name" yaml:"name,required"`
	// Command is the argv; no shell is involved. Or Script.
	Command []string `json:"command,omitempty" yaml:"command"`
	// Script is a shell text, run by /bin/sh.
	Script string `json:"script,omitempty" yaml:"script"`
	// Image is what it runs in. Default: the agent's.
	Image string `json:"image,omitempty" yaml:"image"`
	// Timeout is for one run. Default: 15m.
	Timeout sy.Duration `json:"timeout,omitempty" yaml:"timeout"`
	// Required refuses an approval unless the check has passed.
	Required bool `json:"required,omitempty" yaml:"required"`
}

const (
	maxChecks        = 20
	maxCheckTime     = 4 * time.Hour
	defaultCheckTime = 15 * time.Minute
)

// Check finds a check of the environment.
func (e Environment) Check(name string) (Check, bool) {
	i := slices.IndexFunc(e.Checks, func(c Check) bool { return c.Name == name })
	if i < 0 {
		return Check{}, false
	}
	return e.Checks[i], true
}

// CheckDefinition is "sha256:…" of everything that decides what a check does: command,
// image, limits, runtime. Whether it is required is no part of it.
func (e Environment) CheckDefinition(c Check) string {
	limits := e.Limits
	limits.WallTime = c.Timeout
	text, err := json.Marshal(map[string]any{
		"name": c.Name, "command": c.Command, "script": c.Script, "image": c.Image, "limits": limits, "sandbox": e.Sandbox,
	})
	if err != nil { // texts and numbers always encode
		panic(fmt.Sprintf("encode a check: %v", err))
	}
	sum := sha256.Sum256(append([]byte("coderflow.dev/check/v1\n"), text...))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// withCheckImages names the image of each check that names none: the agent's.
func (e Environment) withCheckImages() []Check {
	all := slices.Clone(e.Checks)
	for i := range all {
		all[i].Image = cmp.Or(all[i].Image, e.Agent.Image)
	}
	return all
}

func (e *Environment) checkChecks(w wrong) {
	if len(e.Checks) > maxChecks {
		w("spec.checks", "has more than %d checks", maxChecks)
	}
	seen := map[string]bool{}
	for i := range e.Checks {
		c := &e.Checks[i]
		at := fmt.Sprintf("spec.checks[%d]", i)
		if !bindingName.MatchString(c.Name) {
			w(at+".name", "want a letter or underscore, then up to 63 letters, digits, hyphens and underscores; this is %q", c.Name)
		}
		if seen[strings.ToLower(c.Name)] {
			w(at+".name", "there are two checks %q", c.Name)
		}
		seen[strings.ToLower(c.Name)] = true
		if c.Timeout == 0 {
			c.Timeout = sy.Duration(defaultCheckTime)
		}
		c.check(w, at)
	}
}

func (c Check) check(w wrong, at string) {
	switch {
	case len(c.Command) == 0 && c.Script == "":
		w(at, "runs nothing: name a command or a script")
	case len(c.Command) > 0 && c.Script != "":
		w(at, "has both a command and a script")
	case len(c.Command) > maxArguments:
		w(at+".command", "has more than %d arguments", maxArguments)
	case len(c.Command) > 0 && c.Command[0] == "":
		w(at+".command[0]", "names no program")
	}
	for i, argument := range c.Command {
		checkText(w, fmt.Sprintf("%s.command[%d]", at, i), argument)
	}
	checkText(w, at+".script", c.Script)
	checkImage(w, at+".image", c.Image)
	if t := time.Duration(c.Timeout); t < time.Second || t > maxCheckTime {
		w(at+".timeout", "want between 1s and %s", maxCheckTime)
	}
}
