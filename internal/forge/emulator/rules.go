package emulator

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Ruleset is what a repository's rules want of the branches that it names.
// https://docs.github.com/repositories/configuring-branches-and-merges-in-your-repository/managing-rulesets
type Ruleset struct {
	// Branches are patterns of [path.Match]; a "*" does not match a slash.
	Branches []string
	// PullRequest lets nothing in but by a pull request, NoCreation no new branch,
	// Signed no commit without a signature.
	PullRequest, NoCreation, Signed bool
	// Bypass are logins or App slugs that it does not bind.
	Bypass []string
}

// SetRulesets replaces the rulesets of a repository.
func (f *Forge) SetRulesets(fullName string, rules ...Ruleset) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.repoByName(fullName)
	if r == nil {
		return fmt.Errorf("emulator: no repository %q", fullName)
	}
	r.rulesets = slices.Clone(rules)
	return nil
}

// Archive makes a repository read-only, or takes it out of the archive.
func (f *Forge) Archive(fullName string, archived bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.repoByName(fullName)
	if r == nil {
		return fmt.Errorf("emulator: no repository %q", fullName)
	}
	r.archived = archived
	return nil
}

// refuseRuled holds a change against the rulesets, in the form of GitHub's answer.
func (f *Forge) refuseRuled(r *repository, who caller, c refChange, branch string) string {
	var broken []string
	for _, rules := range r.rulesets {
		if rules.covers(branch) && !rules.bypassed(who) {
			broken = append(broken, rules.broken(c)...)
		}
	}
	if len(broken) == 0 {
		return ""
	}
	text := "GH013: Repository rule violations found for " + c.ref + ".\nReview all repository rules at " +
		f.base + "/" + r.fullName() + "/rules?ref=" + strings.ReplaceAll(c.ref, "/", "%2F") + "\n"
	for _, rule := range slices.Compact(broken) {
		text += "\n- " + rule + "\n"
	}
	return text
}

func (s Ruleset) covers(branch string) bool {
	return slices.ContainsFunc(s.Branches, func(pattern string) bool {
		matched, err := path.Match(pattern, branch)
		return matched || err != nil
	})
}

func (s Ruleset) bypassed(who caller) bool {
	return slices.ContainsFunc(s.Bypass, func(name string) bool {
		return strings.EqualFold(name, who.user.login) || who.app != nil && name == who.app.slug
	})
}

// broken lists the rules against the change; no signature is known here.
func (s Ruleset) broken(c refChange) []string {
	var broken []string
	if s.NoCreation && c.old == zeroSHA {
		broken = append(broken, "Cannot create ref due to creations being restricted.")
	}
	if s.PullRequest && c.old != zeroSHA {
		broken = append(broken, "Changes must be made through a pull request.")
	}
	if s.Signed && c.new != zeroSHA {
		broken = append(broken, "Commits must have verified signatures.")
	}
	return broken
}
