package policy

import (
	"fmt"
	"strings"
)

// Kind is a kind of resource.
type Kind string

// Kinds of resource. A resource is written "environment/NAME", "team/NAME",
// "server" or "*".
const (
	OnEnvironment Kind = "environment"
	OnTeam        Kind = "team"
	OnServer      Kind = "server"
	OnEverything  Kind = "*"
)

// Everything is the resource that contains every other.
const Everything = "*"

// Server is the server itself; it contains no environment and no team.
const Server = "server"

// EnvironmentResource names an environment as a resource.
func EnvironmentResource(name string) string { return "environment/" + name }

// TeamResource names a team as a resource.
func TeamResource(name string) string { return "team/" + name }

// ParseResource takes a resource apart. name is empty for the server and everything.
func ParseResource(resource string) (kind Kind, name string, err error) {
	switch resource {
	case Everything:
		return OnEverything, "", nil
	case Server:
		return OnServer, "", nil
	}
	first, name, found := strings.Cut(resource, "/")
	kind = Kind(first)
	if !found || name == "" || strings.Contains(name, "/") || (kind != OnEnvironment && kind != OnTeam) {
		return "", "", fmt.Errorf(`want environment/NAME, team/NAME, server or "*", not %q`, resource)
	}
	return kind, name, nil
}

// kindOf is the kind of a resource that may be anything; "" is none.
func kindOf(resource string) Kind {
	kind, _, _ := ParseResource(resource)
	return kind
}

// at says in words where a resource is.
func at(resource string) string {
	switch kind, name, _ := ParseResource(resource); kind {
	case OnEnvironment:
		return fmt.Sprintf("in environment %q", name)
	case OnTeam:
		return fmt.Sprintf("on team %q", name)
	case OnServer:
		return "on the server"
	case OnEverything:
		return "on everything"
	}
	return fmt.Sprintf("on %q", resource)
}
