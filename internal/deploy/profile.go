package deploy

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Profile is what an admin wrote to deploy a commit: a shell script, or a pipeline of
// another service, with typed parameters. A reviewer chooses a profile and values,
// never a command.
type Profile struct {
	Name        string `json:"name"`
	Environment string `json:"environment"`
	// Version is the manifest version that the profile was read from.
	Version     string `json:"-"`
	Description string `json:"description,omitempty"`
	Image       string `json:"image,omitempty"` // empty: the server's, see Executor.Image
	Script      string `json:"script"`
	// Pipeline is run instead of a script; nil: there is a script.
	Pipeline   *Pipeline   `json:"azurePipeline,omitempty"`
	Parameters []Parameter `json:"parameters,omitempty"`
	// Secrets are the names of those that a run finds below /run/secrets, of the
	// environment's context "deploy".
	Secrets []string `json:"secrets,omitempty"`
	// Network is what a run can reach besides nothing.
	Network Network `json:"network,omitzero"`
	// Timeout bounds one run.
	Timeout time.Duration `json:"timeout"`
	// Concurrency is beside which other runs it may run; empty: PerEnvironment.
	Concurrency Concurrency `json:"concurrency,omitempty"`
}

// Bounds of a profile.
const (
	MaxScript     = 64 << 10 // bytes
	MaxParameters = 64
	MaxSecrets    = 64
	MaxTimeout    = 24 * time.Hour
)

var secretName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,63}$`)

var profileName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]{0,63}$`)

// ValidName reports whether s can name a profile: a letter or underscore, then
// up to 63 letters, digits, hyphens and underscores.
func ValidName(s string) bool { return profileName.MatchString(s) }

// CheckDefinition tells everything that is wrong with what the admin wrote, as
// [DefinitionError]s joined together.
func (p Profile) CheckDefinition() error {
	var problems []error
	wrong := func(field, format string, args ...any) {
		problems = append(problems, &DefinitionError{Field: field, Problem: fmt.Sprintf(format, args...)})
	}
	if !ValidName(p.Name) {
		wrong("name", "want a letter or underscore, then up to 63 letters, digits, hyphens and underscores; this is %q", p.Name)
	}
	switch {
	case p.Pipeline != nil:
		p.checkPipeline(wrong)
	case strings.TrimSpace(p.Script) == "":
		wrong("script", "is empty; a profile has a script or an azurePipeline")
	case len(p.Script) > MaxScript:
		wrong("script", "is longer than %d KiB", MaxScript>>10)
	case strings.ContainsRune(p.Script, 0):
		wrong("script", "contains a NUL byte")
	}
	for i, name := range p.Secrets {
		if !secretName.MatchString(name) || slices.Contains(p.Secrets[:i], name) {
			wrong(fmt.Sprintf("secrets[%d]", i), "%q is not the name of a secret, or is there twice", name)
		}
	}
	if len(p.Secrets) > MaxSecrets {
		wrong("secrets", "want at most %d", MaxSecrets)
	}
	if p.Timeout < time.Second || p.Timeout > MaxTimeout {
		wrong("timeout", "want between 1s and 24h, not %s", p.Timeout)
	}
	if p.Concurrency != "" && !slices.Contains(Concurrencies, p.Concurrency) {
		wrong("concurrency", "want environment, profile or unlimited, not %q", p.Concurrency)
	}
	if len(p.Parameters) > MaxParameters {
		wrong("parameters", "there are more than %d", MaxParameters)
	}
	variables := map[string]string{}
	for i, parameter := range p.Parameters {
		at := fmt.Sprintf("parameters[%d]", i)
		if other, taken := variables[parameter.Variable()]; taken {
			wrong(at+".name", "%q and %q would both be passed as %s", parameter.Name, other, parameter.Variable())
		}
		variables[parameter.Variable()] = parameter.Name
		parameter.check(func(field, format string, args ...any) { wrong(at+"."+field, format, args...) })
	}
	return errors.Join(problems...)
}

// Validate checks the values that a person gave and returns the complete set:
// every declared parameter has an entry, the default or the empty string where
// nothing was given. The error joins a *[ParameterError] for each thing wrong.
func (p Profile) Validate(params map[string]string) (map[string]string, error) {
	var problems []error
	complete := make(map[string]string, len(p.Parameters))
	var names []string
	for _, parameter := range p.Parameters {
		names = append(names, parameter.Name)
		value := params[parameter.Name]
		if value == "" {
			value = parameter.Default
		}
		complete[parameter.Name] = value
		problem := parameter.problem(value)
		if problem == "" && p.Pipeline != nil {
			problem = expansionProblem(value)
		}
		if problem != "" {
			problems = append(problems, &ParameterError{Profile: p.Name, Parameter: parameter.Name, Problem: problem})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if _, declared := complete[name]; declared {
			continue
		}
		problem := "is not a parameter of this profile, which has none"
		if len(names) > 0 {
			problem = "is not a parameter of this profile, which has " + strings.Join(names, ", ")
		}
		problems = append(problems, &ParameterError{Profile: p.Name, Parameter: name, Problem: problem})
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return complete, nil
}

// Env returns the environment variables, "PARAM_NAME=value", of validated
// parameters, sorted. This is the only way in which values reach a script: they
// are never part of its text or its arguments.
func (p Profile) Env(params map[string]string) []string {
	var env []string
	for _, parameter := range p.Parameters {
		env = append(env, parameter.Variable()+"="+params[parameter.Name])
	}
	slices.Sort(env)
	return env
}

// DefinitionError is one mistake in a profile, at a field such as
// "parameters[0].pattern".
type DefinitionError struct {
	Field   string
	Problem string
}

// Error implements error.
func (e *DefinitionError) Error() string { return e.Field + ": " + e.Problem }

// ParameterError is one value that a profile does not take, in words for the
// person who gave it.
type ParameterError struct {
	Profile   string
	Parameter string
	Problem   string
}

// Error implements error.
func (e *ParameterError) Error() string {
	return fmt.Sprintf("deployment profile %q: parameter %q %s", e.Profile, shown(e.Parameter), e.Problem)
}
