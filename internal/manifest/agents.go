package manifest

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/agent"
	sy "github.com/coderflow/coderflow/internal/strictyaml"
)

// NamedAgent is an agent that a request can choose with --agent NAME.
type NamedAgent struct {
	Preset string `json:"preset" yaml:"preset,required"`
	// Command is the argv of the preset "exec"; no shell is involved.
	Command []string `json:"command,omitempty" yaml:"command"`
	// Image is the sandbox image. Empty: the server's.
	Image string            `json:"image,omitempty" yaml:"image"`
	Env   map[string]string `json:"env,omitempty" yaml:"env"`
	// Model is the agent's own. Nil: the environment's. Without a budget it has the environment's.
	Model *Model `json:"model,omitempty" yaml:"model"`
}

// agent is what works on the task, without its model.
func (n NamedAgent) agent() Agent {
	return Agent{Preset: n.Preset, Command: n.Command, Image: n.Image, Env: n.Env}
}

// maxAgents is how many agents an environment can name beside its first.
const maxAgents = 16

var agentName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`)

// AgentNames are the agents that a request can name: the environment's own, by its
// preset, first.
func (e Environment) AgentNames() []string {
	return append([]string{e.Agent.Preset}, slices.Sorted(maps.Keys(e.Agents))...)
}

// WithAgent is the environment as a task of the named agent has it: that agent and
// its model in the place of the environment's own. Empty is the environment's own.
func (e Environment) WithAgent(name string) (Environment, bool) {
	if name == "" || name == e.Agent.Preset {
		return e, true
	}
	named, known := e.Agents[name]
	if !known {
		return e, false
	}
	e.Agent = named.agent()
	if named.Model != nil {
		e.Model = named.Model
	}
	return e, true
}

// withAgentImages names the image of each agent that names none: its preset's, or the server's.
func (e Environment) withAgentImages(image string) map[string]NamedAgent {
	agents := maps.Clone(e.Agents)
	for name, n := range agents {
		preset, _ := agent.Lookup(n.Preset) // checked when it was applied
		n.Image = cmp.Or(n.Image, preset.Image, image)
		agents[name] = n
	}
	return agents
}

// checkAgents checks each agent as the environment's own is checked, and completes it.
func (e *Environment) checkAgents(w wrong) {
	if len(e.Agents) > maxAgents {
		w("spec.agents", "has more than %d agents", maxAgents)
	}
	for _, name := range slices.Sorted(maps.Keys(e.Agents)) {
		at := "spec.agents." + name
		switch {
		case !agentName.MatchString(name):
			w(at, "want a lower-case letter, then up to 39 letters, digits and hyphens; this is %q", name)
		case name == e.Agent.Preset:
			w(at, "%q is the name of the environment's own agent, which is called by its preset", name)
		}
		named := e.Agents[name]
		if named.Model != nil && e.Model != nil && named.Model.Budget == (Budget{}) {
			own := *named.Model
			own.Budget = e.Model.Budget
			named.Model = &own
		}
		e.Agents[name] = named
		as, _ := e.WithAgent(name)
		if name == e.Agent.Preset {
			continue
		}
		below := func(path, format string, args ...any) {
			if rest, of := strings.CutPrefix(path, "spec.agent."); of {
				path = "spec." + rest
			}
			w(strings.Replace(path, "spec", at, 1), format, args...)
		}
		as.Agent.check(below)
		if named.Model != nil {
			as.checkModel(below) // completes the model, which it has by pointer
			continue
		}
		as.checkPreset(below)
	}
}

// DefaultExpiry is how long a proposal waits for a decision where the environment says nothing.
const DefaultExpiry = 30 * 24 * time.Hour

const maxExpiry = 365 * 24 * time.Hour

func checkExpiry(w wrong, d sy.Duration) {
	if t := time.Duration(d); t < time.Minute || t > maxExpiry {
		w("spec.proposal.expiresAfter", "want a duration between 1m and %s", fmt.Sprintf("%dh", int(maxExpiry.Hours())))
	}
}
