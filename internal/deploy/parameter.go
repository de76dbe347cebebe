package deploy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ParameterType is what values a parameter takes.
type ParameterType string

// Types of parameter. A value is text in every case; the type says which texts.
const (
	String  ParameterType = "string"  // one line without control or invisible characters
	Number  ParameterType = "number"  // decimal, such as -1.5; no exponent
	Boolean ParameterType = "boolean" // "true" or "false"
	Select  ParameterType = "select"  // one of Options
)

// ParameterTypes lists the types in the order of the documentation.
var ParameterTypes = []ParameterType{String, Number, Boolean, Select}

// MaxValue bounds one value, in bytes.
const MaxValue = 4 << 10

// Parameter is one value that a deployment takes. It reaches the script as the
// environment variable [Parameter.Variable].
type Parameter struct {
	Name        string        `json:"name"`
	Description string        `json:"description,omitempty"`
	Type        ParameterType `json:"type"`
	// Pattern is an RE2 expression that the whole of a string must match.
	Pattern  string   `json:"pattern,omitempty"`
	Options  []string `json:"options,omitempty"` // of a select
	Required bool     `json:"required,omitempty"`
	Default  string   `json:"default,omitempty"`
}

var (
	parameterName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)
	decimal       = regexp.MustCompile(`^-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?$`)
)

// Variable is the environment variable that carries the value: PARAM_ and the
// name in upper case. The prefix keeps every parameter away from the variables
// that programs obey (PATH, LD_PRELOAD, BASH_ENV, GIT_SSH and the like), for
// which no list of reserved names would ever be complete.
func (p Parameter) Variable() string { return "PARAM_" + strings.ToUpper(p.Name) }

// check reports what is wrong with the definition.
func (p Parameter) check(wrong func(field, format string, args ...any)) {
	if !parameterName.MatchString(p.Name) {
		wrong("name", "want a letter or underscore, then up to 63 letters, digits and underscores (it becomes an environment variable); this is %q", p.Name)
	}
	if !slices.Contains(ParameterTypes, p.Type) {
		wrong("type", "want string, number, boolean or select, not %q", p.Type)
	}
	if p.Pattern != "" && p.Type != String {
		wrong("pattern", "only a string has a pattern")
	} else if _, err := wholePattern(p.Pattern); err != nil {
		wrong("pattern", "is not a regular expression (RE2): %v", err)
	}
	p.checkOptions(wrong)
	switch {
	case p.Default == "":
	case p.Required:
		wrong("default", "a required parameter has no use for a default; remove one of the two")
	case p.problem(p.Default) != "":
		wrong("default", "%q would be refused: it %s", p.Default, p.problem(p.Default))
	}
}

func (p Parameter) checkOptions(wrong func(field, format string, args ...any)) {
	if p.Type != Select {
		if len(p.Options) > 0 {
			wrong("options", "only a select has options")
		}
		return
	}
	if len(p.Options) == 0 {
		wrong("options", "a select needs at least one option")
	}
	for i, option := range p.Options {
		if option == "" || textProblem(option) != "" {
			wrong(fmt.Sprintf("options[%d]", i), "%q cannot be an option", option)
		}
		if slices.Contains(p.Options[:i], option) {
			wrong(fmt.Sprintf("options[%d]", i), "%q is listed twice", option)
		}
	}
}

// problem says what is wrong with a value, continuing "parameter x …", or "".
func (p Parameter) problem(value string) string {
	if value == "" {
		if p.Required {
			return "is required; add " + p.Name + "=VALUE"
		}
		return ""
	}
	if problem := textProblem(value); problem != "" {
		return problem
	}
	switch p.Type {
	case Number:
		if !decimal.MatchString(value) {
			return fmt.Sprintf("must be a decimal number such as 3 or -1.5, not %q", shown(value))
		}
	case Boolean:
		if value != "true" && value != "false" {
			return fmt.Sprintf("must be true or false, not %q", shown(value))
		}
	case Select:
		if !slices.Contains(p.Options, value) {
			return fmt.Sprintf("must be one of %s, not %q", strings.Join(p.Options, ", "), shown(value))
		}
	case String:
		pattern, err := wholePattern(p.Pattern)
		if err != nil || !pattern.MatchString(value) {
			return fmt.Sprintf("must match %s, and %q does not", p.Pattern, shown(value))
		}
	default:
		return fmt.Sprintf("has the unknown type %q", p.Type)
	}
	return ""
}

func textProblem(value string) string {
	switch {
	case len(value) > MaxValue:
		return fmt.Sprintf("is longer than %d KiB", MaxValue>>10)
	case !utf8.ValidString(value):
		return "is not valid UTF-8"
	case strings.ContainsFunc(value, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }):
		return "contains control or invisible characters"
	}
	return ""
}

// wholePattern makes an expression match the whole value or nothing.
func wholePattern(pattern string) (*regexp.Regexp, error) {
	if pattern == "" {
		return regexp.Compile(``)
	}
	if _, err := regexp.Compile(pattern); err != nil { // "a)(b" must not become valid by the wrapping
		return nil, err
	}
	return regexp.Compile(`\A(?:` + pattern + `)\z`)
}

// shown cuts a value for a message.
func shown(value string) string {
	const most = 80
	if len(value) <= most {
		return value
	}
	return strings.ToValidUTF8(value[:most], "") + "…"
}
