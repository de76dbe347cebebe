package command

import (
	"fmt"
	"slices"
	"strings"
)

// Parse returns the commands of a comment in order, and a problem for every
// line that looks like a command and is none. It reads up to 64 KiB, never
// panics and depends on the text alone.
func Parse(body string) (commands []Command, problems []Problem) {
	l, candidates, err := read(body)
	if err != nil {
		if candidates {
			problems = append(problems, Problem{Text: err.Error()})
		}
		return nil, problems
	}
	started := false
	for i, line := range l.commands {
		if i == maxCommands {
			return commands, append(problems, Problem{line + 1, fmt.Sprintf("only the first %d commands of a comment are read", maxCommands)})
		}
		c, err := l.command(i)
		if err == nil && starts(c.Name) {
			if started {
				err = fmt.Errorf("only the first command that starts work counts in a comment; write %s in another one", c.Name)
			}
			started = true
		}
		if err != nil {
			problems = append(problems, Problem{line + 1, err.Error()})
			continue
		}
		c.Line = line + 1
		commands = append(commands, c)
	}
	return commands, problems
}

// starts reports whether the command sets an agent to work.
func starts(n Name) bool { return n == Run || n == Revise || n == Rebase || n == Retry }

// command parses the i-th command line.
func (l *layout) command(i int) (Command, error) {
	line := l.lines[l.commands[i]]
	rest, err := l.arguments(line)
	if err != nil {
		return Command{}, err
	}
	verb, ok, err := nextToken(rest, 0)
	switch {
	case err != nil:
		return Command{}, err
	case !ok || strings.EqualFold(verb.text, "--help") || strings.EqualFold(verb.text, "-h"):
		return Command{Name: Help}, nil
	}
	name := Name(strings.ToLower(verb.text))
	if !slices.Contains(Names(), name) {
		return Command{}, unknown(verb.text)
	}
	c, rest := Command{Name: name}, rest[verb.end:]
	switch name {
	case Run:
		c.Options, rest, err = options(rest)
		c.Text = l.textBelow(i, rest)
	case Revise:
		c.Text = l.textBelow(i, rest)
		if c.Text == "" {
			err = fmt.Errorf("%s revise needs to be told what to change: write it after the word", word)
		}
	case Judge:
		c.Judges, err = named("judge", rest)
	case Check:
		c.Checks, err = named("check", rest)
	default:
		if strings.TrimSpace(rest) != "" {
			err = fmt.Errorf("%s %s takes nothing after it, but there is %s", word, name, show(strings.TrimSpace(rest)))
		}
	}
	return c, err
}

// arguments is what stands on the line after /coderflow, without HTML comments.
func (l *layout) arguments(line span) (string, error) {
	s := l.without(line.start, line.stop, l.comments)
	s = strings.TrimLeft(s, " ")[len(word):]
	if strings.HasPrefix(s, ":") || strings.HasPrefix(s, ",") {
		return "", fmt.Errorf("write a space after %s, for example: %s run", word, word)
	}
	return s, nil
}

func unknown(verb string) error {
	if slices.Contains(directives, strings.ToLower(verb)) {
		return fmt.Errorf("%s %s belongs into the text of an approving review, not into a comment", word, strings.ToLower(verb))
	}
	return fmt.Errorf("there is no command %s%s (commands: %s)", show(verb), didYouMean(verb, Names()), list(Names()))
}

// textBelow joins the rest of the i-th command's line with the text up to the
// next command, without what the author only quotes and what no reader sees.
func (l *layout) textBelow(i int, rest string) string {
	from, to := l.lines[l.commands[i]].stop, len(l.src)
	if i+1 < len(l.commands) {
		to = l.lines[l.commands[i+1]].start
	}
	below := l.without(from, to, l.comments, l.quotes)
	return strings.TrimSpace(strings.TrimSpace(rest) + below)
}

// named reads the names of what is asked for again.
func named(what, rest string) ([]string, error) {
	names, err := tokens(rest)
	if err != nil {
		return nil, err
	}
	for i, n := range names {
		if err := checkName("a "+what, n); err != nil {
			return nil, err
		}
		if slices.Contains(names[:i], n) {
			return nil, fmt.Errorf("%s %s is named twice", what, show(n))
		}
	}
	return names, nil
}
