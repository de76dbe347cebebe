package agent

import (
	"slices"

	"github.com/coderflow/coderflow/internal/agent/activity"
	"github.com/coderflow/coderflow/internal/guestproto"
)

// Protocol is the API that an agent speaks to the gateway.
type Protocol string

// The protocols.
const (
	ProtocolNone      Protocol = ""          // unknown: the administrator's own command
	ProtocolAnthropic Protocol = "anthropic" // Messages
	ProtocolOpenAI    Protocol = "openai"    // Responses or Chat Completions
	ProtocolGemini    Protocol = "gemini"    // generateContent
)

// GatewayURL is where an agent finds the model inside its container.
const GatewayURL = "http://" + guestproto.GatewayAddress

// DummyKey is what agents are given as a key: the gateway drops it and adds the real one.
const DummyKey = "coderflow-dummy"

// Preset is one kind of agent, as data. Within Argv, Env, Route and Home the placeholders {prompt}, {prompt-file},
// {model} and {gateway} are replaced. When no model is configured, what names {model} is left out: an argument, a
// variable, a line of a file.
type Preset struct {
	Name     string
	Summary  string // one sentence for people
	Package  string // on npm; empty for none
	Version  string // of the package, pinned; empty for none
	Protocol Protocol
	// Argv is the command. The prompt stands where it cannot be taken for an option, whatever it begins with.
	Argv []string
	// Apart follows the program where a project's own instructions, settings and hooks must not be taken in. Beside it
	// such an agent begins in an empty directory, which is what holds for all of them.
	Apart []string
	Env   map[string]string // an administrator's variables win over these
	// Route is the part of the environment that leads to the gateway: an administrator cannot change it.
	Route map[string]string
	Home  map[string]string // files in HOME by path relative to it
	// Image is the reference that `coderflow images build` gives to the preset's image; empty for none.
	Image string
	// MinMemory is the least memory, in bytes, with which a tiny task was seen to pass.
	MinMemory int64
	Output    activity.Format
	// OwnCommand means that the administrator gives the command; without it one must not be given.
	OwnCommand bool
	// NeedsModel means that the agent has no model of its own choice that the gateway could know.
	NeedsModel bool
}

const mib = 1 << 20

// presets in the order in which they are shown. internal/agent/agenttest runs each of them in a container;
// scripts/update-agent changes the versions together with the lock files in images/agents.
func presets() []Preset {
	return []Preset{claude(), codex(), gemini(), opencode(), qwen(), exec()}
}

// Presets returns all presets.
func Presets() []Preset { return presets() }

// Names returns the names of all presets.
func Names() []string {
	var names []string
	for _, preset := range presets() {
		names = append(names, preset.Name)
	}
	return names
}

// Lookup finds a preset by its name; ErrUnknownPreset if there is none.
func Lookup(name string) (Preset, error) {
	all := presets()
	if i := slices.IndexFunc(all, func(p Preset) bool { return p.Name == name }); i >= 0 {
		return all[i], nil
	}
	return Preset{}, unknown(name)
}

func claude() Preset {
	const version = "2.1.330"
	return Preset{
		Name: "claude", Summary: "Claude Code, with a model that speaks Anthropic's Messages API",
		Package: "@anthropic-ai/claude-code", Version: version, Protocol: ProtocolAnthropic,
		Argv: []string{
			"claude", "--print", "--dangerously-skip-permissions", "--disallowedTools=WebSearch,WebFetch",
			"--output-format", "stream-json", "--verbose", "--", "{prompt}",
		},
		Apart: []string{"--setting-sources", "user"},
		Env: map[string]string{
			"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_AUTOUPDATER": "1",
			// Side tasks and helpers of the agent ask for these; the gateway may let through only the one.
			"ANTHROPIC_MODEL": "{model}", "ANTHROPIC_SMALL_FAST_MODEL": "{model}", "CLAUDE_CODE_SUBAGENT_MODEL": "{model}",
			"ANTHROPIC_DEFAULT_HAIKU_MODEL": "{model}", "ANTHROPIC_DEFAULT_SONNET_MODEL": "{model}", "ANTHROPIC_DEFAULT_OPUS_MODEL": "{model}",
		},
		Route:     map[string]string{"ANTHROPIC_BASE_URL": "{gateway}", "ANTHROPIC_API_KEY": DummyKey},
		Image:     "coderflow/agent-claude:" + version,
		MinMemory: 256 * mib, Output: activity.Claude,
	}
}

// codexConfig names a provider of its own: with the built-in one, codex tries WebSockets and other hosts.
const codexConfig = `model = "{model}"
model_provider = "gateway"
web_search = "disabled"
check_for_update_on_startup = false

[model_providers.gateway]
name = "gateway"
base_url = "{gateway}/v1"
wire_api = "responses"
env_key = "CODERFLOW_MODEL_KEY"

[analytics]
enabled = false

[features]
plugins = false
`

func codex() Preset {
	const version = "0.169.0"
	return Preset{
		Name: "codex", Summary: "Codex, with a model that speaks OpenAI's Responses API",
		Package: "@openai/codex", Version: version, Protocol: ProtocolOpenAI,
		Argv: []string{
			"codex", "exec", "--dangerously-bypass-approvals-and-sandbox", "--skip-git-repo-check", "--json", "--", "{prompt}",
		},
		Apart:     []string{"-c", "project_doc_max_bytes=0"},
		Route:     map[string]string{"CODERFLOW_MODEL_KEY": DummyKey},
		Home:      map[string]string{".codex/config.toml": codexConfig},
		Image:     "coderflow/agent-codex:" + version,
		MinMemory: 256 * mib, Output: activity.Codex,
	}
}

func gemini() Preset {
	const version = "0.61.0"
	return Preset{
		Name: "gemini", Summary: "Gemini CLI, with a model that speaks Gemini's API",
		Package: "@google/gemini-cli", Version: version, Protocol: ProtocolGemini,
		Argv: []string{"gemini", "--yolo", "--output-format", "stream-json", "--prompt={prompt}"},
		Env: map[string]string{
			"GEMINI_MODEL": "{model}", "GEMINI_CLI_TRUST_WORKSPACE": "true", "GEMINI_CLI_NO_RELAUNCH": "true",
		},
		Route: map[string]string{"GOOGLE_GEMINI_BASE_URL": "{gateway}", "GEMINI_API_KEY": DummyKey},
		Home: map[string]string{".gemini/settings.json": `{
  "security": {"auth": {"selectedType": "gemini-api-key"}},
  "tools": {"exclude": ["google_web_search", "web_fetch"]},
  "general": {"enableAutoUpdate": false, "enableAutoUpdateNotification": false},
  "privacy": {"usageStatisticsEnabled": false},
  "telemetry": {"enabled": false}
}
`},
		Image:     "coderflow/agent-gemini:" + version,
		MinMemory: 256 * mib, Output: activity.Gemini,
	}
}

const opencodeConfig = `{
  "model": "gateway/{model}",
  "small_model": "gateway/{model}",
  "autoupdate": false,
  "share": "disabled",
  "snapshot": false,
  "tools": {"webfetch": false, "websearch": false},
  "provider": {"gateway": {
    "npm": "@ai-sdk/openai-compatible",
    "name": "gateway",
    "options": {"baseURL": "{gateway}/v1", "apiKey": "` + DummyKey + `"},
    "models": {"{model}": {"name": "{model}"}}
  }}
}
`

func opencode() Preset {
	const version = "1.18.33"
	return Preset{
		Name: "opencode", Summary: "opencode, with a model that speaks OpenAI's Chat Completions API",
		Package: "opencode-ai", Version: version, Protocol: ProtocolOpenAI,
		Argv: []string{"opencode", "run", "--format", "json", "--auto", "--title", "CoderFlow", "--", "{prompt}"},
		Env: map[string]string{
			"OPENCODE_DISABLE_MODELS_FETCH": "1", "OPENCODE_DISABLE_AUTOUPDATE": "1", "OPENCODE_DISABLE_SHARE": "1",
			"OPENCODE_DISABLE_LSP_DOWNLOAD": "1", "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1",
			// A repository's .opencode would be one more directory to install packages into; its instructions are in
			// the prompt, from the base branch.
			"OPENCODE_DISABLE_PROJECT_CONFIG": "1",
		},
		Home: map[string]string{
			".config/opencode/opencode.json": opencodeConfig,
			// Unless this looks installed, opencode gets it from npm's registry at every start.
			".config/opencode/package-lock.json": `{"lockfileVersion": 3, "packages": {"": {"dependencies": {"@opencode-ai/plugin": "` +
				version + `"}}}}` + "\n",
			".config/opencode/node_modules/.gitignore": "*\n",
		},
		Image:     "coderflow/agent-opencode:" + version,
		MinMemory: 512 * mib, Output: activity.OpenCode, NeedsModel: true,
	}
}

func qwen() Preset {
	const version = "0.24.4"
	return Preset{
		Name: "qwen", Summary: "Qwen Code, with a model that speaks OpenAI's Chat Completions API",
		Package: "@qwen-code/qwen-code", Version: version, Protocol: ProtocolOpenAI,
		Argv: []string{"qwen", "--auth-type", "openai", "--yolo", "--output-format", "stream-json", "--prompt={prompt}"},
		Env:  map[string]string{"OPENAI_MODEL": "{model}"},
		Route: map[string]string{
			"OPENAI_BASE_URL": "{gateway}/v1", "OPENAI_API_KEY": DummyKey,
		},
		Home: map[string]string{".qwen/settings.json": `{
  "tools": {"exclude": ["web_fetch"]},
  "privacy": {"usageStatisticsEnabled": false},
  "general": {"disableAutoUpdate": true, "enableAutoUpdate": false},
  "telemetry": {"enabled": false}
}
`},
		Image:     "coderflow/agent-qwen:" + version,
		MinMemory: 256 * mib, Output: activity.Qwen, NeedsModel: true,
	}
}

func exec() Preset {
	return Preset{
		Name:       "exec",
		Summary:    "any command; it finds the prompt in the file that " + PromptFileVariable + " names",
		OwnCommand: true, Output: activity.Text,
	}
}
