package policy

import "github.com/coderflow/coderflow/internal/forge"

// HoldsAnything reports whether the subject, by itself or through a team, holds
// any permission on any resource that exists. Whoever does not has no business
// with the server, and is not signed in.
func (p *Policy) HoldsAnything(subject forge.Subject) bool {
	if subject.IsZero() {
		return false
	}
	x := p.index()
	for resource, at := range x.places {
		if at.gives(subject, x.teams[subject]) && x.exists(resource) {
			return true
		}
	}
	return false
}

// gives reports whether anything is bound here that gives the subject, or one of
// the teams, a permission.
func (at place) gives(subject forge.Subject, teams []string) bool {
	for _, b := range at.people[subject] {
		if b.gives != 0 {
			return true
		}
	}
	if len(at.teams) == 0 {
		return false
	}
	for _, team := range teams {
		for _, b := range at.teams[team] {
			if b.gives != 0 {
				return true
			}
		}
	}
	return false
}
