package azuredevops

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/git"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/policy"

	"github.com/coderflow/coderflow/internal/forge"
)

// Types of branch policies, which are the same in every organization.
var (
	statusPolicy    = uuid.MustParse("cbdc66da-9728-4af8-aada-9a5a32e4a226")
	reviewersPolicy = uuid.MustParse("fa4e907d-c16b-4a4c-9dfa-4906e5d171dd")
)

// Right is one right of CoderFlow's account in a repository, by the name that the service's
// own pages have for it.
type Right struct {
	Name string
	Why  string // what it is for, or what is bad about it: "to push …"
	// Unwanted is a right that CoderFlow is better without.
	Unwanted bool
	Have     bool

	repository string
}

// OK reports whether it is as it should be.
func (r Right) OK() bool { return r.Have != r.Unwanted }

// Says is a sentence about the right, for people.
func (r Right) Says() string {
	const where = "under Project settings, Repositories, Security"
	switch {
	case r.Unwanted && r.Have:
		return fmt.Sprintf("CoderFlow's account has %q in %s, which lets its token be used %s; deny it %s", r.Name, r.repository, r.Why, where)
	case r.Unwanted:
		return fmt.Sprintf("CoderFlow's account has no %q in %s", r.Name, r.repository)
	case r.Have:
		return fmt.Sprintf("CoderFlow's account has %q in %s", r.Name, r.repository)
	}
	return fmt.Sprintf("CoderFlow's account lacks %q in %s, which it needs %s; allow it %s", r.Name, r.repository, r.Why, where)
}

// repositoryRights are the bits that are looked at.
var repositoryRights = []struct {
	name     string
	bit      int
	unwanted bool
	why      string
}{
	{"Read", bitRead, false, "to fetch, and to read pull requests"},
	{"Contribute", bitContribute, false, "to push proposals and what was approved, and to set statuses of commits"},
	{"Create branch", bitCreateBranch, false, "to push the branch of a proposal"},
	{"Contribute to pull requests", bitPullRequestContribute, false, "to open pull requests, comment on them and set their statuses"},
	{"Bypass policies when pushing", bitBypassPush, true, "to push past the policies of branches"},
	{"Bypass policies when completing pull requests", bitBypassCompletion, true, "to complete pull requests past their policies"},
}

// Rights reports what the account of CoderFlow may do in the repository. What it could not
// find out is an error.
func (a *Adapter) Rights(ctx context.Context, ref forge.RepositoryRef) ([]Right, error) {
	repository, err := a.fetchRepository(ctx, ref)
	if err != nil {
		return nil, err
	}
	var rights []Right
	for _, r := range repositoryRights {
		has, err := hasPermission(ctx, a.security, repository, r.bit)
		if err != nil {
			return nil, err
		}
		rights = append(rights, Right{Name: r.name, Why: r.why, Unwanted: r.unwanted, Have: has, repository: refOf(repository).FullName()})
	}
	return rights, nil
}

// Policies is what the policies of the default branch make of the gate.
type Policies struct {
	Branch string
	// Gate: a blocking policy wants the status coderflow/gate.
	Gate bool
	// Reviewers is how many a blocking policy wants, 0 if none does, and Resets that a push
	// takes back the votes that were given before it.
	Reviewers int
	Resets    bool

	optional bool // the gate is looked at and blocks nothing
}

// Says are sentences about the policies, for people.
func (p Policies) Says() []string {
	gate := fmt.Sprintf("branch %s requires the status %q", p.Branch, forge.GateRun)
	switch {
	case p.optional && !p.Gate:
		gate = fmt.Sprintf("the status check %q of branch %s is optional and keeps nothing from being completed: make it required", forge.GateRun, p.Branch)
	case !p.Gate:
		gate = fmt.Sprintf("nothing keeps a proposal from being completed before it is approved: add a required status check %q to branch %s under Branch policies", forge.GateRun, p.Branch)
	}
	reviewers := fmt.Sprintf("branch %s asks for %d reviewers", p.Branch, p.Reviewers)
	switch {
	case p.Reviewers == 0:
		reviewers = fmt.Sprintf("branch %s asks for no number of reviewers; CoderFlow's own rules hold for its proposals, and nothing for other pull requests", p.Branch)
	case p.Resets:
		reviewers += ", whose votes are reset by a push: after CoderFlow pushed what was approved, completing the pull request takes new votes"
	}
	return []string{gate, reviewers}
}

// Policies reads the policies of the repository's default branch.
func (a *Adapter) Policies(ctx context.Context, ref forge.RepositoryRef) (Policies, error) {
	repository, err := a.fetchRepository(ctx, ref)
	if err != nil {
		return Policies{}, err
	}
	all, err := a.policies(ctx, repository)
	if err != nil {
		return Policies{}, err
	}
	p := Policies{Branch: branchOf(is(repository.DefaultBranch))}
	genre, name, _ := strings.Cut(forge.GateRun, "/")
	for _, one := range all {
		settings, _ := one.Settings.(map[string]any)
		blocking := is(one.IsBlocking)
		switch *one.Type.Id {
		case statusPolicy:
			if settings["statusGenre"] == genre && settings["statusName"] == name {
				p.Gate, p.optional = p.Gate || blocking, p.optional || !blocking
			}
		case reviewersPolicy:
			count, _ := settings["minimumApproverCount"].(float64)
			reset, _ := settings["resetOnSourcePush"].(bool)
			if blocking {
				p.Reviewers, p.Resets = max(p.Reviewers, int(count)), p.Resets || reset
			}
		}
	}
	return p, nil
}

// policies are those of the default branch.
func (a *Adapter) policies(ctx context.Context, repository *git.GitRepository) ([]policy.PolicyConfiguration, error) {
	of, err := projectID(repository)
	if err != nil {
		return nil, err
	}
	branch := is(repository.DefaultBranch)
	if branch == "" { // nothing was pushed yet
		return nil, nil
	}
	var all []policy.PolicyConfiguration
	var token *string
	for range maxPages {
		found, err := a.git.GetPolicyConfigurations(ctx, git.GetPolicyConfigurationsArgs{Project: &of, RepositoryId: repository.Id, RefName: &branch, ContinuationToken: token})
		if err != nil {
			return nil, translate("read the policies of "+branchOf(branch)+" in "+is(repository.Name), err)
		}
		for _, p := range is(found.PolicyConfigurations) {
			if is(p.IsEnabled) && !is(p.IsDeleted) && p.Type != nil && p.Type.Id != nil {
				all = append(all, p)
			}
		}
		if is(found.ContinuationToken) == "" {
			break
		}
		token = found.ContinuationToken
	}
	return all, nil
}
