package agent

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/images/agents"
)

func resolve(t *testing.T, config Config) Command {
	t.Helper()
	command, err := Resolve(config)
	if err != nil {
		t.Fatal(err)
	}
	return command
}

func TestExecRunsTheConfiguredCommandWithThePromptsPath(t *testing.T) {
	t.Parallel()
	got := resolve(t, Config{
		Preset: "exec", Command: []string{"my-agent", "--prompt={prompt-file}", "$(id)"}, Env: map[string]string{"MODEL": "x"},
	})
	want := Command{
		Argv: []string{"my-agent", "--prompt=/coderflow/prompt.md", "$(id)"},
		Env:  map[string]string{"MODEL": "x", "CODERFLOW_PROMPT_FILE": "/coderflow/prompt.md"},
		Home: map[string][]byte{},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// What an agent reads that another one made is no project of its own.
func TestThreat35AnAgentApartTakesNothingInItsDirectoryForItsOwn(t *testing.T) {
	t.Parallel()
	for preset, want := range map[string]string{"claude": "claude --setting-sources user --print ", "codex": "codex -c project_doc_max_bytes=0 exec "} {
		config := Config{Preset: preset, Prompt: "x"}
		plain := strings.Join(resolve(t, config).Argv, " ")
		config.Apart = true
		if got := strings.Join(resolve(t, config).Argv, " "); !strings.HasPrefix(got, want) || strings.HasPrefix(plain, want) {
			t.Errorf("%s: %s, and otherwise %s", preset, got, plain)
		}
	}
}

func TestResolveLeavesTheConfigurationAlone(t *testing.T) {
	t.Parallel()
	config := Config{Preset: "exec", Command: []string{"{prompt-file}"}, Env: map[string]string{}}
	resolve(t, config)
	if config.Command[0] != "{prompt-file}" || len(config.Env) != 0 {
		t.Errorf("the configuration was changed: %v", config)
	}
}

func TestResolveIsAFunctionOfItsInput(t *testing.T) {
	t.Parallel()
	for _, name := range Names() {
		config := complete(name)
		first := resolve(t, config)
		for range 5 {
			if again := resolve(t, config); !reflect.DeepEqual(again, first) {
				t.Errorf("%s: %v, then %v", name, first, again)
			}
		}
	}
}

// complete is a configuration that every preset accepts.
func complete(name string) Config {
	config := Config{Preset: name, Model: "vendor/model-1.5", Prompt: "Do it."}
	if name == "exec" {
		config.Command = []string{"agent", "{prompt}", "--model={model}", "{gateway}"}
	}
	return config
}

func TestNoPlaceholderIsLeft(t *testing.T) {
	t.Parallel()
	for _, name := range Names() {
		command := resolve(t, complete(name))
		text := strings.Join(command.Argv, "\n")
		for key, value := range command.Env {
			text += "\n" + key + "=" + value
		}
		for _, content := range command.Home {
			text += "\n" + string(content)
		}
		for _, left := range []string{"{prompt}", "{prompt-file}", "{model}", "{gateway}"} {
			if strings.Contains(text, left) {
				t.Errorf("%s: %s is left in %s", name, left, text)
			}
		}
		for _, want := range []string{"vendor/model-1.5", GatewayURL} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %s is missing in %s", name, want, text)
			}
		}
	}
}

func TestAPromptIsOneArgumentThatIsNoOptionAndIsNeverExpanded(t *testing.T) {
	t.Parallel()
	const hostile = "--help {model} {prompt-file} {gateway}\n\"$(id)\""
	for _, name := range Names() {
		config := complete(name)
		config.Prompt = hostile
		argv := resolve(t, config).Argv
		if name == "exec" {
			continue // the administrator says where it stands
		}
		last := argv[len(argv)-1]
		behindDashes := last == hostile && argv[len(argv)-2] == "--"
		if !behindDashes && last != "--prompt="+hostile {
			t.Errorf("%s: the prompt could be an option, or was changed: %q", name, argv)
		}
	}
}

func TestWithoutAModelNothingNamesOne(t *testing.T) {
	t.Parallel()
	command := resolve(t, Config{Preset: "codex", Prompt: "x"})
	if config := string(command.Home[".codex/config.toml"]); strings.Contains(config, "model = ") || !strings.HasPrefix(config, "model_provider") {
		t.Errorf("config.toml: %s", config)
	}
	if value, there := resolve(t, Config{Preset: "claude", Prompt: "x"}).Env["ANTHROPIC_MODEL"]; there {
		t.Errorf("ANTHROPIC_MODEL=%q", value)
	}
}

func TestAnAdministratorsVariablesWinExceptOnTheWayToTheModel(t *testing.T) {
	t.Parallel()
	config := complete("claude")
	config.Env = map[string]string{"DISABLE_AUTOUPDATER": "0", "LANG": "C"}
	if env := resolve(t, config).Env; env["DISABLE_AUTOUPDATER"] != "0" || env["LANG"] != "C" {
		t.Errorf("%v", env)
	}
	for _, preset := range Presets() {
		for variable := range preset.Route {
			config := complete(preset.Name)
			config.Env = map[string]string{variable: "http://elsewhere"}
			var problem *ConfigError
			if _, err := Resolve(config); !errors.As(err, &problem) {
				t.Errorf("%s: %s could be changed: %v", preset.Name, variable, err)
			}
		}
	}
}

// THREATS.md row 22: the agent's shell sees its environment and HOME.
func TestThreat22AgentsGetDummiesForKeys(t *testing.T) {
	t.Parallel()
	for _, name := range Names() {
		for variable, value := range resolve(t, complete(name)).Env {
			if strings.Contains(variable, "KEY") && value != DummyKey {
				t.Errorf("%s: %s=%s", name, variable, value)
			}
		}
	}
}

func TestResolveNamesTheFieldThatIsWrong(t *testing.T) {
	t.Parallel()
	command := []string{"true"}
	const all = "claude, codex, gemini, opencode, qwen, exec"
	for want, config := range map[string]Config{
		`agent.preset: "cursor" is not one of: ` + all:                             {Preset: "cursor"},
		`agent.preset: "" is not one of: ` + all:                                   {},
		`agent.command: preset "exec" needs a program to run`:                      {Preset: "exec"},
		`agent.command: preset "claude" brings its own command`:                    {Preset: "claude", Command: command, Prompt: "x"},
		`agent.command[1]: holds a NUL`:                                            {Preset: "exec", Command: []string{"a", "\x00"}},
		`agent.env.A=B: is not a variable name`:                                    {Preset: "exec", Command: command, Env: map[string]string{"A=B": ""}},
		`agent.env.CODERFLOW_X: names beginning with CODERFLOW_ are reserved`:      {Preset: "exec", Command: command, Env: map[string]string{"CODERFLOW_X": ""}},
		"agent.env.A: holds a NUL\nagent.env.B: holds a NUL":                       {Preset: "exec", Command: command, Env: map[string]string{"B": "\x00", "A": "\x00"}},
		`agent.env.HOME: is where the preset's settings are; it cannot be changed`: {Preset: "codex", Prompt: "x", Env: map[string]string{"HOME": "/tmp"}},
		`agent.model: preset "qwen" needs the name of a model`:                     {Preset: "qwen", Prompt: "x"},
		`agent.model: "a\"b" must match ^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}$`:     {Preset: "codex", Prompt: "x", Model: `a"b`},
		`agent.prompt: is empty`:                                                   {Preset: "codex"},
		`agent.prompt: holds a NUL`:                                                {Preset: "codex", Prompt: "a\x00"},
		`agent.prompt: is longer than 102400 bytes`:                                {Preset: "codex", Prompt: strings.Repeat("a", MaxPrompt+1)},
	} {
		_, err := Resolve(config)
		var problem *ConfigError
		if !errors.As(err, &problem) || err.Error() != want {
			t.Errorf("%.60v: error %v, want %s", config, err, want)
		}
		if !slices.Contains(Names(), config.Preset) && !errors.Is(err, ErrUnknownPreset) {
			t.Errorf("%.60v: %v is not ErrUnknownPreset", config, err)
		}
	}
}

func TestTheDocumentationNamesEveryPresetAndItsVersion(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/agents.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, preset := range Presets() {
		row := "| `" + preset.Name + "` | `" + preset.Package + "` " + preset.Version + " |"
		if preset.Package == "" {
			row = "| `" + preset.Name + "` |"
		}
		if !strings.Contains(string(text), row) {
			t.Errorf("docs/agents.md has no row %s", row)
		}
	}
}

func TestSeededJSONIsJSON(t *testing.T) {
	t.Parallel()
	for _, name := range Names() {
		for path, content := range resolve(t, complete(name)).Home {
			if strings.HasSuffix(path, ".json") && !json.Valid(content) {
				t.Errorf("%s: %s: %s", name, path, content)
			}
		}
	}
}

// lock is the part of a package-lock.json that matters here.
type lock struct {
	Packages map[string]struct {
		Version   string `json:"version"`
		Integrity string `json:"integrity"`
		Resolved  string `json:"resolved"`
	} `json:"packages"`
}

func TestVersionsAreThoseOfTheLocksAndEveryPackageHasAHashAndNoAddress(t *testing.T) {
	t.Parallel()
	for _, preset := range Presets() {
		if preset.Package == "" {
			continue
		}
		_, text, err := agents.Packages(preset.Name)
		if err != nil {
			t.Fatal(err)
		}
		var locked lock
		if err := json.Unmarshal(text, &locked); err != nil {
			t.Fatal(err)
		}
		versions := map[string]bool{}
		for _, name := range slices.Sorted(maps.Keys(locked.Packages)) {
			p := locked.Packages[name]
			if name == "" {
				continue
			}
			if !strings.HasPrefix(p.Integrity, "sha512-") || p.Resolved != "" {
				t.Errorf("%s: %s: integrity %q, resolved %q", preset.Name, name, p.Integrity, p.Resolved)
			}
			version, _, _ := strings.Cut(p.Version, "-linux-")
			versions[version] = true
		}
		if !versions[preset.Version] || !strings.HasSuffix(preset.Image, ":"+preset.Version) {
			t.Errorf("%s: version %s and image %s; the lock has %v: run scripts/update-agent", preset.Name, preset.Version, preset.Image, versions)
		}
	}
}
