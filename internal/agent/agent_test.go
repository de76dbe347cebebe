package agent

import (
	"errors"
	"reflect"
	"testing"
)

func TestExecRunsTheConfiguredCommandWithThePromptsPath(t *testing.T) {
	t.Parallel()
	got, err := Resolve(Config{
		Preset: "exec", Command: []string{"my-agent", "--prompt={prompt-file}", "$(id)"}, Env: map[string]string{"MODEL": "x"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := Command{
		Argv: []string{"my-agent", "--prompt=/coderflow/prompt.md", "$(id)"},
		Env:  map[string]string{"MODEL": "x", "CODERFLOW_PROMPT_FILE": "/coderflow/prompt.md"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestResolveLeavesTheConfigurationAlone(t *testing.T) {
	t.Parallel()
	config := Config{Preset: "exec", Command: []string{"{prompt-file}"}, Env: map[string]string{}}
	if _, err := Resolve(config); err != nil {
		t.Fatal(err)
	}
	if config.Command[0] != "{prompt-file}" || len(config.Env) != 0 {
		t.Errorf("the configuration was changed: %v", config)
	}
}

func TestResolveNamesTheFieldThatIsWrong(t *testing.T) {
	t.Parallel()
	command := []string{"true"}
	for want, config := range map[string]Config{
		`agent.preset: "cursor" is not one of: exec`:                          {Preset: "cursor"},
		`agent.preset: "" is not one of: exec`:                                {},
		`agent.command: preset "exec" needs a program to run`:                 {Preset: "exec"},
		`agent.command[1]: holds a NUL`:                                       {Preset: "exec", Command: []string{"a", "\x00"}},
		`agent.env.A=B: is not a variable name`:                               {Preset: "exec", Command: command, Env: map[string]string{"A=B": ""}},
		`agent.env.CODERFLOW_X: names beginning with CODERFLOW_ are reserved`: {Preset: "exec", Command: command, Env: map[string]string{"CODERFLOW_X": ""}},
		"agent.env.A: holds a NUL\nagent.env.B: holds a NUL":                  {Preset: "exec", Command: command, Env: map[string]string{"B": "\x00", "A": "\x00"}},
	} {
		_, err := Resolve(config)
		var problem *ConfigError
		if !errors.As(err, &problem) || err.Error() != want {
			t.Errorf("%+v: error %v, want %s", config, err, want)
		}
		if config.Preset != "exec" && !errors.Is(err, ErrUnknownPreset) {
			t.Errorf("%+v: %v is not ErrUnknownPreset", config, err)
		}
	}
}
