package doctor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/azuredevops"
)

// Organization is an Azure DevOps organization, looked at with the server's credential.
type Organization interface {
	// Self is whom the credential belongs to.
	Self(ctx context.Context, host string) (forge.User, error)
	// Rights are those that the account needs in a repository, and those that it should not have.
	Rights(ctx context.Context, repository forge.RepositoryRef) ([]azuredevops.Right, error)
	// Policies are those of the repository's default branch.
	Policies(ctx context.Context, repository forge.RepositoryRef) (azuredevops.Policies, error)
	// Hooks are the service hooks to the address that CoderFlow needs in the projects, there or not.
	Hooks(ctx context.Context, projects []string, url string) ([]azuredevops.Hook, error)
}

// azureChecks look at an organization.
type azureChecks struct {
	url   string
	hook  string // where service hooks deliver
	entra bool   // the credential is a service principal
	clock *clockCheck
	org   Organization
	err   error // why there is none
	// repositories are those that are worked on.
	repositories func(ctx context.Context) ([]forge.RepositoryRef, error)

	once    sync.Once
	account forge.User
	refused error
}

func (a *azureChecks) checks() []Check {
	return []Check{
		{Name: "azure-devops", Run: a.reachable},
		{Name: "azure-clock", Run: func(ctx context.Context) Finding { return a.clock.finding(ctx, "azure-devops") }},
		{Name: "azure-account", Run: a.known},
		{Name: "azure-rights", Run: a.rights, Limit: containerTime},
		{Name: "azure-hooks", Run: a.hooks, Limit: containerTime},
		{Name: "azure-policies", Run: a.policies, Limit: containerTime},
	}
}

func (a *azureChecks) reachable(ctx context.Context) Finding {
	read := a.clock.read(ctx)
	switch {
	case read.status == 0:
		return problem(fmt.Sprintf("the organization at %s does not answer: %v", a.url, read.err), "no task begins and nothing is pushed",
			"check azureDevOps.organizationURL, and from this machine: curl -I "+a.url)
	case read.status == http.StatusNotFound:
		return problem(fmt.Sprintf("there is no organization at %s", a.url), "no task begins and nothing is pushed", "correct azureDevOps.organizationURL")
	case read.status >= 500:
		return warning(fmt.Sprintf("the organization at %s answers with status %d", a.url, read.status), "tasks wait until it works again", "look at the service's status page, and again in a while")
	}
	return fine("%s answers", a.url).with("status", read.status)
}

func (a *azureChecks) examine(ctx context.Context) (forge.User, error) {
	a.once.Do(func() {
		if a.refused = a.err; a.refused == nil && a.org == nil {
			a.refused = errors.New("the configuration could not be read")
		}
		if a.refused == nil {
			ctx, cancel := context.WithTimeout(ctx, askTime)
			defer cancel()
			a.account, a.refused = a.org.Self(ctx, forge.AzureDevOps)
		}
	})
	return a.account, a.refused
}

// known says whose the credential is. When a personal access token ends is told to its
// owner and to nobody who uses it.
func (a *azureChecks) known(ctx context.Context) Finding {
	renew := "make a new token at " + a.url + "/_usersSettings/tokens as CoderFlow's account, write it to azureDevOps.tokenFile and restart the server"
	if a.entra {
		renew = "look at the application's page in Entra: is it in the organization, and did its secret end? A new one goes to azureDevOps.entra.clientSecretFile; then restart the server"
	}
	account, err := a.examine(ctx)
	if err != nil {
		return problem("Azure DevOps does not take our credential: "+err.Error(), "no task begins and nothing is pushed", renew)
	}
	return fine("Azure DevOps knows us as %s (%s)", account.Name, account.Login).with("login", account.Login)
}

// listed are the repositories to look at, or the finding that there are none.
func (a *azureChecks) listed(ctx context.Context, what string) ([]forge.RepositoryRef, *Finding) {
	if _, err := a.examine(ctx); err != nil {
		found := warning("cannot be told: Azure DevOps could not be asked", what, "see the finding azure-account")
		return nil, &found
	}
	all, err := a.repositories(ctx)
	if err != nil {
		found := warning("cannot be told: the manifests could not be read: "+err.Error(), what, "see the finding database")
		return nil, &found
	}
	all = slices.DeleteFunc(slices.Clone(all), func(r forge.RepositoryRef) bool { return r.Host != forge.AzureDevOps })
	if len(all) == 0 {
		found := fine("no environment lists a repository at Azure DevOps yet").with("repositories", []string{})
		return nil, &found
	}
	return all, nil
}

func (a *azureChecks) rights(ctx context.Context) Finding {
	const why = "steps of tasks fail for want of a right, and a right too many is one that a mistake can use"
	repositories, found := a.listed(ctx, why)
	if found != nil {
		return *found
	}
	missing, unwanted := []string{}, []string{}
	for _, r := range repositories {
		rights, err := a.org.Rights(ctx, r)
		if err != nil {
			missing = append(missing, fmt.Sprintf("%s cannot be read (%v)", r.FullName(), err))
		}
		for _, right := range rights {
			switch {
			case right.OK():
			case right.Unwanted:
				unwanted = append(unwanted, right.Says())
			default:
				missing = append(missing, right.Says())
			}
		}
	}
	all := func(f Finding) Finding { return f.with("missing", missing).with("unwanted", unwanted) }
	fix := "what each says, as an administrator of the project"
	if !a.entra {
		fix += "; and look at the token's scopes: " + a.url + "/_usersSettings/tokens"
	}
	switch {
	case len(missing) > 0:
		return all(problem(strings.Join(append(slices.Clone(missing), unwanted...), "; "), why, fix))
	case len(unwanted) > 0:
		return all(warning(strings.Join(unwanted, "; "), why, fix))
	}
	return all(fine("the account has what it needs and no more, in %s", count(len(repositories), "repository")))
}

// policies looks whether the gate keeps pull requests from being completed. Reviewers and
// whether votes are reset are the team's own choice, and told.
func (a *azureChecks) policies(ctx context.Context) Finding {
	const why = "without a required gate a pull request can be completed before, or with something else than what, it was approved"
	repositories, found := a.listed(ctx, why)
	if found != nil {
		return *found
	}
	open, said := []string{}, []string{}
	for _, r := range repositories {
		p, err := a.org.Policies(ctx, r)
		if err != nil {
			open = append(open, fmt.Sprintf("those of %s cannot be read (%v)", r.FullName(), err))
			continue
		}
		said = append(said, r.FullName()+": "+strings.Join(p.Says(), "; "))
		if !p.Gate {
			open = append(open, r.FullName())
		}
	}
	if len(open) > 0 {
		return warning("branch policies: "+strings.Join(append(slices.Clone(said), open...), "; "), why,
			"Project settings, Repositories, Policies, the branch, Status Checks: add coderflow/gate as required, and let a change reset it").with("open", open)
	}
	return fine("%s", strings.Join(said, "; ")).with("open", open)
}

func (a *azureChecks) hooks(ctx context.Context) Finding {
	const why = "what CoderFlow is not told of waits for the reconciler, minutes instead of seconds"
	repositories, found := a.listed(ctx, why)
	if found != nil {
		return *found
	}
	names := map[string]bool{}
	for _, r := range repositories {
		names[r.Owner] = true
	}
	projects := slices.Sorted(maps.Keys(names))
	hooks, err := a.org.Hooks(ctx, projects, a.hook)
	if err != nil {
		return warning("the service hooks cannot be read: "+err.Error(), why, "let an administrator look: Project settings, Service hooks")
	}
	wrong, again := []string{}, []string{}
	for _, hook := range hooks {
		if hook.State == azuredevops.HookWorks {
			continue
		}
		wrong = append(wrong, hook.Says())
		if project := fmt.Sprintf("--project %q", hook.Project); !slices.Contains(again, project) {
			again = append(again, project)
		}
	}
	if len(wrong) > 0 {
		return problem(strings.Join(wrong, "; "), why,
			"as an administrator of the project: coderflow init azure-devops "+strings.Join(again, " ")+", which adds what is missing").with("wrong", wrong)
	}
	return fine("%s are there and enabled, in %s", count(len(hooks), "service hook"), count(len(projects), "project")).with("wrong", wrong)
}
