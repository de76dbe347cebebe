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
	"time"

	"github.com/coderflow/coderflow/internal/forge"
)

// Organization is an Azure DevOps organization, looked at with the server's credential.
type Organization interface {
	// Account is whom the credential belongs to.
	Account(ctx context.Context) (AccountFacts, error)
	// Rights are those that CoderFlow needs in a repository, and those that it should not have.
	Rights(ctx context.Context, repository forge.RepositoryRef) ([]RightFacts, error)
	// Hooks are the service hooks of a project that CoderFlow needs, there or not.
	Hooks(ctx context.Context, project string) ([]HookFacts, error)
	// Policies are those of the repository's default branch.
	Policies(ctx context.Context, repository forge.RepositoryRef) (PolicyFacts, error)
}

// AccountFacts is the account of the credential. Expires is zero where the service does not tell.
type AccountFacts struct {
	Name, Login string
	Expires     time.Time
}

// RightFacts is one right, by the words that the service's own pages have.
type RightFacts struct {
	Name, Why string
	// Unwanted is a right that CoderFlow is better without.
	Unwanted, Have bool
}

// HookFacts is one service hook. Wrong is empty for one that works.
type HookFacts struct{ Event, Wrong string }

// PolicyFacts is what the branch's policies make of the gate.
type PolicyFacts struct {
	Branch string
	// Gate: a blocking policy wants the status coderflow/gate.
	Gate bool
	// Resets: a push takes back the votes that were given before it.
	Resets bool
}

// azureChecks look at an organization.
type azureChecks struct {
	url   string
	entra bool // the credential is a service principal
	clock *clockCheck
	org   Organization
	err   error // why there is none
	now   func() time.Time
	// repositories are those that are worked on.
	repositories func(ctx context.Context) ([]forge.RepositoryRef, error)

	once    sync.Once
	account AccountFacts
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

func (a *azureChecks) examine(ctx context.Context) (AccountFacts, error) {
	a.once.Do(func() {
		if a.refused = a.err; a.refused == nil && a.org == nil {
			a.refused = errors.New("the configuration could not be read")
		}
		if a.refused == nil {
			ctx, cancel := context.WithTimeout(ctx, askTime)
			defer cancel()
			a.account, a.refused = a.org.Account(ctx)
		}
	})
	return a.account, a.refused
}

// expiresSoon is how long before its end a credential is worth a warning.
const expiresSoon = 14 * 24 * time.Hour

func (a *azureChecks) known(ctx context.Context) Finding {
	const why = "no task begins and nothing is pushed"
	renew := "make a new token at " + a.url + "/_usersSettings/tokens as CoderFlow's account, write it to azureDevOps.tokenFile and restart the server"
	if a.entra {
		renew = "make a new client secret on the application's page in Entra, write it to azureDevOps.entra.clientSecretFile and restart the server"
	}
	account, err := a.examine(ctx)
	switch left := account.Expires.Sub(a.now()); {
	case err != nil:
		return problem("Azure DevOps does not take our credential: "+err.Error(), why, renew)
	case account.Expires.IsZero() || a.entra: // tokens of Entra are renewed by themselves
		return fine("Azure DevOps knows us as %s (%s)", account.Name, account.Login).with("login", account.Login)
	case left < 0:
		return problem("the token ended on "+account.Expires.UTC().Format(time.DateOnly), why, renew)
	case left < expiresSoon:
		return warning("the token ends on "+account.Expires.UTC().Format(time.DateOnly), "from then on "+why, renew)
	}
	return fine("Azure DevOps knows us as %s (%s), until %s", account.Name, account.Login, account.Expires.UTC().Format(time.DateOnly)).with("login", account.Login)
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
	var missing, unwanted []string
	for _, r := range repositories {
		rights, err := a.org.Rights(ctx, r)
		if err != nil {
			missing = append(missing, fmt.Sprintf("%s cannot be read (%v)", r.FullName(), err))
			continue
		}
		for _, right := range rights {
			switch {
			case right.Unwanted && right.Have:
				unwanted = append(unwanted, fmt.Sprintf("%q in %s (%s)", right.Name, r.FullName(), right.Why))
			case !right.Unwanted && !right.Have:
				missing = append(missing, fmt.Sprintf("%q in %s (%s)", right.Name, r.FullName(), right.Why))
			}
		}
	}
	fix := "Project settings, Repositories, Security: find " + a.account.Name + " and set it there; for a token also its scopes at " + a.url + "/_usersSettings/tokens"
	switch {
	case len(missing) > 0:
		return problem("CoderFlow's account lacks "+strings.Join(append(missing, unwanted...), "; "), why, fix).with("missing", missing).with("unwanted", unwanted)
	case len(unwanted) > 0:
		return warning("CoderFlow's account has more than it should: "+strings.Join(unwanted, "; "), why, fix).with("missing", []string{}).with("unwanted", unwanted)
	}
	return fine("the account has what it needs in %s, and no more", count(len(repositories), "repository")).with("missing", []string{}).with("unwanted", []string{})
}

func (a *azureChecks) hooks(ctx context.Context) Finding {
	const why = "what CoderFlow is not told of waits for the reconciler, minutes instead of seconds"
	repositories, found := a.listed(ctx, why)
	if found != nil {
		return *found
	}
	projects := map[string]bool{}
	for _, r := range repositories {
		projects[r.Owner] = true
	}
	var wrong, again []string
	for _, project := range slices.Sorted(maps.Keys(projects)) {
		hooks, err := a.org.Hooks(ctx, project)
		if err != nil {
			return warning(fmt.Sprintf("the service hooks of %s cannot be read: %v", project, err), why,
				"let somebody look who may: "+a.url+"/"+strings.ReplaceAll(project, " ", "%20")+"/_settings/serviceHooks")
		}
		before := len(wrong)
		for _, hook := range hooks {
			if hook.Wrong != "" {
				wrong = append(wrong, fmt.Sprintf("%s of %s %s", hook.Event, project, hook.Wrong))
			}
		}
		if len(wrong) > before {
			again = append(again, fmt.Sprintf("--project %q", project))
		}
	}
	if len(wrong) > 0 {
		return problem("service hooks: "+strings.Join(wrong, "; "), why,
			"as an administrator of the project: coderflow init azure-devops "+strings.Join(again, " ")+", which mends what is there").with("wrong", wrong)
	}
	return fine("every service hook is there and enabled, in %s", count(len(projects), "project")).with("wrong", []string{})
}

func (a *azureChecks) policies(ctx context.Context) Finding {
	const why = "without them a pull request can be completed before the gate passed it, or by votes that were given to something else"
	repositories, found := a.listed(ctx, why)
	if found != nil {
		return *found
	}
	var wrong []string
	for _, r := range repositories {
		p, err := a.org.Policies(ctx, r)
		if err != nil {
			wrong = append(wrong, fmt.Sprintf("those of %s cannot be read (%v)", r.FullName(), err))
			continue
		}
		if !p.Gate {
			wrong = append(wrong, fmt.Sprintf("%s of %s has no blocking policy on the status coderflow/gate", p.Branch, r.FullName()))
		}
		if !p.Resets {
			wrong = append(wrong, fmt.Sprintf("%s of %s does not reset votes when something is pushed", p.Branch, r.FullName()))
		}
	}
	if len(wrong) > 0 {
		return warning("branch policies: "+strings.Join(wrong, "; "), why,
			"Project settings, Repositories, Policies, the branch: add the status check coderflow/gate as required, and under Minimum number of reviewers reset all votes on new changes").
			with("wrong", wrong)
	}
	return fine("the gate blocks and votes are reset, in %s", count(len(repositories), "repository")).with("wrong", []string{})
}
