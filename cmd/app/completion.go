package main

import (
	"embed"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/task"
)

// The libraries that complete for kong stand on one that is kept no more, and
// have the shell run the program by one fixed path. What they do is the walk
// through kong's own model below.

//go:embed completion
var completionScripts embed.FS

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help implements kong.HelpProvider.
func (completionCmd) Help() string {
	return `It completes commands, flags, the values of flags and the names of contexts, and asks no server.

Examples:

  coderflow completion bash > /etc/bash_completion.d/coderflow
  coderflow completion zsh > ~/.zfunc/_coderflow
  coderflow completion fish > ~/.config/fish/completions/coderflow.fish`
}

// Run prints the script.
func (c completionCmd) Run(s streams) error {
	script, err := completionScripts.ReadFile("completion/coderflow." + c.Shell)
	if err != nil {
		return err
	}
	_, err = s.out.Write(script)
	return err
}

// completeCommand is what the scripts call, with the words of the command line
// up to the cursor. It answers with lines of candidate, tab, description.
const completeCommand = "__complete"

func complete(root *kong.Node, words []string, out io.Writer) {
	if len(words) == 0 {
		return
	}
	typed := words[len(words)-1]
	l := commandLine{node: root}
	for _, word := range words[:len(words)-1] {
		l.take(word)
	}
	for _, c := range l.candidates(typed) {
		if strings.HasPrefix(c.text, typed) {
			fmt.Fprintf(out, "%s\t%s\n", oneLine(c.text), oneLine(c.about))
		}
	}
}

type candidate struct{ text, about string }

// commandLine is what the words before the cursor came to.
type commandLine struct {
	node     *kong.Node
	awaits   *kong.Value // the flag whose value is the next word
	ended    bool        // by "--": no flags any more
	position int         // how many arguments there were
}

func (l *commandLine) take(word string) {
	switch {
	case l.awaits != nil:
		l.awaits = nil
	case word == "--":
		l.ended = true
	case !l.ended && strings.HasPrefix(word, "-") && word != "-":
		name, _, given := strings.Cut(word, "=")
		if f := l.flag(name); f != nil && !given && !f.IsBool() {
			l.awaits = f.Value
		}
	default:
		if child := childNamed(l.node, word); child != nil {
			l.node = child
			return
		}
		l.position++
	}
}

func childNamed(n *kong.Node, word string) *kong.Node {
	for _, child := range n.Children {
		if child.Type == kong.CommandNode && (child.Name == word || slices.Contains(child.Aliases, word)) {
			return child
		}
	}
	return nil
}

// command is where flags and arguments belong: a command that is taken if none
// is named stands for its parent.
func (l *commandLine) command() *kong.Node {
	if l.node.DefaultCmd != nil {
		return l.node.DefaultCmd
	}
	return l.node
}

func (l *commandLine) flags() []*kong.Flag {
	var all []*kong.Flag
	for _, group := range l.command().AllFlags(true) {
		all = append(all, group...)
	}
	return all
}

func (l *commandLine) flag(name string) *kong.Flag {
	for _, f := range l.flags() {
		if name == "--"+f.Name || (f.Short != 0 && name == "-"+string(f.Short)) {
			return f
		}
	}
	return nil
}

func (l *commandLine) candidates(typed string) []candidate {
	name, _, given := strings.Cut(typed, "=")
	switch {
	case l.awaits != nil:
		return values(l.awaits, typed, "")
	case !l.ended && given && strings.HasPrefix(typed, "--"):
		if f := l.flag(name); f != nil {
			return values(f.Value, strings.TrimPrefix(typed, name+"="), name+"=")
		}
		return nil
	case !l.ended && strings.HasPrefix(typed, "-"):
		var list []candidate
		for _, f := range l.flags() {
			list = append(list, candidate{"--" + f.Name, f.Help})
		}
		return list
	}
	var list []candidate
	if l.position == 0 {
		for _, child := range l.node.Children {
			if child.Type == kong.CommandNode && !child.Hidden {
				list = append(list, candidate{child.Name, child.Help})
			}
		}
	}
	if arguments := l.command().Positional; len(list) == 0 && len(arguments) > 0 {
		at := arguments[min(l.position, len(arguments)-1)]
		if l.position < len(arguments) || at.IsCumulative() {
			list = values(at, typed, "")
		}
	}
	return list
}

// values are what a flag or argument can be, if that is known without a server.
// Of a list separated by commas the last is completed.
func values(v *kong.Value, typed, before string) []candidate {
	known := v.EnumSlice()
	if v.Enum == "" {
		known = nil
	}
	switch v.Tag.Get("predictor") {
	case "context":
		known = contextNames()
	case "permission":
		known = policy.PermissionNames()
	case "kind":
		known = []string{"environment", "profile", "role", "team", "binding", "gitprovider"}
	case "runstate":
		known = runStates()
	case "state":
		for _, state := range task.States() {
			known = append(known, string(state))
		}
		before += typed[:strings.LastIndex(typed, ",")+1]
	}
	list := make([]candidate, len(known))
	for i, text := range known {
		list[i] = candidate{before + text, ""}
	}
	return list
}

// contextNames are none if the contexts cannot be read: the command will say why.
func contextNames() []string {
	all, err := loadContexts()
	if err != nil {
		return nil
	}
	var names []string
	for _, c := range all.List {
		names = append(names, c.Name)
	}
	return names
}
