package command

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/coderflow/coderflow/internal/approval"
)

// directives are the words that may follow /coderflow in a review.
var directives = []string{"deploy", "no-deploy", "target", "no-push", "message"}

// Bounds on the parameters of one deployment.
const (
	maxParameters = 50
	maxValue      = 4 << 10 // bytes
)

// ParseReview reads the text of an approving review: directives by the same
// rules as commands, and the rest, in its own Markdown, as the commit message.
// HTML comments are not part of the message: the reviewer's colleagues do not
// see them.
func ParseReview(body string) approval.Directives {
	l, _, err := read(body)
	if err != nil {
		return approval.Directives{Problems: []string{err.Error()}}
	}
	r := review{layout: l, seen: map[string]bool{}}
	for i, line := range l.commands {
		if i == maxCommands {
			r.problem(line, fmt.Errorf("only %d directives are read", maxCommands))
			break
		}
		if err := r.directive(l.lines[line]); err != nil {
			r.problem(line, err)
		}
	}
	r.Problems = append(r.Problems, r.Contradictions()...)
	r.Message = l.message()
	return r.Directives
}

// HasDirective reports whether a text has a line that a review would be read for. Where
// reviews have no text, a comment with one stands for it.
func HasDirective(body string) bool {
	l, _, err := read(body)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(l.commands, func(line int) bool {
		rest, err := l.arguments(l.lines[line])
		if err != nil {
			return false
		}
		words, err := tokens(rest)
		return err == nil && len(words) > 0 && slices.Contains(directives, strings.ToLower(words[0]))
	})
}

type review struct {
	approval.Directives
	layout *layout
	seen   map[string]bool
}

func (r *review) problem(line int, err error) {
	r.Problems = append(r.Problems, fmt.Sprintf("line %d: %v", line+1, err))
}

func (r *review) directive(line span) error {
	rest, err := r.layout.arguments(line)
	if err != nil {
		return err
	}
	words, err := tokens(rest)
	if err != nil {
		return err
	}
	if len(words) == 0 {
		return fmt.Errorf("a directive is missing after %s (directives: %s)", word, list(directives))
	}
	name, words := strings.ToLower(words[0]), words[1:]
	switch name {
	case "deploy":
		return r.deploy(words)
	case "no-deploy":
		r.NoDeploy = true
		return r.bare(name, words)
	case "no-push":
		r.NoPush = true
		return r.bare(name, words)
	case "target":
		return r.target(words)
	case "message": // says that the rest is meant as the message, which it is anyway
		return r.bare(name, words)
	}
	if slices.Contains(Names(), Name(name)) {
		return fmt.Errorf("%s %s is a command for a comment, not for a review", word, name)
	}
	return fmt.Errorf("there is no directive %s%s (directives: %s)", show(name), didYouMean(name, directives), list(directives))
}

// once fails if what was said before.
func (r *review) once(what string) error {
	if r.seen[what] {
		return fmt.Errorf("%s is said twice", what)
	}
	r.seen[what] = true
	return nil
}

func (r *review) bare(name string, words []string) error {
	if len(words) > 0 {
		return fmt.Errorf("%s takes nothing after it, but there is %s", name, show(strings.Join(words, " ")))
	}
	return r.once(name)
}

// newBranch, as a word of target, is for a branch that does not exist yet.
const newBranch = "--new"

// target reads "target BRANCH" and "target --new BRANCH".
func (r *review) target(words []string) error {
	rest := slices.DeleteFunc(slices.Clone(words), func(w string) bool { return w == newBranch })
	if len(rest) != 1 || len(words)-len(rest) > 1 {
		return fmt.Errorf("target needs exactly one branch: target BRANCH, or target %s BRANCH for one that does not exist yet", newBranch)
	}
	branch := rest[0]
	if err := CheckBranch(branch); err != nil {
		return err
	}
	if strings.HasPrefix(branch, "refs/") {
		return fmt.Errorf("%s is the name of a ref; name the branch alone", show(branch))
	}
	if err := r.once("target"); err != nil {
		return err
	}
	r.Target, r.NewTarget = branch, len(rest) < len(words)
	return nil
}

func (r *review) deploy(words []string) error {
	if len(words) == 0 {
		return errors.New("deploy needs the name of a profile: deploy [ENVIRONMENT/]PROFILE key=value…")
	}
	a := approval.Arming{Profile: words[0]}
	if environment, profile, found := strings.Cut(words[0], "/"); found {
		a.Environment, a.Profile = environment, profile
		if err := checkName("an environment", environment); err != nil {
			return err
		}
	}
	if err := checkName("a profile", a.Profile); err != nil {
		return err
	}
	var err error
	if a.Parameters, err = parameters(words[1:]); err != nil {
		return err
	}
	if err := r.once("deploy " + words[0]); err != nil {
		return err
	}
	r.Deploy = append(r.Deploy, a)
	return nil
}

func parameters(words []string) (map[string]string, error) {
	if len(words) > maxParameters {
		return nil, fmt.Errorf("more than %d parameters", maxParameters)
	}
	var set map[string]string
	for _, w := range words {
		key, value, found := strings.Cut(w, "=")
		if !found {
			return nil, fmt.Errorf("%s is not key=value; put a value with spaces into straight quotation marks: key=\"a b\"", show(w))
		}
		if err := checkName("a parameter", key); err != nil {
			return nil, err
		}
		if _, twice := set[key]; twice {
			return nil, fmt.Errorf("parameter %s is given twice", key)
		}
		if len(value) > maxValue || strings.ContainsFunc(value, unprintable) {
			return nil, fmt.Errorf("the value of parameter %s is longer than %d bytes or has invisible characters", key, maxValue)
		}
		if set == nil {
			set = map[string]string{}
		}
		set[key] = value
	}
	return set, nil
}

func unprintable(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }

// message is the text without its directives and HTML comments. A directive
// between two empty lines takes one of them with it.
func (l *layout) message() string {
	cuts := make([]span, len(l.commands))
	for i, n := range l.commands {
		cuts[i] = span{l.lines[n].start, min(l.lines[n].stop+1, len(l.src))}
		if n > 0 && n+1 < len(l.lines) && l.empty(n-1) && l.empty(n+1) {
			cuts[i].stop = min(l.lines[n+1].stop+1, len(l.src))
		}
	}
	return strings.TrimSpace(l.without(0, len(l.src), l.comments, cuts))
}

func (l *layout) empty(n int) bool {
	return strings.TrimSpace(string(l.src[l.lines[n].start:l.lines[n].stop])) == ""
}
