package deploy

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func profile(parameters ...Parameter) Profile {
	return Profile{Name: "publish", Environment: "staging", Script: "true", Timeout: time.Minute, Parameters: parameters}
}

func TestValuesAreHeldToTheirType(t *testing.T) {
	t.Parallel()
	p := profile(
		Parameter{Name: "text", Type: String},
		Parameter{Name: "tag", Type: String, Pattern: `v[0-9]+|latest`},
		Parameter{Name: "count", Type: Number},
		Parameter{Name: "dry", Type: Boolean},
		Parameter{Name: "channel", Type: Select, Options: []string{"beta", "stable"}},
	)
	if err := p.CheckDefinition(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, value string
		ok          bool
	}{
		{"text", "$(reboot); `id` ' \" | & ../..", true}, // inert: it is only ever a variable's value
		{"text", "two\nlines", false},
		{"text", "nul\x00", false},
		{"text", "esc\x1b[31m", false},
		{"text", "bidi\u202e", false},
		{"text", "\xff", false},
		{"text", strings.Repeat("x", MaxValue), true},
		{"text", strings.Repeat("x", MaxValue+1), false},
		{"tag", "v12", true},
		{"tag", "v12 latest", false},
		{"tag", "xlatest", false},
		{"count", "-1.5", true},
		{"count", "1e9", false},
		{"count", "0x10", false},
		{"count", "1;id", false},
		{"dry", "true", true},
		{"dry", "True", false},
		{"dry", "1", false},
		{"channel", "beta", true},
		{"channel", "bet", false},
	} {
		_, err := p.Validate(map[string]string{c.name: c.value})
		if (err == nil) != c.ok {
			t.Errorf("%s=%.40q: ok = %t, want %t (%v)", c.name, c.value, err == nil, c.ok, err)
		}
		var typed *ParameterError
		if err != nil && !errors.As(err, &typed) {
			t.Errorf("%s=%.40q: the error is not a ParameterError: %v", c.name, c.value, err)
		}
	}
}

func TestValidateCompletesAndReportsEverythingAtOnce(t *testing.T) {
	t.Parallel()
	p := profile(
		Parameter{Name: "version", Type: String, Required: true},
		Parameter{Name: "channel", Type: Select, Options: []string{"beta"}, Default: "beta"},
		Parameter{Name: "note", Type: String},
	)
	complete, err := p.Validate(map[string]string{"version": "1"})
	if err != nil || complete["channel"] != "beta" || len(complete) != 3 {
		t.Errorf("complete = %v, %v", complete, err)
	}
	want := "PARAM_CHANNEL=beta PARAM_NOTE= PARAM_VERSION=1"
	if got := strings.Join(p.Env(complete), " "); got != want {
		t.Errorf("Env = %s, want %s", got, want)
	}
	_, err = p.Validate(map[string]string{"channel": "x", "LD_PRELOAD": "evil.so"})
	for _, want := range []string{`"version" is required`, `"channel" must be one of beta`, `"LD_PRELOAD" is not a parameter`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("missing %s in: %v", want, err)
		}
	}
}

func TestDefinitionsAreChecked(t *testing.T) {
	t.Parallel()
	good := Parameter{Name: "a", Type: String}
	for want, p := range map[string]Profile{
		"name: want":                      {Name: "1x", Script: "true", Timeout: time.Minute},
		"script: is empty":                {Name: "x", Script: " \n", Timeout: time.Minute},
		"script: contains a NUL":          {Name: "x", Script: "\x00", Timeout: time.Minute},
		"timeout: want between":           {Name: "x", Script: "true"},
		"parameters[1].name: \"A\" and":   profile(good, Parameter{Name: "A", Type: String}),
		"parameters[0].name: want":        profile(Parameter{Name: "a-b", Type: String}),
		"parameters[0].type: want string": profile(Parameter{Name: "a", Type: "int"}),
		"parameters[0].pattern: is not":   profile(Parameter{Name: "a", Type: String, Pattern: "a)(b"}),
		"parameters[0].pattern: only":     profile(Parameter{Name: "a", Type: Number, Pattern: "1"}),
		"parameters[0].options: a select": profile(Parameter{Name: "a", Type: Select}),
		"parameters[0].options: only":     profile(Parameter{Name: "a", Type: String, Options: []string{"x"}}),
		"parameters[0].options[1]: \"x\"": profile(Parameter{Name: "a", Type: Select, Options: []string{"x", "x"}}),
		"parameters[0].default: a req":    profile(Parameter{Name: "a", Type: String, Required: true, Default: "x"}),
		"parameters[0].default: \"x\"":    profile(Parameter{Name: "a", Type: Number, Default: "x"}),
	} {
		if err := p.CheckDefinition(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got: %v", want, err)
		}
	}
}
