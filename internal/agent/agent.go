// Package agent says how a coding agent is started in its container. A preset is data: a command line, an
// environment and files in HOME, filled in from what an administrator configured.
package agent

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/coderflow/coderflow/internal/guestproto"
)

// PromptFileVariable names the environment variable that holds the path of the prompt.
const PromptFileVariable = "CODERFLOW_PROMPT_FILE"

// MaxPrompt bounds a prompt, in bytes, that is passed as an argument: the kernel takes no argument of 128 KiB.
const MaxPrompt = 100 << 10

// Config is what an environment says about its agent, and what one task asks of it.
type Config struct {
	Preset  string
	Command []string // for a preset without a command of its own; the placeholders are replaced in it
	Env     map[string]string
	Model   string // as the provider calls it; empty for the agent's own choice
	// Apart is for an agent that reads what another one made: it takes nothing in there for its own instructions.
	Apart bool
	// Prompt is the text of the prompt. It is needed by commands that name {prompt}: check a Config without a task by
	// giving any text.
	Prompt string
}

// Command is what the container runs. All parts are free of secrets.
type Command struct {
	Argv []string
	Env  map[string]string
	Home map[string][]byte // files to be written before, by path relative to HOME
}

// ErrUnknownPreset says that there is no such preset.
var ErrUnknownPreset = errors.New("unknown agent preset")

// ConfigError says what is wrong with one field of a Config.
type ConfigError struct {
	Field   string // "preset", "command", "env.NAME", "model", "prompt"
	Problem string
	Err     error // a sentinel, or nil
}

func (e *ConfigError) Error() string { return "agent." + e.Field + ": " + e.Problem }

func (e *ConfigError) Unwrap() error { return e.Err }

func unknown(name string) error {
	return &ConfigError{
		Field: "preset", Problem: fmt.Sprintf("%q is not one of: %s", name, strings.Join(Names(), ", ")), Err: ErrUnknownPreset,
	}
}

var (
	variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	// modelRule leaves nothing out that would have to be escaped in JSON, TOML or a URL's path.
	modelRule = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}$`)
)

// Resolve turns a configuration into a command, or says with *ConfigError what is wrong with it, all at once. It
// depends on nothing but its argument.
func Resolve(config Config) (Command, error) {
	preset, err := Lookup(config.Preset)
	if err != nil {
		return Command{}, err
	}
	err = errors.Join(checkCommand(preset, config.Command), checkEnv(preset, config.Env),
		checkModel(preset, config.Model), checkPrompt(preset, config))
	if err != nil {
		return Command{}, err
	}
	in := newFiller(config)
	command := Command{Env: map[string]string{}, Home: map[string][]byte{}}
	argv := slices.Concat(preset.Argv, config.Command)
	if config.Apart {
		argv = slices.Insert(argv, 1, preset.Apart...)
	}
	for _, argument := range argv {
		if filled, ok := in.fill(argument); ok {
			command.Argv = append(command.Argv, filled)
		}
	}
	for name, value := range preset.Env {
		if filled, ok := in.fill(value); ok {
			command.Env[name] = filled
		}
	}
	maps.Copy(command.Env, config.Env)
	for name, value := range preset.Route {
		command.Env[name], _ = in.fill(value)
	}
	command.Env[PromptFileVariable] = guestproto.PromptPath
	for path, text := range preset.Home {
		command.Home[path] = []byte(in.fillLines(text))
	}
	return command, nil
}

// filler replaces placeholders, all in one pass: what it puts in is never looked at again.
type filler struct {
	replacer *strings.Replacer
	model    bool
}

func newFiller(config Config) filler {
	return filler{model: config.Model != "", replacer: strings.NewReplacer(
		"{prompt}", config.Prompt, "{prompt-file}", guestproto.PromptPath,
		"{model}", config.Model, "{gateway}", GatewayURL,
	)}
}

// fill says with false that the text is to be left out.
func (f filler) fill(text string) (string, bool) {
	if !f.model && strings.Contains(text, "{model}") {
		return "", false
	}
	return f.replacer.Replace(text), true
}

func (f filler) fillLines(text string) string {
	var filled strings.Builder
	for line := range strings.Lines(text) {
		line, _ = f.fill(line)
		filled.WriteString(line)
	}
	return filled.String()
}

func checkCommand(preset Preset, command []string) error {
	switch {
	case !preset.OwnCommand && len(command) > 0:
		return &ConfigError{Field: "command", Problem: fmt.Sprintf("preset %q brings its own command", preset.Name)}
	case preset.OwnCommand && (len(command) == 0 || command[0] == ""):
		return &ConfigError{Field: "command", Problem: fmt.Sprintf("preset %q needs a program to run", preset.Name)}
	}
	for i, argument := range command {
		if strings.ContainsRune(argument, 0) {
			return &ConfigError{Field: fmt.Sprintf("command[%d]", i), Problem: "holds a NUL"}
		}
	}
	return nil
}

func checkEnv(preset Preset, env map[string]string) error {
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(env)) {
		var problem string
		_, routes := preset.Route[name]
		switch {
		case !variable.MatchString(name):
			problem = "is not a variable name"
		case strings.HasPrefix(name, "CODERFLOW_"):
			problem = "names beginning with CODERFLOW_ are reserved"
		case routes:
			problem = "leads to the gateway, which holds the real key; it cannot be changed"
		case name == "HOME" && len(preset.Home) > 0:
			problem = "is where the preset's settings are; it cannot be changed"
		case strings.ContainsRune(env[name], 0):
			problem = "holds a NUL"
		default:
			continue
		}
		problems = append(problems, &ConfigError{Field: "env." + name, Problem: problem})
	}
	return errors.Join(problems...)
}

func checkModel(preset Preset, model string) error {
	switch {
	case model == "" && preset.NeedsModel:
		return &ConfigError{Field: "model", Problem: fmt.Sprintf("preset %q needs the name of a model", preset.Name)}
	case model != "" && !modelRule.MatchString(model):
		return &ConfigError{Field: "model", Problem: fmt.Sprintf("%q must match %s", model, modelRule)}
	}
	return nil
}

func checkPrompt(preset Preset, config Config) error {
	asArgument := slices.ContainsFunc(slices.Concat(preset.Argv, config.Command), func(argument string) bool {
		return strings.Contains(argument, "{prompt}")
	})
	var problem string
	switch {
	case !asArgument:
		return nil
	case strings.TrimSpace(config.Prompt) == "":
		problem = "is empty"
	case len(config.Prompt) > MaxPrompt:
		problem = fmt.Sprintf("is longer than %d bytes", MaxPrompt)
	case strings.ContainsRune(config.Prompt, 0):
		problem = "holds a NUL"
	default:
		return nil
	}
	return &ConfigError{Field: "prompt", Problem: problem}
}
