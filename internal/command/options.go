package command

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

var optionNames = []string{"--env", "--agent", "--agents", "--base", supersede}

// supersede is the one option without a value.
const supersede = "--supersede"

// MaxAgents bounds how many agents one request sets to work side by side.
const MaxAgents = 4

// options reads the options at the start of s and returns the text behind them.
// "--" ends them.
func options(s string) (o Options, rest string, err error) {
	seen := map[string]bool{}
	at := 0
	for {
		t, ok, err := nextToken(s, at)
		if !ok && err == nil {
			return o, "", nil
		}
		if t.text == "--" && err == nil {
			return o, strings.TrimSpace(s[t.end:]), nil
		}
		if !isOption(strings.TrimSpace(s[at:])) {
			rest := strings.TrimSpace(s[at:])
			return o, rest, misplaced(rest)
		}
		if err != nil {
			return o, "", err
		}
		name, value, given := strings.Cut(t.text, "=")
		at = t.end
		if !slices.Contains(optionNames, name) {
			return o, "", unknownOption(name)
		}
		if name == supersede {
			if given {
				return o, "", fmt.Errorf("%s takes no value", supersede)
			}
			value = "yes"
		} else if !given {
			v, ok, err := nextToken(s, at)
			if err != nil {
				return o, "", err
			}
			if !ok {
				return o, "", fmt.Errorf("%s needs a value", name)
			}
			value, at = v.text, v.end
		}
		if seen[name] {
			return o, "", fmt.Errorf("%s is given twice", name)
		}
		seen[name] = true
		if err := o.set(name, value); err != nil {
			return o, "", err
		}
	}
}

// isOption reports whether s begins like an option. Phones and word processors
// turn "--" into a dash character.
func isOption(s string) bool {
	return strings.HasPrefix(s, "-") && len(s) > 1 && s[1] != ' ' || strings.HasPrefix(s, "—") || strings.HasPrefix(s, "–")
}

func unknownOption(name string) error {
	if trimmed := strings.TrimLeft(name, "-—–"); trimmed != "" && slices.Contains(optionNames, "--"+trimmed) {
		return fmt.Errorf("write --%s with two plain hyphens instead of %s", trimmed, show(name))
	}
	return fmt.Errorf("there is no option %s%s (options of run: %s; write -- before a text that begins with a dash)",
		show(name), didYouMean(name, optionNames), strings.Join(optionNames, ", "))
}

// misplaced refuses an option behind the text: it would be taken for text, and
// the task would run somewhere else than its author meant.
func misplaced(rest string) error {
	for field := range strings.FieldsSeq(rest) {
		name, _, _ := strings.Cut(field, "=")
		if slices.Contains(optionNames, name) {
			return fmt.Errorf("%s stands behind the text and would not be read; put it right after run, or write -- before a text that contains it", name)
		}
	}
	return nil
}

func (o *Options) set(name, value string) error {
	switch name {
	case "--env":
		o.Env = value
		return checkName("an environment", value)
	case "--agent", "--agents":
		if len(o.Agents) > 0 {
			return errors.New("--agent and --agents stand for the same; give one of them")
		}
		names, err := agents(name, value)
		o.Agents = names
		return err
	case supersede:
		o.Supersede = true
		return nil
	case "--base":
		o.Base = value
		return CheckBranch(value)
	}
	return errors.New("unknown option")
}

// agents reads NAME, or for --agents also NAME,NAME….
func agents(option, value string) ([]string, error) {
	names := []string{value}
	if option == "--agents" {
		names = strings.Split(value, ",")
	}
	if len(names) > MaxAgents {
		return nil, fmt.Errorf("--agents names %d agents; at most %d work on a request side by side", len(names), MaxAgents)
	}
	for i, n := range names {
		if err := checkName("an agent", n); err != nil {
			return nil, err
		}
		if slices.Contains(names[:i], n) {
			return nil, fmt.Errorf("agent %s is named twice", show(n))
		}
	}
	return names, nil
}
