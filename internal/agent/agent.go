// Package agent says how a coding agent is started in its container. A preset is data: a command line and an
// environment, filled in from what an administrator configured.
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

// promptFile stands for the path of the prompt in a preset's or an administrator's command.
const promptFile = "{prompt-file}"

// Preset is one kind of agent.
type Preset struct {
	Name    string
	Summary string            // one sentence for people
	Argv    []string          // before the configured command; {prompt-file} is replaced
	Env     map[string]string // an administrator's variables win over these
	// OwnCommand means that the administrator gives the command; without it one must not be given.
	OwnCommand bool
}

// presets in the order in which they are shown.
var presets = []Preset{{
	Name:       "exec",
	Summary:    "any command; it finds the prompt in the file that " + PromptFileVariable + " names",
	OwnCommand: true,
}}

// Presets returns all presets.
func Presets() []Preset { return slices.Clone(presets) }

// Config is what an environment says about its agent.
type Config struct {
	Preset  string
	Command []string // "{prompt-file}" within it is replaced by the prompt's path
	Env     map[string]string
}

// Command is what the container runs. Both parts are free of secrets.
type Command struct {
	Argv []string
	Env  map[string]string
}

// ErrUnknownPreset says that there is no such preset.
var ErrUnknownPreset = errors.New("unknown agent preset")

// ConfigError says what is wrong with one field of a Config.
type ConfigError struct {
	Field   string // "preset", "command", "env.NAME"
	Problem string
	Err     error // a sentinel, or nil
}

func (e *ConfigError) Error() string { return "agent." + e.Field + ": " + e.Problem }

func (e *ConfigError) Unwrap() error { return e.Err }

var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// Resolve turns a configuration into a command, or says with *ConfigError what is wrong with it, all at once.
func Resolve(config Config) (Command, error) {
	preset, err := find(config.Preset)
	if err != nil {
		return Command{}, err
	}
	if err := errors.Join(checkCommand(preset, config.Command), checkEnv(config.Env)); err != nil {
		return Command{}, err
	}
	argv := slices.Concat(preset.Argv, config.Command)
	for i, argument := range argv {
		argv[i] = strings.ReplaceAll(argument, promptFile, guestproto.PromptPath)
	}
	env := map[string]string{}
	maps.Copy(env, preset.Env)
	maps.Copy(env, config.Env)
	env[PromptFileVariable] = guestproto.PromptPath
	return Command{Argv: argv, Env: env}, nil
}

func find(name string) (Preset, error) {
	var names []string
	for _, preset := range presets {
		if preset.Name == name {
			return preset, nil
		}
		names = append(names, preset.Name)
	}
	return Preset{}, &ConfigError{
		Field: "preset", Problem: fmt.Sprintf("%q is not one of: %s", name, strings.Join(names, ", ")), Err: ErrUnknownPreset,
	}
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

func checkEnv(env map[string]string) error {
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(env)) {
		switch {
		case !variable.MatchString(name):
			problems = append(problems, &ConfigError{Field: "env." + name, Problem: "is not a variable name"})
		case strings.HasPrefix(name, "CODERFLOW_"):
			problems = append(problems, &ConfigError{Field: "env." + name, Problem: "names beginning with CODERFLOW_ are reserved"})
		case strings.ContainsRune(env[name], 0):
			problems = append(problems, &ConfigError{Field: "env." + name, Problem: "holds a NUL"})
		}
	}
	return errors.Join(problems...)
}
