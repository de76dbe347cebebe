package manifest

import (
	"fmt"
	"math"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/agent"
	sy "github.com/coderflow/coderflow/internal/strictyaml"
)

// Model is which models the tasks of an environment may use, and how much.
type Model struct {
	// Provider is one of the server's, by its name in coderflow.yaml.
	Provider string `json:"provider" yaml:"provider,required"`
	// Names are ids of models; one may end with "*". The agent is told to use the
	// first, which therefore is a whole id.
	Names  []string `json:"names" yaml:"names,required"`
	Budget Budget   `json:"budget" yaml:"budget"`
}

// Budget bounds what tasks spend: for one task, and for all tasks of the
// environment on one day (UTC).
type Budget struct {
	TaskTokens int64 `json:"taskTokens" yaml:"taskTokens"` // in and out; 0: the default
	DayTokens  int64 `json:"dayTokens" yaml:"dayTokens"`
	// In US dollars, by the provider's prices; 0: no bound.
	TaskUSD float64 `json:"taskUSD,omitempty" yaml:"taskUSD"`
	DayUSD  float64 `json:"dayUSD,omitempty" yaml:"dayUSD"`
}

// The bounds in tokens of an environment that gives none.
const (
	DefaultTaskTokens = 5_000_000
	DefaultDayTokens  = 100_000_000
)

// Network is what a task can reach besides its model. Without hosts: nothing.
type Network struct {
	// Hosts of package registries, "HOST" (port 443) or "HOST:PORT"; "*.HOST" is every name below HOST.
	Hosts []string `json:"hosts,omitempty" yaml:"hosts"`
}

// Retention is how long things are kept after a task has ended.
type Retention struct {
	Workspace sy.Duration `json:"workspace" yaml:"workspace"` // container and volumes
	Output    sy.Duration `json:"output" yaml:"output"`       // output and model transcripts
}

// DefaultRetention is that of an environment that says nothing.
func DefaultRetention() Retention {
	return Retention{Workspace: sy.Duration(7 * 24 * time.Hour), Output: sy.Duration(90 * 24 * time.Hour)}
}

var (
	providerName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`)
	modelID      = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}$`)
	hostName     = regexp.MustCompile(`^(?:\*\.)?(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?(?::([0-9]{1,5}))?$`)
)

const (
	maxModels    = 64
	maxHosts     = 64
	maxUSD       = 1_000_000
	maxRetention = 10 * 365 * 24 * time.Hour
)

func (e *Environment) checkModel(w wrong) {
	e.checkPreset(w)
	if e.Model == nil {
		return
	}
	m := e.Model
	if !providerName.MatchString(m.Provider) {
		w("spec.model.provider", "want the name of a provider in the server's coderflow.yaml (section models), not %q", m.Provider)
	}
	if len(m.Names) == 0 || len(m.Names) > maxModels {
		w("spec.model.names", "want between 1 and %d ids of models", maxModels)
	}
	for i, name := range m.Names {
		stem, any := strings.CutSuffix(name, "*")
		if !modelID.MatchString(stem) {
			w(fmt.Sprintf("spec.model.names[%d]", i), "%q is not the id of a model", name)
		} else if any && i == 0 {
			w("spec.model.names[0]", "the first is the one that the agent is told to use: a whole id, without \"*\"")
		}
	}
	m.Budget.complete()
	m.Budget.check(w)
}

// checkPreset checks what the agent needs of the rest of the environment.
func (e *Environment) checkPreset(w wrong) {
	preset, err := agent.Lookup(e.Agent.Preset)
	if err != nil {
		return // said of spec.agent.preset
	}
	if preset.Protocol != agent.ProtocolNone && e.Model == nil {
		w("spec.model", "the preset %q needs a model: a provider with the protocol %q, and names of models", preset.Name, preset.Protocol)
	}
	if least := preset.MinMemory; int64(e.Limits.Memory) < least {
		w("spec.limits.memory", "the preset %q needs at least %s", preset.Name, sy.Size(least))
	}
}

func (b *Budget) complete() {
	if b.TaskTokens == 0 {
		b.TaskTokens = DefaultTaskTokens
	}
	if b.DayTokens == 0 {
		b.DayTokens = max(DefaultDayTokens, b.TaskTokens)
	}
}

func (b Budget) check(w wrong) {
	for key, tokens := range map[string]int64{"taskTokens": b.TaskTokens, "dayTokens": b.DayTokens} {
		if tokens < 1 || tokens > math.MaxInt64/1_000_000 {
			w("spec.model.budget."+key, "want at least 1 token")
		}
	}
	for key, usd := range map[string]float64{"taskUSD": b.TaskUSD, "dayUSD": b.DayUSD} {
		if usd < 0 || usd > maxUSD {
			w("spec.model.budget."+key, "want US dollars between 0 (no bound) and %d", maxUSD)
		}
	}
}

func (n Network) check(w wrong) {
	if len(n.Hosts) > maxHosts {
		w("spec.network.hosts", "want at most %d hosts", maxHosts)
	}
	for i, host := range n.Hosts {
		at := fmt.Sprintf("spec.network.hosts[%d]", i)
		name, _, _ := strings.Cut(host, ":")
		switch _, err := netip.ParseAddr(name); {
		case err == nil:
			w(at, "an address is never reachable; name a host")
		case !hostName.MatchString(host) || len(name) > 253:
			w(at, "want HOST, HOST:PORT or *.HOST in lower case, not %q", host)
		}
	}
}

func (r Retention) check(w wrong) {
	for key, length := range map[string]sy.Duration{"workspace": r.Workspace, "output": r.Output} {
		if d := time.Duration(length); d < 0 || d > maxRetention {
			w("spec.retention."+key, "want a duration between 0s and ten years")
		}
	}
}
