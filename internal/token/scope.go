package token

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/coderflow/coderflow/internal/policy"
)

// Scope narrows a token to less than its owner may. It never adds anything.
type Scope struct {
	Permissions  []policy.Permission `json:"permissions,omitempty"`  // nil: all of the owner's
	Environments []string            `json:"environments,omitempty"` // nil: all of the owner's, and the server
}

// Within tells whether the scope reaches the permission on the resource. A token
// that is narrowed to environments reaches nothing of the server itself.
func (s Scope) Within(permission policy.Permission, resource string) policy.Reason {
	allowed := policy.Yes("the token is not narrowed to permissions")
	if s.Permissions != nil {
		allowed = policy.Reason{
			OK:   slices.Contains(s.Permissions, permission),
			Text: fmt.Sprintf("the token is narrowed to the permissions %s; %q is asked for", names(s.Permissions), permission),
		}
	}
	there := policy.Yes("the token is not narrowed to environments")
	if s.Environments != nil {
		there = policy.Reason{
			OK:   s.Reaches(resource),
			Text: fmt.Sprintf("the token is narrowed to the environments %s; %s is asked for", names(s.Environments), resource),
		}
	}
	return policy.All("the token reaches it", allowed, there)
}

// Reaches reports whether the resource is among those that the scope is narrowed
// to, if it is. What it leaves out by permission is for [Scope.Within].
func (s Scope) Reaches(resource string) bool {
	return s.Environments == nil || slices.ContainsFunc(s.Environments, func(name string) bool {
		return policy.EnvironmentResource(name) == resource
	})
}

// Covers reports whether the other scope reaches nothing that this one does not.
func (s Scope) Covers(other Scope) bool {
	return within(s.Permissions, other.Permissions) && within(s.Environments, other.Environments)
}

// within compares two limits; nil is none.
func within[S comparable](limit, other []S) bool {
	if limit == nil {
		return true
	}
	return other != nil && !slices.ContainsFunc(other, func(v S) bool { return !slices.Contains(limit, v) })
}

// Narrowed reports whether the scope leaves anything out.
func (s Scope) Narrowed() bool { return s.Permissions != nil || s.Environments != nil }

func names[S ~string](list []S) string {
	texts := make([]string, len(list))
	for i, s := range list {
		texts[i] = string(s)
	}
	return strings.Join(texts, ", ")
}

// check refuses a scope that says nothing where it looks like a limit, and the
// approval of proposals, which no token can have.
func (s Scope) check() error {
	var errs []error
	if s.Permissions != nil && len(s.Permissions) == 0 || s.Environments != nil && len(s.Environments) == 0 {
		errs = append(errs, errors.New("a token narrowed to nothing is of no use"))
	}
	for _, p := range s.Permissions {
		switch {
		case !p.Known():
			errs = append(errs, fmt.Errorf("there is no permission %q; want one of %s", p, strings.Join(policy.PermissionNames(), ", ")))
		case p == policy.TasksApprove:
			errs = append(errs, fmt.Errorf("no token can have %q: a proposal is approved at the forge, by a person", p))
		}
	}
	return errors.Join(errs...)
}
