package policy

import (
	"fmt"
	"slices"

	"github.com/coderflow/coderflow/internal/forge"
)

// RunRequest is somebody's wish to start a task.
type RunRequest struct {
	Requester   forge.User
	Repository  forge.Repository
	Environment string // as named in the command; empty means the only one that lists the repository
}

// DecideRun tells whether a task may be created, and in which environment.
func (p *Policy) DecideRun(r RunRequest) (environment string, d Decision) {
	environment, chosen := p.chooseEnvironment(r)
	if !chosen.OK {
		return "", p.decision(All("the request may not start a task", isPerson(r.Requester), chosen))
	}
	return environment, p.decision(All("the request may start a task",
		isPerson(r.Requester),
		chosen,
		repositoryUsable(r.Repository),
		p.Holds(r.Requester, TasksCreate, environment),
	))
}

func (p *Policy) chooseEnvironment(r RunRequest) (string, Reason) {
	var listing []string
	for name, e := range p.Environments {
		if e.Has(r.Repository.RepositoryRef) {
			listing = append(listing, name)
		}
	}
	slices.Sort(listing)
	switch {
	case len(listing) == 0:
		return "", No("no environment lists this repository by its numeric id")
	case r.Environment != "" && !slices.Contains(listing, r.Environment):
		// The names of other environments are not given away here.
		return "", No(fmt.Sprintf("environment %q does not list this repository", r.Environment))
	case r.Environment != "":
		return r.Environment, Yes(fmt.Sprintf("environment %q lists this repository", r.Environment))
	case len(listing) > 1:
		return "", No("several environments list this repository; name one with --env")
	}
	return listing[0], Yes(fmt.Sprintf("environment %q is the only one that lists this repository", listing[0]))
}

func repositoryUsable(r forge.Repository) Reason {
	if r.Archived {
		return No("the repository is archived")
	}
	return Yes("the repository can be written to")
}

func isPerson(u forge.User) Reason {
	if u.Kind != forge.Person {
		return No(fmt.Sprintf("%s is not a person but a %s account", u.Login, u.Kind))
	}
	return Yes(fmt.Sprintf("%s is a person", u.Login))
}
