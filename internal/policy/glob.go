package policy

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// anyDepth, as a part of a pattern, is any number of directories, also none.
const anyDepth = "**"

const maxGlob = 500 // bytes

// CheckGlob says why a text cannot be a pattern of paths. A pattern is for the whole
// path from the root of the repository. `*`, `?` and `[a-z]` are those of
// [path.Match], within a part of the path; `**` is a part of its own.
//
// What other tools know and this does not is refused, because a rule that
// silently matches nothing protects nothing.
func CheckGlob(text string) error {
	switch {
	case text == "" || len(text) > maxGlob:
		return fmt.Errorf("want between 1 and %d bytes", maxGlob)
	case strings.HasPrefix(text, "/"):
		return errors.New("paths begin without a slash")
	case strings.HasSuffix(text, "/"):
		return fmt.Errorf("for everything in a directory write %s**", text)
	case strings.ContainsAny(text, `{}\`):
		return errors.New(`braces and backslashes are not understood; write several patterns`)
	case strings.HasPrefix(text, "!"):
		return errors.New("a rule raises what is needed; nothing is taken out of it")
	}
	for part := range strings.SplitSeq(text, "/") {
		if part == "" || part == "." || part == ".." {
			return fmt.Errorf("no path has a part %q", part)
		}
		if part != anyDepth && strings.Contains(part, anyDepth) {
			return errors.New(`"**" stands alone between slashes`)
		}
		if _, err := path.Match(part, ""); err != nil {
			return fmt.Errorf("%q is not a pattern: %w", part, err)
		}
	}
	return nil
}

// glob is a pattern by its parts, as written and folded.
type glob struct{ raw, folded []string }

func newGlob(text string) glob {
	raw := strings.Split(text, "/")
	return glob{raw, foldAll(raw)}
}

// matches reports whether the pattern is about the path. It errs on the side of
// more approvals: names that some file system takes for the same one match, and a
// link matches if anything that may be found through it would.
func (g glob) matches(p lookedPath) bool {
	return reach(g.raw, p.raw, p.link) || reach(g.folded, p.folded, p.link)
}

// reach follows the path through the pattern; states are how many parts of the
// pattern may have been used up. With below, it is enough to get anywhere.
func reach(pattern, name []string, below bool) bool {
	states := make([]bool, len(pattern)+1)
	states[0] = true
	skipDepths(pattern, states)
	for _, component := range name {
		next := make([]bool, len(states))
		for s, on := range states {
			switch {
			case !on || s == len(pattern):
			case pattern[s] == anyDepth:
				next[s] = true
			case matchesPart(pattern[s], component):
				next[s+1] = true
			}
		}
		skipDepths(pattern, next)
		states = next
	}
	if !below {
		return states[len(pattern)]
	}
	for _, on := range states {
		if on {
			return true
		}
	}
	return false
}

// skipDepths adds the states in which a "**" stands for nothing.
func skipDepths(pattern []string, states []bool) {
	for s, part := range pattern {
		if states[s] && part == anyDepth {
			states[s+1] = true
		}
	}
}

// matchesPart takes a pattern that cannot be read for one that matches.
func matchesPart(pattern, component string) bool {
	matched, err := path.Match(pattern, component)
	return matched || err != nil
}

// foldAll maps names that some file system takes for the same one to one text:
// case, normalization, characters that HFS+ ignores, dots and spaces at the end.
func foldAll(components []string) []string {
	folded := make([]string, len(components))
	fold := cases.Fold()
	for i, c := range components {
		name := strings.TrimRight(strings.Map(dropIgnored, c), " .")
		folded[i] = norm.NFC.String(fold.String(norm.NFD.String(name)))
	}
	return folded
}

func dropIgnored(r rune) rune {
	if r >= 0x200c && r <= 0x200f || r >= 0x202a && r <= 0x202e || r >= 0x206a && r <= 0x206f || r == 0xfeff {
		return -1
	}
	return r
}
