package emulator

import (
	"errors"
	"fmt"
	"strings"
)

// AddCollaborator gives a person read, triage, write, maintain or admin on a repository.
func (f *Forge) AddCollaborator(fullName, login, permission string) error {
	return f.changeRepo(fullName, login, func(r *repository, u *user) error {
		level, ok := parseLevel(permission)
		if !ok || level == levelNone {
			return fmt.Errorf("emulator: %q is no permission", permission)
		}
		r.collaborators[u.id] = levelNames[level]
		return nil
	})
}

// RemoveCollaborator takes it away again.
func (f *Forge) RemoveCollaborator(fullName, login string) error {
	return f.changeRepo(fullName, login, func(r *repository, u *user) error {
		delete(r.collaborators, u.id)
		return nil
	})
}

func (f *Forge) changeRepo(fullName, login string, change func(*repository, *user) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	r, u := f.repoByName(fullName), f.userByLogin(login)
	if r == nil || u == nil {
		return fmt.Errorf("emulator: no repository %q or no user %q", fullName, login)
	}
	return change(r, u)
}

// Protect sets the protection of a branch, which need not exist yet.
func (f *Forge) Protect(fullName, branch string, p Protection) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.repoByName(fullName)
	if r == nil || branch == "" {
		return errors.New("emulator: no such repository or branch to protect")
	}
	r.protections[branch] = &p
	return nil
}

// Unprotect removes the protection of a branch.
func (f *Forge) Unprotect(fullName, branch string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.repoByName(fullName)
	if r == nil {
		return fmt.Errorf("emulator: no repository %q", fullName)
	}
	delete(r.protections, branch)
	return nil
}

// Access levels of a person on a repository, in rising order.
const (
	levelNone = iota
	levelRead
	levelTriage
	levelWrite
	levelMaintain
	levelAdmin
)

var levelNames = []string{"none", "read", "triage", "write", "maintain", "admin"}

// parseLevel accepts GitHub's role names and the older pull and push.
func parseLevel(name string) (int, bool) {
	switch strings.ToLower(name) {
	case "pull":
		name = "read"
	case "push":
		name = "write"
	}
	for level, n := range levelNames {
		if n == strings.ToLower(name) {
			return level, true
		}
	}
	return 0, false
}

// level is the access that a person has on the repository; public ones can be read by anyone.
func (r *repository) level(u *user) int {
	if u == nil {
		if r.private {
			return levelNone
		}
		return levelRead
	}
	if u == r.owner {
		return levelAdmin
	}
	if name, ok := r.collaborators[u.id]; ok {
		level, _ := parseLevel(name)
		return level
	}
	if r.private {
		return levelNone
	}
	return levelRead
}

// association is GitHub's author_association of a person to the repository.
func (r *repository) association(u *user) string {
	switch {
	case u == r.owner:
		return "OWNER"
	case r.collaborators[u.id] != "":
		return "COLLABORATOR"
	default:
		return "NONE"
	}
}
